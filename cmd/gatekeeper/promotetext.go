package main

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
	"github.com/argo-gatekeeper/gatekeeper/pkg/approval/imagediff"
	"github.com/argo-gatekeeper/gatekeeper/pkg/github/promote"
)

// promotion is what gatekeeper promote tells.
type promotion struct {
	plan   promote.Plan
	gate   string
	dryRun bool
	pull   *promote.Pull // nil when nothing was written
}

func (p promotion) text(w io.Writer) error {
	var b strings.Builder
	r := p.plan.Request
	switch {
	case p.plan.Nothing():
		fmt.Fprintf(&b, "%s has the versions of %s already; there is nothing to do\n", r.To, r.From)
		for _, k := range p.plan.Setting.Kept {
			fmt.Fprintf(&b, "  %s is %s\n", k, k.Version)
		}
	case p.dryRun:
		for _, f := range p.plan.Setting.Files {
			b.WriteString(unified(f))
		}
		fmt.Fprintf(&b, "\n%s\n%s\n\n%s\n", p.plan.Title, strings.Repeat("=", len(p.plan.Title)), p.plan.Body)
		fmt.Fprintf(&b, "This would go to branch %s of %s. Nothing was written.\n", p.plan.Branch, r.Repository.Name)
	default:
		done := "is as it should be"
		if p.pull.Created {
			done = "was opened"
		} else if p.pull.Updated {
			done = "was updated"
		}
		fmt.Fprintf(&b, "#%d of %s %s: %s\n  %s\n", p.pull.Number, r.Repository.Name, done, p.plan.Title, p.pull.URL)
		for _, m := range p.plan.Setting.Moves {
			fmt.Fprintf(&b, "  %s:%d %s: %s → %s%s\n", m.File, m.Line, m.Path, m.From, m.To, flagTexts(m.Flags))
		}
		fmt.Fprintf(&b, "Gate %s says who has to approve it; %s asked for it and cannot.\n", p.gate, r.Asker.Login)
		if r.Signed {
			b.WriteString("The gate wants the commit signed by one of its signers; the pull request says how.\n")
		}
	}
	for _, want := range p.plan.Setting.Missing {
		fmt.Fprintf(&b, "Left alone, since no file names it: %s %s\n", want.Repository, want.To)
	}
	if _, err := io.WriteString(w, b.String()); err != nil {
		return fmt.Errorf("print the promotion: %w", err)
	}
	return nil
}

func flagTexts(flags []imagediff.Flag) string {
	var list []string
	for _, f := range flags {
		list = append(list, string(f))
	}
	if len(list) == 0 {
		return ""
	}
	return " (" + strings.Join(list, ", ") + ")"
}

// promotionJSON is what is printed with -o json.
type promotionJSON struct {
	From       string                  `json:"from"`
	To         string                  `json:"to"`
	Gate       string                  `json:"gate"`
	Asker      approval.User           `json:"asker"`
	Repository approval.RepositoryName `json:"repository"`
	Base       approval.SHA            `json:"base"`
	Branch     string                  `json:"branch"`
	// Changed is false when all versions are there already.
	Changed bool           `json:"changed"`
	DryRun  bool           `json:"dryRun"`
	Moves   []promotedMove `json:"moves"`
	// Images are those that move, each once.
	Images []promotedImage `json:"images"`
	// Evidence is what speaks for the versions, and Notes what to know besides.
	Evidence []string `json:"evidence"`
	Notes    []string `json:"notes"`
	// Missing are the images that no file names.
	Missing []string `json:"missing"`
	Title   string   `json:"title,omitempty"`
	Body    string   `json:"body,omitempty"`
	Diff    string   `json:"diff,omitempty"`
	// Pull is absent when nothing was written.
	Pull *promotedPull `json:"pull,omitempty"`
}

type promotedMove struct {
	File       string           `json:"file"`
	Line       int              `json:"line"`
	Path       string           `json:"path"`
	Repository string           `json:"repository,omitempty"`
	From       string           `json:"from"`
	To         string           `json:"to"`
	Flags      []imagediff.Flag `json:"flags"`
}

type promotedImage struct {
	Repository string `json:"repository,omitempty"`
	From       string `json:"from"`
	To         string `json:"to"`
	// FromLabels and ToLabels are what the images say of themselves.
	FromLabels promotedLabels `json:"fromLabels,omitzero"`
	ToLabels   promotedLabels `json:"toLabels,omitzero"`
	// Commits is the address of the commits between them.
	Commits string `json:"commits,omitempty"`
}

type promotedLabels struct {
	Version  string `json:"version,omitempty"`
	Revision string `json:"revision,omitempty"`
	Source   string `json:"source,omitempty"`
}

type promotedPull struct {
	Number  int          `json:"number"`
	URL     string       `json:"url"`
	Head    approval.SHA `json:"head"`
	Created bool         `json:"created"`
	Updated bool         `json:"updated"`
}

func (p promotion) json(w io.Writer) error {
	r := p.plan.Request
	out := promotionJSON{
		From: r.From, To: r.To, Gate: p.gate, Asker: r.Asker, Repository: r.Repository.Name, Base: p.plan.Base, Branch: p.plan.Branch,
		Changed: !p.plan.Nothing(), DryRun: p.dryRun, Moves: []promotedMove{}, Missing: []string{}, Title: p.plan.Title, Body: p.plan.Body,
		Images: []promotedImage{}, Evidence: append([]string{}, r.Evidence...), Notes: append([]string{}, r.Notes...),
	}
	for _, m := range p.plan.Setting.Moves {
		out.Moves = append(out.Moves, promotedMove{m.File, m.Line, m.Path, m.Repository, m.From.String(), m.To.String(), append([]imagediff.Flag{}, m.Flags...)})
	}
	for _, c := range p.plan.Changes() {
		out.Images = append(out.Images, promotedImage{
			c.Repository, c.From.String(), c.To.String(), promotedLabels(c.Was), promotedLabels(c.Is), c.Link,
		})
	}
	for _, want := range p.plan.Setting.Missing {
		out.Missing = append(out.Missing, want.Repository)
	}
	for _, f := range p.plan.Setting.Files {
		out.Diff += unified(f)
	}
	if p.pull != nil {
		out.Pull = &promotedPull{p.pull.Number, p.pull.URL, p.pull.Head, p.pull.Created, p.pull.Updated}
	}
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(out); err != nil {
		return fmt.Errorf("print the promotion: %w", err)
	}
	return nil
}

// diffContext is how many lines are shown around a change.
const diffContext = 3

// unified is the diff of a file in which values changed and nothing else, so that both
// versions have the same lines.
func unified(f imagediff.File) string {
	before, after := strings.SplitAfter(string(f.Before), "\n"), strings.SplitAfter(string(f.After), "\n")
	if len(before) != len(after) {
		return fmt.Sprintf("%q changes\n", f.Path) // cannot be, see imagediff.SetVersions
	}
	if n := len(before) - 1; before[n] == "" {
		before, after = before[:n], after[:n]
	}
	var b strings.Builder
	fmt.Fprintf(&b, "--- a/%s\n+++ b/%s\n", printable(f.Path), printable(f.Path))
	for i := 0; i < len(before); i++ {
		if before[i] == after[i] {
			continue
		}
		// A hunk goes on while the next change is near.
		last := i
		for j := i + 1; j < len(before) && j <= last+2*diffContext; j++ {
			if before[j] != after[j] {
				last = j
			}
		}
		start, end := max(0, i-diffContext), min(len(before), last+diffContext+1)
		fmt.Fprintf(&b, "@@ -%d,%d +%d,%d @@\n", start+1, end-start, start+1, end-start)
		hunk(&b, before[start:end], after[start:end])
		i = last
	}
	return b.String()
}

// hunk writes lines; those that changed next to each other stay together.
func hunk(b *strings.Builder, before, after []string) {
	for i := 0; i < len(before); {
		n := i
		for n < len(before) && before[n] != after[n] {
			n++
		}
		if n == i {
			line(b, " ", before[i])
			i++
			continue
		}
		for _, old := range before[i:n] {
			line(b, "-", old)
		}
		for _, now := range after[i:n] {
			line(b, "+", now)
		}
		i = n
	}
}

func line(b *strings.Builder, sign, text string) {
	text, ended := strings.CutSuffix(text, "\n")
	b.WriteString(sign + printable(strings.TrimSuffix(text, "\r")) + "\n")
	if !ended {
		b.WriteString("\\ No newline at end of file\n")
	}
}

// printable keeps a terminal from being steered by what is in a file.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' && r != '\t' || r >= 0x7f && r < 0xa0 || r >= 0x202a && r <= 0x202e || r >= 0x2066 && r <= 0x2069 {
			return '\uFFFD'
		}
		return r
	}, s)
}
