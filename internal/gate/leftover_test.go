package gate

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
	"github.com/argo-gatekeeper/gatekeeper/pkg/history"
)

// unsettled are the IDs of payments' open intents; ended is how its other syncs went.
func (s *setup) unsettled() (open []string, ended []history.Result) {
	s.t.Helper()
	intents, err := s.gate.openIntents(s.t.Context(), s.argo.live(payments).UID)
	require.NoError(s.t, err)
	for _, i := range intents {
		open = append(open, i.ID)
	}
	for _, e := range s.entries() {
		if e.Kind != history.KindOutcome {
			continue
		}
		o, err := history.Decode[history.OutcomePayload](e)
		require.NoError(s.t, err)
		ended = append(ended, o.Result)
	}
	return open, ended
}

// TestOutcomeAfterTheGate: what became of a sync that a gate let through is on record also
// when the Application has left the gate before it ended, and nothing else is from then on.
func TestOutcomeAfterTheGate(t *testing.T) {
	t.Parallel()
	elsewhere := gatePolicy("prod")
	elsewhere.Applications[0].Project = "elsewhere"
	for name, leaves := range map[string]func(s *setup){
		"by a reload": func(s *setup) {
			s.gate.running.Store(true)
			require.NoError(s.t, s.gate.Exchange(s.t.Context(), Rules{Policies: []approval.Policy{elsewhere}}))
		},
		"before a restart": func(s *setup) {
			s.policies = []approval.Policy{elsewhere}
			s.restart()
			s.gate.wakeLeftOver(s.t.Context())
		},
		"for another project": func(s *setup) {
			s.argo.edit(payments, func(app *approval.Application) { app.Project = "sandbox" })
			s.gate.WakeAll()
			s.gate.wakeLeftOver(s.t.Context())
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSetup(t)
			s.hub.land(1)
			s.hub.approve(1, alice)
			s.reconciled()
			s.argo.pick(payments)
			open, _ := s.unsettled()
			require.Len(t, open, 1)
			s.queued()
			s.gate.wakeLeftOver(t.Context())
			require.Empty(t, s.queued(), "the gate sees to it")

			leaves(s)
			require.Equal(t, []Key{{Application: payments}}, s.queued(), "nothing else wakes it")
			require.Equal(t, againSyncing, s.reconciled(), "it still runs")
			s.argo.finish(payments, phaseSucceeded)
			require.Zero(t, s.reconciled())
			open, ended := s.unsettled()
			require.Empty(t, open)
			require.Equal(t, []history.Result{history.ResultSucceeded}, ended)
			require.Equal(t, []Key{{Repository: repository, Pull: 1}}, s.queued(), "people wait there for the news")

			entries := len(s.entries())
			s.argo.foreign(payments, sha(7))
			s.argo.pick(payments)
			require.Zero(t, s.reconciled())
			s.argo.finish(payments, phaseSucceeded)
			s.gate.wakeLeftOver(t.Context())
			require.Empty(t, s.queued())
			require.Zero(t, s.reconciled())
			require.Len(t, s.entries(), entries, "what is not protected is nobody's business")
		})
	}
}

// TestLeftOverUnknown: a sync of which there is no trace is given up as for any other
// Application, one of an Application that was deleted stays open, since nobody can tell any
// more, and nothing is lost while the record cannot be read.
func TestLeftOverUnknown(t *testing.T) {
	t.Parallel()
	s := newSetup(t)
	s.hub.land(1)
	s.hub.approve(1, alice)
	s.argo.onSync = func(func() error, func()) error { return errors.New("connection refused") }
	_, err := s.reconcile()
	require.ErrorContains(t, err, "refused")
	s.argo.edit(payments, func(app *approval.Application) { app.Project = "sandbox" })
	s.queued()

	s.record.before = func(call string) error { return errors.New(call + ": the disk is gone") }
	s.gate.wakeLeftOver(t.Context())
	require.Empty(t, s.queued())
	_, err = s.reconcile()
	require.ErrorContains(t, err, "the disk is gone")
	s.record.before = nil

	gone := s.argo.live(payments)
	delete(s.argo.apps, payments)
	s.gate.wakeLeftOver(t.Context())
	require.Empty(t, s.queued())
	require.Zero(t, s.reconciled())
	s.argo.apps[payments] = &gone
	open, _ := s.unsettled()
	require.Len(t, open, 1)

	s.gate.wakeLeftOver(t.Context())
	require.Len(t, s.queued(), 1)
	require.Zero(t, s.reconciled())
	open, ended := s.unsettled()
	require.Empty(t, open)
	require.Empty(t, ended)
	require.Equal(t, history.KindAbandoned, s.entries()[len(s.entries())-1].Kind)
}

// TestRunSettlesLeftOver: they are found when a gate begins to run, and, when the record could
// not be read then, at the next round.
func TestRunSettlesLeftOver(t *testing.T) {
	t.Parallel()
	for name, late := range map[string]bool{"at the start": false, "at the next round": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				m := newMailroom(t)
				m.hub.land(1)
				m.hub.approve(1, alice)
				m.reconciled()
				m.queued()
				m.argo.edit(payments, func(app *approval.Application) { app.Project = "sandbox" })
				m.argo.run(payments, phaseSucceeded)
				var unread atomic.Bool
				unread.Store(late)
				m.record.before = func(call string) error {
					if call == "all open" && unread.Load() {
						return errors.New("the disk is gone")
					}
					return nil
				}
				ctx, stop := context.WithCancel(t.Context())
				ended := make(chan error, 1)
				go func() { ended <- m.gate.Run(ctx) }()
				time.Sleep(time.Second)
				synctest.Wait()
				if late {
					require.Empty(t, m.outcomes())
					unread.Store(false)
					time.Sleep(time.Hour)
					synctest.Wait()
				}
				require.Len(t, m.outcomes(), 1)
				stop()
				require.NoError(t, <-ended)
				m.close()
			})
		})
	}
}
