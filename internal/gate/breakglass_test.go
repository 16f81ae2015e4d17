package gate

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
	"github.com/argo-gatekeeper/gatekeeper/pkg/history"
)

// glassPolicy lets the team of alice and bob break the glass.
func glassPolicy() approval.Policy {
	p := gatePolicy("prod")
	p.BreakGlass = &approval.BreakGlass{Named: approval.Named{Teams: []approval.TeamName{"acme/SRE"}}, ReviewBy: 24 * time.Hour, ValidFor: time.Hour}
	return p
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
