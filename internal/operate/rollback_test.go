package operate_test

import (
	"context"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/internal/console"
	"github.com/argo-gatekeeper/gatekeeper/internal/operate"
	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
	"github.com/argo-gatekeeper/gatekeeper/pkg/history"
	"github.com/argo-gatekeeper/gatekeeper/pkg/history/deployments"
)

func (w *world) Deployments(context.Context, string, int) ([]history.Deployment, error) {
	return w.past, nil
}

// deployed adds a deployment of the shop, the newest last.
func (w *world) deployed(digit string, edits ...func(*history.IntentPayload)) {
	intent := history.IntentPayload{ID: "intent-" + digit, Gate: "prod", Candidate: approval.Candidate{
		UID: "uid-shop", SpecDigest: "spec", Revisions: []approval.Revision{{Repository: "acme/env", SHA: approval.SHA(strings.Repeat(digit, 40))}},
	}}
	for _, edit := range edits {
		edit(&intent)
	}
	w.past = append([]history.Deployment{{Intent: intent, Recorded: now}}, w.past...)
}

func (w *world) rollback(to string) (operate.RolledBack, error) {
	var out operate.RolledBack
	err := w.call(operate.VerbRollback, operate.RollbackRequest{Application: "argocd/shop", To: to, By: "alice", Reason: "logins fail"}, &out)
	return out, err
}

func TestRollback(t *testing.T) {
	w := newWorld(t)
	_, err := w.rollback("")
	w.refused(err, console.CodeNotFound, "the record has no deployment of argocd/shop")
	w.deployed("1")
	w.deployed("2")
	w.deployed("3")
	w.deployed("3") // synced again
	back, err := w.rollback("")
	require.NoError(t, err)
	require.Equal(t, []string{"2222222"}, back.Revisions)
	require.Equal(t, []string{"argocd/shop", "argocd/shop"}, w.woken)

	acts, err := w.store.Acts(t.Context())
	require.NoError(t, err)
	require.Len(t, acts, 2)
	hold, err := history.Decode[history.ActPayload](acts[0])
	require.NoError(t, err)
	order, err := history.Decode[history.ActPayload](acts[1])
	require.NoError(t, err)
	require.Equal(t, history.VerbHold, hold.Verb)
	require.Equal(t, []string{back.Hold, back.Hold, back.ID}, []string{hold.ID, order.Hold, order.ID})
	require.Equal(t, "intent-2", order.Intent)

	_, err = w.rollback("1111111")
	w.refused(err, console.CodeRefused, "alice holds argocd/shop")
}

func TestRollbackTo(t *testing.T) {
	for to, want := range map[string]string{"1111111": "1111111", strings.Repeat("2", 40): "2222222"} {
		w := newWorld(t)
		w.deployed("1")
		w.deployed("2")
		w.deployed("3")
		back, err := w.rollback(to)
		require.NoError(t, err)
		require.Equal(t, []string{want}, back.Revisions)
	}
}

func TestRollbackRefused(t *testing.T) {
	for name, test := range map[string]struct {
		edit func(*history.IntentPayload)
		to   string
		says string
	}{
		"live":         {func(*history.IntentPayload) {}, "3333333", "no other deployment of 3333333"},
		"never":        {func(*history.IntentPayload) {}, "4444444", "no other deployment of 4444444"},
		"too short":    {func(*history.IntentPayload) {}, "111", "there is no going back to deployment #111 of argocd/shop: it is not on record"},
		"another spec": {func(p *history.IntentPayload) { p.Candidate.SpecDigest = "old" }, "", "the spec of argocd/shop was another one when 1111111"},
		"another gate": {func(p *history.IntentPayload) { p.Gate = "stage" }, "", "another gate, stage"},
		"break-glass":  {func(p *history.IntentPayload) { p.Act = "glass" }, "", "nobody has reviewed that"},
	} {
		w := newWorld(t)
		w.deployed("1", test.edit)
		w.deployed("3")
		_, err := w.rollback(test.to)
		w.refused(err, console.CodeNotFound, test.says)
		acts, err := w.store.Acts(t.Context())
		require.NoError(t, err, name)
		require.Empty(t, acts)
	}
}

// Entry numbers the deployments from the oldest on, with one before them that the gate was
// not asked about, and one that failed.
func (w *world) Entry(_ context.Context, uid string, number int) (history.Entry, error) {
	payloads := []history.Payload{
		history.ObservedPayload{Gate: "prod", Application: "argocd/shop", Phase: "Succeeded", StartedAt: now},
		history.OutcomePayload{Intent: "failed", Result: history.ResultFailed},
	}
	for _, d := range slices.Backward(w.past) {
		payloads = append(payloads, history.OutcomePayload{Intent: d.Intent.ID, Result: history.ResultSucceeded, Revisions: []string{"1"}})
	}
	if number > len(payloads) {
		return history.Entry{}, deployments.ErrNotFound
	}
	entries, err := history.Seal(history.Head{}, history.Draft{Time: now, Application: uid, Payload: payloads[number-1]})
	if err != nil {
		return history.Entry{}, err
	}
	return entries[0], nil
}

func TestRollbackToNumber(t *testing.T) {
	for to, want := range map[string]string{"3": "1111111", "#4": "2222222", "#0000004": "2222222"} {
		w := newWorld(t)
		w.deployed("1")
		w.deployed("2")
		w.deployed("3")
		back, err := w.rollback(to)
		require.NoError(t, err)
		require.Equal(t, []string{want}, back.Revisions)
	}
	w := newWorld(t)
	w.deployed("1")
	w.deployed("2")
	for to, says := range map[string]string{
		"1": "there is no going back to deployment #1 of argocd/shop: the gate was not asked about it, so nobody approved it",
		"2": "its result was failed", "5": "it is not on record", "4": "no other deployment of 4", "0": "no other deployment of 0",
		"-1": "no other deployment of -1", "#": "no other deployment of #",
	} {
		_, err := w.rollback(to)
		w.refused(err, console.CodeNotFound, says)
	}
}

// TestRollbackFromElsewhere: when something else is live than the gate let through last,
// one may go back to just that.
func TestRollbackFromElsewhere(t *testing.T) {
	w := newWorld(t)
	w.deployed("1")
	w.deployed("2")
	app := w.apps["argocd/shop"]
	app.Deployed = []approval.DeployedRevision{{Revisions: []string{strings.Repeat("2", 40)}}}
	w.apps["argocd/shop"] = app
	_, err := w.rollback("#4")
	w.refused(err, console.CodeNotFound, "no other deployment of #4")
	app.Deployed = append(app.Deployed, approval.DeployedRevision{Revisions: []string{strings.Repeat("9", 40)}})
	w.apps["argocd/shop"] = app
	back, err := w.rollback("")
	require.NoError(t, err)
	require.Equal(t, []string{"2222222"}, back.Revisions)
}
