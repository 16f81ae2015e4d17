package gate

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
	"github.com/argo-gatekeeper/gatekeeper/pkg/history"
)

func TestUnprotectedIsOnlyRead(t *testing.T) {
	t.Parallel()
	s := newSetup(t)
	s.argo.edit(payments, func(a *approval.Application) { a.Project = "sandbox" })
	s.record.before = func(call string) error {
		require.Contains(t, []string{"head", "open"}, call)
		return nil
	}
	require.Zero(t, s.reconciled())
	calls, _, _ := s.hub.counts()
	require.Zero(t, calls)
	require.Zero(t, s.argo.asked)
	require.Empty(t, s.entries())
	_, known := s.gate.memory.get(payments)
	require.False(t, known)
}

func TestGoneIsForgotten(t *testing.T) {
	t.Parallel()
	s := newSetup(t)
	s.reconciled()
	delete(s.argo.apps, payments)
	require.Zero(t, s.reconciled())
	_, known := s.gate.memory.get(payments)
	require.False(t, known)
	require.Empty(t, s.gate.memory.working)
}

// TestForgottenAtResync: nothing tells of an Application that was deleted, so the
// memory is bounded by the sweep.
func TestForgottenAtResync(t *testing.T) {
	t.Parallel()
	s := newSetup(t)
	s.reconciled()
	s.gate.WakeAll()
	require.Equal(t, []Key{{Application: payments}}, s.queued())
	require.Len(t, s.gate.memory.apps, 1)
	delete(s.argo.apps, payments)
	s.gate.WakeAll()
	require.Empty(t, s.gate.memory.apps)
	require.Empty(t, s.queued())
}

// TestDeletedWakesNothing: a gate of all Applications matches even the zero one.
func TestDeletedWakesNothing(t *testing.T) {
	t.Parallel()
	s := newSetup(t)
	all := gatePolicy("prod")
	all.Applications = []approval.Selector{{}}
	s.gate = s.newGate(all)
	s.gate.WakeApplication(approval.Application{})
	require.Empty(t, s.queued())
	s.gate.WakeApplication(application("payments"))
	require.Equal(t, []Key{{Application: payments}}, s.queued())
}

func TestNotActedOn(t *testing.T) {
	t.Parallel()
	for name, edit := range map[string]func(a *approval.Application){
		"automated":   func(a *approval.Application) { a.Automated = true },
		"deleting":    func(a *approval.Application) { a.Deleting = true },
		"unsupported": func(a *approval.Application) { a.Unsupported = []string{"a plugin"} },
		"no source":   func(a *approval.Application) { a.Sources = nil },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSetup(t)
			s.hub.land(1)
			s.hub.approve(1, alice)
			s.argo.edit(payments, edit)
			require.Zero(t, s.reconciled())
			require.Empty(t, s.argo.stored())
			require.Equal(t, []history.Kind{history.KindDecision}, s.kinds())
			require.Equal(t, approval.Blocked, s.decisions()[0].Decision.Verdict)
		})
	}
}

// TestAmbiguousBlocks: two gates protect one Application. The operation that is
// under way is still seen to its end.
func TestAmbiguousBlocks(t *testing.T) {
	t.Parallel()
	s := newSetup(t)
	s.hub.land(1)
	s.hub.approve(1, alice)
	s.reconciled()
	s.argo.run(payments, phaseSucceeded)
	s.gate = s.newGate(gatePolicy("prod"), gatePolicy("staging"))
	s.hub.land(2)
	s.hub.approve(2, alice)
	s.reconciled()
	require.Len(t, s.outcomes(), 1)
	s.reconciled()
	require.Len(t, s.argo.stored(), 1)
	known, _ := s.gate.memory.get(payments)
	require.Equal(t, approval.Blocked, known.decision.Verdict)
	require.Contains(t, known.state, "2 gates (prod, staging)")
}

func TestNothingNew(t *testing.T) {
	t.Parallel()
	s := newSetup(t)
	require.Zero(t, s.reconciled())
	require.Equal(t, "nothing approved to sync", s.state())
	s.deploy(1)
	require.Equal(t, "synced to "+sha(1).Short(), s.state())
	entries := len(s.entries())
	for range 3 {
		require.Zero(t, s.reconciled())
	}
	require.Len(t, s.argo.stored(), 1)
	require.Len(t, s.entries(), entries)
}

func TestSyncWindow(t *testing.T) {
	t.Parallel()
	s := newSetup(t)
	s.hub.land(1)
	s.hub.approve(1, alice)
	s.argo.window = "weekend freeze"
	require.Equal(t, againWindow, s.reconciled())
	require.Equal(t, "waiting for an Argo CD sync window: weekend freeze", s.state())
	s.argo.window, s.argo.windowErr = "", errDown
	require.Equal(t, againSyncing, s.reconciled())
	require.Contains(t, s.state(), "does not say")
	require.Empty(t, s.argo.stored())
	require.Equal(t, []history.Kind{history.KindDecision}, s.kinds())
	s.argo.windowErr = nil
	s.reconciled()
	require.Len(t, s.argo.stored(), 1)
}

func TestUnsettledIsLookedAtSoon(t *testing.T) {
	t.Parallel()
	s := newSetup(t)
	s.hub.land(1)
	s.hub.approve(1, alice)
	s.hub.index(1, false)
	require.InDelta(t, againUnsettled, s.reconciled(), float64(againUnsettled/6))
	require.Empty(t, s.argo.stored())
	s.hub.index(1, true)
	s.reconciled()
	require.Len(t, s.argo.stored(), 1)
}

// TestUnknown: while facts are missing there is one entry, whatever the words
// are, and then one sync.
func TestUnknown(t *testing.T) {
	t.Parallel()
	s := newSetup(t)
	s.hub.land(1)
	s.hub.approve(1, alice)
	for i := range 5 {
		s.hub.fail(limited{time.Hour - time.Duration(i)*time.Minute})
		_, err := s.reconcile()
		require.Equal(t, time.Hour-time.Duration(i)*time.Minute, retryAfter(err))
		s.hub.fail(fmt.Errorf("request %d: %w", i, errDown))
		_, err = s.reconcile()
		require.ErrorIs(t, err, errDown)
	}
	require.Equal(t, []history.Kind{history.KindDecision}, s.kinds())
	decided := s.decisions()[0]
	require.Equal(t, approval.Unknown, decided.Decision.Verdict)
	require.Contains(t, decided.Decision.Findings[0].Text, "rate limit, wait 1h0m0s")
	require.Empty(t, s.argo.stored())
	s.hub.fail(nil)
	s.reconciled()
	require.Len(t, s.argo.stored(), 1)
}

// TestUnknownInOtherWords: an error with bytes that are no text is on record all
// the same.
func TestUnknownInOtherWords(t *testing.T) {
	t.Parallel()
	s := newSetup(t)
	s.hub.fail(fmt.Errorf("git: caf\xe9: %w", errDown))
	_, err := s.reconcile()
	require.ErrorIs(t, err, errDown)
	require.Equal(t, "git: caf\uFFFD: the peer is down", s.decisions()[0].Facts.Missing[0].Why)
}

// TestUnknownThenTold: who was told that facts are missing hears how it ended.
func TestUnknownThenTold(t *testing.T) {
	t.Parallel()
	for _, restart := range []bool{false, true} {
		t.Run(fmt.Sprint("restart ", restart), func(t *testing.T) {
			t.Parallel()
			s := newSetup(t)
			s.hub.land(1)
			s.hub.approve(1, alice)
			s.reconciled()
			s.argo.run(payments, phaseSucceeded)
			if restart {
				s.restart()
			}
			s.queued()
			s.hub.fail(errDown)
			_, err := s.reconcile()
			require.ErrorIs(t, err, errDown)
			require.Contains(t, s.queued(), Key{Repository: repository, Pull: 1})
			s.hub.fail(nil)
			s.reconciled()
			require.Equal(t, "synced to "+sha(1).Short(), s.state())
			require.Contains(t, s.queued(), Key{Repository: repository, Pull: 1})
			s.reconciled()
			require.Empty(t, s.queued(), "told once")
		})
	}
}

func TestRecordDecision(t *testing.T) {
	t.Parallel()
	s := newSetup(t)
	s.hub.land(1)
	for range 3 {
		s.reconciled()
	}
	require.Len(t, s.decisions(), 1, "unchanged")
	s.restart()
	for range 3 {
		s.reconciled()
	}
	require.Len(t, s.decisions(), 1, "unchanged after a restart")
	s.hub.land(2)
	s.reconciled()
	require.Len(t, s.decisions(), 2)

	// An Application of the same name is another one, whether it is judged as the
	// one before or not.
	for i := 2; i < 4; i++ {
		uid := fmt.Sprint("uid-", i)
		s.argo.edit(payments, func(a *approval.Application) { a.UID = uid })
		s.reconciled()
		s.reconciled()
		decisions := s.decisions()
		require.Len(t, decisions, i+1)
		require.Equal(t, uid, decisions[i].Facts.Application.UID)
		s.hub.land(i + 1)
	}
}

// TestRecordAfterAct: the latest decision on record is what holds, also after
// one that was recorded with its intent.
func TestRecordAfterAct(t *testing.T) {
	t.Parallel()
	for _, lost := range []bool{false, true} {
		t.Run(fmt.Sprint("answer lost ", lost), func(t *testing.T) {
			t.Parallel()
			s := newSetup(t)
			s.hub.land(1)
			s.reconciled()
			s.reconciled()
			s.hub.approve(1, alice)
			if lost {
				s.record.after = func(string) error { return errDown }
				_, err := s.reconcile()
				require.ErrorIs(t, err, errDown)
				s.record.after = nil
			} else {
				s.reconciled()
				s.argo.run(payments, "Failed")
				s.reconciled()
				s.reconciled()
				require.Len(t, s.decisions(), 2, "the decision that was acted on is not recorded again")
			}
			s.hub.dismiss(1)
			s.reconciled()
			decisions := s.decisions()
			require.Len(t, decisions, 3)
			require.Equal(t, approval.Blocked, decisions[2].Decision.Verdict)
		})
	}
}
