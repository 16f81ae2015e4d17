package standin

import (
	"bytes"
	"context"
	"fmt"
	"strconv"
	"strings"
)

// fileChange is one changed file between two trees.
type fileChange struct {
	status, path, oldPath string // status as GitHub names it
	sha                   string // blob after the change, before it when removed
	additions, deletions  int
	patch                 string // "" for binary files
}

var fileStatus = map[byte]string{
	'A': "added", 'D': "removed", 'M': "modified", 'R': "renamed", 'C': "copied", 'T': "changed",
}

// diff lists changed files between two trees or commits, with patches when asked for.
func (g *gitRepo) diff(ctx context.Context, from, to string, patches bool) ([]fileChange, error) {
	out, err := g.run(ctx, nil, nil, "diff-tree", "-r", "-M", "-z", "--raw", "--numstat", "--no-abbrev", "--no-ext-diff", from, to)
	if err != nil {
		return nil, err
	}
	changes, err := parseDiff(out)
	if err != nil {
		return nil, fmt.Errorf("diff %s..%s: %w", from, to, err)
	}
	if !patches {
		return changes, nil
	}
	text, err := g.run(ctx, nil, nil, "diff-tree", "-r", "-M", "-p", "--no-ext-diff", "--no-textconv", from, to)
	if err != nil {
		return nil, err
	}
	// Both listings have the same files in the same order.
	sections := strings.Split("\n"+string(text), "\ndiff --git ")[1:]
	if len(sections) != len(changes) {
		return nil, fmt.Errorf("diff %s..%s: %d patches for %d files", from, to, len(sections), len(changes))
	}
	for i, section := range sections {
		if _, hunks, ok := strings.Cut(section, "\n@@"); ok {
			changes[i].patch = strings.TrimSuffix("@@"+hunks, "\n")
		}
	}
	return changes, nil
}

// parseDiff reads the output of diff-tree -z --raw --numstat: all raw records, then all counts.
func parseDiff(out []byte) ([]fileChange, error) {
	fields := strings.Split(strings.TrimSuffix(string(out), "\x00"), "\x00")
	var changes []fileChange
	next := func() string {
		if len(fields) == 0 {
			return ""
		}
		f := fields[0]
		fields = fields[1:]
		return f
	}
	for len(fields) > 0 && strings.HasPrefix(fields[0], ":") {
		raw := strings.Fields(next()) // :oldmode newmode oldsha newsha status
		if len(raw) != 5 {
			return nil, fmt.Errorf("raw record %q", raw)
		}
		c := fileChange{status: fileStatus[raw[4][0]], sha: raw[3], path: next()}
		switch raw[4][0] {
		case 'D':
			c.sha = raw[2]
		case 'R', 'C':
			c.oldPath, c.path = c.path, next()
		}
		changes = append(changes, c)
	}
	for i := range changes {
		counts := strings.SplitN(next(), "\t", 3)
		if len(counts) != 3 {
			return nil, fmt.Errorf("count record %q", counts)
		}
		if counts[2] == "" { // a rename: both names follow
			next()
			next()
		}
		changes[i].additions, _ = strconv.Atoi(counts[0]) // "-" for binary files counts as 0, as on GitHub
		changes[i].deletions, _ = strconv.Atoi(counts[1])
	}
	return changes, nil
}

// touched is what one commit did, as push events list it.
type touched struct{ added, removed, modified []string }

// touchedBy lists per commit what it changed against its first parent; merges list nothing.
func (g *gitRepo) touchedBy(ctx context.Context, shas []string) (map[string]*touched, error) {
	out, err := g.run(ctx, []byte(strings.Join(shas, "\n")+"\n"), nil,
		"diff-tree", "--stdin", "-r", "--root", "--no-renames", "--name-status", "-z")
	if err != nil {
		return nil, err
	}
	result := map[string]*touched{}
	var current *touched
	for fields := bytes.Split(out, []byte{0}); len(fields) > 1; {
		head := strings.TrimSpace(string(fields[0]))
		if isSHA(head) {
			current = &touched{}
			result[head] = current
			fields = fields[1:]
			continue
		}
		if current == nil {
			return nil, fmt.Errorf("list changed files: unexpected %q", head)
		}
		switch path := string(fields[1]); head {
		case "A":
			current.added = append(current.added, path)
		case "D":
			current.removed = append(current.removed, path)
		default:
			current.modified = append(current.modified, path)
		}
		fields = fields[2:]
	}
	return result, nil
}
