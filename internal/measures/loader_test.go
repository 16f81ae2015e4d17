package measures_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/internal/measures"
	"github.com/argo-gatekeeper/gatekeeper/pkg/history"
	"github.com/argo-gatekeeper/gatekeeper/pkg/history/dora"
)

func load(t *testing.T, l *measures.Loader) []dora.Application {
	t.Helper()
	apps, err := l.Applications(t.Context())
	require.NoError(t, err)
	return apps
}

// assessed is what the only Application of a record means two hours after all.
func (w *world) assessed() dora.Assessed {
	w.t.Helper()
	apps, err := measures.NewLoader(w.store).Applications(w.t.Context())
	require.NoError(w.t, err)
	require.Len(w.t, apps, 1)
	a, err := dora.Assess(apps[0], dora.DefaultPolicy(), w.at)
	require.NoError(w.t, err)
	return a
}

func (w *world) outcomes() []dora.Outcome {
	w.t.Helper()
	var out []dora.Outcome
	for _, d := range w.assessed().Deployments {
		out = append(out, d.Outcome)
	}
	return out
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
			ID: "argocd/shop#1", StartedAt: start().Add(time.Second), FinishedAt: start().Add(time.Minute), Phase: dora.Succeeded, Applied: dora.AppliedSome,
			Target: dora.Target{Revisions: []string{string(sha(7))}}, Before: dora.Healthy,
			Changes: []dora.Change{{ID: "acme/env#7", Basis: dora.BasisCommit, Committed: start().Add(-9 * time.Hour), Opened: start().Add(-5 * time.Hour), Quorum: start().Add(-2 * time.Hour), Merged: start().Add(-time.Hour)}},
		}},
		Gaps: []dora.Interval{{From: start().Add(time.Minute), To: time.Date(2262, 1, 1, 0, 0, 0, 0, time.UTC)}},
	}}, apps)

	// Nobody saw its health: whether it failed is not known, and neither is a rate.
	a := w.assessed()
	require.Equal(t, dora.OutcomeUndetermined, a.Deployments[0].Outcome)
	r := dora.Measure([]dora.Assessed{a}, dora.Scope{Kind: dora.ScopeAll}, dora.Window{From: start(), To: start().Add(48 * time.Hour)}, dora.DefaultPolicy())
	require.Nil(t, r.ChangeFailRate.Rate)
	require.Nil(t, r.LeadTime.Length.Median)
	require.InDelta(t, 0.5, *r.Frequency.PerDay, 1e-9)
}

// TestLoaderKinds has each kind of sync, and what becomes of it.
func TestLoaderKinds(t *testing.T) {
	w := newWorld(t)
	failed := func(message string) func(*history.OutcomePayload) {
		return func(o *history.OutcomePayload) {
			o.Result, o.Phase, o.Message = history.ResultFailed, "Failed", message
		}
	}
	w.sync(w.decide("prod", "shop", 1), nil)
	w.sync(w.decide("prod", "shop", 2), failed("one or more objects failed to apply"))
	w.sync(w.decide("prod", "shop", 3), failed("Operation terminated"))
	w.sync(w.decide("prod", "shop", 5), func(o *history.OutcomePayload) { o.Result, o.Revisions = history.ResultMismatch, []string{"another"} })
	partial := w.decide("prod", "shop", 6)
	partial.Admitted = &history.Admission{User: "alice", Partial: true}
	w.sync(partial, func(o *history.OutcomePayload) { o.Result = history.ResultPartial })
	back := w.decide("prod", "shop", 1)
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
	// One that nobody asked the gate about.
	w.append(gone.Candidate.UID, history.ObservedPayload{
		Gate: "prod", Application: "argocd/shop", Phase: "Succeeded", Revisions: []string{"by hand"}, StartedAt: w.at, FinishedAt: w.at.Add(time.Minute),
	})
	w.at = w.at.Add(time.Hour)

	require.Equal(t, []dora.Outcome{
		dora.OutcomeUndetermined, dora.OutcomeAppliedUnknown, dora.OutcomeAborted,
		dora.OutcomeFailed, // the rollback blames it
		dora.OutcomePartial, dora.OutcomeUndetermined, dora.OutcomeUndetermined, dora.OutcomeSameRevision, dora.OutcomeOpen,
	}, w.outcomes())
	a := w.assessed()
	require.Equal(t, []dora.Rework{dora.Rollback}, a.Deployments[5].Rework)
	require.Equal(t, []dora.Rework{dora.BreakGlass}, a.Deployments[6].Rework)
}

// TestLoaderEnrolled: what was there before the gate is no deployment, and what is live.
func TestLoaderEnrolled(t *testing.T) {
	w := newWorld(t)
	intent := w.decide("prod", "shop", 1)
	w.append(intent.Candidate.UID, history.ObservedPayload{
		Gate: "prod", Application: "argocd/shop", Phase: "Succeeded", Revisions: []string{string(sha(1))}, StartedAt: w.at.Add(-time.Hour),
		FinishedAt: w.at.Add(-time.Hour), Before: true, Late: true,
	})
	w.sync(intent, nil)
	w.sync(w.decide("prod", "shop", 2), nil)
	require.Equal(t, []dora.Outcome{dora.OutcomeSameRevision, dora.OutcomeUndetermined}, w.outcomes())
}

// TestLoaderHealth: each deployment is an hour and 59 minutes before the next, with the
// health that was recorded of it.
func TestLoaderHealth(t *testing.T) {
	w := newWorld(t)
	end := func(p *history.HealthPayload) { p.End = true }
	late := func(p *history.HealthPayload) { p.Late = true }
	first := func(health string) func(*history.OutcomePayload) {
		return func(o *history.OutcomePayload) { o.Health = health }
	}
	const uid = "uid-shop"
	// Healthy from before, for a moment.
	of := w.sync(w.decide("prod", "shop", 1), func(o *history.OutcomePayload) { o.Health, o.FinishedAt = "Healthy", w.at.Add(time.Minute) })
	w.at = w.at.Add(-2 * time.Hour)
	w.append(uid, history.HealthPayload{Of: of, Health: "Progressing", At: w.at.Add(time.Minute + 20*time.Second)})
	w.fares(uid, of, 5, "Healthy", nil)
	w.fares(uid, of, 62, "Healthy", end)
	w.at = w.at.Add(2 * time.Hour)
	// It degrades, and heals itself.
	of = w.sync(w.decide("prod", "shop", 2), first("Progressing"))
	w.at = w.at.Add(-2 * time.Hour)
	w.fares(uid, of, 3, "Healthy", nil)
	w.fares(uid, of, 10, "Degraded", nil)
	w.fares(uid, of, 20, "Healthy", nil)
	w.fares(uid, of, 62, "Healthy", end)
	w.at = w.at.Add(2 * time.Hour)
	// Nobody watched for half an hour.
	of = w.sync(w.decide("prod", "shop", 3), first("Healthy"))
	w.at = w.at.Add(-2 * time.Hour)
	w.fares(uid, of, 31, "Healthy", late)
	w.fares(uid, of, 62, "Healthy", end)
	w.at = w.at.Add(2 * time.Hour)
	// Still watched.
	w.sync(w.decide("prod", "shop", 4), first("Healthy"))

	a := w.assessed()
	require.Equal(t, []dora.Outcome{dora.OutcomeSucceeded, dora.OutcomeFailed, dora.OutcomeUndetermined, dora.OutcomeSucceeded}, w.outcomes())
	require.Len(t, a.Failures, 1)
	require.Equal(t, "argocd/shop#2", a.Failures[0].Operation)
	require.Equal(t, 19*time.Minute, *a.Failures[0].Recovery)
	require.Equal(t, dora.SignalDegraded, a.Failures[0].Reasons[0].Signal)
	// The Healthy from before the first was not taken for its own.
	require.Equal(t, start().Add(5*time.Minute), a.Deliveries[0].HealthyAt)
	// What was seen at the end of the third sync may be of before, and nobody watched on.
	require.Equal(t, 30*time.Minute, a.Deliveries[2].HealthyAt.Sub(a.Deliveries[2].EarliestHealthyAt))
}

// TestLoaderWatchEnds: what was ill when its watch ended may have recovered before the next
// sync, and nobody knows when.
func TestLoaderWatchEnds(t *testing.T) {
	w := newWorld(t)
	of := w.sync(w.decide("prod", "shop", 1), func(o *history.OutcomePayload) { o.Health = "Degraded" })
	w.at = w.at.Add(-2 * time.Hour)
	w.fares("uid-shop", of, 62, "Degraded", func(p *history.HealthPayload) { p.End = true })
	w.at = w.at.Add(2 * time.Hour)
	w.sync(w.decide("prod", "shop", 2), func(o *history.OutcomePayload) { o.Health = "Healthy" })
	a := w.assessed()
	require.Len(t, a.Failures, 1)
	require.True(t, a.Failures[0].Unobserved)
	require.Nil(t, a.Failures[0].Recovery)
}

// TestLoaderLate: one that was found afterwards was seen at the moment in which it was
// found, and nothing is known of the time before.
func TestLoaderLate(t *testing.T) {
	w := newWorld(t)
	const uid = "uid-shop"
	w.sync(w.decide("prod", "shop", 1), func(o *history.OutcomePayload) { o.Health = "Healthy" })
	w.at = w.at.Add(10 * time.Hour)
	w.append(uid, history.ObservedPayload{
		Gate: "prod", Application: "argocd/shop", Phase: "Succeeded", Revisions: []string{"by hand"}, StartedAt: w.at.Add(-5 * time.Hour),
		FinishedAt: w.at.Add(-5*time.Hour + time.Minute), Late: true, Health: "Healthy",
	})
	w.at = w.at.Add(2 * time.Hour)
	require.Equal(t, []dora.Outcome{dora.OutcomeUndetermined, dora.OutcomeUndetermined}, w.outcomes())
	r := dora.Measure([]dora.Assessed{w.assessed()}, dora.Scope{Kind: dora.ScopeAll}, dora.Window{From: start(), To: w.at}, dora.DefaultPolicy())
	require.Equal(t, 2, r.Frequency.Deployments)
}

// TestLoaderReverts: a pull request that GitHub titled as a revert blames the one that it
// takes back.
func TestLoaderReverts(t *testing.T) {
	w := newWorld(t)
	w.title = map[int]string{1: "Raise the limit", 2: "Another", 3: `Revert "Raise the limit"`, 4: `Revert "What nobody shipped"`}
	for pull := range 4 {
		w.sync(w.decide("prod", "shop", pull+1), func(o *history.OutcomePayload) { o.Health = "Healthy" })
	}
	a := w.assessed()
	require.Equal(t, dora.SignalRemediated, a.Deployments[0].Reasons[0].Signal)
	require.Equal(t, "argocd/shop#3", a.Deployments[0].Reasons[0].By)
	require.Empty(t, a.Deployments[1].Reasons)
	require.Equal(t, []dora.Rework{dora.Revert}, a.Deployments[3].Rework)
}

// TestLoaderLeadTime: from the first commit to Healthy, with the time that the quorum took,
// and a hotfix by its label.
func TestLoaderLeadTime(t *testing.T) {
	w := newWorld(t)
	w.labels = map[int][]string{2: {"bug", "HotFix"}}
	for pull := range 2 {
		w.sync(w.decide("prod", "shop", pull+1), func(o *history.OutcomePayload) { o.Health = "Healthy" })
	}
	r := dora.Measure([]dora.Assessed{w.assessed()}, dora.Scope{Kind: dora.ScopeAll}, dora.Window{From: start(), To: w.at}, dora.DefaultPolicy())
	require.Equal(t, 9*time.Hour+time.Minute, *r.LeadTime.Length.Median)
	require.Equal(t, 3*time.Hour, *r.LeadTime.Segments[1].Length.Median)
	require.Equal(t, map[dora.Rework]int{dora.Hotfix: 1}, r.Rework.Kinds)
	require.Zero(t, *r.ChangeFailRate.Rate)
}

// TestLoaderGoesOn: a second read adds what is new, and a new loader reads the same.
func TestLoaderGoesOn(t *testing.T) {
	w := newWorld(t)
	l := measures.NewLoader(w.store)
	for i := range 7 {
		of := w.sync(w.decide("prod", "shop", i+1), func(o *history.OutcomePayload) {
			if i%3 > 0 {
				o.Result, o.Phase = history.ResultFailed, "Failed"
			}
		})
		w.sync(w.decide("stage", "cart", i+1), nil)
		pending := w.decide("prod", "shop", 50)
		w.append(pending.Candidate.UID, pending)
		apps := load(t, l)
		require.Len(t, apps[1].Operations, i+1)
		require.Equal(t, load(t, measures.NewLoader(w.store)), apps)
		apps[0].Operations[0].ID = "changed by the caller"
		if i%3 == 0 {
			w.fares("uid-shop", of, 3, "Degraded", nil)
		}
		require.Equal(t, load(t, measures.NewLoader(w.store)), load(t, l))
	}
	require.Equal(t, "argocd/cart", load(t, l)[0].Name)
	require.Equal(t, "stage", load(t, l)[0].Gate)
}

// TestLoaderPages: more deployments than are read at once.
func TestLoaderPages(t *testing.T) {
	w := newWorld(t)
	const many = 230
	for i := range many {
		w.sync(w.decide("prod", "shop", i+1), nil)
	}
	apps := load(t, measures.NewLoader(w.store))
	require.Len(t, apps[0].Operations, many)
	for i, op := range apps[0].Operations {
		require.Equal(t, []string{string(sha(i + 1))}, op.Target.Revisions)
	}
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
