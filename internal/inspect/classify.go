package inspect

import (
	"context"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
)

// classify fills in what a landing changed and what that is for the gates.
func (in *inspection) classify(ctx context.Context, l *Landing, before, after approval.SHA) error {
	changes, err := in.repo.Changes(ctx, before, after)
	if err != nil {
		return err
	}
	l.paths = len(changes)
	// A path that is not valid UTF-8 can be matched against no pattern, so it counts
	// as in scope everywhere.
	valid, foreign := make([]approval.Change, 0, len(changes)), 0
	for _, c := range changes {
		if utf8.ValidString(c.Path) {
			valid = append(valid, c)
		} else if foreign++; foreign == 1 {
			l.add(CodePath, "the path %s is not valid UTF-8, so no scope can be checked; it counts as in scope", quoteBytes(c.Path))
		}
		if len(l.Paths) < maxPaths {
			l.Paths = append(l.Paths, pathText(c.Path))
		}
	}
	if len(changes) > maxPaths {
		l.add(CodeCut, "%d paths changed; the first %d are listed", len(changes), maxPaths)
	}
	l.Class = ClassNone
	folders := map[string]bool{}
	for _, g := range in.o.Gates {
		c, err := in.o.Classifier.Classify(ctx, in.repo, g.Repository, valid)
		if err != nil {
			return fmt.Errorf("classify the change: %w", err)
		}
		if foreign > 0 {
			c.Class = strongest(c.Class, ClassConfig)
		}
		l.Class = strongest(l.Class, c.Class)
		l.Moves = append(l.Moves, c.Moves...)
		l.Findings = append(l.Findings, c.Findings...)
		if g.Name != "" {
			if l.Gates == nil {
				l.Gates = map[string]Class{}
			}
			l.Gates[g.Name] = c.Class
		}
		for _, change := range valid {
			if g.Repository.CoversChange(change) {
				folders[folder(change.Path)] = true
			}
		}
	}
	for f := range folders {
		l.folders = append(l.folders, f)
	}
	return nil
}

// folder is what a path counts under in the summary: its first two folders.
func folder(path string) string {
	parts := strings.SplitN(path, "/", 3)
	switch len(parts) {
	case 1:
		return "."
	case 2:
		return parts[0]
	default:
		return parts[0] + "/" + parts[1]
	}
}

// pathText is a path in JSON, which cannot hold other text than UTF-8.
func pathText(path string) string {
	if utf8.ValidString(path) {
		return path
	}
	return quoteBytes(path)
}

// quoteBytes quotes as git does with core.quotePath.
func quoteBytes(path string) string {
	var b strings.Builder
	b.WriteByte('"')
	for _, c := range []byte(path) {
		switch {
		case c == '"' || c == '\\':
			b.WriteByte('\\')
			b.WriteByte(c)
		case c < ' ' || c >= 0x7f:
			fmt.Fprintf(&b, "\\%03o", c)
		default:
			b.WriteByte(c)
		}
	}
	b.WriteByte('"')
	return clip(b.String(), 2_000)
}

// printable takes out what moves a cursor or turns text around.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r == ' ' || unicode.IsPrint(r) {
			return r
		}
		return '\uFFFD'
	}, strings.ToValidUTF8(s, "\uFFFD"))
}

// clip shortens s to at most n bytes, on a character boundary.
func clip(s string, n int) string {
	if len(s) <= n {
		return s
	}
	return strings.ToValidUTF8(s[:n], "") + "…"
}
