package mirror

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
)

// landing is what a proof says, without its detail.
type landing struct {
	kind   approval.LandingKind
	parent approval.SHA
	run    int
	result approval.ProofResult
}

func short(l Landing) landing { return landing{l.Kind, l.Parent, l.Commits, l.Proof.Result} }

// rewrite lands a run by hand: each commit takes author and date of the pull
// request's commit of the same place, as a rebase would, and the given content.
func (o *origin) rewrite(base approval.SHA, originals []approval.SHA, contents []tree) approval.SHA {
	o.t.Helper()
	at := base
	for i, original := range originals {
		content := o.treeOf(o.commit(contents[i]))
		env := o.git("", "log", "-1", "--format=%an%n%ae%n%ad", "--date=raw", string(original))
		at = o.commitAs(env, content, at)
	}
	return at
}

// commitAs writes a commit with the author that another one has.
func (o *origin) commitAs(author string, content approval.SHA, parent approval.SHA) approval.SHA {
	o.t.Helper()
	fields := strings.Split(author, "\n")
	object := "tree " + string(content) + "\nparent " + string(parent) + "\nauthor " + fields[0] + " <" + fields[1] + "> " + fields[2] +
		"\ncommitter GitHub <noreply@github.com> 1800000000 +0000\n\nrewritten\n"
	return o.sha(o.git(object, "hash-object", "-w", "-t", "commit", "--stdin"))
}

// TestProveRebaseByHand has runs that were put together by hand, with the
// authors and dates of the reviewed commits.
func TestProveRebaseByHand(t *testing.T) {
	o := newOrigin(t)
	base := o.commit(tree{"f": lines("0", "0"), "g": "0\n"})
	one := o.commit(tree{"f": lines("1", "0"), "g": "0\n"}, base)
	two := o.commit(tree{"f": lines("1", "0"), "g": "1\n"}, one)
	main := o.commit(tree{"f": lines("0", "main"), "g": "0\n"}, base)
	reviewed := []approval.SHA{one, two}
	first, last := tree{"f": lines("1", "main"), "g": "0\n"}, tree{"f": lines("1", "main"), "g": "1\n"}
	proven := landing{approval.KindRebase, main, 2, approval.Proven}

	t.Run("honest", func(t *testing.T) {
		at := o.rewrite(main, reviewed, []tree{first, last})
		require.Equal(t, proven, short(o.proof(o.mirror(at, two), at, two)))
	})
	t.Run("last commit changed", func(t *testing.T) {
		at := o.rewrite(main, reviewed, []tree{first, last.with("g", "evil\n")})
		l := o.proof(o.mirror(at, two), at, two)
		require.Equal(t, landing{approval.KindRebase, main, 2, approval.Mismatch}, short(l))
		require.Contains(t, l.Proof.Detail, "at: g")
	})
	t.Run("first commit changed", func(t *testing.T) {
		// The last step alone is right; the evil one before it is covered by
		// nothing.
		at := o.rewrite(main, reviewed, []tree{first.with("evil", ""), last.with("evil", "")})
		l := o.proof(o.mirror(at, two), at, two)
		require.Equal(t, approval.KindSquash, l.Kind)
		require.Equal(t, 1, l.Commits)
		require.NotEqual(t, main, l.Parent)
	})
	t.Run("steps that are not the reviewed ones", func(t *testing.T) {
		// Both steps are wrong and add up to the right content.
		at := o.rewrite(main, reviewed, []tree{{"f": "evil\n", "g": "0\n"}, last})
		l := o.proof(o.mirror(at, two), at, two)
		require.Equal(t, landing{approval.KindRebase, main, 2, approval.Mismatch}, short(l))
		require.Contains(t, l.Proof.Detail, "not those of the pull request replayed on "+main.Short())
	})
	t.Run("a commit left out", func(t *testing.T) {
		at := o.rewrite(main, reviewed[1:], []tree{last})
		require.Equal(t, landing{approval.KindSquash, main, 1, approval.Proven}, short(o.proof(o.mirror(at, two), at, two)))
		at = o.rewrite(main, reviewed[:1], []tree{first})
		require.Equal(t, approval.Mismatch, o.proof(o.mirror(at, two), at, two).Proof.Result)
	})
	t.Run("a commit slipped in", func(t *testing.T) {
		between := o.rewrite(main, reviewed[:1], []tree{first})
		evil := o.commit(first.with("evil", ""), between)
		at := o.rewrite(evil, reviewed[1:], []tree{last.with("evil", "")})
		l := o.proof(o.mirror(at, two), at, two)
		// Only the last step is covered: what slipped in is not.
		require.Equal(t, landing{approval.KindSquash, evil, 1, approval.Proven}, short(l))
	})
	t.Run("a merge inside of the run", func(t *testing.T) {
		between := o.rewrite(main, reviewed[:1], []tree{first})
		merge := o.commit(first, between, base)
		at := o.rewrite(merge, reviewed[1:], []tree{last})
		l := o.proof(o.mirror(at, two), at, two)
		require.Equal(t, landing{approval.KindSquash, merge, 1, approval.Proven}, short(l))
	})
	t.Run("the order changed", func(t *testing.T) {
		at := o.rewrite(main, []approval.SHA{two, one}, []tree{first, last})
		l := o.proof(o.mirror(at, two), at, two)
		require.NotEqual(t, approval.KindRebase, l.Kind)
	})
}

// TestProveSamePatch is attack 7: what landed is the reviewed patch, applied at
// another place of the file where the lines around it are the same. Patch ids
// leave line numbers out, so they agree.
func TestProveSamePatch(t *testing.T) {
	const block = "- name: x\n  a: 1\n  b: 1\n  c: 1\n  replicas: 1\n  d: 1\n  e: 1\n  f: 1\n"
	const bumped = "- name: x\n  a: 1\n  b: 1\n  c: 1\n  replicas: 9\n  d: 1\n  e: 1\n  f: 1\n"
	o := newOrigin(t)
	base := o.commit(tree{"f": block + block})
	one := o.commit(tree{"f": bumped + block}, base)
	two := o.commit(tree{"f": bumped + block, "g": ""}, one)
	main := o.commit(tree{"f": block + block, "main": ""}, base)
	moved := tree{"f": block + bumped, "main": ""}
	at := o.rewrite(main, []approval.SHA{one, two}, []tree{moved, moved.with("g", "")})
	first := o.sha(o.git("", "rev-parse", string(at)+"^"))
	patch := func(a, b approval.SHA) string {
		return strings.Fields(o.git(o.git("", "diff-tree", "-p", string(a), string(b))+"\n", "patch-id", "--stable"))[0]
	}
	require.Equal(t, patch(base, one), patch(main, first), "the scene is not the attack")
	require.Equal(t, patch(one, two), patch(first, at), "the scene is not the attack")
	m := o.mirror(at, one, two)
	l := o.proof(m, at, two)
	require.Equal(t, landing{approval.KindRebase, main, 2, approval.Mismatch}, short(l))
	require.Contains(t, l.Proof.Detail, "at: f")
	require.Equal(t, landing{approval.KindSquash, main, 1, approval.Mismatch}, short(o.proof(m, first, one)))
}

// TestProveSquashOfStack has two stacked pull requests, squashed one after the
// other: the same trees as a rebase of the second one would give.
func TestProveSquashOfStack(t *testing.T) {
	o := newOrigin(t)
	base := o.commit(tree{"f": "0\n"})
	one := o.commit(tree{"f": "0\n", "one": ""}, base)
	two := o.commit(tree{"f": "0\n", "one": "", "two": ""}, one)
	first := o.mustLand("squash", base, one)
	second := o.mustLand("squash", first, two)
	m := o.mirror(second, one, two)
	require.Equal(t, landing{approval.KindSquash, first, 1, approval.Proven}, short(o.proof(m, second, two)))
	require.Equal(t, landing{approval.KindSquash, base, 1, approval.Proven}, short(o.proof(m, first, one)))
}

// TestProveRebaseOfStack: rebased one after the other, both are one run, unless
// it is known where the first one ended.
func TestProveRebaseOfStack(t *testing.T) {
	o := newOrigin(t)
	base := o.commit(tree{"f": "0\n"})
	one := o.commit(tree{"f": "0\n", "one": ""}, base)
	two := o.commit(tree{"f": "0\n", "one": "", "two": ""}, one)
	three := o.commit(tree{"f": "0\n", "one": "", "two": "", "three": ""}, two)
	main := o.commit(tree{"f": "1\n"}, base)
	first := o.mustLand("rebase", main, one)
	last := o.mustLand("rebase", first, three)
	m := o.mirror(last, one, three)
	require.Equal(t, landing{approval.KindRebase, main, 3, approval.Proven}, short(o.proof(m, last, three)))
	require.Equal(t, landing{approval.KindRebase, first, 2, approval.Proven}, short(o.proof(m, last, three, first)))
	require.Equal(t, landing{approval.KindSquash, main, 1, approval.Proven}, short(o.proof(m, first, one, last, base)))
}

// TestProveRebaseLeavesTheLineAlone: commits that were pushed to the branch, and
// on which the pull request builds, are not part of its landing.
func TestProveRebaseLeavesTheLineAlone(t *testing.T) {
	o := newOrigin(t)
	base := o.commit(tree{"f": "0\n"})
	pushed := o.commit(tree{"f": "evil\n"}, base)
	again := o.commit(tree{"f": "evil\n", "g": ""}, pushed)
	one := o.commit(tree{"f": "evil\n", "g": "", "one": ""}, again)
	two := o.commit(tree{"f": "evil\n", "g": "", "one": "", "two": ""}, one)
	m := o.mirror(base, one, two)
	for _, c := range []struct {
		head approval.SHA
		want landing
	}{
		{one, landing{approval.KindSquash, again, 1, approval.Proven}},
		{two, landing{approval.KindRebase, again, 2, approval.Proven}},
	} {
		at := o.mustLand("rebase", again, c.head)
		o.branch("main", at)
		require.NoError(t, m.Fetch(t.Context(), "main"))
		require.Equal(t, c.want, short(o.proof(m, at, c.head)))
	}
	// The same when the branch was merged into the pull request.
	older := o.commit(tree{"f": "0\n", "one": ""}, base)
	head := o.commit(tree{"f": "evil\n", "g": "", "one": "", "two": ""}, o.mustLand("merge", older, again))
	at := o.mustLand("rebase", again, head)
	m = o.mirror(at, head)
	require.Equal(t, landing{approval.KindRebase, again, 2, approval.Proven}, short(o.proof(m, at, head)))
}

// TestProveRebaseShapes has pull requests whose history is no plain row.
func TestProveRebaseShapes(t *testing.T) {
	t.Run("a commit that is on the base already is dropped", func(t *testing.T) {
		o := newOrigin(t)
		base := o.commit(tree{"f": "0\n", "g": "0\n"})
		one := o.commit(tree{"f": "1\n", "g": "0\n"}, base)
		two := o.commit(tree{"f": "1\n", "g": "1\n"}, one)
		three := o.commit(tree{"f": "1\n", "g": "2\n"}, two)
		main := o.commit(tree{"f": "1\n", "g": "0\n"}, base)
		at := o.mustLand("rebase", main, three)
		require.Equal(t, "2", o.git("", "rev-list", "--count", string(main)+".."+string(at)))
		require.Equal(t, landing{approval.KindRebase, main, 2, approval.Proven}, short(o.proof(o.mirror(at, three), at, three)))
	})
	t.Run("an empty commit may be kept", func(t *testing.T) {
		o := newOrigin(t)
		base := o.commit(tree{"f": "0\n"})
		one := o.commit(tree{"f": "1\n"}, base)
		empty := o.commit(tree{"f": "1\n"}, one)
		head := o.commit(tree{"f": "2\n"}, empty)
		main := o.commit(tree{"f": "0\n", "g": "1\n"}, base)
		contents := []tree{{"f": "1\n", "g": "1\n"}, {"f": "1\n", "g": "1\n"}, {"f": "2\n", "g": "1\n"}}
		kept := o.rewrite(main, []approval.SHA{one, empty, head}, contents)
		require.Equal(t, landing{approval.KindRebase, main, 3, approval.Proven}, short(o.proof(o.mirror(kept, head), kept, head)))
		dropped := o.rewrite(main, []approval.SHA{one, head}, []tree{contents[0], contents[2]})
		require.Equal(t, landing{approval.KindRebase, main, 2, approval.Proven}, short(o.proof(o.mirror(dropped, head), dropped, head)))
	})
	t.Run("update-merges are left out", func(t *testing.T) {
		o := newOrigin(t)
		base := o.commit(tree{"f": "0\n"})
		one := o.commit(tree{"f": "0\n", "one": ""}, base)
		main := o.commit(tree{"f": "1\n"}, base)
		update := o.mustLand("merge", one, main)
		head := o.commit(tree{"f": "1\n", "one": "", "two": ""}, update)
		later := o.commit(tree{"f": "1\n", "main": ""}, main)
		at := o.mustLand("rebase", later, head)
		require.Equal(t, landing{approval.KindRebase, later, 2, approval.Proven}, short(o.proof(o.mirror(at, head), at, head)))
	})
	t.Run("what a merge in the pull request adds is lost by a rebase", func(t *testing.T) {
		o := newOrigin(t)
		base := o.commit(tree{"f": "0\n"})
		one := o.commit(tree{"f": "0\n", "one": ""}, base)
		main := o.commit(tree{"f": "1\n"}, base)
		update := o.commit(tree{"f": "1\n", "one": "", "added": ""}, one, main)
		head := o.commit(tree{"f": "1\n", "one": "", "added": "", "two": ""}, update)
		at := o.mustLand("rebase", main, head)
		l := o.proof(o.mirror(at, head), at, head)
		require.Equal(t, approval.Mismatch, l.Proof.Result)
		require.Contains(t, l.Proof.Detail, "at: added")
	})
	t.Run("two rows of commits", func(t *testing.T) {
		o := newOrigin(t)
		base := o.commit(tree{"f": "0\n"})
		left := o.commit(tree{"f": "0\n", "left": ""}, base)
		right := o.commit(tree{"f": "0\n", "right": ""}, base)
		head := o.mustLand("merge", left, right)
		main := o.commit(tree{"f": "1\n"}, base)
		at := o.mustLand("rebase", main, head)
		require.Equal(t, landing{approval.KindRebase, main, 2, approval.Proven}, short(o.proof(o.mirror(at, head), at, head)))
	})
	t.Run("an unrelated history merged in", func(t *testing.T) {
		o := newOrigin(t)
		base := o.commit(tree{"f": "0\n"})
		one := o.commit(tree{"f": "1\n"}, base)
		other := o.commit(tree{"other": ""})
		head := o.commit(tree{"f": "1\n", "other": ""}, one, other)
		main := o.commit(tree{"f": "0\n", "main": ""}, base)
		at := o.rewrite(main, []approval.SHA{other, one}, []tree{{"f": "0\n", "main": "", "other": ""}, {"f": "1\n", "main": "", "other": ""}})
		require.NotEqual(t, approval.KindRebase, o.proof(o.mirror(at, head), at, head).Kind)
	})
	t.Run("more commits than are replayed", func(t *testing.T) {
		o := newOrigin(t)
		base := o.commit(tree{"f": "0\n"})
		head, landed := base, o.commit(tree{"f": "0\n", "main": ""}, base)
		main := landed
		for range maxRun + 1 {
			head = o.commitTree(o.treeOf(base), head)
		}
		head = o.commit(tree{"f": "1\n"}, head)
		landed = o.rewrite(landed, []approval.SHA{head, head}, []tree{{"f": "0\n", "main": ""}, {"f": "1\n", "main": ""}})
		l := o.proof(o.mirror(landed, head), landed, head)
		require.Equal(t, approval.KindSquash, l.Kind)
		require.NotEqual(t, main, l.Parent)
	})
}
