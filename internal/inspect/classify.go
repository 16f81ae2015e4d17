package inspect

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
)

// classify fills in what a landing changed and what that is for the gates. trees
// are that before it and those of its commits on the line.
func (in *inspection) classify(ctx context.Context, l *Landing, trees []approval.SHA) error {
	changes, err := in.repo.Changes(ctx, trees[0], trees[len(trees)-1])
	if err != nil {
		return err
	}
	steps, err := in.stepChanges(ctx, trees)
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
		c, err := in.judge(ctx, g, valid, steps)
		if err != nil {
			return err
		}
		if foreign > 0 {
			c.Class = strongest(c.Class, ClassConfig)
		}
		l.Class = strongest(l.Class, c.Class)
		l.include(c)
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

// judge says what a change is for a gate. Each commit of a rebased run can be
// deployed, so what one of them changes counts even if the next one takes it back.
func (in *inspection) judge(ctx context.Context, g Gate, changes []approval.Change, steps [][]approval.Change) (Classification, error) {
	if len(steps) == 0 {
		steps = [][]approval.Change{changes}
	}
	classifier := g.Classifier
	if classifier == nil {
		classifier = in.o.Classifier
	}
	sum := Classification{Class: ClassNone}
	for _, step := range steps {
		c, err := classifier.Classify(ctx, in.repo, g.Repository, step)
		if err != nil {
			return Classification{}, fmt.Errorf("classify the change: %w", err)
		}
		sum.Class = strongest(sum.Class, c.Class)
		sum.Moves = append(sum.Moves, c.Moves...)
		sum.Findings = append(sum.Findings, c.Findings...)
	}
	return sum, nil
}

// stepChanges are the changes of each commit of a landing that has several.
func (in *inspection) stepChanges(ctx context.Context, trees []approval.SHA) ([][]approval.Change, error) {
	var steps [][]approval.Change
	for i := 1; len(trees) > 2 && i < len(trees); i++ {
		changes, err := in.repo.Changes(ctx, trees[i-1], trees[i])
		if err != nil {
			return nil, err
		}
		// Other paths count as config already.
		changes = slices.DeleteFunc(slices.Clone(changes), func(c approval.Change) bool { return !utf8.ValidString(c.Path) })
		steps = append(steps, changes)
	}
	return steps, nil
}

// include adds what was found for one gate, unless another one gave the same.
func (l *Landing) include(c Classification) {
	for _, m := range c.Moves {
		if !slices.ContainsFunc(l.Moves, func(o Move) bool { return o.File == m.File && o.Path == m.Path && o.To == m.To }) {
			l.Moves = append(l.Moves, m)
		}
	}
	for _, f := range c.Findings {
		if !slices.Contains(l.Findings, f) {
			l.Findings = append(l.Findings, f)
		}
	}
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
