package gate

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
)

// logged collects the log.
func logged(s *setup) *strings.Builder {
	var out strings.Builder
	s.gate.log = slogTo(&out)
	return &out
}

// stuckNow is the metric.
func stuckNow(s *setup) float64 {
	registry := prometheus.NewRegistry()
	registry.MustRegister(s.gate.metrics)
	families, err := registry.Gather()
	require.NoError(s.t, err)
	for _, f := range families {
		if f.GetName() == "gatekeeper_operations_stuck" {
			return f.GetMetric()[0].GetGauge().GetValue()
		}
	}
	return 0
}

// TestStuck runs the gate with real timers: an operation that nobody picks up, one that
// waits in a window, and one that runs too long are told once, and taken back when it ends.
func TestStuck(t *testing.T) {
	for name, c := range map[string]struct {
		begin func(a *approval.Application)
		after time.Duration
		given time.Duration
		says  string
	}{
		"not picked up": {
			func(*approval.Application) {}, pickupLimit, 0, "the sync of gatekeeper: PR #1 (alice) was not picked up by Argo CD since ",
		},
		"in a window": {
			func(a *approval.Application) {
				a.Operation.Phase, a.Operation.StartedAt = "Running", time.Now()
				a.Operation.Message = "Sync operation blocked by sync window"
			}, pickupLimit, 0, "waits in a sync window of Argo CD since ",
		},
		"runs": {
			func(a *approval.Application) {
				a.Operation.Phase, a.Operation.StartedAt = "Running", time.Now()
				a.Operation.Message = "waiting for completion of\n hook batch/Job/migrate"
			}, stuckByDefault, 0, ", it hangs at: waiting for completion of hook batch/Job/migrate",
		},
		"runs, as configured": {
			func(a *approval.Application) { a.Operation.Phase, a.Operation.StartedAt = "Running", time.Now() },
			time.Hour, time.Hour, "the sync of gatekeeper: PR #1 (alice) runs since ",
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newSetup(t)
				p := gatePolicy("prod")
				p.Sync.StuckAfter = c.given
				s.gate = New(Options{
					Rules: Rules{Policies: []approval.Policy{p}}, Applications: s.argo, Collector: s.hub, Closures: s.hub, Record: s.record, Reporter: s.reports,
					Logger: testLogger(t), Metrics: NewMetrics(), Workers: 1, Resync: 1000 * time.Hour,
				})
				log := logged(s)
				s.clock.at = time.Now()
				s.hub.land(1)
				s.hub.approve(1, alice)
				ctx, cancel := context.WithCancel(t.Context())
				ended := make(chan struct{})
				go func() { defer close(ended); _ = s.gate.Run(ctx) }()
				synctest.Wait()
				require.Len(t, s.argo.stored(), 1)
				s.argo.edit(payments, c.begin)
				state := func() string {
					synctest.Wait()
					report, ok := s.reports.last(1)
					require.True(t, ok)
					return report.Gates[0].Applications[0].State
				}
				stuck := func() float64 { return stuckNow(s) }
				time.Sleep(c.after - 2*time.Second)
				require.Equal(t, "syncing to "+sha(1).Short(), state())
				require.Zero(t, stuck())
				time.Sleep(time.Minute)
				require.Contains(t, state(), c.says)
				require.InDelta(t, 1, stuck(), 0)
				time.Sleep(20 * time.Minute)
				synctest.Wait()
				require.Equal(t, 1, strings.Count(log.String(), "operation_stuck"), "once")

				s.argo.edit(payments, func(a *approval.Application) {
					a.Operation.Phase, a.Operation.StartedAt = "Running", time.Now()
				})
				s.argo.finish(payments, phaseSucceeded)
				time.Sleep(time.Minute)
				require.Equal(t, "synced to "+sha(1).Short(), state())
				require.Zero(t, stuck())
				require.Equal(t, 1, strings.Count(log.String(), "operation_unstuck"))
				cancel()
				<-ended
			})
		})
	}
}

// TestStuckAfterRestart: the next process knows of no decision, and tells the pull
// request that the operation's intent shipped. How long a request has waited it knows
// from the record.
func TestStuckAfterRestart(t *testing.T) {
	t.Parallel()
	s := newSetup(t)
	s.hub.land(1)
	s.hub.approve(1, alice)
	s.reconciled()
	s.restart()
	s.clock.advance(pickupLimit)
	s.reconciled()
	require.Equal(t, []Key{{Repository: repository, Pull: 1}}, s.queued())
	_, err := s.gate.reconcile(t.Context(), Key{Repository: repository, Pull: 1})
	require.NoError(t, err)
	report, _ := s.reports.last(1)
	require.Contains(t, report.Gates[0].Applications[0].State, "was not picked up by Argo CD since 2026-11-21 08:00 UTC")
	require.Equal(t, approval.Unknown, report.Gates[0].Applications[0].Verdict)
}

// TestStuckOfSomebody: what Gatekeeper knows nothing of is seen as well, from when it was
// noticed, and a second one is another.
func TestStuckOfSomebody(t *testing.T) {
	t.Parallel()
	s := newSetup(t)
	log := logged(s)
	s.reconciled()
	for n := 1; n <= 2; n++ {
		s.argo.foreign(payments, sha(n))
		require.Equal(t, nudgeAfter, s.reconciled())
		s.clock.advance(pickupLimit - time.Second)
		require.Equal(t, time.Second, s.reconciled(), "the rest of the time")
		s.clock.advance(time.Second)
		s.reconciled()
		s.reconciled()
		require.Equal(t, n, strings.Count(log.String(), "operation_stuck"))
	}
	found, _ := s.gate.stalls.get(payments)
	require.Contains(t, found.state, "the sync of mallory was not picked up")
	s.argo.mu.Lock()
	delete(s.argo.apps, payments)
	s.argo.mu.Unlock()
	s.reconciled()
	require.Zero(t, stuckNow(s), "it is gone")
}
