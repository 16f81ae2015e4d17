package deployments_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
	"github.com/argo-gatekeeper/gatekeeper/pkg/history"
	"github.com/argo-gatekeeper/gatekeeper/pkg/history/deployments"
	"github.com/argo-gatekeeper/gatekeeper/pkg/history/historytest"
)

// TestSameOnEveryPage: what is said of a deployment does not depend on what it is read with.
func TestSameOnEveryPage(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.lands(approval.ClassConfig)
	w.lands(approval.ClassConfig)
	w.lands(approval.ClassConfig)
	w.deploys(0, 1, history.ResultSucceeded) // 1
	w.deploys(1, 2, history.ResultSucceeded) // 2
	for range 60 {
		w.sees(3, nil)
	}
	w.sees(1, nil)                           // 63
	w.deploys(2, 3, history.ResultSucceeded) // 64
	for range 30 {
		w.sees(3, func(o *history.ObservedPayload) { o.Phase = "Failed" })
	}
	w.sees(1, nil) // 95
	page, err := w.model.List(t.Context(), uid, 0, 100)
	require.NoError(t, err)
	require.Len(t, page.Deployments, 95)
	for _, d := range page.Deployments {
		require.Equal(t, d, w.get(d.Number))
	}
}

// sparing is a record that gives one entry at a time, as it may when they are large.
type sparing struct{ history.Reader }

func (s sparing) Entries(ctx context.Context, from uint64, limit int) ([]history.Entry, error) {
	return s.Reader.Entries(ctx, from, min(limit, 1))
}

func (s sparing) Select(ctx context.Context, selection history.Selection, limit int) ([]history.Entry, error) {
	return s.Reader.Select(ctx, selection, min(limit, 1))
}

// TestShortPages: a page of the record that is shorter than was asked for is not its end.
func TestShortPages(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.lands(approval.ClassConfig)
	w.deploys(0, 1, history.ResultSucceeded) // 1
	w.lands(approval.ClassConfig)
	of := w.sees(2, nil) // 2
	w.append(history.HealthPayload{Of: of, Health: "Progressing", At: w.at})
	w.append(history.HealthPayload{Of: of, Health: "Degraded", At: w.at.Add(time.Minute)})
	w.decides(1, 1)
	w.append(history.HealthPayload{Of: of, Health: "Healthy", At: w.at.Add(2 * time.Minute)})
	w.sees(1, nil) // 3
	want, err := w.model.List(t.Context(), uid, 0, 10)
	require.NoError(t, err)
	require.Len(t, want.Deployments[1].Health, 4)
	require.Len(t, want.Deployments[1].Pulls, 1)
	w.model = deployments.New(sparing{w.store})
	got, err := w.model.List(t.Context(), uid, 0, 10)
	require.NoError(t, err)
	require.Equal(t, want, got)
}

// TestFoundAfterwards: a health that was read long after the end of a sync says nothing of
// the time in between.
func TestFoundAfterwards(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.lands(approval.ClassConfig)
	w.sees(0, func(o *history.ObservedPayload) {
		o.Late, o.StartedAt, o.FinishedAt = true, w.at.Add(-49*time.Hour), w.at.Add(-48*time.Hour)
	}) // 1
	intent := w.intends(0, 1, nil)
	w.at = w.at.Add(3 * time.Hour)
	w.append(history.OutcomePayload{
		Intent: intent, Result: history.ResultSucceeded, Phase: "Succeeded", Revisions: []string{string(sha(1))},
		StartedAt: w.at.Add(-3 * time.Hour), FinishedAt: w.at.Add(-2 * time.Hour), Health: "Healthy",
	}) // 2
	for n := 1; n <= 2; n++ {
		d := w.get(n)
		require.True(t, d.Late, "#%d", n)
		require.Zero(t, d.HealthyAt, "#%d", n)
		require.Equal(t, []deployments.Health{{Health: "Healthy", At: d.Recorded, Late: true}}, d.Health, "#%d", n)
	}
}

// TestCompareUngated: what both deployments have is no difference, also when two decisions
// on syncs without the gate tell of it.
func TestCompareUngated(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for range 3 {
		w.lands(approval.ClassConfig)
	}
	w.deploys(0, 1, history.ResultSucceeded) // 1
	sees := func(to int) {
		w.sees(to, func(o *history.ObservedPayload) { _, o.Decision = w.decides(1, 1) })
	}
	sees(2) // 2
	sees(3) // 3
	c, err := w.model.Compare(t.Context(), uid, 2, 3)
	require.NoError(t, err)
	require.Len(t, c.Added, 1)
	require.Equal(t, 3, c.Added[0].Number)
	require.Empty(t, c.Removed)
	c, err = w.model.Compare(t.Context(), uid, 3, 2)
	require.NoError(t, err)
	require.Empty(t, c.Added)
	require.Len(t, c.Removed, 1)
}

// TestCompareUnknown: two deployments of which nobody knows the revisions are not the same.
func TestCompareUnknown(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for range 2 {
		w.sees(1, func(o *history.ObservedPayload) { o.Phase, o.Revisions = "Failed", nil })
	}
	c, err := w.model.Compare(t.Context(), uid, 1, 2)
	require.NoError(t, err)
	require.False(t, c.Same)
}

// TestRollbackToAnother: an order to go back names a deployment of its Application.
func TestRollbackToAnother(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.lands(approval.ClassConfig)
	head, err := w.store.Head(t.Context())
	require.NoError(t, err)
	_, err = w.store.Append(t.Context(), head, historytest.Deployment(t, head, "uid-2", "prod", "other", history.ResultSucceeded)...)
	require.NoError(t, err)
	w.deploys(0, 1, history.ResultSucceeded) // 1
	w.append(w.rollback("back", "other"))
	w.ends(w.intends(1, 1, func(i *history.IntentPayload) { i.Act = "back" }), 1, history.ResultSucceeded) // 2
	_, err = w.model.Get(t.Context(), uid, 2)
	require.ErrorContains(t, err, `order "back" goes back to a deployment of another Application`)
}
