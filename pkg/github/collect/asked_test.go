package collect_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
	"github.com/argo-gatekeeper/gatekeeper/test/e2e/standin"
)

// Who is asked, the draft and the labels come with the pull request; no call is made for
// them.
func TestAsked(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.listen()
	read := func(number int) approval.PullAnswer {
		t.Helper()
		w.delivered()
		a, err := w.collector.CollectPull(t.Context(), repoName, number, w.query(w.repo.Head))
		require.NoError(t, err)
		return a
	}
	p := w.pull("alice", "prod/a.yaml", "a: 1\n")
	a := read(p.Number)
	require.Equal(t, approval.RequestedReviewers{}, a.Asked)
	require.False(t, a.Draft)
	require.Empty(t, a.Labels)
	require.NoError(t, w.gh.As("alice").RequestReview(repoName, p.Number, "bob", "acme/sre"))
	require.NoError(t, w.gh.As("alice").Label(repoName, p.Number, "gatekeeper/prod: approved"))
	w.gh.ResetCalls()
	a = read(p.Number)
	require.Len(t, a.Asked.Users, 1)
	require.Equal(t, w.userID("bob"), a.Asked.Users[0].ID)
	require.Equal(t, []approval.TeamName{"acme/sre"}, a.Asked.Teams)
	require.Equal(t, []string{"gatekeeper/prod: approved"}, a.Labels)
	for _, c := range w.gh.Calls() {
		require.NotContains(t, c.Path, "requested_reviewers")
		require.NotContains(t, c.Path, "labels")
	}
	w.merge(p.Number, "squash")
	a = read(p.Number)
	require.Empty(t, a.Asked)
	require.Empty(t, a.Labels)

	draft, err := w.gh.As("alice").OpenPull(repoName, standin.PullOptions{
		Title: "not yet", Draft: true, Change: standin.Change{Files: map[string]string{"prod/b.yaml": "b: 1\n"}},
	})
	require.NoError(t, err)
	require.True(t, read(draft.Number).Draft)
}
