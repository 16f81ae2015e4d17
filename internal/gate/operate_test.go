package gate

import (
	"bytes"
	"context"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/internal/orders"
	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
	"github.com/argo-gatekeeper/gatekeeper/pkg/history"
)

// order gives an order by the record, as a command does.
func (s *setup) order(act history.ActPayload) history.ActPayload {
	s.t.Helper()
	desk := orders.NewDesk(orders.Options{Record: s.store, Now: s.clock.now})
	if act.Gate == "" {
		act.Gate = "prod"
	}
	if act.Person.Name == "" {
		act.Person = history.Person{Name: "alice"}
	}
	act.Person.Via, act.Reason = history.ViaConsole, "customers cannot pay"
	uid := ""
	if act.Application != "" {
		uid = "uid-payments"
	}
	given, err := desk.Give(context.WithoutCancel(s.t.Context()), nil, orders.Order{UID: uid, Act: act})
	require.NoError(s.t, err)
	return given[0]
}

func (s *setup) findings() []approval.Code {
	known, _ := s.gate.memory.get(payments)
	var out []approval.Code
	for _, f := range known.decision.Findings {
		out = append(out, f.Code)
	}
	return out
}

// gauge is what the gate prod shows under gatekeeper_breakglass_NAME.
func (s *setup) gauge(name string) float64 {
	s.t.Helper()
	registry := prometheus.NewRegistry()
	registry.MustRegister(s.gate.metrics)
	families, err := registry.Gather()
	require.NoError(s.t, err)
	for _, f := range families {
		if f.GetName() == "gatekeeper_breakglass_"+name {
			return f.GetMetric()[0].GetGauge().GetValue()
		}
	}
	return -1
}

// TestHoldStops: a hold of the Application or of the gate stops an approved change,
// which stays visible, until it is released or ends.
func TestHoldStops(t *testing.T) {
	for name, app := range map[string]string{"application": payments, "gate": ""} {
		t.Run(name, func(t *testing.T) {
			s := newSetup(t)
			s.deploy(1)
			held := s.order(history.ActPayload{Verb: history.VerbHold, Application: app})
			s.hub.land(2)
			s.hub.approve(2, alice)
			require.Zero(t, s.reconciled(), "nobody knows when it is released")
			require.Equal(t, sha(1), s.argo.last().revision())
			require.Contains(t, s.findings(), approval.CodeHoldActive)
			require.Contains(t, s.findings(), approval.CodeLandingApproved)

			s.order(history.ActPayload{Verb: history.VerbRelease, Application: app, Of: held.ID})
			s.reconciled()
			require.Equal(t, sha(2), s.argo.last().revision())
		})
	}
	t.Run("until", func(t *testing.T) {
		s := newSetup(t)
		s.order(history.ActPayload{Verb: history.VerbHold, Expires: start.Add(2 * time.Hour)})
		s.order(history.ActPayload{Verb: history.VerbHold, Expires: start.Add(time.Hour)})
		s.order(history.ActPayload{Verb: history.VerbHold, Gate: "another"})
		s.hub.land(1)
		s.hub.approve(1, alice)
		require.Equal(t, time.Hour, s.reconciled(), "it looks again when the first ends")
		s.clock.advance(time.Hour)
		require.Equal(t, time.Hour, s.reconciled())
		require.Empty(t, s.argo.stored())
		s.clock.advance(time.Hour)
		s.reconciled()
		require.Equal(t, sha(1), s.argo.last().revision())
	})
}

// TestHoldRaces: whenever in a reconcile a hold is recorded before the intent is, the
// change is not synced.
func TestHoldRaces(t *testing.T) {
	for name, app := range map[string]string{"application": payments, "gate": ""} {
		for _, moment := range []string{"head", "open", "deployed", "collected", "append"} {
			t.Run(name+" at "+moment, func(t *testing.T) {
				s := newSetup(t)
				s.hub.land(1)
				s.hub.approve(1, alice)
				done := false
				hold := func() {
					if !done {
						done = true
						s.order(history.ActPayload{Verb: history.VerbHold, Application: app})
					}
				}
				if moment == "collected" {
					s.hub.onAnswer = hold
				} else {
					s.record.before = func(call string) error {
						if call == moment {
							hold()
						}
						return nil
					}
				}
				_, err := s.reconcile()
				require.True(t, done)
				require.Empty(t, s.argo.stored(), "synced although it was held")
				if err != nil {
					require.ErrorIs(t, err, errRaced)
				}
				s.reconciled()
				require.Empty(t, s.argo.stored())
				require.Contains(t, s.findings(), approval.CodeHoldActive)
				require.Empty(t, s.intents())
			})
		}
	}
	// An order about another gate costs one more look, and nothing else.
	s := newSetup(t)
	s.hub.land(1)
	s.hub.approve(1, alice)
	s.hub.onAnswer = func() {
		s.hub.mu.Lock()
		s.hub.onAnswer = nil
		s.hub.mu.Unlock()
		s.order(history.ActPayload{Verb: history.VerbHold, Gate: "another"})
	}
	_, err := s.reconcile()
	require.ErrorIs(t, err, errRaced)
	s.reconciled()
	require.Equal(t, sha(1), s.argo.last().revision())
}

// TestWindows: outside of a window nothing is synced, and the gate looks again at the
// edge.
func TestWindows(t *testing.T) {
	s := newSetup(t)
	p := gatePolicy("prod")
	p.Windows = []approval.Window{
		{Name: "day", Kind: approval.WindowAllow, Schedule: "timezone=UTC rrule=FREQ=DAILY;BYHOUR=9 duration=8h0m0s"},
		{Name: "audit", Kind: approval.WindowDeny, Schedule: "timezone=UTC from=2026-11-21T08:30 until=2026-11-21T09:30"},
	}
	s.gate = s.newGate(p)
	s.hub.land(1)
	s.hub.approve(1, alice)
	require.Equal(t, 30*time.Minute, s.reconciled(), "the audit begins")
	s.clock.advance(30 * time.Minute)
	require.Equal(t, 30*time.Minute, s.reconciled(), "the day begins")
	known, _ := s.gate.memory.get(payments)
	require.Contains(t, known.decision.Findings[0].Remedy, "the next opening is Sat 2026-11-21 09:30 UTC")
	s.clock.advance(30 * time.Minute)
	require.Equal(t, 30*time.Minute, s.reconciled(), "deny wins")
	require.Empty(t, s.argo.stored())
	s.clock.advance(30 * time.Minute)
	s.reconciled()
	require.Equal(t, sha(1), s.argo.last().revision())

	p.Windows[0].Schedule = "when I say so"
	s = newSetup(t)
	s.gate = s.newGate(p)
	s.hub.land(1)
	s.hub.approve(1, alice)
	s.reconciled()
	require.Contains(t, s.findings(), approval.CodeWindowUnknown)
	require.Empty(t, s.argo.stored())
}

// TestTimers runs the gate with real timers: it wakes at the end of a hold, at the edge
// of a window and at the deadline of a review, and not in between.
func TestTimers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSetup(t)
		p := glassPolicy()
		now := time.Now().UTC().Truncate(time.Minute)
		p.Windows = []approval.Window{{Name: "w", Kind: approval.WindowDeny,
			Schedule: "timezone=UTC from=" + now.Add(3*time.Hour).Format("2006-01-02T15:04") + " until=" + now.Add(5*time.Hour).Format("2006-01-02T15:04")}}
		s.gate = New(Options{
			Rules: Rules{Policies: []approval.Policy{p}}, Applications: s.argo, Collector: s.hub, Closures: s.hub, Record: s.record, Reporter: s.reports,
			Logger: testLogger(t), Metrics: NewMetrics(), Workers: 1, Resync: 1000 * time.Hour,
		})
		s.clock.at = time.Now()
		s.order(history.ActPayload{Verb: history.VerbHold, Expires: time.Now().Add(4 * time.Hour)})
		s.hub.land(1)
		s.hub.approve(1, alice)
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() { defer close(ended); _ = s.gate.Run(ctx) }()
		reads := func() int { synctest.Wait(); return s.argo.reads() }
		require.Equal(t, 1, reads())
		time.Sleep(3*time.Hour - time.Second)
		require.Equal(t, 1, reads(), "nothing has changed")
		time.Sleep(time.Minute)
		require.Equal(t, 2, reads(), "the window begins")
		time.Sleep(time.Hour)
		require.Equal(t, 3, reads(), "the hold ends")
		require.Empty(t, s.argo.stored())
		time.Sleep(time.Hour)
		reads()
		require.Equal(t, sha(1), s.argo.last().revision(), "the window ends")
		cancel()
		<-ended
	})
}

// TestReportStops: a pull request says what keeps the whole gate from syncing.
func TestReportStops(t *testing.T) {
	s := newSetup(t)
	p := gatePolicy("prod")
	p.Windows = []approval.Window{{Name: "night", Kind: approval.WindowAllow, Schedule: "timezone=UTC rrule=FREQ=DAILY;BYHOUR=22 duration=4h0m0s"}}
	s.gate = s.newGate(p)
	s.order(history.ActPayload{Verb: history.VerbHold})
	s.order(history.ActPayload{Verb: history.VerbHold, Application: payments})
	s.openPull(7, alice)
	report, ok := s.reported(7)
	require.True(t, ok)
	stops := report.Gates[0].Stops
	require.Len(t, stops, 2, "the Application's own hold is told with the Application")
	require.Equal(t, approval.CodeHoldActive, stops[0].Code)
	require.Equal(t, approval.CodeWindowClosed, stops[1].Code)
	require.Contains(t, stops[1].Remedy, "Sat 2026-11-21 22:00 UTC")
	require.Equal(t, approval.Allowed, report.Gates[0].Quorum.Verdict)
}

// TestDeadline: at the deadline of a review the gate wakes by itself, says so in the
// log once, and counts it.
func TestDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSetup(t)
		var log bytes.Buffer
		s.gate = New(Options{
			Rules: Rules{Policies: []approval.Policy{glassPolicy()}}, Applications: s.argo, Collector: s.hub, Closures: s.hub, Record: s.record, Reporter: s.reports,
			Logger: slog.New(slog.NewJSONHandler(&log, nil)), Metrics: NewMetrics(), Workers: 1, Resync: 1000 * time.Hour,
		})
		s.clock.at = time.Now()
		s.hub.land(1)
		s.breakGlass(1)
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() { defer close(ended); _ = s.gate.Run(ctx) }()
		synctest.Wait()
		require.Equal(t, sha(1), s.argo.last().revision())
		s.argo.run(payments, phaseSucceeded)
		s.gate.WakeKey(t.Context(), payments)
		synctest.Wait()
		require.InDelta(t, 1, s.gauge("unreviewed"), 0)
		require.InDelta(t, 0, s.gauge("overdue"), 0)
		time.Sleep(24*time.Hour - time.Second)
		synctest.Wait()
		require.InDelta(t, 0, s.gauge("overdue"), 0)
		time.Sleep(2 * time.Second)
		synctest.Wait()
		require.InDelta(t, 1, s.gauge("overdue"), 0)
		s.gate.WakeKey(t.Context(), payments)
		synctest.Wait()
		cancel()
		<-ended
		require.Equal(t, 1, strings.Count(log.String(), `"msg":"breakglass_overdue"`))
	})
}
