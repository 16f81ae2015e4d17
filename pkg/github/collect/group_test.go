package collect_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
	"github.com/argo-gatekeeper/gatekeeper/pkg/github/collect"
	"github.com/argo-gatekeeper/gatekeeper/test/e2e/standin"
)

// groups are the groups in the merge queue of main, first in line first.
func (w *world) groups() []approval.MergeGroup {
	w.t.Helper()
	line, err := w.gh.MergeQueue(repoName, "main")
	require.NoError(w.t, err)
	var out []approval.MergeGroup
	for _, e := range line {
		out = append(out, approval.MergeGroup{
			Branch: "main", Ref: strings.TrimPrefix(e.HeadRef, "refs/heads/"), Base: approval.SHA(e.BaseSHA), Head: approval.SHA(e.HeadSHA),
		})
	}
	return out
}

func (w *world) enqueue(name string) standin.OpenedPull {
	w.t.Helper()
	p := w.pull("alice", "prod/"+name+".yaml", name+": 1\n")
	p.Head = w.push("alice", p.Number, "prod/"+name+"2.yaml", name+": 2\n")
	w.settle()
	require.NoError(w.t, w.gh.As("bob").Enqueue(repoName, p.Number))
	return p
}

func (w *world) group(g approval.MergeGroup) approval.GroupAnswer {
	w.t.Helper()
	a, err := w.collector.CollectGroup(w.t.Context(), repoName, g, w.query(w.repo.Head))
	require.NoError(w.t, err)
	return a
}

func numbersOf(pulls []approval.PullAnswer) []int {
	var out []int
	for _, p := range pulls {
		out = append(out, p.Pull.Number)
	}
	return out
}

func TestCollectGroup(t *testing.T) {
	t.Parallel()
	for _, method := range []string{"merge", "squash", "rebase"} {
		t.Run(method, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.listen()
			require.NoError(t, w.gh.EnableMergeQueue(repoName, "main", method))
			one, two := w.enqueue("a"), w.enqueue("b")
			w.review("bob", two.Number, "APPROVE")
			w.delivered()
			line := w.groups()
			require.Equal(t, line[0].Head, line[1].Base)

			a := w.group(line[0])
			require.Empty(t, a.Untold)
			require.Equal(t, one.Number, a.Newest)
			require.Equal(t, []int{one.Number}, numbersOf(a.Pulls))
			require.Zero(t, a.Ahead)
			require.Equal(t, approval.SHA(one.Head), a.Pulls[0].Pull.Head)
			require.True(t, a.Pulls[0].Open)

			a = w.group(line[1])
			require.Equal(t, []int{one.Number, two.Number}, numbersOf(a.Pulls), "what is ahead may land with it")
			require.Equal(t, 1, a.Ahead)
			require.Empty(t, a.UntoldAhead)
			require.Equal(t, []string{"prod/b.yaml", "prod/b2.yaml"}, paths(a.Pulls[1].Changes), "its own and no other's")
			require.Len(t, a.Pulls[1].Pull.Reviews, 1)

			// A new process has not seen the first group. The commits of a rebase name
			// nothing; a name that can be had is proven like any other.
			w.restart()
			a = w.group(line[1])
			if method == "rebase" {
				require.Equal(t, []int{two.Number}, numbersOf(a.Pulls))
				require.Zero(t, a.Ahead)
				require.Contains(t, a.UntoldAhead, "no pull request is named by "+line[0].Head.Short())
			} else {
				require.Equal(t, []int{one.Number, two.Number}, numbersOf(a.Pulls))
				require.Empty(t, a.UntoldAhead)
			}
		})
	}
}

// What is in the group and is not what its name says is not told.
func TestGroupThatCannotBeTold(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.listen()
	require.NoError(t, w.gh.EnableMergeQueue(repoName, "main", "squash"))
	w.enqueue("a")
	other := w.pull("alice", "prod/b.yaml", "b: 1\n")
	w.settle()
	line := w.groups()

	// The head of the pull request moved on after the group was built.
	g := line[0]
	g.Ref = strings.Replace(g.Ref, "pr-1-", "pr-2-", 1)
	require.NoError(t, w.gh.As("bob").Dequeue(repoName, 1))
	_, err := w.collector.CollectGroup(t.Context(), repoName, line[0], w.query(w.repo.Head))
	require.ErrorIs(t, err, approval.ErrNotFound, "the queue gave it up")
	require.NoError(t, w.gh.As("bob").SetBranch(repoName, g.Ref, string(line[0].Head)))
	a := w.group(g)
	require.Contains(t, a.Untold, "is not #2 as it was reviewed")
	require.Empty(t, a.Pulls)
	require.Equal(t, other.Number, a.Newest)

	// Another head under the same name.
	moved := g
	moved.Head = approval.SHA(w.repo.Head)
	_, err = w.collector.CollectGroup(t.Context(), repoName, moved, w.query(w.repo.Head))
	require.ErrorIs(t, err, approval.ErrNotFound)

	// A pull request that there is not, and a branch that is not of a queue.
	for _, ref := range []string{strings.Replace(g.Ref, "pr-2-", "pr-99-", 1)} {
		g.Ref = ref
		require.NoError(t, w.gh.As("bob").SetBranch(repoName, g.Ref, string(line[0].Head)))
		require.Contains(t, w.group(g).Untold, "there is no #99")
	}
	for _, ref := range []string{"topic", "gh-readonly-queue/dev/pr-1-" + string(g.Base), "gh-readonly-queue/main/pr-0-" + string(g.Base)} {
		g.Ref = ref
		_, err = w.collector.CollectGroup(t.Context(), repoName, g, w.query(w.repo.Head))
		require.ErrorContains(t, err, "is no branch of a merge queue for main")
		require.NotErrorIs(t, err, approval.ErrNotFound)
	}
}

func TestClaimedBy(t *testing.T) {
	t.Parallel()
	for subject, want := range map[string]int{
		"Merge pull request #12 from alice/topic": 12, "Raise limits (#7)": 7, `Revert "Raise limits (#7)" (#8)`: 8,
		"Raise limits (#7) again": 0, "Merge pull request #012 from x": 0, "see #4": 0, "": 0, "(#99999999999999)": 0, "fix (#0)": 0,
	} {
		require.Equal(t, want, collect.ClaimedBy(subject), subject)
	}
}

func FuzzClaimedBy(f *testing.F) {
	f.Add("Merge pull request #12 from alice/topic")
	f.Add("x (#1)")
	f.Fuzz(func(t *testing.T, subject string) {
		require.GreaterOrEqual(t, collect.ClaimedBy(subject), 0)
		require.Less(t, collect.ClaimedBy(subject), 1_000_000_000)
	})
}

// TestGroupOwners: who owns what a pull request of a group changes is said by what it
// lands on, which is not the branch when something is ahead of it.
func TestGroupOwners(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.listen()
	w.seed("CODEOWNERS", "* @mallory\nprod/ @acme/sre\n")
	require.NoError(t, w.gh.EnableMergeQueue(repoName, "main", "squash"))
	first := w.pull("alice", "CODEOWNERS", "* @mallory\nprod/ @bob\n")
	w.settle()
	require.NoError(t, w.gh.As("bob").Enqueue(repoName, first.Number))
	w.enqueue("b")
	w.delivered()
	q := w.query(w.repo.Head)
	q.Needs.CodeOwners = true
	a, err := w.collector.CollectGroup(t.Context(), repoName, w.groups()[1], q)
	require.NoError(t, err)
	require.Empty(t, a.Untold)
	require.Len(t, a.Pulls, 2)
	require.Equal(t, []approval.PathOwners{{Path: "CODEOWNERS", Users: []string{"mallory"}}}, a.Pulls[0].Pull.Owners)
	require.ElementsMatch(t, []approval.PathOwners{
		{Path: "prod/b.yaml", Users: []string{"bob"}}, {Path: "prod/b2.yaml", Users: []string{"bob"}},
	}, a.Pulls[1].Pull.Owners)
	require.Equal(t, w.groups()[1].Base, a.Pulls[1].BaseHead)
}
