package mirror

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
)

// batch is how many objects are asked for at once. All requests together must
// fit into a pipe: git does not read on while nobody reads its answers.
const batch = 128

// Read reads commits with their whole content, many at a time, which is several
// times faster than one by one, and hands them over in the order given.
func (l *Local) Read(ctx context.Context, names []approval.SHA, use func(Commit, []byte) error) error {
	for len(names) > 0 {
		n := min(batch, len(names))
		objects, err := l.m.readCommits(ctx, names[:n])
		if err != nil {
			return l.explain(fmt.Errorf("read commits: %w", err))
		}
		for i, data := range objects {
			c, err := parseCommit(names[i], data)
			if err != nil {
				return fmt.Errorf("read commit %s: %w", names[i], err)
			}
			l.m.commits.put(c.SHA, c)
			if use == nil {
				continue
			}
			if err := use(c, data); err != nil {
				return err
			}
		}
		names = names[n:]
	}
	return nil
}

func (m *Mirror) readCommits(ctx context.Context, names []approval.SHA) ([][]byte, error) {
	var request strings.Builder
	for _, name := range names {
		if _, err := approval.ParseSHA(string(name)); err != nil {
			return nil, err
		}
		request.WriteString("contents " + string(name) + "\n")
	}
	var objects [][]byte
	err := m.objects.ask(ctx, request.String(), func(r *bufio.Reader) error {
		objects = make([][]byte, 0, len(names))
		total := int64(0)
		for _, name := range names {
			o, ok, err := readInfo(r, string(name))
			switch {
			case err != nil:
				return err
			case !ok:
				return fmt.Errorf("commit %s: %w", name, approval.ErrNotFound)
			case o.kind != "commit" || o.sha != name:
				return fmt.Errorf("object %s is a %s, not a commit", name, o.kind)
			}
			if total += o.size; o.size > maxCommit || total > maxOutput {
				return fmt.Errorf("commit %s has %d bytes: %w", name, o.size, errTooLong)
			}
			data := make([]byte, o.size+1)
			if _, err := io.ReadFull(r, data); err != nil {
				return fmt.Errorf("read commit %s: %w", name, err)
			}
			objects = append(objects, data[:o.size:o.size])
		}
		return nil
	})
	return objects, err
}

// Compare reads the differences of many pairs of trees at once, so that Changes,
// Merge and Prove find them.
func (l *Local) Compare(ctx context.Context, pairs [][2]approval.SHA) error {
	return l.explain(l.m.compare(ctx, pairs))
}

func (m *Mirror) compare(ctx context.Context, pairs [][2]approval.SHA) error {
	missing := make([][2]approval.SHA, 0, len(pairs))
	for _, p := range pairs {
		if _, ok := m.changes.get(p); !ok && p[0] != p[1] {
			missing = append(missing, p)
		}
	}
	for len(missing) > 0 {
		n := min(batch, len(missing))
		var request strings.Builder
		for _, p := range missing[:n] {
			request.WriteString(string(p[0]) + " " + string(p[1]) + "\n" + endOfDiff)
		}
		var lists [][]approval.Change
		err := m.differ.ask(ctx, request.String(), func(r *bufio.Reader) error {
			lists = make([][]approval.Change, 0, n)
			for _, p := range missing[:n] {
				changes, err := parseDiff(r, string(p[0])+" "+string(p[1])+"\n")
				if err != nil {
					return err
				}
				lists = append(lists, changes)
			}
			return nil
		})
		if err != nil {
			return fmt.Errorf("compare trees: %w", err)
		}
		for i, changes := range lists {
			m.changes.put(missing[i], changes)
		}
		missing = missing[n:]
	}
	return nil
}
