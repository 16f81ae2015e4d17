package gate

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/pkg/history"
)

// admittedAndEnded is a gate with a sync of somebody's that ended, of which nobody has seen
// the end yet.
func admittedAndEnded(t *testing.T) (*setup, *ious) {
	t.Helper()
	s, kept := newAdmitSetup(t), &ious{}
	s.held(1)
	s.work()
	s.gate.debts.store = kept
	s.admits(s.asks(1))
	s.syncs(1)
	s.argo.run(payments, phaseSucceeded)
	require.Empty(t, kept.open)
	return s, kept
}

// toldAfterARestart restarts, and makes sure that the next process tells.
func (s *setup) toldAfterARestart(kept *ious) {
	s.t.Helper()
	s.restart()
	s.argo.window = ""
	s.gate.debts.store = kept
	s.gate.wakeOwed(s.t.Context())
	s.reconciled()
	s.work()
	require.Empty(s.t, kept.open)
	report, ok := s.reports.last(1)
	require.True(s.t, ok)
	require.Equal(s.t, stateSynced+sha(1).Short(), report.Gates[0].Applications[0].State)
}

// TestTellWhatAnAdmissionSettled: the end of a sync that is recorded because somebody asks
// for the next one is told as any other, also when the process ends right then.
func TestTellWhatAnAdmissionSettled(t *testing.T) {
	t.Parallel()
	s, kept := admittedAndEnded(t)
	s.admits(s.asks(1))
	require.Len(t, s.outcomes(), 1)
	require.Equal(t, map[int]bool{1: true}, kept.open, "not told yet")
	require.Contains(t, s.queued(), Key{Repository: repository, Pull: 1})
	s.clock.advance(admittedGrace) // the second one was never stored
	s.toldAfterARestart(kept)
}

// TestTellWhatAnAdmissionMayHaveSettled: it is told, too, when the record's answer was lost
// or the process ends between both.
func TestTellWhatAnAdmissionMayHaveSettled(t *testing.T) {
	t.Parallel()
	s, kept := admittedAndEnded(t)
	s.record.after = func(string) error { return errDown }
	s.refuses(s.asks(1), refusedRecord)
	s.record.after = nil
	require.Equal(t, history.ResultSucceeded, s.outcomes()[0].Result, "it is on record")
	require.Equal(t, map[int]bool{1: true}, kept.open)
	s.toldAfterARestart(kept)

	// A record that cannot say what was shipped keeps nothing from being told later.
	s, kept = admittedAndEnded(t)
	s.gate.record = &unread{Record: s.record}
	s.refuses(s.asks(1), refusedRecord)
	require.Empty(t, s.outcomes(), "nothing is recorded that nobody would be told of")
	require.Empty(t, kept.open)
	s.gate.record = s.record
	s.admits(s.asks(1))
	require.Equal(t, map[int]bool{1: true}, kept.open)
}

// TestTellWhatADryRunSettled: a sync for show takes the place of the one that ended.
func TestTellWhatADryRunSettled(t *testing.T) {
	t.Parallel()
	s, kept := admittedAndEnded(t)
	s.admits(s.asks(1, func(r *AdmissionRequest) { r.Start.DryRun = true }))
	require.Len(t, s.outcomes(), 1)
	require.Equal(t, map[int]bool{1: true}, kept.open)
	s.toldAfterARestart(kept)
}
