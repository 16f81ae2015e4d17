package report_test

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
	"github.com/argo-gatekeeper/gatekeeper/pkg/github/report"
	"github.com/argo-gatekeeper/gatekeeper/pkg/github/webhook/webhooktest"
	"github.com/argo-gatekeeper/gatekeeper/test/e2e/standin"
)

// suites are the hints of GitHub's events of check suites that are to run again.
func (w *world) suites() <-chan approval.Hint {
	w.t.Helper()
	hints := make(chan approval.Hint, 100)
	webhooktest.Receive(w.t, w.gh, w.app.ID, func(_ string, h approval.Hint) error {
		if h.Suite != "" {
			hints <- h
		}
		return nil
	})
	return hints
}

// runsAt are the IDs of the check runs at a head, oldest first.
func (w *world) runsAt(head string) (ids []int64) {
	for _, c := range w.checks() {
		if c.SHA == head {
			ids = append(ids, c.ID)
		}
	}
	return ids
}

// TestRerunOfSuite: "Re-run all checks" leads back to the pull request by the head, also when
// GitHub names none, and a new check run is made, once, although nothing is new.
func TestRerunOfSuite(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	hints := w.suites()
	w.publish(w.report(approval.Allowed, 2))
	before := w.runsAt(w.pull.Head)
	require.Len(t, before, 1)
	require.NoError(t, w.gh.As("alice").RerequestSuite(repoName, w.app.ID, w.pull.Head))
	require.NoError(t, w.gh.WaitDelivered(t.Context()))
	h := <-hints
	require.Equal(t, approval.SHA(w.pull.Head), h.Suite)
	require.True(t, h.Again)

	// After a restart the head is known all the same.
	w.publisher = report.NewPublisher(w.client, w.store, w.logger(), w.now)
	pulls, groups, err := w.publisher.AgainSuite(t.Context(), repoName, h.Suite, []string{"other", "prod"})
	require.NoError(t, err)
	require.Empty(t, groups)
	require.Equal(t, []int{w.pull.Number}, pulls)
	w.publisher.Again(repoName, w.pull.Number) // says less, and takes nothing away
	fail, err := w.gh.Fail(standin.ServerError500("^POST .*/check-runs"))
	require.NoError(t, err)
	require.Error(t, w.publisher.Publish(t.Context(), w.report(approval.Allowed, 2)))
	fail()
	for range 2 {
		w.publish(w.report(approval.Allowed, 2))
	}
	require.Len(t, w.runsAt(w.pull.Head), 2, "a new one, once")

	pulls, groups, err = w.publisher.AgainSuite(t.Context(), repoName, "1111111111111111111111111111111111111111", []string{"prod"})
	require.NoError(t, err)
	require.Empty(t, pulls)
	require.Empty(t, groups)
	w.store.fail = errors.New("the disk is gone")
	_, _, err = w.publisher.AgainSuite(t.Context(), repoName, h.Suite, []string{"prod"})
	require.ErrorIs(t, err, w.store.fail)
}

// TestRerunOfSuiteOfGroup: the same of a merge group, of which GitHub's event says nothing but
// the head.
func TestRerunOfSuiteOfGroup(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	hints := w.suites()
	head, err := w.gh.Branch(repoName, "main")
	require.NoError(t, err)
	group := approval.MergeGroup{Branch: "main", Ref: "gh-readonly-queue/main/an unusual name", Head: approval.SHA(head), Base: approval.SHA(w.pull.Head)}
	g := approval.GroupReport{
		Repository: repoName, Pull: w.pull.Number, Group: group,
		Gates: []approval.GroupGate{{Gate: "prod", Pulls: []approval.GroupPull{{Number: w.pull.Number, Report: w.report(approval.Allowed, 2).Gates[0]}}}},
	}
	require.NoError(t, w.publisher.PublishGroup(t.Context(), g))
	require.Len(t, w.runsAt(head), 1)
	require.NoError(t, w.gh.As("alice").RerequestSuite(repoName, w.app.ID, head))
	require.NoError(t, w.gh.WaitDelivered(t.Context()))
	h := <-hints
	require.Equal(t, approval.SHA(head), h.Suite)
	require.Zero(t, h.Pull)
	require.Nil(t, h.Group, "the event does not have it")

	w.publisher = report.NewPublisher(w.client, w.store, w.logger(), w.now)
	pulls, groups, err := w.publisher.AgainSuite(t.Context(), repoName, h.Suite, []string{"prod"})
	require.NoError(t, err)
	require.Empty(t, pulls, "the pull request itself has another head")
	require.Equal(t, []approval.MergeGroup{group}, groups)
	for range 2 {
		require.NoError(t, w.publisher.PublishGroup(t.Context(), g))
	}
	require.Len(t, w.runsAt(head), 2, "a new one, once")
	w.publish(w.report(approval.Allowed, 2))
	w.publish(w.report(approval.Allowed, 2))
	require.Len(t, w.runsAt(w.pull.Head), 1)
}
