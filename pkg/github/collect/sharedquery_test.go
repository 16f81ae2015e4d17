package collect_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
)

// TestSharedQueries: Applications of one landing cost one read of its reviews, checks and
// who is asked, and each says the same; after an event, and for who does not share, they
// are read anew.
func TestSharedQueries(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	p := w.pull("alice", "prod/a.yaml", "a: 1\n")
	id := w.review("bob", p.Number, "APPROVE")
	w.merge(p.Number, "squash")
	w.delivered()
	q := w.query(w.repo.Head)
	q.Needs = approval.Needs{Requested: true, Pushers: true, Checks: []approval.RequiredCheck{{Name: "scan", AppID: 7}}}
	collect := func(share bool) (approved bool, calls []string) {
		t.Helper()
		w.resetCalls()
		q.Shared = share
		answer, err := w.collector.Collect(t.Context(), q)
		require.NoError(t, err)
		require.Len(t, answer.Lines[0].Landings, 1)
		pr := answer.Lines[0].Landings[0].Pull
		require.Len(t, pr.Reviews, 1)
		require.NotNil(t, pr.Requested)
		require.NotNil(t, pr.Pushers)
		return pr.Reviews[0].State == approval.ReviewApproved, counted(w.apiCalls())
	}
	first, _ := collect(true)
	require.True(t, first)
	for range 5 {
		again, calls := collect(true)
		require.True(t, again)
		require.Empty(t, calls)
	}
	require.NoError(t, w.gh.As("carol").Dismiss(repoName, p.Number, id, "no"))
	w.collector.Heard()
	again, calls := collect(true)
	require.False(t, again)
	require.Len(t, calls, 5, "reviews, who is asked, checks, pushers, and of whom the dismissal is")
	_, calls = collect(false)
	require.Len(t, calls, 4)
}
