package gate

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
	"github.com/argo-gatekeeper/gatekeeper/pkg/history"
)

// TestAdmitRace: somebody records for the Application between the look at the
// record and the entry.
func TestAdmitRace(t *testing.T) {
	s := newAdmitSetup(t)
	s.held(1)
	races := 1
	s.record.before = func(call string) error {
		if call == "append" && races > 0 {
			races--
			entry := s.decisions()[0]
			head, err := s.store.Head(t.Context())
			require.NoError(t, err)
			_, err = s.store.Append(t.Context(), head, history.Draft{Time: s.clock.now(), Application: "uid-payments", Payload: entry})
			require.NoError(t, err)
		}
		return nil
	}
	s.admits(s.asks(1))
	races = 2
	s.refuses(s.asks(1), refusedUnknown, "at the same moment")
	s.record.before = func(string) error { return errDown }
	s.refuses(s.asks(1), refusedRecord)
}

// headThen is a record in which something happens right after the next look at its head.
type headThen struct {
	history.Record
	then func()
}

func (h *headThen) Head(ctx context.Context) (history.Head, error) {
	head, err := h.Record.Head(ctx)
	if then := h.then; then != nil {
		h.then = nil
		then()
	}
	return head, err
}

// TestAdmitDecidedMeanwhile: the decision that lets the sync through is recorded after
// the look at the record, as happens when somebody asks while it is being made.
func TestAdmitDecidedMeanwhile(t *testing.T) {
	s := newAdmitSetup(t)
	s.gate.record = &headThen{Record: s.gate.record, then: func() { s.held(1) }}
	s.admits(s.asks(1))
}

// TestAdmittedNotStored: a later webhook, or a conflict, may refuse what was let
// through.
func TestAdmittedNotStored(t *testing.T) {
	s := newAdmitSetup(t)
	s.held(1)
	s.argo.window = ""
	s.admits(s.asks(1))
	require.Equal(t, againSyncing, s.reconciled(), "it may be about to be stored")
	require.Empty(t, s.abandoned())
	s.clock.advance(admittedGrace)
	s.reconciled()
	require.Len(t, s.abandoned(), 1)
	require.Equal(t, sha(1), s.argo.last().revision(), "and Gatekeeper goes on")

	// With another version there is nothing to wait for.
	s.argo.run(payments, phaseSucceeded)
	s.reconciled()
	s.admits(s.asks(1))
	s.argo.edit(payments, func(app *approval.Application) { app.Health = "Degraded" })
	s.reconciled()
	require.Len(t, s.abandoned(), 2)
}

// TestAdmittedTwice: one operation is the outcome of one intent, although a second
// one begins within the slack that clocks are given.
func TestAdmittedTwice(t *testing.T) {
	s := newAdmitSetup(t)
	s.held(1)
	for range 2 {
		s.admits(s.asks(1))
		s.syncs(1)
		s.argo.run(payments, phaseSucceeded)
		s.reconciled()
		s.clock.advance(2 * time.Second)
	}
	require.Len(t, s.outcomes(), 2)
	require.NotEqual(t, s.outcomes()[0].StartedAt, s.outcomes()[1].StartedAt)
	s.admits(s.asks(1))
	s.argo.edit(payments, func(app *approval.Application) { app.Health = "Degraded" })
	s.reconciled()
	require.Len(t, s.outcomes(), 2, "the third was never stored")
	require.Len(t, s.abandoned(), 1)
}

// TestAdmittedFoundInHistory: the next operation came before we looked.
func TestAdmittedFoundInHistory(t *testing.T) {
	s := newAdmitSetup(t)
	s.held(1)
	s.admits(s.asks(1))
	s.syncs(1)
	s.argo.run(payments, phaseSucceeded)
	s.clock.advance(time.Minute)
	s.argo.foreign(payments, sha(1))
	s.argo.run(payments, phaseSucceeded)
	s.reconciled()
	require.Equal(t, "found in Argo CD's history", s.outcomes()[0].Message)
}

// TestAdmitLate: what was decided long ago lets nobody through.
func TestAdmitLate(t *testing.T) {
	s := newAdmitSetup(t)
	s.held(1)
	s.clock.advance(decisionsKept * s.gate.resync)
	s.admits(s.asks(1, func(r *AdmissionRequest) { r.DryRun = true }))
	s.clock.advance(time.Second)
	s.refuses(s.asks(1), refusedUnknown, "has not judged it for too long")
	s.reconciled()
	s.admits(s.asks(1))
}

// TestAdmitLive: where nobody goes back, what is live can be synced again all the same.
func TestAdmitLive(t *testing.T) {
	strict := gatePolicy("prod")
	s := newAdmitSetup(t, strict)
	s.deploy(1)
	s.deploy(2)
	s.hub.land(3)
	s.reconciled()
	s.refuses(s.asks(1), refusedOption, "does not permit going back")
	s.admits(s.asks(2))
	require.False(t, s.intents()[2].Admitted.Rollback)
}
