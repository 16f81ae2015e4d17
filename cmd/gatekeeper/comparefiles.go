package main

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/argo-gatekeeper/gatekeeper/internal/config"
	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
	"github.com/argo-gatekeeper/gatekeeper/pkg/argo/manifestdiff"
	"github.com/argo-gatekeeper/gatekeeper/pkg/github/mirror"
	"github.com/argo-gatekeeper/gatekeeper/pkg/history/deployments"
)

// The bounds of what compare --files shows.
const (
	filesMost     = 100
	fileBytes     = 1 << 20
	fileLines     = 400
	fileLineBytes = 2000
	filesContext  = 3
)

// comparedFiles are the files that an Application is rendered from and that differ.
type comparedFiles struct {
	Files []comparedFile `json:"files"`
	// LeftOut counts further files that differ.
	LeftOut int `json:"leftOut,omitempty"`
	// Others counts files that differ and that the Application is not rendered from.
	Others int `json:"others,omitempty"`
}

// comparedFile is a file that differs.
type comparedFile struct {
	Repository approval.RepositoryName `json:"repository"`
	Path       string                  `json:"path"`
	// Change is added, removed or changed.
	Change string `json:"change"`
	// Lines is a unified diff without its head; empty when Note says why there is none.
	Lines string `json:"lines,omitempty"`
	// LinesLeftOut counts lines that are not shown.
	LinesLeftOut int    `json:"linesLeftOut,omitempty"`
	Note         string `json:"note,omitempty"`
}

// gitReader reads a repository.
type gitReader interface {
	Commit(ctx context.Context, sha approval.SHA) (mirror.Commit, error)
	// Changes compares two trees.
	Changes(ctx context.Context, from, to approval.SHA) ([]approval.Change, error)
	Blob(ctx context.Context, sha approval.SHA, limit int64) ([]byte, error)
}

// compareFiles compares what two deployments were rendered from, out of the mirrors that
// gatekeeper keeps. Nothing is fetched.
func compareFiles(ctx context.Context, file string, m *deployments.Model, between deployments.Comparison) (out comparedFiles, err error) {
	cfg, err := config.LoadWithoutSecrets(file)
	if err != nil {
		return out, err
	}
	var reads []approval.Read
	for _, d := range []deployments.Deployment{between.From, between.To} {
		found, err := m.Reads(ctx, d)
		if err != nil {
			return out, fmt.Errorf("find what deployment #%d was rendered from: %w", d.Number, err)
		}
		reads = append(reads, found...)
	}
	if len(reads) == 0 {
		return out, fmt.Errorf("the record does not say what #%d and #%d were rendered from; compare --manifests has Argo CD render them", between.From.Number, between.To.Number)
	}
	out.Files = []comparedFile{}
	seen := map[string]bool{}
	for _, r := range between.Revisions {
		key := strings.ToLower(r.Repository) + " " + r.From + " " + r.To
		if r.From == r.To || seen[key] {
			continue
		}
		seen[key] = true
		if err := out.addRepository(ctx, mirrorsPath(cfg.File.DataDirectory), r, reads); err != nil {
			return out, err
		}
	}
	slices.SortFunc(out.Files, func(a, b comparedFile) int {
		return cmp.Or(cmp.Compare(a.Repository, b.Repository), cmp.Compare(a.Path, b.Path))
	})
	return out, nil
}

func (c *comparedFiles) addRepository(ctx context.Context, mirrors string, r deployments.RevisionChange, reads []approval.Read) (err error) {
	name, err := approval.ParseRepositoryName(r.Repository)
	if err != nil {
		return fmt.Errorf("it is not known which repository %s and %s are of: %w", approval.SHA(r.From).Short(), approval.SHA(r.To).Short(), err)
	}
	from, fromErr := approval.ParseSHA(r.From)
	to, toErr := approval.ParseSHA(r.To)
	if err := errors.Join(fromErr, toErr); err != nil {
		return err
	}
	dir := filepath.Join(mirrors, strings.ToLower(name.Owner()), strings.ToLower(name.Name())+".git")
	if _, err := os.Stat(dir); err != nil {
		return fmt.Errorf("there is no mirror of %s here, which gatekeeper serve makes: %w", name, err)
	}
	local, err := mirror.OpenLocal(ctx, mirror.LocalOptions{Dir: dir, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		return fmt.Errorf("open the mirror of %s: %w", name, err)
	}
	defer func() { err = errors.Join(err, local.Close()) }()
	if err := c.add(ctx, local, name, from, to, reads); err != nil {
		return fmt.Errorf("compare the files of %s: %w", name, err)
	}
	return nil
}

// add compares the files of one repository.
func (c *comparedFiles) add(ctx context.Context, git gitReader, name approval.RepositoryName, from, to approval.SHA, reads []approval.Read) error {
	before, err := git.Commit(ctx, from)
	if err != nil {
		return err
	}
	after, err := git.Commit(ctx, to)
	if err != nil {
		return err
	}
	changes, err := git.Changes(ctx, before.Tree, after.Tree)
	if err != nil {
		return err
	}
	for _, change := range changes {
		switch {
		case !utf8.ValidString(change.Path):
			return fmt.Errorf("the path %q is not valid UTF-8", change.Path)
		case !readsPath(reads, name, change.Path):
			c.Others++
		case len(c.Files) == filesMost:
			c.LeftOut++
		default:
			f, err := compareFile(ctx, git, change)
			if err != nil {
				return err
			}
			f.Repository = name
			c.Files = append(c.Files, f)
		}
	}
	return nil
}

// readsPath says whether a file is one of those, or in one of those folders.
func readsPath(reads []approval.Read, name approval.RepositoryName, path string) bool {
	return slices.ContainsFunc(reads, func(r approval.Read) bool {
		folder := strings.TrimSuffix(r.Path, "/")
		return r.Repository.Equal(name) && (folder == "" || path == folder || strings.HasPrefix(path, folder+"/"))
	})
}

func compareFile(ctx context.Context, git gitReader, change approval.Change) (comparedFile, error) {
	f := comparedFile{Path: change.Path, Change: "changed"}
	switch {
	case change.Before.SHA == "":
		f.Change = "added"
	case change.After.SHA == "":
		f.Change = "removed"
	}
	var texts [2]string
	for i, e := range []approval.Entry{change.Before, change.After} {
		if e.SHA == "" {
			continue
		}
		if e.Mode == "160000" {
			f.Note = "a submodule"
			return f, nil
		}
		content, err := git.Blob(ctx, e.SHA, fileBytes)
		if errors.Is(err, mirror.ErrTooLarge) {
			f.Note = fmt.Sprintf("larger than %d bytes", fileBytes)
			return f, nil
		}
		if err != nil {
			return f, err
		}
		if !utf8.Valid(content) || bytes.IndexByte(content, 0) >= 0 {
			f.Note = "not text"
			return f, nil
		}
		texts[i] = string(content)
	}
	if change.Before.SHA == change.After.SHA {
		f.Note = fmt.Sprintf("the mode is %s instead of %s", change.After.Mode, change.Before.Mode)
		return f, nil
	}
	unified, err := manifestdiff.Unified(texts[0], texts[1], filesContext)
	if err != nil {
		return f, fmt.Errorf("compare %s: %w", change.Path, err)
	}
	var b strings.Builder
	n := 0
	for line := range strings.Lines(unified) {
		if n++; n > fileLines {
			f.LinesLeftOut++
			continue
		}
		line = strings.TrimSuffix(line, "\n")
		if len(line) > fileLineBytes {
			line = strings.ToValidUTF8(line[:fileLineBytes], "") + "…"
		}
		b.WriteString(line + "\n")
	}
	f.Lines = b.String()
	return f, nil
}

// describe is the comparison for people.
func (c comparedFiles) describe(colours bool) string {
	paint := func(colour, text string) string {
		if !colours {
			return text
		}
		return colour + text + plain
	}
	var b strings.Builder
	if len(c.Files) == 0 {
		b.WriteString("no file that the Application is rendered from differs\n")
	}
	for i, f := range c.Files {
		if i > 0 {
			b.WriteByte('\n')
		}
		sign := map[string]string{"added": "+", "removed": "-", "changed": "~"}[f.Change]
		b.WriteString(paint(bold, sign+" "+visible(string(f.Repository))+" "+visible(f.Path)) + "\n")
		if f.Note != "" {
			b.WriteString(visible(f.Note) + "\n")
		}
		for line := range strings.Lines(f.Lines) {
			line = visible(strings.ReplaceAll(strings.TrimSuffix(line, "\n"), "\t", "    "))
			colour := map[string]string{"+": green, "-": red, "@": cyan}[line[:min(1, len(line))]]
			if colour == "" {
				b.WriteString(line + "\n")
				continue
			}
			b.WriteString(paint(colour, line) + "\n")
		}
		if f.LinesLeftOut > 0 {
			fmt.Fprintf(&b, "… %d more lines\n", f.LinesLeftOut)
		}
	}
	if c.LeftOut > 0 {
		fmt.Fprintf(&b, "\n%d more files differ.\n", c.LeftOut)
	}
	if c.Others > 0 {
		fmt.Fprintf(&b, "\n%d other files of the repositories differ, and the Application is not rendered from them.\n", c.Others)
	}
	return b.String()
}
