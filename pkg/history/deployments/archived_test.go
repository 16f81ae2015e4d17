package deployments_test

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
	"github.com/argo-gatekeeper/gatekeeper/pkg/history"
	"github.com/argo-gatekeeper/gatekeeper/pkg/history/deployments"
)

// archived is a record of which some entries are archived.
type archived struct {
	history.Reader
	gone []uint64
}

func (a *archived) stubs(entries []history.Entry, err error) ([]history.Entry, error) {
	for i, e := range entries {
		if slices.Contains(a.gone, e.Sequence) {
			entries[i] = e.Stub()
		}
	}
	return entries, err
}

func (a *archived) Entries(ctx context.Context, from uint64, limit int) ([]history.Entry, error) {
	return a.stubs(a.Reader.Entries(ctx, from, limit))
}

func (a *archived) Intent(ctx context.Context, id string) ([]history.Entry, error) {
	return a.stubs(a.Reader.Intent(ctx, id))
}

func (a *archived) Select(ctx context.Context, s history.Selection, limit int) ([]history.Entry, error) {
	return a.stubs(a.Reader.Select(ctx, s, limit))
}

// archive takes entries away.
func (w *world) archive(gone ...uint64) { w.model = deployments.New(&archived{w.store, gone}) }

// TestArchivedInBetween: what may have been live is not skipped for what was live before it.
func TestArchivedInBetween(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.sees(1, nil)         // 1
	gone := w.sees(2, nil) // 2
	w.sees(1, nil)         // 3
	w.sees(2, nil)         // 4
	require.Equal(t, []int{2, 1}, []int{w.get(3).Previous, w.get(3).BackTo})
	w.archive(gone)
	d := w.get(3)
	require.Equal(t, []int{0, 0}, []int{d.Previous, d.BackTo}, "nobody knows what was live")
	require.False(t, d.Same, "nobody knows what was live")
	require.Equal(t, 3, w.get(4).Previous)
	require.Equal(t, deployments.Deployment{
		Number: 2, UID: uid, Sequence: gone, Recorded: start().Add(time.Hour), Archived: true,
	}, w.get(2))
}

// TestArchivedAndBlamed: a rollback took back what was live before it, which is not known
// when that is archived.
func TestArchivedAndBlamed(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.lands(approval.ClassConfig)
	w.lands(approval.ClassConfig)
	w.deploys(0, 1, history.ResultSucceeded) // 1
	w.deploys(1, 2, history.ResultSucceeded) // 2
	gone := w.sees(7, nil)                   // 3
	w.append(w.rollback("back", "i-1"))
	w.ends(w.intends(2, 1, func(i *history.IntentPayload) { i.Act = "back" }), 1, history.ResultSucceeded) // 4
	require.Equal(t, []int{0, 4}, []int{w.get(2).BlamedBy, w.get(3).BlamedBy})
	w.archive(gone)
	require.Zero(t, w.get(2).BlamedBy)
	require.Equal(t, 1, w.get(4).BackTo)
}

// rollback is an order to go back to the first landing.
func (w *world) rollback(id, intent string) history.ActPayload {
	target := approval.Candidate{UID: uid, SpecDigest: "spec", Revisions: []approval.Revision{{Repository: repository, SHA: sha(1)}}}
	return history.ActPayload{
		ID: id, Verb: history.VerbRollback, Gate: "prod", Application: shop, Person: history.Person{Name: "bob", Via: history.ViaComment},
		Reason: "logins fail", Candidate: &target, Intent: intent, Hold: "hold",
	}
}

// TestArchivedInPart: a deployment of which a part is archived is shown as archived, and
// those around it as they are.
func TestArchivedInPart(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for range 3 {
		w.lands(approval.ClassConfig)
	}
	w.deploys(0, 1, history.ResultSucceeded) // 1
	_, decision := w.decides(1, 2)
	intent := w.intends(1, 2, nil)
	sequence := w.ends(intent, 2, history.ResultSucceeded) // 2
	w.append(history.HealthPayload{Of: sequence, Health: "Degraded", At: w.at})
	w.deploys(2, 3, history.ResultSucceeded) // 3
	whole, err := w.model.List(t.Context(), uid, 0, 10)
	require.NoError(t, err)
	for name, gone := range map[string]uint64{"the decision": decision + 1, "the intent": decision + 2, "the health": sequence + 1} {
		w.archive(gone)
		page, err := w.model.List(t.Context(), uid, 0, 10)
		require.NoError(t, err, name)
		require.Len(t, page.Deployments, 3)
		require.True(t, page.Deployments[1].Archived, name)
		require.Equal(t, deployments.Deployment{
			Number: 2, UID: uid, Sequence: sequence, Recorded: start().Add(time.Hour), Archived: true,
		}, page.Deployments[1], name)
		require.Equal(t, whole.Deployments[2], page.Deployments[2], name)
	}
}

// TestArchivedHealthOfOthers: a deployment that stayed whole is shown, whatever became of
// the health of those after it.
func TestArchivedHealthOfOthers(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	first := w.sees(1, nil)
	w.append(history.HealthPayload{Of: first, Health: "Degraded", At: w.at})
	failed := w.sees(2, func(o *history.ObservedPayload) { o.Phase = "Failed" })
	w.append(history.HealthPayload{Of: first, Health: "Healthy", At: w.at})
	second := w.sees(3, nil)
	last := w.append(history.HealthPayload{Of: second, Health: "Degraded", At: w.at}).Sequence
	whole := w.get(1)
	require.Len(t, whole.Health, 3)
	w.archive(second, last)
	require.Equal(t, whole, w.get(1))
	w.archive(first, first+1, failed+1)
	require.Equal(t, "Failed", w.get(2).Phase, "it has no health of its own")
}
