package gate

import (
	"bytes"
	"context"
	"errors"
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

// glassPolicy lets the team of alice and bob break the glass.
func glassPolicy() approval.Policy {
	p := gatePolicy("prod")
	p.BreakGlass = &approval.BreakGlass{Named: approval.Named{Teams: []approval.TeamName{"acme/SRE"}}, ReviewBy: 24 * time.Hour, ValidFor: time.Hour}
	return p
}

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

func (s *setup) breakGlass(pull int) history.ActPayload {
	s.t.Helper()
	return s.order(history.ActPayload{
		Verb: history.VerbBreakGlass, Application: payments, Expires: s.clock.now().Add(time.Hour), ReviewBy: s.clock.now().Add(24 * time.Hour),
		Candidate: &approval.Candidate{UID: "uid-payments", SpecDigest: "5bec", Revisions: []approval.Revision{{Repository: repository, SHA: sha(pull)}}},
	})
}

func (s *setup) review(of string, by string) {
	s.t.Helper()
	s.order(history.ActPayload{Verb: history.VerbReview, Application: payments, Of: of, Person: history.Person{Name: by}})
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

// TestBreakGlass follows a use from the order to its review.
func TestBreakGlass(t *testing.T) {
	s := newSetup(t)
	s.gate = s.newGate(glassPolicy())
	s.deploy(1)
	s.hub.land(2)
	s.reconciled()
	require.Equal(t, sha(1), s.argo.last().revision(), "#2 is not approved")
	s.order(history.ActPayload{Verb: history.VerbHold})

	glass := s.breakGlass(2)
	s.reconciled()
	require.Equal(t, sha(2), s.argo.last().revision())
	require.Equal(t, "gatekeeper: break-glass by alice (customers cannot pay)", s.argo.last().by)
	intents := s.intents()
	require.Equal(t, glass.ID, intents[len(intents)-1].Act)
	s.argo.run(payments, phaseSucceeded)
	for _, hold := range func() []approval.Hold {
		standing, err := s.gate.book.Standing(t.Context())
		require.NoError(t, err)
		return standing.Holds("prod", "uid-payments", s.clock.now())
	}() {
		s.order(history.ActPayload{Verb: history.VerbRelease, Of: hold.ID})
	}

	// It is live, and not a baseline: #3, approved, waits, although its own quorum is
	// met, and so does going back.
	s.hub.land(3)
	s.hub.approve(3, alice)
	require.Equal(t, 24*time.Hour, s.reconciled(), "it looks again when the review is due")
	require.Equal(t, sha(2), s.argo.last().revision())
	require.Contains(t, s.findings(), approval.CodeBreakGlassUnreviewed)
	require.Equal(t, sha(1), func() approval.SHA { known, _ := s.gate.memory.get(payments); return known.decision.Lines[0].Baseline }())
	require.InDelta(t, 1, s.gauge("unreviewed"), 0)
	require.InDelta(t, 0, s.gauge("overdue"), 0)

	// A new process sees the same.
	s.restart()
	s.gate = s.newGate(glassPolicy())
	s.clock.advance(24 * time.Hour)
	s.reconciled()
	require.Contains(t, s.findings(), approval.CodeBreakGlassOverdue)
	require.InDelta(t, 1, s.gauge("overdue"), 0)
	require.Equal(t, sha(2), s.argo.last().revision())

	s.review(glass.ID, "bob")
	s.reconciled()
	require.Equal(t, sha(3), s.argo.last().revision())
	require.InDelta(t, 0, s.gauge("unreviewed"), 0)
	s.argo.run(payments, phaseSucceeded)
	s.reconciled()
	require.Equal(t, "synced to "+sha(3).Short(), s.state())
}

// TestBreakGlassReviewedByHim: who broke the glass does not review it, whatever got
// into the record.
func TestBreakGlassReviewedByHim(t *testing.T) {
	s := newSetup(t)
	s.gate = s.newGate(glassPolicy())
	s.hub.land(1)
	glass := s.breakGlass(1)
	s.reconciled()
	s.argo.run(payments, phaseSucceeded)
	s.review(glass.ID, "@ALICE")
	s.hub.land(2)
	s.hub.approve(2, alice)
	s.reconciled()
	require.Equal(t, sha(1), s.argo.last().revision())
	require.Contains(t, s.findings(), approval.CodeBreakGlassUnreviewed)
}

// TestBreakGlassApproved: what was shipped reaches its quorum, and the next goes on
// from the old baseline. The review is still owed.
func TestBreakGlassApproved(t *testing.T) {
	s := newSetup(t)
	s.gate = s.newGate(glassPolicy())
	s.hub.land(1)
	s.breakGlass(1)
	s.reconciled()
	s.argo.run(payments, phaseSucceeded)
	s.reconciled()
	require.Len(t, s.argo.stored(), 1, "it is carried out once")
	s.hub.approve(1, alice)
	s.reconciled()
	require.Equal(t, "synced to "+sha(1).Short(), s.state())
	s.hub.land(2)
	s.hub.approve(2, bob)
	s.reconciled()
	require.Equal(t, sha(2), s.argo.last().revision())
	s.argo.run(payments, phaseSucceeded)
	s.reconciled()
	require.Contains(t, s.findings(), approval.CodeBreakGlassUnreviewed)
	known, _ := s.gate.memory.get(payments)
	require.Equal(t, approval.Allowed, known.decision.Verdict)
	require.Equal(t, sha(2), known.decision.Lines[0].Baseline)
}

// TestBreakGlassFails: a use that failed is tried again while it is in force. When it
// ends, nothing is taken back before somebody has looked at it.
func TestBreakGlassFails(t *testing.T) {
	s := newSetup(t)
	s.gate = s.newGate(glassPolicy())
	s.deploy(1)
	s.hub.land(2)
	glass := s.breakGlass(2)
	s.reconciled()
	s.argo.run(payments, "Failed")
	wait := s.reconciled()
	require.Equal(t, 30*time.Second, wait)
	s.clock.advance(wait)
	s.reconciled()
	require.Len(t, s.argo.stored(), 3, "tried again")
	s.argo.run(payments, "Failed")
	s.reconciled()
	s.clock.advance(time.Hour)
	s.reconciled()
	require.Len(t, s.argo.stored(), 3, "neither again nor back")
	require.Contains(t, s.findings(), approval.CodeBreakGlassUnreviewed)
	s.review(glass.ID, "bob")
	s.reconciled()
	require.Len(t, s.argo.stored(), 3, "its quorum is not met")
	s.hub.approve(2, alice)
	s.reconciled()
	require.Len(t, s.argo.stored(), 4)
	require.Equal(t, sha(2), s.argo.last().revision())
	require.Empty(t, s.intents()[len(s.intents())-1].Act, "it is approved now")
}

// TestBreakGlassVoid: an order that does not fit, or has expired, changes nothing.
func TestBreakGlassVoid(t *testing.T) {
	for name, change := range map[string]func(s *setup, act *history.ActPayload){
		"expired":      func(s *setup, act *history.ActPayload) { act.Expires = s.clock.now() },
		"not on line":  func(_ *setup, act *history.ActPayload) { act.Candidate.Revisions[0].SHA = sha(99) },
		"not of them":  func(_ *setup, act *history.ActPayload) { act.Person.Name = "dave" },
		"another spec": func(_ *setup, act *history.ActPayload) { act.Candidate.SpecDigest = "other" },
	} {
		t.Run(name, func(t *testing.T) {
			s := newSetup(t)
			s.gate = s.newGate(glassPolicy())
			s.hub.land(1)
			act := history.ActPayload{
				Verb: history.VerbBreakGlass, Application: payments, Expires: s.clock.now().Add(time.Hour), ReviewBy: s.clock.now().Add(time.Hour),
				Candidate: &approval.Candidate{UID: "uid-payments", SpecDigest: "5bec", Revisions: []approval.Revision{{Repository: repository, SHA: sha(1)}}},
			}
			change(s, &act)
			s.order(act)
			s.reconciled()
			require.Empty(t, s.argo.stored())
		})
	}
}

// TestUsesAreForgottenSafely: behind more outcomes than are looked at, a use that is not
// reviewed counts as carried out.
func TestUsesAreForgottenSafely(t *testing.T) {
	s := newSetup(t)
	s.gate = s.newGate(glassPolicy())
	s.breakGlass(1)
	s.clock.advance(2 * time.Hour)
	for n := 1; n <= usesRead; n++ {
		s.deploy(n)
	}
	s.reconciled()
	require.Contains(t, s.findings(), approval.CodeBreakGlassUnreviewed)
	known, _ := s.gate.memory.get(payments)
	require.Equal(t, approval.Allowed, known.decision.Verdict, "what was approved came later")
}

// TestIntentNamesTheGlass: the record refuses a deployment by break-glass that does not
// say so.
func TestIntentNamesTheGlass(t *testing.T) {
	s := newSetup(t)
	s.gate = s.newGate(glassPolicy())
	s.hub.land(1)
	s.breakGlass(1)
	s.record.before = func(call string) error {
		if call == "append" {
			return errDown
		}
		return nil
	}
	var drafts []history.Draft
	s.record.Record = &spy{Record: s.store, drafts: &drafts}
	s.record.before = nil
	_, err := s.reconcile()
	require.Error(t, err)
	require.Len(t, drafts, 2)
	intent, ok := drafts[1].Payload.(history.IntentPayload)
	require.True(t, ok)
	intent.Act = ""
	drafts[1].Payload = intent
	head, err := s.store.Head(t.Context())
	require.NoError(t, err)
	_, err = s.store.Append(t.Context(), head, drafts...)
	require.ErrorIs(t, err, history.ErrInvalid)
}

// spy keeps what was to be appended, and does not.
type spy struct {
	history.Record
	drafts *[]history.Draft
}

func (s *spy) Append(_ context.Context, _ history.Head, drafts ...history.Draft) (history.Head, error) {
	*s.drafts = drafts
	return history.Head{}, errors.New("not now")
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

// TestTry: what would be decided is told without a trace, with people read anew.
func TestTry(t *testing.T) {
	s := newSetup(t)
	s.gate = s.newGate(glassPolicy())
	s.hub.land(1)
	o := approval.Override{
		ID: "x", Person: "bob", Reason: "r", Expires: start.Add(time.Hour), ReviewBy: start.Add(time.Hour),
		Candidate: approval.Candidate{UID: "uid-payments", SpecDigest: "5bec", Revisions: []approval.Revision{{Repository: repository, SHA: sha(1)}}},
	}
	d, err := s.gate.Try(t.Context(), payments, o)
	require.NoError(t, err)
	require.True(t, d.Allowed())
	require.Equal(t, "x", d.Override)
	_, _, forgets := s.hub.counts()
	require.Equal(t, 1, forgets)
	require.Empty(t, s.entries())
	require.Empty(t, s.argo.stored())
	o.Person = "dave"
	d, err = s.gate.Try(t.Context(), payments, o)
	require.NoError(t, err)
	require.False(t, d.Allowed())
	s.hub.fail(errDown)
	_, err = s.gate.Try(t.Context(), payments, o)
	require.ErrorIs(t, err, errDown)
	_, err = s.gate.Try(t.Context(), "argocd/none", o)
	require.ErrorIs(t, err, approval.ErrNotFound)
	_, err = s.gate.Teams(t.Context(), []approval.TeamName{"acme/sre"})
	require.ErrorIs(t, err, errDown)
	s.hub.fail(nil)
	people, err := s.gate.Teams(t.Context(), []approval.TeamName{"acme/sre"})
	require.NoError(t, err)
	require.Len(t, people.Teams, 1)
}
