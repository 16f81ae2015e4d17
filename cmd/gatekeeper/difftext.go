package main

import (
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/term"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
)

// colourful says whether to print colours: on a terminal, unless NO_COLOR is set
// (no-color.org) or the terminal is dumb.
func colourful(w io.Writer, environment func(string) string) bool {
	file, ok := w.(*os.File)
	return ok && term.IsTerminal(int(file.Fd())) && environment("NO_COLOR") == "" && environment("TERM") != "dumb"
}

// The colours of a diff (ECMA-48, SGR).
const (
	bold  = "\x1b[1m"
	red   = "\x1b[31m"
	green = "\x1b[32m"
	cyan  = "\x1b[36m"
	plain = "\x1b[0m"
)

func printPreview(w io.Writer, p approval.Preview, colours bool) error {
	paint := func(colour, text string) string {
		if !colours {
			return text
		}
		return colour + text + plain
	}
	var b strings.Builder
	b.WriteString(paint(bold, visible(p.Application)+": "+describePreview(p)) + "\n")
	for i, to := range p.To {
		if i > 0 && to == p.To[i-1] && p.From[i] == p.From[i-1] {
			continue
		}
		fmt.Fprintf(&b, "  from %s to %s of %s\n", p.From[i].SHA.Short(), to.SHA.Short(), to.Repository)
	}
	for _, s := range p.Shipped {
		what := "a direct push"
		if s.Pull > 0 {
			what = "#" + strconv.Itoa(s.Pull)
		}
		fmt.Fprintf(&b, "  %s %s (%s)%s\n", mark(s.Verdict), what, s.Commit.Short(), unconcerning(s.Class))
	}
	if p.Diff.Differs() {
		fmt.Fprintf(&b, "  %s\n", counted(p.Diff))
	} else {
		b.WriteString("  nothing is rendered differently\n")
	}
	for _, r := range p.Diff.Resources {
		b.WriteString("\n" + paint(bold, describeResource(r)) + "\n")
		for line := range strings.Lines(r.Lines) {
			line = strings.TrimSuffix(line, "\n")
			switch line[:min(1, len(line))] {
			case "+":
				line = paint(green, line)
			case "-":
				line = paint(red, line)
			case "@":
				line = paint(cyan, line)
			}
			b.WriteString(line + "\n")
		}
		if r.LinesLeftOut > 0 {
			fmt.Fprintf(&b, "… %d more lines\n", r.LinesLeftOut)
		}
	}
	if p.Diff.LeftOut > 0 {
		fmt.Fprintf(&b, "\n%d more resources differ.\n", p.Diff.LeftOut)
	}
	if p.Diff.Unseen > 0 {
		fmt.Fprintf(&b, "\nArgo CD masks the values of %d of the Secrets itself, so a change of one does not show.\n", p.Diff.Unseen)
	}
	if _, err := io.WriteString(w, b.String()); err != nil {
		return fmt.Errorf("print the difference: %w", err)
	}
	return nil
}

func describePreview(p approval.Preview) string {
	switch {
	case p.Kind == approval.PreviewPull:
		return "what the pull request changes"
	case p.Kind != approval.PreviewSync:
		return "what differs"
	case len(p.To) == 0:
		return "nothing to sync, what is live is the newest"
	case p.Allowed:
		return "what a sync ships, which the gate allows"
	default:
		return "what a sync of everything that has landed would ship, which the gate does not allow yet"
	}
}

func unconcerning(c approval.ChangeClass) string {
	if c == approval.ClassNone {
		return ", which changes nothing that the gate covers"
	}
	return ""
}

// counted is "2 resources changed, 1 added".
func counted(d approval.RenderedDiff) string {
	var parts []string
	noun := func(n int) string {
		if len(parts) > 0 {
			return ""
		}
		if n == 1 {
			return " resource"
		}
		return " resources"
	}
	for _, c := range []struct {
		n    int
		what approval.ResourceChange
	}{{d.Changed, approval.ResourceChanged}, {d.Added, approval.ResourceAdded}, {d.Removed, approval.ResourceRemoved}} {
		if c.n > 0 {
			parts = append(parts, strconv.Itoa(c.n)+noun(c.n)+" "+string(c.what))
		}
	}
	return strings.Join(parts, ", ")
}

func describeResource(r approval.ResourceDiff) string {
	sign := map[approval.ResourceChange]string{approval.ResourceAdded: "+", approval.ResourceRemoved: "-", approval.ResourceChanged: "~"}[r.Change]
	kind := r.Kind
	if r.Group != "" {
		kind += "." + r.Group
	}
	out := []string{sign, visible(kind), visible(strings.Join(slices.DeleteFunc([]string{r.Namespace, r.Name}, func(s string) bool { return s == "" }), "/"))}
	if r.Ordinal > 0 {
		out = append(out, "(number "+strconv.Itoa(r.Ordinal+1)+" of that name)")
	}
	if r.Hook != "" {
		out = append(out, "(hook: "+visible(r.Hook)+")")
	}
	return strings.Join(out, " ")
}
