package measures_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/internal/measures"
	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
	"github.com/argo-gatekeeper/gatekeeper/pkg/history"
	"github.com/argo-gatekeeper/gatekeeper/pkg/history/dora"
)

func load(t *testing.T, l *measures.Loader) []dora.Application {
	t.Helper()
	apps, err := l.Applications(t.Context())
	require.NoError(t, err)
	return apps
}

// TestLoader: what the record says of a deployment, and what it does not.
func TestLoader(t *testing.T) {
	w := newWorld(t)
	require.Empty(t, load(t, measures.NewLoader(w.store)))
	w.sync(w.decide("prod", "shop", 7), nil)
	apps := load(t, measures.NewLoader(w.store))
	require.Equal(t, []dora.Application{{
		Name: "argocd/shop", Gate: "prod",
		Operations: []dora.Operation{{
			ID: "intent-1", StartedAt: start().Add(time.Second), FinishedAt: start().Add(time.Minute), Phase: dora.Succeeded, Applied: dora.AppliedSome,
			Target: dora.Target{Revisions: []string{string(sha(7))}}, Before: dora.Healthy,
			Changes: []dora.Change{{ID: "acme/env#7", Quorum: start().Add(-2 * time.Hour), Merged: start().Add(-time.Hour)}},
		}},
	}}, apps)

	// Nobody saw its health: whether it failed is not known, and neither is a rate.
	a, err := dora.Assess(apps[0], dora.DefaultPolicy(), start().Add(48*time.Hour))
	require.NoError(t, err)
	require.Equal(t, dora.OutcomeUndetermined, a.Deployments[0].Outcome)
	r := dora.Measure([]dora.Assessed{a}, dora.Scope{Kind: dora.ScopeAll}, dora.Window{From: start(), To: start().Add(48 * time.Hour)}, dora.DefaultPolicy())
	require.Nil(t, r.ChangeFailRate.Rate)
	require.Nil(t, r.LeadTime.Length.Median)
	require.InDelta(t, 0.5, *r.Frequency.PerDay, 1e-9)
}

// TestLoaderKinds has each kind of sync, and what becomes of it.
func TestLoaderKinds(t *testing.T) {
	w := newWorld(t)
	w.sync(w.decide("prod", "shop", 1), nil)
	w.sync(w.decide("prod", "shop", 2), func(o *history.OutcomePayload) {
		o.Result, o.Phase, o.Message = history.ResultFailed, "Failed", "one or more objects failed to apply"
	})
	w.sync(w.decide("prod", "shop", 3), func(o *history.OutcomePayload) {
		o.Result, o.Phase, o.Message = history.ResultFailed, "Failed", "Operation terminated"
	})
	w.sync(w.decide("prod", "shop", 4), func(o *history.OutcomePayload) { o.Result = history.ResultMismatch }) // for show
	w.sync(w.decide("prod", "shop", 5), func(o *history.OutcomePayload) { o.Result, o.Revisions = history.ResultMismatch, []string{"another"} })
	partial := w.decide("prod", "shop", 6)
	partial.Admitted = &history.Admission{User: "alice", Partial: true}
	w.sync(partial, func(o *history.OutcomePayload) { o.Result = history.ResultPartial })
	back := w.decide("prod", "shop", 7)
	back.Admitted = &history.Admission{User: "alice", Rollback: true}
	w.sync(back, nil)
	order := w.decide("prod", "shop", 8)
	w.append(order.Candidate.UID, history.ActPayload{
		ID: "act-1", Verb: history.VerbBreakGlass, Gate: "prod", Application: "argocd/shop", Person: history.Person{Name: "alice", Via: history.ViaConsole},
		Reason: "fire", Expires: w.at.Add(time.Hour), ReviewBy: w.at.Add(time.Hour), Candidate: &order.Candidate,
	})
	order.Act = "act-1"
	w.sync(order, nil)
	again := w.decide("prod", "shop", 8)
	w.sync(again, func(o *history.OutcomePayload) { o.StartedAt, o.FinishedAt = time.Time{}, time.Time{} })
	gone := w.decide("prod", "shop", 9)
	w.append(gone.Candidate.UID, gone)
	w.append(gone.Candidate.UID, history.AbandonedPayload{Intent: gone.ID, Reason: "no trace"})

	a, err := dora.Assess(load(t, measures.NewLoader(w.store))[0], dora.DefaultPolicy(), w.at.Add(time.Hour))
	require.NoError(t, err)
	var got []dora.Outcome
	for _, d := range a.Deployments {
		got = append(got, d.Outcome)
	}
	require.Equal(t, []dora.Outcome{
		dora.OutcomeUndetermined, dora.OutcomeAppliedUnknown, dora.OutcomeAborted, dora.OutcomeDryRun,
		dora.OutcomeFailed, // the rollback blames it
		dora.OutcomePartial, dora.OutcomeUndetermined, dora.OutcomeUndetermined, dora.OutcomeSameRevision,
	}, got)
	require.Equal(t, []dora.Rework{dora.Rollback}, a.Deployments[6].Rework)
	require.Equal(t, []dora.Rework{dora.BreakGlass}, a.Deployments[7].Rework)
}

// TestLoaderGoesOn: a second read adds what is new, and a new loader reads the same.
func TestLoaderGoesOn(t *testing.T) {
	w := newWorld(t)
	l := measures.NewLoader(w.store)
	for i := range 4 {
		w.sync(w.decide("prod", "shop", i+1), nil)
		w.sync(w.decide("stage", "cart", i+1), nil)
		pending := w.decide("prod", "shop", 50)
		w.append(pending.Candidate.UID, pending)
		apps := load(t, l)
		require.Len(t, apps[1].Operations, i+1)
		require.Equal(t, load(t, measures.NewLoader(w.store)), apps)
		apps[0].Operations[0].ID = "changed by the caller"
	}
	require.Equal(t, "argocd/cart", load(t, l)[0].Name)
	require.Equal(t, "stage", load(t, l)[0].Gate)
}

// broken fails, and then does not.
type broken struct {
	measures.Record
	fails bool
}

var errBroken = errors.New("the disk is gone")

func (b *broken) Entries(ctx context.Context, from uint64, limit int) ([]history.Entry, error) {
	if b.fails {
		return nil, errBroken
	}
	return b.Record.Entries(ctx, from, limit)
}

// TestLoaderFails: an error is no empty record, and what follows it is complete.
func TestLoaderFails(t *testing.T) {
	w := newWorld(t)
	w.sync(w.decide("prod", "shop", 1), nil)
	b := &broken{Record: w.store, fails: true}
	l := measures.NewLoader(b)
	_, err := l.Applications(t.Context())
	require.ErrorIs(t, err, errBroken)
	b.fails = false
	require.Len(t, load(t, l), 1)
}

// TestLoaderUnapproved: what was not allowed has no time at which its quorum was met.
func TestLoaderUnapproved(t *testing.T) {
	w := newWorld(t)
	intent := w.decide("prod", "shop", 1)
	entries, err := w.store.Entries(t.Context(), intent.DecisionSequence, 1)
	require.NoError(t, err)
	p, err := history.Decode[history.DecisionPayload](entries[0])
	require.NoError(t, err)
	landed := &p.Decision.Lines[0].Landings[0]
	landed.Verdict = approval.Blocked
	none := *landed
	none.Class, none.Commit = approval.ClassNone, sha(0)
	p.Decision.Lines[0].Landings = []approval.LandingDecision{none, *landed}
	intent.DecisionSequence = w.append(intent.Candidate.UID, p).Sequence
	w.sync(intent, nil)
	changes := load(t, measures.NewLoader(w.store))[0].Operations[0].Changes
	require.Equal(t, []dora.Change{{ID: "acme/env#1", Merged: start().Add(-time.Hour)}}, changes)
}
