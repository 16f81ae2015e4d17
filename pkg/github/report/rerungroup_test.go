package report_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
	"github.com/argo-gatekeeper/gatekeeper/pkg/github/webhook/webhooktest"
	"github.com/argo-gatekeeper/gatekeeper/test/e2e/standin"
)

// TestRerunOfGroupLeadsBack: "Re-run" on the check run of a merge group names the group, and
// its check runs are written although nothing is new, once.
func TestRerunOfGroupLeadsBack(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	hints := make(chan approval.Hint, 100)
	webhooktest.Receive(t, w.gh, w.app.ID, func(_ string, h approval.Hint) error {
		if h.Pull != 0 || h.Group != nil {
			hints <- h
		}
		return nil
	})
	head, err := w.gh.Branch(repoName, "main")
	require.NoError(t, err)
	base := approval.SHA(w.pull.Head)
	g := approval.GroupReport{
		Repository: repoName, Pull: w.pull.Number,
		Group: approval.MergeGroup{Branch: "main", Ref: "gh-readonly-queue/main/pr-1-" + string(base), Head: approval.SHA(head), Base: base},
		Gates: []approval.GroupGate{{Gate: "prod", Pulls: []approval.GroupPull{{Number: w.pull.Number, Report: w.report(approval.Allowed, 2).Gates[0]}}}},
	}
	require.NoError(t, w.publisher.PublishGroup(t.Context(), g))
	runs := w.checks()
	require.Len(t, runs, 1)
	require.NoError(t, w.gh.As("alice").Rerequest(repoName, runs[0].ID))
	require.NoError(t, w.gh.WaitDelivered(t.Context()))
	h := <-hints
	require.True(t, h.Again)
	require.Zero(t, h.Pull)
	require.Equal(t, g.Group, *h.Group)
	require.Empty(t, hints)

	before := w.calls.Load()
	w.publisher.AgainGroup(repoName, h.Group.Head)
	fail, err := w.gh.Fail(standin.ServerError500("^PATCH .*/check-runs/"))
	require.NoError(t, err)
	require.Error(t, w.publisher.PublishGroup(t.Context(), g))
	fail()
	for range 2 {
		require.NoError(t, w.publisher.PublishGroup(t.Context(), g))
	}
	require.Equal(t, before+2, w.calls.Load(), "the one that failed, and the check run once")
	require.Len(t, w.checks(), 1)
}
