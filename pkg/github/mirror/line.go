package mirror

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
)

const (
	// maxLine bounds how far a baseline may be behind its branch.
	maxLine = 100_000
	// maxSteps is how many commits are looked up one by one before git is asked
	// for the whole rest at once.
	maxSteps = 64
)

// Line lists the first-parent commits of the branch after the baseline, oldest
// first, as of the last fetch. The last one is the branch's head; without any
// the head is the baseline itself. False means that the baseline is not on the
// first-parent line, as after a force-push, or that it is no commit that the
// mirror has; then the list is empty.
func (m *Mirror) Line(ctx context.Context, branch string, baseline approval.SHA) ([]Commit, bool, error) {
	head, err := m.Head(ctx, branch)
	if err != nil {
		return nil, false, err
	}
	commits, ok, err := m.line(ctx, head, baseline)
	if err != nil {
		return nil, false, fmt.Errorf("read the line of %s after %s: %w", branch, baseline.Short(), err)
	}
	return commits, ok, nil
}

func (m *Mirror) line(ctx context.Context, head, baseline approval.SHA) ([]Commit, bool, error) {
	if ok, err := m.isCommit(ctx, baseline); err != nil || !ok {
		return nil, false, err
	}
	var commits []Commit // newest first
	for at, steps := head, 0; at != baseline; {
		c, known := m.commits.get(at)
		if !known {
			if steps++; steps > maxSteps {
				rest, ok, err := m.distantLine(ctx, at, baseline)
				if err != nil || !ok {
					return nil, false, err
				}
				commits = append(commits, rest...)
				break
			}
			var err error
			if c, err = m.commit(ctx, at); err != nil {
				return nil, false, err
			}
		}
		if len(commits) >= maxLine {
			return nil, false, errLongLine
		}
		commits = append(commits, c)
		if len(c.Parents) == 0 {
			return nil, false, nil
		}
		at = c.Parents[0]
	}
	slices.Reverse(commits)
	return commits, true, nil
}

var errLongLine = fmt.Errorf("the baseline is more than %d commits behind", maxLine)

// distantLine lists the first-parent commits from head down to the one after the
// baseline, newest first. git is only asked which commits may be on it; that
// they form an unbroken line that ends at the baseline is checked here.
func (m *Mirror) distantLine(ctx context.Context, head, baseline approval.SHA) ([]Commit, bool, error) {
	// If the baseline is on the line, no commit after it is one of its
	// ancestors, so leaving those out removes nothing.
	out, err := m.git.run(ctx, "", "rev-list", "--first-parent", fmt.Sprintf("--max-count=%d", maxLine+1),
		"--end-of-options", string(head), "^"+string(baseline))
	if err != nil {
		return nil, false, err
	}
	names, err := shas(out)
	if err != nil {
		return nil, false, err
	}
	if len(names) == 0 {
		return nil, false, nil
	}
	last, err := m.commit(ctx, names[len(names)-1])
	if err != nil {
		return nil, false, err
	}
	if len(last.Parents) == 0 || last.Parents[0] != baseline {
		if len(names) > maxLine {
			return nil, false, errLongLine
		}
		return nil, false, nil
	}
	commits := make([]Commit, 0, len(names))
	for at := head; at != baseline; {
		c, err := m.commit(ctx, at)
		if err != nil {
			return nil, false, err
		}
		if len(commits) == len(names) || c.SHA != names[len(commits)] || len(c.Parents) == 0 {
			return nil, false, fmt.Errorf("git's list of the line is not in order at %s", at)
		}
		commits = append(commits, c)
		at = c.Parents[0]
	}
	return commits, true, nil
}

// Commits lists all commits reachable from include but from none of exclude,
// those behind second parents as well; children come before their parents. A
// commit that the mirror does not have is approval.ErrNotFound.
func (m *Mirror) Commits(ctx context.Context, include approval.SHA, exclude ...approval.SHA) ([]Commit, error) {
	names, err := m.reachable(ctx, include, exclude)
	if err != nil {
		return nil, fmt.Errorf("list the commits of %s: %w", include.Short(), err)
	}
	commits := make([]Commit, len(names))
	for i, name := range names {
		if commits[i], err = m.commit(ctx, name); err != nil {
			return nil, fmt.Errorf("list the commits of %s: %w", include.Short(), err)
		}
	}
	return commits, nil
}

func (m *Mirror) reachable(ctx context.Context, include approval.SHA, exclude []approval.SHA) ([]approval.SHA, error) {
	var request strings.Builder
	for i, sha := range append([]approval.SHA{include}, exclude...) {
		// Checked here, because git takes more than full names of commits.
		if ok, err := m.isCommit(ctx, sha); err != nil {
			return nil, err
		} else if !ok {
			return nil, fmt.Errorf("commit %s is not in the mirror: %w", sha, approval.ErrNotFound)
		}
		if i > 0 {
			request.WriteByte('^')
		}
		request.WriteString(string(sha) + "\n")
	}
	key := request.String()
	if names, ok := m.ranges.get(key); ok {
		return names, nil
	}
	out, err := m.git.run(ctx, key, "rev-list", "--topo-order", "--stdin")
	if err != nil {
		return nil, err
	}
	names, err := shas(out)
	if err != nil {
		return nil, err
	}
	m.ranges.put(key, names)
	return names, nil
}
