package gate

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
	"github.com/argo-gatekeeper/gatekeeper/pkg/history"
)

// opened is a setup with an intent to sync #1 on record, of which the gate does
// not know what became: its answer was lost, if stored, or it never arrived.
func opened(t *testing.T, stored bool) *setup {
	t.Helper()
	s := newSetup(t)
	s.hub.land(1)
	s.hub.approve(1, alice)
	s.argo.onSync = func(store func() error, _ func()) error {
		if stored {
			require.NoError(t, store())
		}
		return errDown
	}
	_, err := s.reconcile()
	require.ErrorIs(t, err, errDown)
	require.Equal(t, []history.Kind{history.KindDecision, history.KindIntent}, s.kinds())
	s.argo.onSync = nil
	s.clock.advance(time.Minute)
	return s
}

// blocked makes sure that nothing new is synced, so that only settling shows.
func (s *setup) blocked() { s.hub.dismiss(1) }

func TestSettle(t *testing.T) {
	t.Parallel()
	const (
		none      = ""
		abandoned = "abandoned"
	)
	tests := map[string]struct {
		stored bool
		then   func(s *setup)
		// want is the result of the intent, abandoned, or none while it is open.
		want   string
		busy   bool
		reason string
	}{
		"requested": {stored: true, want: none, busy: true},
		"running":   {stored: true, then: func(s *setup) { s.argo.pick(payments) }, want: none, busy: true},
		"terminating": {stored: true, then: func(s *setup) {
			s.argo.pick(payments)
			s.argo.edit(payments, func(a *approval.Application) { a.Operation.Phase = "Terminating" })
		}, want: none, busy: true},
		"succeeded": {stored: true, then: func(s *setup) { s.argo.run(payments, phaseSucceeded) }, want: "succeeded"},
		"failed":    {stored: true, then: func(s *setup) { s.argo.run(payments, "Failed") }, want: "failed"},
		"error":     {stored: true, then: func(s *setup) { s.argo.run(payments, "Error") }, want: "failed"},
		"other revision synced": {stored: true, then: func(s *setup) {
			s.argo.pick(payments)
			s.argo.edit(payments, func(a *approval.Application) { a.Operation.Revisions = []string{string(sha(8))} })
			s.argo.finish(payments, phaseSucceeded)
		}, want: "mismatch"},
		"no revision synced": {stored: true, then: func(s *setup) {
			s.argo.pick(payments)
			s.argo.edit(payments, func(a *approval.Application) { a.Operation.Revisions = nil })
			s.argo.finish(payments, phaseSucceeded)
		}, want: "mismatch"},
		"one revision too many": {stored: true, then: func(s *setup) {
			s.argo.pick(payments)
			s.argo.edit(payments, func(a *approval.Application) {
				a.Operation.Revisions = append(a.Operation.Revisions, string(sha(8)))
			})
			s.argo.finish(payments, phaseSucceeded)
		}, want: "mismatch"},
		"dry run": {stored: true, then: func(s *setup) {
			s.argo.edit(payments, func(a *approval.Application) { a.Operation.DryRun = true })
			s.argo.run(payments, phaseSucceeded)
		}, want: "mismatch"},
		"never sent": {want: abandoned, reason: "unchanged"},
		"changed meanwhile": {then: func(s *setup) {
			s.argo.edit(payments, func(*approval.Application) {})
		}, want: abandoned, reason: "no trace"},
		"request removed by somebody": {stored: true, then: func(s *setup) {
			s.argo.edit(payments, func(a *approval.Application) { a.Operation = nil })
		}, want: abandoned, reason: "no trace"},
		"foreign operation running": {then: func(s *setup) {
			s.argo.foreign(payments, sha(0))
			s.argo.pick(payments)
		}, want: abandoned, busy: true, reason: "no trace"},
		"foreign operation of the same revision": {then: func(s *setup) {
			s.argo.foreign(payments, sha(1))
			s.argo.run(payments, phaseSucceeded)
		}, want: abandoned, reason: "no trace"},
		"in the history, then a foreign operation": {stored: true, then: func(s *setup) {
			s.argo.run(payments, phaseSucceeded)
			s.argo.foreign(payments, sha(0))
			s.argo.run(payments, phaseSucceeded)
		}, want: "succeeded"},
		"in the history, and a foreign operation runs": {stored: true, then: func(s *setup) {
			s.argo.run(payments, phaseSucceeded)
			s.argo.foreign(payments, sha(0))
		}, want: "succeeded", busy: true},
		"in the history, from before the intent": {then: func(s *setup) {
			s.argo.edit(payments, func(a *approval.Application) {
				a.Deployed = append(a.Deployed, approval.DeployedRevision{
					Revisions: []string{string(sha(1))}, InitiatedBy: "gatekeeper: PR #1 (alice)",
					StartedAt: start.Add(-time.Hour), DeployedAt: start.Add(-time.Hour),
				})
			})
		}, want: abandoned},
		"in the history, with other revisions": {then: func(s *setup) {
			s.argo.edit(payments, func(a *approval.Application) {
				a.Deployed = append(a.Deployed, approval.DeployedRevision{
					Revisions: []string{string(sha(2))}, InitiatedBy: "gatekeeper: PR #1 (alice)",
					StartedAt: start.Add(time.Second), DeployedAt: start.Add(time.Second),
				})
			})
		}, want: abandoned},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := opened(t, test.stored)
			s.blocked()
			if test.then != nil {
				test.then(s)
			}
			again := s.reconciled()
			require.Equal(t, test.busy, again == againSyncing || again == nudgeAfter)
			outcomes, gaveUp := s.outcomes(), s.abandoned()
			switch test.want {
			case none:
				require.Empty(t, outcomes)
				require.Empty(t, gaveUp)
			case abandoned:
				require.Empty(t, outcomes)
				require.Len(t, gaveUp, 1)
				require.Contains(t, gaveUp[0].Reason, test.reason)
			default:
				require.Empty(t, gaveUp)
				require.Len(t, outcomes, 1)
				require.Equal(t, history.Result(test.want), outcomes[0].Result)
				require.False(t, outcomes[0].FinishedAt.IsZero())
			}
			before := len(s.outcomes()) + len(s.abandoned())
			s.reconciled()
			require.Equal(t, before, len(s.outcomes())+len(s.abandoned()), "settled once")
		})
	}
}

// TestMismatchMovesNoBaseline: what was not synced, or only for show, is not
// trusted afterwards.
func TestMismatchMovesNoBaseline(t *testing.T) {
	t.Parallel()
	s := opened(t, true)
	s.argo.edit(payments, func(a *approval.Application) { a.Operation.DryRun = true })
	s.argo.run(payments, phaseSucceeded)
	s.reconciled()
	require.Equal(t, "the next try is in 30s; the last sync, to "+sha(1).Short()+", deployed something else than was intended; a part of it may be live", s.state())
	s.clock.advance(30 * time.Second)
	s.reconciled()
	require.Len(t, s.argo.stored(), 2)
}

// TestLateRequest: a request that was given up for lost arrives after all.
func TestLateRequest(t *testing.T) {
	t.Parallel()
	s := newSetup(t)
	s.hub.land(1)
	s.hub.approve(1, alice)
	s.argo.onSync = func(_ func() error, hold func()) error { hold(); return errDown }
	_, err := s.reconcile()
	require.ErrorIs(t, err, errDown)
	s.argo.onSync = nil
	s.hub.dismiss(1)
	s.reconciled()
	require.Len(t, s.abandoned(), 1)

	require.True(t, s.argo.arrive())
	require.Equal(t, nudgeAfter, s.reconciled(), "it is asked for, by whomever")
	s.argo.run(payments, phaseSucceeded)
	s.reconciled()
	s.reconciled()
	outcomes := s.outcomes()
	require.Len(t, outcomes, 1, "recorded late, and once")
	require.Equal(t, s.intents()[0].ID, outcomes[0].Intent)
	require.Equal(t, history.ResultSucceeded, outcomes[0].Result)
	require.Len(t, s.argo.stored(), 1)
}

// TestLateRequestWins: it arrives between the next intent and its request, and
// ends before anybody looks. There was one sync, so there is one outcome.
func TestLateRequestWins(t *testing.T) {
	t.Parallel()
	s := newSetup(t)
	s.hub.land(1)
	s.hub.approve(1, alice)
	s.argo.onSync = func(_ func() error, hold func()) error { hold(); return errDown }
	_, err := s.reconcile()
	require.ErrorIs(t, err, errDown)
	s.argo.onSync = func(store func() error, _ func()) error {
		require.True(t, s.argo.arrive())
		s.argo.run(payments, phaseSucceeded)
		return store()
	}
	_, err = s.reconcile()
	require.ErrorIs(t, err, approval.ErrStale)
	s.reconciled()
	intents, outcomes := s.intents(), s.outcomes()
	require.Len(t, intents, 2)
	require.Len(t, outcomes, 1)
	require.Equal(t, intents[0].ID, outcomes[0].Intent, "of the request that arrived")
	require.Len(t, s.abandoned(), 2)
	require.Len(t, s.argo.stored(), 1)
	require.Equal(t, "synced to "+sha(1).Short(), s.state())
}

// TestForgedMark: an intent's mark on another Application means nothing there,
// and neither does one that is not on record.
func TestForgedMark(t *testing.T) {
	t.Parallel()
	s := newSetup(t)
	s.deploy(1)
	other := application("shop")
	other.Operation = &approval.Operation{
		Intent: s.intents()[0].ID, Phase: phaseSucceeded, Revisions: []string{string(sha(1))}, FinishedAt: start,
	}
	s.argo.mu.Lock()
	s.argo.apps[other.Key()] = &other
	s.argo.mu.Unlock()
	s.hub.dismiss(1)
	_, err := s.gate.reconcile(t.Context(), Key{Application: other.Key()})
	require.NoError(t, err)
	require.Len(t, s.outcomes(), 1)

	s.argo.edit(payments, func(a *approval.Application) { a.Operation.Intent = "made up" })
	s.reconciled()
	require.Len(t, s.outcomes(), 1)
}

// TestForgedMarkOfAbandoned is the same for an intent without an outcome.
func TestForgedMarkOfAbandoned(t *testing.T) {
	t.Parallel()
	s := opened(t, false)
	s.blocked()
	s.reconciled()
	require.Len(t, s.abandoned(), 1)
	other := application("shop")
	other.Operation = &approval.Operation{
		Intent: s.intents()[0].ID, Phase: phaseSucceeded, Revisions: []string{string(sha(1))}, FinishedAt: start,
	}
	s.argo.mu.Lock()
	s.argo.apps[other.Key()] = &other
	s.argo.mu.Unlock()
	_, err := s.gate.reconcile(t.Context(), Key{Application: other.Key()})
	require.NoError(t, err)
	require.Empty(t, s.outcomes())
}

// TestSettleOnlyOwn: the open intent of one Application is left alone when
// another one is reconciled.
func TestSettleOnlyOwn(t *testing.T) {
	t.Parallel()
	s := opened(t, true)
	s.blocked()
	other := application("shop")
	s.argo.mu.Lock()
	s.argo.apps[other.Key()] = &other
	s.argo.mu.Unlock()
	_, err := s.gate.reconcile(t.Context(), Key{Application: other.Key()})
	require.NoError(t, err)
	require.Empty(t, s.abandoned())
	require.Empty(t, s.outcomes())
}
