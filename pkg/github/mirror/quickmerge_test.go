package mirror

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
)

// TestQuickMergeAgainstGit: whenever comparing trees tells what a merge gives, git
// says the same; and it never accepts another tree.
func TestQuickMergeAgainstGit(t *testing.T) {
	rounds := 150
	if testing.Short() {
		rounds = 30
	}
	w := &world{origin: newOrigin(t), random: rand.New(rand.NewPCG(3, 5)), blobs: map[string]string{}}
	content := tree{}
	for range 8 {
		content = w.edit(content)
	}
	type round struct{ base, ours, theirs approval.SHA }
	var all []round
	for range rounds {
		if w.random.IntN(4) == 0 {
			content = w.edit(content)
		}
		base := w.commit(content)
		side := func() approval.SHA {
			edited := content
			for range 1 + w.random.IntN(3) {
				edited = w.edit(edited)
			}
			return w.commit(edited, base)
		}
		all = append(all, round{base, side(), side()})
	}
	w.branch("main", all[0].base)
	l := w.local(w.dir)
	told, clean := 0, 0
	for i, r := range all {
		var c [3]Commit
		for n, sha := range []approval.SHA{r.base, r.ours, r.theirs} {
			var err error
			c[n], err = l.Commit(t.Context(), sha)
			require.NoError(t, err)
		}
		real, err := l.m.merge(t.Context(), r.ours, r.theirs)
		require.NoError(t, err)
		if real.outcome == mergeClean {
			clean++
			ok, err := l.m.quickMerge(t.Context(), c[1], c[2], c[0], real.tree)
			require.NoError(t, err)
			if ok {
				told++
			}
		}
		for _, other := range []approval.SHA{c[0].Tree, c[1].Tree, c[2].Tree, emptyTree} {
			ok, err := l.m.quickMerge(t.Context(), c[1], c[2], c[0], other)
			require.NoError(t, err)
			require.True(t, !ok || real.outcome == mergeClean && other == real.tree, "round %d", i)
		}
	}
	t.Logf("%d merges, %d clean, %d told by comparing", rounds, clean, told)
	require.Greater(t, told, clean/4)
}

// TestQuickMergeLeavesToGit: the cases in which git may do something else than to
// take each path from the side that changed it.
func TestQuickMergeLeavesToGit(t *testing.T) {
	text := lines("a", "b")
	for name, c := range map[string]struct{ base, ours, theirs, want tree }{
		"rename and edit":        {tree{"f": text}, tree{"g": text}, tree{"f": lines("a", "c")}, tree{"g": lines("a", "c")}},
		"both rename":            {tree{"f": text}, tree{"g": text}, tree{"h": text}, tree{"g": text, "h": text}},
		"rename of a folder":     {tree{"d/f": text, "d/g": text + "x"}, tree{"e/f": text, "e/g": text + "x"}, tree{"d/f": text, "d/g": text + "x", "d/h": "h\n"}, tree{"e/f": text, "e/g": text + "x", "d/h": "h\n"}},
		"file and folder":        {tree{"x": "x\n"}, tree{"x": "x\n", "a": "a\n"}, tree{"x": "x\n", "a/b": "b\n"}, tree{"x": "x\n", "a": "a\n"}},
		"folder and file":        {tree{"x": "x\n"}, tree{"x": "x\n", "a/b": "b\n"}, tree{"x": "x\n", "a": "a\n"}, tree{"x": "x\n", "a/b": "b\n"}},
		"content":                {tree{"f": text}, tree{"f": lines("ours", "b")}, tree{"f": lines("a", "theirs")}, tree{"f": lines("ours", "theirs")}},
		"mode and content":       {tree{"f": text}, tree{"f": "exec:" + text}, tree{"f": lines("a", "theirs")}, tree{"f": "exec:" + lines("a", "theirs")}},
		"removed and edited":     {tree{"f": text, "x": "x\n"}, tree{"x": "x\n"}, tree{"f": lines("a", "c"), "x": "x\n"}, tree{"x": "x\n"}},
		"submodule moved twice":  {tree{"s": "sub:" + strings.Repeat("1", 40)}, tree{"s": "sub:" + strings.Repeat("2", 40)}, tree{"s": "sub:" + strings.Repeat("3", 40)}, tree{"s": "sub:" + strings.Repeat("3", 40)}},
		"edit smuggled in":       {tree{"f": "f\n", "g": "g\n"}, tree{"f": "ours\n", "g": "g\n"}, tree{"f": "f\n", "g": "theirs\n"}, tree{"f": "ours\n", "g": "theirs\n", "evil": "evil\n"}},
		"edit left out":          {tree{"f": "f\n", "g": "g\n"}, tree{"f": "ours\n", "g": "g\n"}, tree{"f": "f\n", "g": "theirs\n"}, tree{"f": "ours\n", "g": "g\n"}},
		"smuggled into a first":  {tree{"f": "f\n"}, tree{"f": "f\n"}, tree{"f": "theirs\n"}, tree{"f": "evil\n"}},
		"mode smuggled in":       {tree{"f": "f\n", "g": "g\n"}, tree{"f": "ours\n", "g": "g\n"}, tree{"f": "f\n", "g": "theirs\n"}, tree{"f": "ours\n", "g": "exec:theirs\n"}},
		"both changed the other": {tree{"f": "f\n", "g": "g\n"}, tree{"f": "1\n", "g": "g\n"}, tree{"f": "2\n", "g": "h\n"}, tree{"f": "2\n", "g": "h\n"}},
	} {
		t.Run(name, func(t *testing.T) {
			o := newOrigin(t)
			base := o.commit(c.base)
			ours, theirs, want := o.commit(c.ours, base), o.commit(c.theirs, base), o.commit(c.want)
			l := o.local(func() string { o.branch("main", ours); return o.dir }())
			var all [4]Commit
			for i, sha := range []approval.SHA{ours, theirs, base, want} {
				var err error
				all[i], err = l.Commit(t.Context(), sha)
				require.NoError(t, err)
			}
			ok, err := l.Expect(t.Context(), all[0], all[1], all[2], all[3].Tree)
			require.NoError(t, err)
			require.False(t, ok)
		})
	}
}

// TestGraphAgainstGit: what a pull request has of its own, and where it stands, is
// what rev-list and merge-base say.
func TestGraphAgainstGit(t *testing.T) {
	singles, linear := 0, 0
	for seed := range uint64(4) {
		random := rand.New(rand.NewPCG(seed, 11))
		o := newOrigin(t)
		n := 0
		commit := func(parents ...approval.SHA) approval.SHA {
			n++
			return o.commit(tree{"f": fmt.Sprint(n)}, parents...)
		}
		line := []approval.SHA{commit()}
		heads := []approval.SHA{line[0]}
		landings := map[approval.SHA]approval.SHA{} // landing to its head
		for range 18 {
			head := line[max(0, len(line)-1-random.IntN(4))]
			if random.IntN(4) == 0 {
				head = heads[random.IntN(len(heads))] // stacked
			}
			for range 1 + random.IntN(3) {
				head = commit(head)
				if random.IntN(3) == 0 {
					head = commit(head, line[len(line)-1])
				}
			}
			heads = append(heads, head)
			main := line[len(line)-1]
			at := approval.SHA("")
			if random.IntN(2) == 0 {
				at = commit(main, head)
			} else {
				at = commit(main)
			}
			landings[at] = head
			line = append(line, at)
		}
		o.branch("main", line[len(line)-1])
		for i, head := range heads {
			o.pull(i+1, head)
		}
		l := o.local(o.dir)
		for _, from := range []int{0, 7} {
			after := line[from]
			if from == 0 {
				after = ""
			}
			g, err := l.Graph(t.Context(), after, line[len(line)-1], heads)
			require.NoError(t, err)
			for i := from; i < len(line); i++ {
				if head, ok := landings[line[i]]; ok && i > from {
					own := g.Own(head, 1000)
					want := strings.Fields(o.git("", "rev-list", "--topo-order", string(head), "^"+string(line[i-1])))
					got := make([]string, len(own.Commits))
					for k, c := range own.Commits {
						got[k] = string(c)
					}
					if own.Linear {
						linear++
						require.Equal(t, want, got)
					}
					require.ElementsMatch(t, want, got)
					bases := strings.Fields(o.git("", "merge-base", "--all", string(line[i-1]), string(head)))
					if len(own.Bases) == 1 {
						singles++
						require.Equal(t, []string{string(own.Bases[0])}, bases)
					}
					for _, b := range bases {
						require.True(t, slices.Contains(own.Bases, approval.SHA(b)))
					}
				}
				g.Land(line[i])
			}
		}
	}
	require.Positive(t, linear)
	require.Greater(t, singles, 50)
}

// TestGraphSeveralBases: of two bases, one on the line and one in a pull request
// that landed, neither needs to be behind the other.
func TestGraphSeveralBases(t *testing.T) {
	o := newOrigin(t)
	root := o.commit(tree{"f": "0"})
	first := o.commit(tree{"f": "1"}, root)
	main := o.commit(tree{"f": "2"}, root)
	merge := o.commit(tree{"f": "3"}, main, first)
	head := o.commit(tree{"f": "5"}, o.commit(tree{"f": "4"}, first), main)
	o.branch("main", merge)
	l := o.local(o.dir)
	g, err := l.Graph(t.Context(), "", merge, []approval.SHA{head})
	require.NoError(t, err)
	for _, at := range []approval.SHA{root, main, merge} {
		g.Land(at)
	}
	require.ElementsMatch(t, []approval.SHA{first, main}, g.Own(head, 10).Bases)
}

// TestMergesToNested: a file of one side and a folder of the other have the same
// name. Only a malformed tree holds both.
func TestMergesToNested(t *testing.T) {
	change := func(path string) []approval.Change {
		return []approval.Change{{Path: path, After: approval.Entry{Mode: "100644", SHA: emptyTree}}}
	}
	require.True(t, mergesTo(change("a"), change("ab/c"), change("ab/c")))
	require.False(t, mergesTo(change("a"), change("a/b/c"), change("a/b/c")))
	require.False(t, mergesTo(change("a/b"), change("a"), change("a")))
}

func TestGraphCut(t *testing.T) {
	o := newOrigin(t)
	base := o.commit(tree{"f": "0"})
	head := base
	for range 5 {
		head = o.commit(tree{"f": fmt.Sprint(o.made)}, head)
	}
	o.branch("main", base)
	l := o.local(o.dir)
	g, err := l.Graph(t.Context(), "", base, []approval.SHA{head})
	require.NoError(t, err)
	g.Land(base)
	own := g.Own(head, 3)
	require.True(t, own.Cut)
	require.False(t, own.Linear)
	require.Len(t, own.Commits, 3)
	require.Equal(t, Own{Bases: []approval.SHA{base}, Linear: true}, g.Own(base, 3))
	l.Stands(head, base, own)
	all, err := l.m.Commits(t.Context(), head, base)
	require.NoError(t, err)
	require.Len(t, all, 5, "a list that was cut is not taken for the whole")
}
