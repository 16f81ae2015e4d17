package standin_test

import (
	"strings"
	"testing"

	"github.com/google/go-github/v60/github"
	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/test/e2e/standin"
)

// diverge makes a pull request of two commits, one by carol, on a base that moved on meanwhile.
func (w *world) diverge() (opened standin.OpenedPull, base string) {
	w.t.Helper()
	opened = w.openPull("replicas: 2\n")
	opened.Head = must(w.s.As("alice").PushToPull("acme/env", opened.Number, standin.Change{
		Files: map[string]string{"prod/extra.yaml": "a: b\n"}, Message: "Add extra\n\nbody text",
		Author: &standin.Identity{Name: "Carol", Email: "carol@example.com"}}))(w.t)
	base = must(w.s.As("bob").PushBranch("acme/env", "main", standin.Change{Files: map[string]string{"README.md": "moved on\n"}, Message: "Docs"}))(w.t)
	w.take()
	return opened, base
}

func (w *world) field(rev, format string) string {
	w.t.Helper()
	return w.git("log", "-1", "--format="+format, rev)
}

func TestMergeCommit(t *testing.T) {
	w := newWorld(t)
	opened, base := w.diverge()
	client := w.as(w.bob)
	_, resp, err := client.PullRequests.Merge(t.Context(), "acme", "env", opened.Number, "", &github.PullRequestOptions{SHA: base})
	require.Error(t, err)
	require.Equal(t, 409, resp.StatusCode)
	res, _, err := client.PullRequests.Merge(t.Context(), "acme", "env", opened.Number, "", &github.PullRequestOptions{SHA: opened.Head})
	require.NoError(t, err)
	m := res.GetSHA()
	require.Equal(t, m, w.git("rev-parse", "main"))
	require.Equal(t, base+" "+opened.Head, w.field(m, "%P"))
	require.Equal(t, w.git("merge-tree", "--write-tree", base, opened.Head), w.field(m, "%T"))
	require.Equal(t, "Bob <bob@example.com>|GitHub <noreply@github.com>", w.field(m, "%an <%ae>|%cn <%ce>"))
	require.Equal(t, "Merge pull request #1 from acme/change-1\n\nScale up", w.field(m, "%B"))
	pr, _, err := client.PullRequests.Get(t.Context(), "acme", "env", opened.Number)
	require.NoError(t, err)
	require.True(t, pr.GetMerged())
	require.Equal(t, m, pr.GetMergeCommitSHA())
	require.Equal(t, "bob", pr.GetMergedBy().GetLogin())
	require.Equal(t, base, pr.GetBase().GetSHA())
	_, err = tryGit(t, w.repo.GitDir, "rev-parse", "--verify", "refs/pull/1/merge")
	require.Error(t, err, "no test merge once merged")
	require.Equal(t, opened.Head, w.git("rev-parse", "refs/pull/1/head"))

	events := w.take()
	require.Equal(t, []string{"push", "pull_request.closed"}, names(events))
	push := events[0].payload.(*github.PushEvent)
	require.Equal(t, "bob", push.GetSender().GetLogin())
	require.Len(t, push.Commits, 3)
	require.Equal(t, []string{"prod/extra.yaml"}, push.Commits[1].Added)
	require.True(t, events[1].payload.(*github.PullRequestEvent).GetPullRequest().GetMerged())
	_, resp, err = client.PullRequests.Merge(t.Context(), "acme", "env", opened.Number, "", nil)
	require.Error(t, err)
	require.Equal(t, 405, resp.StatusCode)
}

func TestSquash(t *testing.T) {
	w := newWorld(t)
	opened, base := w.diverge()
	sha := must(w.s.As("bob").Merge("acme/env", opened.Number, "squash"))(t)
	require.Equal(t, base, w.field(sha, "%P"))
	require.Equal(t, w.git("merge-tree", "--write-tree", base, opened.Head), w.field(sha, "%T"))
	require.Equal(t, "Alice <alice@example.com>|GitHub <noreply@github.com>", w.field(sha, "%an <%ae>|%cn <%ce>"))
	require.Equal(t, "Scale up (#1)\n\n* Scale up\n\n* Add extra\n\nbody text\n\n---------\n\nCo-authored-by: Carol <carol@example.com>", w.field(sha, "%B"))

	single := must(w.s.As("alice").OpenPull("acme/env", standin.PullOptions{Title: "A title",
		Change: standin.Change{Files: map[string]string{"a": "b"}, Message: "The commit's title\n\nIts text"}}))(t)
	sha = must(w.s.As("bob").Merge("acme/env", single.Number, "squash"))(t)
	require.Equal(t, "The commit's title (#2)\n\nIts text", w.field(sha, "%B"))
}

func TestRebase(t *testing.T) {
	w := newWorld(t)
	opened, base := w.diverge()
	must(w.s.As("alice").UpdateBranch("acme/env", opened.Number))(t)
	last := must(w.s.As("alice").PushToPull("acme/env", opened.Number, standin.Change{Files: map[string]string{"prod/last.yaml": "z\n"}, Message: "Last"}))(t)
	sha := must(w.s.As("bob").Merge("acme/env", opened.Number, "rebase"))(t)
	line := strings.Fields(w.git("rev-list", "--reverse", base+".."+sha))
	require.Len(t, line, 3, "the merge commit is left out")
	require.Equal(t, base, w.field(line[0], "%P"))
	require.Equal(t, "Scale up|Add extra|Last", strings.Join([]string{w.field(line[0], "%s"), w.field(line[1], "%s"), w.field(line[2], "%s")}, "|"))
	require.Equal(t, "Carol <carol@example.com>|Bob <bob@example.com>", w.field(line[1], "%an <%ae>|%cn <%ce>"))
	require.Equal(t, w.field(last, "%T"), w.field(sha, "%T"))
	patchID := func(rev string) string {
		w.t.Helper()
		return w.git("diff-tree", "-p", rev+"^", rev)
	}
	require.Equal(t, patchID(opened.Head), patchID(line[1]))
	pull := must(w.s.Pull("acme/env", opened.Number))(t)
	require.Equal(t, sha, pull.MergeCommitSHA)
	for _, landed := range append(line, opened.Head) {
		list, _, err := w.client().PullRequests.ListPullRequestsWithCommit(t.Context(), "acme", "env", landed, nil)
		require.NoError(t, err)
		require.Len(t, list, 1, landed)
	}
}

func TestConflictsAndDraftsDoNotMerge(t *testing.T) {
	w := newWorld(t)
	opened := w.openPull("replicas: 2\n")
	draft := must(w.s.As("alice").OpenPull("acme/env", standin.PullOptions{Title: "Later", Draft: true, Change: standin.Change{Files: map[string]string{"x": "y"}}}))(t)
	must(w.s.As("bob").PushBranch("acme/env", "main", standin.Change{Files: map[string]string{"prod/values.yaml": "replicas: 3\n"}}))(t)
	pr, _, err := w.client().PullRequests.Get(t.Context(), "acme", "env", opened.Number)
	require.NoError(t, err)
	require.False(t, pr.GetMergeable())
	require.Equal(t, "dirty", pr.GetMergeableState())
	_, err = tryGit(t, w.repo.GitDir, "rev-parse", "--verify", "refs/pull/1/merge")
	require.Error(t, err)
	for _, number := range []int{opened.Number, draft.Number} {
		for _, method := range []string{"merge", "squash", "rebase"} {
			_, err := w.s.As("bob").Merge("acme/env", number, method)
			var refused *standin.APIError
			require.ErrorAs(t, err, &refused)
			require.Equal(t, 405, refused.Status)
		}
	}
	_, err = w.s.As("mallory").Merge("acme/env", draft.Number, "merge")
	require.ErrorContains(t, err, "403")
}

func TestPushesToTheBaseMerge(t *testing.T) {
	w := newWorld(t)
	t.Run("head pushed straight to base", func(t *testing.T) {
		opened := w.openPull("replicas: 2\n")
		w.take()
		require.NoError(t, w.s.As("bob").SetBranch("acme/env", "main", opened.Head))
		require.Equal(t, []string{"push", "pull_request.closed"}, names(w.take()))
		pull := must(w.s.Pull("acme/env", opened.Number))(t)
		require.True(t, pull.Merged)
		require.Equal(t, opened.Head, pull.MergeCommitSHA)
		require.Equal(t, "bob", pull.MergedBy)
	})
	t.Run("evil merge by hand", func(t *testing.T) {
		opened := w.openPull("replicas: 3\n")
		base := must(w.s.Branch("acme/env", "main"))(t)
		sha := must(w.s.As("bob").MergeByHand("acme/env", opened.Number, standin.Change{Files: map[string]string{"smuggled": "in\n"}}))(t)
		require.Equal(t, base+" "+opened.Head, w.field(sha, "%P"))
		require.NotEqual(t, w.git("merge-tree", "--write-tree", base, opened.Head), w.field(sha, "%T"))
		require.Equal(t, "in", w.git("show", sha+":smuggled"))
		pull := must(w.s.Pull("acme/env", opened.Number))(t)
		require.True(t, pull.Merged)
		require.Equal(t, sha, pull.MergeCommitSHA)
	})
}

func TestRevert(t *testing.T) {
	for _, method := range []string{"merge", "squash", "rebase"} {
		t.Run(method, func(t *testing.T) {
			w := newWorld(t)
			opened, base := w.diverge()
			must(w.s.As("bob").Merge("acme/env", opened.Number, method))(t)
			must(w.s.As("bob").PushBranch("acme/env", "main", standin.Change{Files: map[string]string{"later": "x\n"}}))(t)
			revert := must(w.s.As("alice").RevertPull("acme/env", opened.Number))(t)
			landed := must(w.s.As("bob").Merge("acme/env", revert.Number, "squash"))(t)
			require.Equal(t, "later", w.git("diff", "--name-only", base, landed))
			require.Contains(t, w.field(landed, "%s"), `Revert "Scale up"`)
		})
	}
	t.Run("one commit", func(t *testing.T) {
		w := newWorld(t)
		before := must(w.s.Branch("acme/env", "main"))(t)
		sha := must(w.s.As("bob").PushBranch("acme/env", "main", standin.Change{Files: map[string]string{"later": "x\n"}}))(t)
		revert := must(w.s.As("alice").RevertCommit("acme/env", sha, "Take it back"))(t)
		require.Empty(t, w.git("diff", before, revert.Head))
	})
}

func TestUpdateBranchKeepsThePatch(t *testing.T) {
	w := newWorld(t)
	opened, base := w.diverge()
	_, resp, err := w.as(w.alice).PullRequests.UpdateBranch(t.Context(), "acme", "env", opened.Number, nil)
	require.ErrorAs(t, err, new(*github.AcceptedError), "go-github v60 takes 202 for an error")
	require.Equal(t, 202, resp.StatusCode)
	pull := must(w.s.Pull("acme/env", opened.Number))(t)
	require.Equal(t, opened.Head+" "+base, w.field(pull.Head, "%P"))
	require.Equal(t, w.git("merge-tree", "--write-tree", opened.Head, base), w.field(pull.Head, "%T"))
	require.Equal(t, []string{"push", "pull_request.synchronize"}, names(w.take()))
	require.Len(t, pull.Commits, 3)
}
