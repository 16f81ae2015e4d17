package mirror

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
)

// Expect looks whether the merge of head into parent, which have the given merge
// base and no other, is the wanted tree, in those cases in which comparing trees
// tells what git merge-tree would give. Prove then finds the result. False says
// nothing: then Prove has git merge.
//
// It is told so when both sides changed different paths, when neither side can
// have renamed anything, because it did not both remove and add a path, and when
// no path of one side lies in a path of the other. Then git's "ort" strategy
// takes each path from the side that changed it: rename detection, directory
// renames, merges of content and conflicts between files and folders all need
// one of the cases that are left out.
func (l *Local) Expect(ctx context.Context, parent, head, base Commit, want approval.SHA) (bool, error) {
	ok, err := l.m.quickMerge(ctx, parent, head, base, want)
	if err != nil || !ok {
		return false, l.explain(err)
	}
	l.m.merges.put([2]approval.SHA{parent.SHA, head.SHA}, mergeResult{outcome: mergeClean, tree: want})
	return true, nil
}

// Stands tells Prove what a pull request with a straight line of commits has on
// top of its base, as Graph.Own says, which Prove would otherwise ask git for.
func (l *Local) Stands(head, base approval.SHA, own Own) {
	if own.Linear && !own.Cut {
		l.m.ranges.put(string(head)+"\n^"+string(base)+"\n", own.Commits)
	}
}

func (m *Mirror) quickMerge(ctx context.Context, ours, theirs, base Commit, want approval.SHA) (bool, error) {
	switch {
	case base.Tree == ours.Tree:
		return want == theirs.Tree, nil
	case base.Tree == theirs.Tree || ours.Tree == theirs.Tree:
		return want == ours.Tree, nil
	}
	pairs := QuickPairs(ours, theirs, base, want)
	var sides [3][]approval.Change
	for i, p := range pairs {
		var err error
		if sides[i], err = m.treeChanges(ctx, p[0], p[1]); err != nil {
			return false, fmt.Errorf("compare the sides of a merge: %w", err)
		}
	}
	return mergesTo(sides[0], sides[1], sides[2]), nil
}

// QuickPairs are the pairs of trees that Expect compares, for Compare.
func QuickPairs(parent, head, base Commit, want approval.SHA) [3][2]approval.SHA {
	return [3][2]approval.SHA{{base.Tree, parent.Tree}, {base.Tree, head.Tree}, {parent.Tree, want}}
}

// mergesTo says whether applying the changes of theirs to ours is certainly what
// git would do and gives the landed changes.
func mergesTo(ours, theirs, landed []approval.Change) bool {
	if mayRename(ours) || mayRename(theirs) {
		return false
	}
	byPath := make(map[string]approval.Change, len(ours))
	for _, c := range ours {
		byPath[c.Path] = c
	}
	expected := make([]approval.Change, 0, len(theirs))
	for _, c := range theirs {
		same, both := byPath[c.Path]
		switch {
		case !both:
			expected = append(expected, c)
		case same != c:
			return false
		}
	}
	return !nested(ours, theirs) && slices.Equal(expected, landed)
}

// mayRename: a rename is a path removed and one added on the same side.
func mayRename(changes []approval.Change) bool {
	added, removed := false, false
	for _, c := range changes {
		added = added || c.Before == approval.Entry{}
		removed = removed || c.After == approval.Entry{}
	}
	return added && removed
}

// nested says whether a path of one side is a folder above a path of the other.
func nested(a, b []approval.Change) bool {
	return above(a, b) || above(b, a)
}

func above(a, b []approval.Change) bool {
	paths := make(map[string]bool, len(a))
	for _, c := range a {
		paths[c.Path] = true
	}
	for _, c := range b {
		for i, part := 0, c.Path; ; {
			n := strings.IndexByte(part, '/')
			if n < 0 {
				break
			}
			i += n
			if paths[c.Path[:i]] {
				return true
			}
			i++
			part = c.Path[i:]
		}
	}
	return false
}
