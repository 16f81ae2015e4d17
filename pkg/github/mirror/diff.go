package mirror

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
)

// Changes are all paths that differ between the trees of two commits, in git's
// order, without rename detection: a renamed file is one path removed and one
// added. Symbolic links, submodules and changes of the mode are changes like
// others. A path that is not valid UTF-8 is an error. The slice is the caller's.
func (m *Mirror) Changes(ctx context.Context, from, to approval.SHA) ([]approval.Change, error) {
	changes, err := m.changesBetween(ctx, from, to)
	if err != nil {
		return nil, fmt.Errorf("compare %s with %s: %w", from.Short(), to.Short(), err)
	}
	return slices.Clone(changes), nil
}

func (m *Mirror) changesBetween(ctx context.Context, from, to approval.SHA) ([]approval.Change, error) {
	a, err := m.commit(ctx, from)
	if err != nil {
		return nil, err
	}
	b, err := m.commit(ctx, to)
	if err != nil {
		return nil, err
	}
	return m.validChanges(ctx, a.Tree, b.Tree)
}

// validChanges compares two trees and refuses paths that are not valid UTF-8.
func (m *Mirror) validChanges(ctx context.Context, from, to approval.SHA) ([]approval.Change, error) {
	changes, err := m.treeChanges(ctx, from, to)
	if err != nil {
		return nil, err
	}
	for _, c := range changes {
		if !utf8.ValidString(c.Path) {
			return nil, fmt.Errorf("the path %q is not valid UTF-8, so no scope can be checked", clip(c.Path, 200))
		}
	}
	return changes, nil
}

// treeChanges compares two trees. Paths are as git has them, byte for byte.
func (m *Mirror) treeChanges(ctx context.Context, from, to approval.SHA) ([]approval.Change, error) {
	if from == to {
		return nil, nil
	}
	key := [2]approval.SHA{from, to}
	if changes, ok := m.changes.get(key); ok {
		return changes, nil
	}
	// git repeats the pair, then lists the differences. A line that names no
	// object it repeats as it is, which tells where the answer ends.
	pair := string(from) + " " + string(to) + "\n"
	var changes []approval.Change
	err := m.differ.ask(ctx, pair+endOfDiff, func(r *bufio.Reader) (err error) {
		changes, err = parseDiff(r, pair)
		return err
	})
	if err != nil {
		return nil, err
	}
	m.changes.put(key, changes)
	return changes, nil
}

const endOfDiff = "end\n"

var errNoDiff = errors.New("git could not compare the two trees")

// parseDiff reads "header, (:MODE MODE SHA SHA STATUS NUL PATH NUL)*, end". A
// path cannot be taken for the end: it is inside of a record.
func parseDiff(r *bufio.Reader, header string) ([]approval.Change, error) {
	line, err := readUntil(r, '\n', len(header))
	if err != nil {
		return nil, err
	}
	if line != header {
		return nil, errNoDiff
	}
	var changes []approval.Change
	for total := 0; total <= maxOutput; {
		first, err := r.Peek(1)
		if err != nil {
			return nil, fmt.Errorf("read the differences: %w", err)
		}
		if first[0] != ':' {
			line, err := readUntil(r, '\n', len(endOfDiff))
			if err != nil {
				return nil, err
			}
			if line != endOfDiff {
				return nil, fmt.Errorf("read the differences: unexpected %q", clip(line, 200))
			}
			return changes, nil
		}
		record, err := readUntil(r, 0, 200)
		if err != nil {
			return nil, err
		}
		path, err := readUntil(r, 0, maxPath)
		if err != nil {
			return nil, err
		}
		change, err := parseChange(record[:len(record)-1], path[:len(path)-1])
		if err != nil {
			return nil, err
		}
		changes = append(changes, change)
		total += len(record) + len(path)
	}
	return nil, fmt.Errorf("read the differences: %w", errTooLong)
}

// maxPath is in bytes. Linux allows 4096.
const maxPath = 16 << 10

// readUntil reads up to and including a delimiter, at most limit bytes.
func readUntil(r *bufio.Reader, delimiter byte, limit int) (string, error) {
	var b strings.Builder
	for {
		part, err := r.ReadSlice(delimiter)
		if b.Len()+len(part) > limit {
			return "", fmt.Errorf("read the differences: an entry is longer than %d bytes", limit)
		}
		b.Write(part)
		switch {
		case err == nil:
			return b.String(), nil
		case !errors.Is(err, bufio.ErrBufferFull):
			return "", fmt.Errorf("read the differences: %w", err)
		}
	}
}

// parseChange reads ":MODE MODE SHA SHA STATUS" of one path.
func parseChange(record, path string) (approval.Change, error) {
	fail := func() (approval.Change, error) {
		return approval.Change{}, fmt.Errorf("read the differences: unexpected entry %q for the path %q", clip(record, 200), clip(path, 200))
	}
	fields := strings.Split(strings.TrimPrefix(record, ":"), " ")
	if len(fields) != 5 || path == "" {
		return fail()
	}
	before, okBefore := parseEntry(fields[0], fields[2])
	after, okAfter := parseEntry(fields[1], fields[3])
	absentBefore, absentAfter := before == approval.Entry{}, after == approval.Entry{}
	if !okBefore || !okAfter || before == after {
		return fail()
	}
	var ok bool
	switch fields[4] {
	case "A":
		ok = absentBefore && !absentAfter
	case "D":
		ok = !absentBefore && absentAfter
	case "M", "T":
		ok = !absentBefore && !absentAfter
	}
	if !ok {
		return fail()
	}
	return approval.Change{Path: path, Before: before, After: after}, nil
}

// parseEntry accepts the modes that git has for files, links and submodules; it
// writes zeros for an absent path.
func parseEntry(mode, sha string) (approval.Entry, bool) {
	name, err := approval.ParseSHA(sha)
	if err != nil {
		return approval.Entry{}, false
	}
	zero := strings.Trim(sha, "0") == ""
	switch mode {
	case "000000":
		return approval.Entry{}, zero
	case "100644", "100755", "120000", "160000":
		return approval.Entry{Mode: mode, SHA: name}, !zero
	default:
		return approval.Entry{}, false
	}
}

// describePaths names up to five paths for people.
func describePaths(paths []string) string {
	const most, longest = 5, 120
	var b strings.Builder
	for i, p := range paths {
		if i == most {
			fmt.Fprintf(&b, " (+%d more)", len(paths)-most)
			break
		}
		if i > 0 {
			b.WriteString(", ")
		}
		if quoted := strconv.Quote(p); quoted != `"`+p+`"` || strings.Contains(p, ", ") {
			p = quoted
		}
		b.WriteString(clip(p, longest))
	}
	return b.String()
}
