package mirror

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
)

// mergeResult is what merging two commits gives.
type mergeResult struct {
	// outcome is mergeClean, mergeConflict or mergeUnrelated.
	outcome mergeOutcome
	// tree is the merged tree of a clean merge.
	tree approval.SHA
	// conflicts are the paths that conflict, byte for byte.
	conflicts []string
}

type mergeOutcome int

// The zero outcome is none of them.
const (
	mergeClean mergeOutcome = iota + 1
	mergeConflict
	// mergeUnrelated: the commits have no common ancestor, and git and GitHub
	// refuse to merge them.
	mergeUnrelated
)

// merge merges theirs into ours as git does.
func (m *Mirror) merge(ctx context.Context, ours, theirs approval.SHA) (mergeResult, error) {
	key := [2]approval.SHA{ours, theirs}
	if r, ok := m.merges.get(key); ok {
		return r, nil
	}
	r, err := m.computeMerge(ctx, ours, theirs)
	if err != nil {
		return mergeResult{}, fmt.Errorf("merge %s into %s: %w", theirs.Short(), ours.Short(), err)
	}
	m.merges.put(key, r)
	return r, nil
}

func (m *Mirror) computeMerge(ctx context.Context, ours, theirs approval.SHA) (mergeResult, error) {
	for _, sha := range []approval.SHA{ours, theirs} {
		if ok, err := m.isCommit(ctx, sha); err != nil {
			return mergeResult{}, err
		} else if !ok {
			return mergeResult{}, fmt.Errorf("commit %s is not in the mirror: %w", sha, approval.ErrNotFound)
		}
	}
	out, err := m.git.run(ctx, "", "merge-tree", "--write-tree", "-z", "--name-only", "--no-messages",
		"--end-of-options", string(ours), string(theirs))
	switch failed, ok := errors.AsType[*gitError](err); {
	case err == nil:
		tree, rest, ok := readTree(out)
		if !ok || rest != "" {
			return mergeResult{}, errMergeOutput
		}
		return mergeResult{outcome: mergeClean, tree: tree}, nil
	case ok && failed.code == 1:
		// The exit status of a merge with conflicts; what it printed must agree.
		_, rest, ok := readTree(out)
		paths := slices.Compact(strings.FieldsFunc(rest, func(r rune) bool { return r == 0 }))
		if !ok || len(paths) == 0 {
			return mergeResult{}, err
		}
		return mergeResult{outcome: mergeConflict, conflicts: paths}, nil
	case ok && failed.code > 1:
		unrelated, baseErr := m.unrelated(ctx, ours, theirs)
		if baseErr != nil {
			return mergeResult{}, errors.Join(err, baseErr)
		}
		if unrelated {
			return mergeResult{outcome: mergeUnrelated}, nil
		}
		return mergeResult{}, err
	default:
		return mergeResult{}, err
	}
}

var errMergeOutput = errors.New("git merge-tree gave an unexpected answer")

// readTree reads the name of the merged tree and the NUL after it.
func readTree(out []byte) (approval.SHA, string, bool) {
	name, rest, ok := strings.Cut(string(out), "\x00")
	tree, err := approval.ParseSHA(name)
	return tree, rest, ok && err == nil
}

// unrelated says whether two commits have no common ancestor. git merge-base
// answers that with exit status 1 and without a word.
func (m *Mirror) unrelated(ctx context.Context, a, b approval.SHA) (bool, error) {
	out, err := m.git.run(ctx, "", "merge-base", "--end-of-options", string(a), string(b))
	if failed, ok := errors.AsType[*gitError](err); ok && failed.code == 1 && len(out) == 0 && failed.message == "" {
		return true, nil
	}
	return false, err
}

// NeutralMerge says whether a commit is a merge of two parents that adds nothing
// of its own: its tree is the clean merge of its parents, as when a pull request
// is brought up to date with its base.
func (m *Mirror) NeutralMerge(ctx context.Context, c Commit) (bool, error) {
	merge, err := m.commit(ctx, c.SHA)
	if err != nil {
		return false, err
	}
	if len(merge.Parents) != 2 {
		return false, nil
	}
	r, err := m.merge(ctx, merge.Parents[0], merge.Parents[1])
	if err != nil {
		return false, err
	}
	return r.outcome == mergeClean && r.tree == merge.Tree, nil
}

// MergeBase is a commit at which two histories parted, the best one for a merge. It is
// empty when they have nothing in common.
func (m *Mirror) MergeBase(ctx context.Context, a, b approval.SHA) (approval.SHA, error) {
	out, err := m.git.run(ctx, "", "merge-base", "--end-of-options", string(a), string(b))
	if failed, ok := errors.AsType[*gitError](err); ok && failed.code == 1 && failed.message == "" {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("find where %s and %s parted: %w", a.Short(), b.Short(), err)
	}
	name, _, _ := strings.Cut(string(out), "\n")
	base, err := approval.ParseSHA(name)
	if err != nil {
		return "", fmt.Errorf("find where %s and %s parted: %w", a.Short(), b.Short(), err)
	}
	return base, nil
}

// Preview lists what merging head into base would change on base, and false when
// the merge has conflicts or the two share no history.
func (m *Mirror) Preview(ctx context.Context, base, head approval.SHA) ([]approval.Change, bool, error) {
	r, err := m.merge(ctx, base, head)
	if err != nil || r.outcome != mergeClean {
		return nil, false, err
	}
	b, err := m.commit(ctx, base)
	if err != nil {
		return nil, false, err
	}
	changes, err := m.validChanges(ctx, b.Tree, r.tree)
	if err != nil {
		return nil, false, fmt.Errorf("preview the merge of %s into %s: %w", head.Short(), base.Short(), err)
	}
	return slices.Clone(changes), true, nil
}
