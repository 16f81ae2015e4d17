package gate

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
	"github.com/argo-gatekeeper/gatekeeper/pkg/history"
)

// TestAdmitStopsAtOnce: a hold and the edge of a window stop people's syncs from the
// moment on, and not from the next decision on.
func TestAdmitStopsAtOnce(t *testing.T) {
	for name, app := range map[string]string{"application": payments, "gate": ""} {
		t.Run(name, func(t *testing.T) {
			s := newAdmitSetup(t)
			s.held(1)
			hold := s.order(history.ActPayload{Verb: history.VerbHold, Application: app})
			s.refuses(s.asks(1), "hold.active", "alice holds", "customers cannot pay")
			require.Empty(t, s.intents())
			s.order(history.ActPayload{Verb: history.VerbRelease, Application: app, Of: hold.ID})
			s.admits(s.asks(1))
		})
	}
	t.Run("window", func(t *testing.T) {
		p := openPolicy()
		p.Windows = []approval.Window{{Name: "morning", Kind: approval.WindowAllow, Schedule: "timezone=UTC rrule=FREQ=DAILY;BYHOUR=8 duration=1h0m0s"}}
		s := newAdmitSetup(t, p)
		s.held(1)
		s.clock.advance(time.Hour)
		s.refuses(s.asks(1), "window.closed", "window morning")
		require.Empty(t, s.intents())
	})
}

// TestAdmitBreakGlass: a person may carry out a use of break-glass in Argo CD's UI. It is
// recorded as one, so nobody takes it for a baseline, and nobody rolls back to it before
// it was reviewed.
func TestAdmitBreakGlass(t *testing.T) {
	p := openPolicy()
	p.BreakGlass = glassPolicy().BreakGlass
	s := newAdmitSetup(t, p)
	s.deploy(1)
	s.clock.advance(time.Minute)
	s.hub.land(2)
	glass := s.breakGlass(2)
	s.argo.window = "closed by a test"
	s.reconciled()
	s.admits(s.asks(2))
	intents := s.intents()
	require.Equal(t, glass.ID, intents[len(intents)-1].Act)
	require.NotNil(t, intents[len(intents)-1].Admitted)
	s.syncs(2)
	s.argo.run(payments, phaseSucceeded)
	s.argo.window = ""
	s.reconciled()
	require.Contains(t, s.findings(), approval.CodeBreakGlassUnreviewed)

	// Back to what is trusted, yes; forward to what is not, no.
	s.clock.advance(time.Minute)
	s.admits(s.asks(1))
	s.argo.edit(payments, func(app *approval.Application) {
		app.Operation = &approval.Operation{Requested: true, InitiatedBy: "carol", Revisions: []string{string(sha(1))}}
	})
	s.argo.run(payments, phaseSucceeded)
	s.clock.advance(time.Minute)
	s.reconciled()
	s.refuses(s.asks(2), "quorum.missing")
	s.review(glass.ID, "bob")
	s.reconciled()
	s.admits(s.asks(2))
	intents = s.intents()
	require.True(t, intents[len(intents)-1].Admitted.Rollback)
	require.Equal(t, glass.ID, intents[len(intents)-1].Act)
}

// TestAdmitBreakGlassEnds: once it has ended, it allows nobody's sync, whether or not
// the gate has decided anew.
func TestAdmitBreakGlassEnds(t *testing.T) {
	p := openPolicy()
	p.BreakGlass = glassPolicy().BreakGlass
	for name, end := range map[string]func(s *setup, id string){
		"expired":  func(s *setup, _ string) { s.clock.advance(time.Hour) },
		"reviewed": func(s *setup, id string) { s.review(id, "bob") },
	} {
		t.Run(name, func(t *testing.T) {
			s := newAdmitSetup(t, p)
			s.argo.window = "closed by a test"
			s.hub.land(1)
			glass := s.breakGlass(1)
			s.reconciled()
			end(s, glass.ID)
			s.refuses(s.asks(1), "breakglass.void", "has ended")
			require.Empty(t, s.intents())
		})
	}
}
