package mirror

import (
	"context"
	"fmt"
	"iter"
	"slices"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
)

// Expect looks whether the merge of head into parent, which have the given merge
// base and no other, is the wanted tree, in those cases in which comparing trees
// tells what git merge-tree would give. Prove then finds the result. False says
// nothing: then Prove has git merge.
//
// It is told so when both sides changed different paths, and no path of one side
// lies in a path of the other. Where a side can have renamed something, because it
// both removed and added paths, the other one must not have added anything beside
// what was removed either: git might move that along with a renamed folder. Then
// git's "ort" strategy takes each path from the side that changed it; merges of
// content, renames and conflicts between files and folders that change the result
// all need one of the cases that are left out.
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
	renames := mayRename(ours) || mayRename(theirs)
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
		case same != c || renames:
			return false
		}
	}
	return slices.Equal(expected, landed) && !nested(ours, theirs) && !besideRename(ours, theirs) && !besideRename(theirs, ours)
}

// besideRename says whether a side may have renamed a folder into which the other
// one added something. A renamed folder is one whose files were removed.
func besideRename(side, other []approval.Change) bool {
	if !mayRename(side) {
		return false
	}
	removed := map[string]bool{}
	for _, c := range side {
		if (c.After == approval.Entry{}) {
			for folder := range folders(c.Path) {
				removed[folder] = true
			}
		}
	}
	for _, c := range other {
		if (c.Before == approval.Entry{}) {
			for folder := range folders(c.Path) {
				if removed[folder] {
					return true
				}
			}
		}
	}
	return false
}

// folders are the folders above a path, but for the top one, which is never
// renamed.
func folders(path string) iter.Seq[string] {
	return func(yield func(string) bool) {
		for i, c := range []byte(path) {
			if c == '/' && !yield(path[:i]) {
				return
			}
		}
	}
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
		for folder := range folders(c.Path) {
			if paths[folder] {
				return true
			}
		}
	}
	return false
}
