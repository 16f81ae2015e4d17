package mirror

import (
	"context"
	"fmt"
	"slices"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
)

// MaxUpdates bounds the update-merges that Updates looks through, and so the
// merges that it has git compute.
const MaxUpdates = 20

// Updates lists the commits of which head is a clean update, newest first, at most
// MaxUpdates: going down along first parents, as long as the commit is a merge of
// two that adds nothing of its own (see NeutralMerge), and its second parent is on
// the first-parent line that ends at base. What is behind the line is not enough:
// the commits of any pull request are, once it has landed by a merge. Base is the
// commit of the base branch before the pull request landed, so that nothing of
// its own is ever taken for the base's.
//
// That head is an update of a commit says nothing about whether the commit ever
// was the head of the pull request.
func (m *Mirror) Updates(ctx context.Context, head, base approval.SHA) ([]approval.SHA, error) {
	key := "updates " + string(head) + " " + string(base)
	if names, ok := m.ranges.get(key); ok {
		return slices.Clone(names), nil
	}
	var names []approval.SHA
	for at := head; len(names) < MaxUpdates; {
		c, err := m.commit(ctx, at)
		if err != nil {
			return nil, fmt.Errorf("list what %s is an update of: %w", head.Short(), err)
		}
		ok, err := m.isUpdate(ctx, c, base)
		if err != nil {
			return nil, fmt.Errorf("list what %s is an update of: %w", head.Short(), err)
		}
		if !ok {
			break
		}
		at = c.Parents[0]
		names = append(names, at)
	}
	m.ranges.put(key, slices.Clone(names))
	return names, nil
}

func (m *Mirror) isUpdate(ctx context.Context, c Commit, base approval.SHA) (bool, error) {
	if len(c.Parents) != 2 {
		return false, nil
	}
	if ok, err := m.onLine(ctx, c.Parents[1], base); err != nil || !ok {
		return false, err
	}
	return m.NeutralMerge(ctx, c)
}

// onLine says whether a commit is on the first-parent line that ends at tip. One
// that is more than maxLine commits behind is taken for none.
func (m *Mirror) onLine(ctx context.Context, sha, tip approval.SHA) (bool, error) {
	if sha == tip {
		return true, nil
	}
	// If it is on the line, no commit after it is one of its ancestors, so leaving
	// those out removes nothing, and the last one left stands on it.
	out, err := m.git.run(ctx, "", "rev-list", "--first-parent", fmt.Sprintf("--max-count=%d", maxLine),
		"--end-of-options", string(tip), "^"+string(sha))
	if err != nil {
		return false, err
	}
	names, err := shas(out)
	if err != nil || len(names) == 0 {
		return false, err
	}
	last, err := m.commit(ctx, names[len(names)-1])
	if err != nil {
		return false, err
	}
	return len(last.Parents) > 0 && last.Parents[0] == sha, nil
}
