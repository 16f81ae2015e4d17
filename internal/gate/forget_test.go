package gate

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
)

// kept says of which things of payments something is remembered.
func (s *setup) kept() []string {
	var kept []string
	_, remembered := s.gate.memory.get(payments)
	_, stuck := s.gate.stalls.get(payments)
	for what, is := range map[string]bool{
		"decision": remembered, "stuck operation": stuck, "reviews": len(s.gate.reviews.apps) > 0, "operations": len(s.gate.operations.apps) > 0,
		"rollout": s.gate.rollouts.get(payments).uid != "", "landing": len(s.gate.waits.byName) > 0, "content": len(s.gate.contents.apps) > 0,
	} {
		if is {
			kept = append(kept, what)
		}
	}
	return kept
}

// TestForgotten: nothing is remembered of an Application that is gone, or that no gate
// protects any more, and nothing is owed for it.
func TestForgotten(t *testing.T) {
	t.Parallel()
	elsewhere := glassPolicy()
	elsewhere.Applications[0].Project = "elsewhere"
	for name, goes := range map[string]func(s *setup){
		"gone, and a reconcile finds out": func(s *setup) {
			delete(s.argo.apps, payments)
			s.reconciled()
		},
		"gone, and nobody says so": func(s *setup) {
			delete(s.argo.apps, payments)
			s.gate.WakeAll()
		},
		"in another project, and a reconcile finds out": func(s *setup) {
			s.argo.edit(payments, func(app *approval.Application) { app.Project = "elsewhere" })
			s.reconciled()
		},
		"not protected any more": func(s *setup) {
			require.NoError(s.t, s.gate.Exchange(s.t.Context(), Rules{Policies: []approval.Policy{elsewhere}}))
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSetup(t)
			s.gate = s.newGate(glassPolicy())
			s.deploy(1)
			s.hub.land(2)
			s.hub.index(2, false)
			s.reconciled()
			s.breakGlass(2)
			s.reconciled()
			s.argo.run(payments, phaseSucceeded)
			s.reconciled()
			require.InDelta(t, 1, s.gauge("unreviewed"), 0)
			require.NotEmpty(t, s.kept())

			goes(s)
			require.Empty(t, s.kept())
			require.InDelta(t, 0, s.gauge("unreviewed"), 0, "as after a restart")
		})
	}
}

// TestForgottenWhenReplaced: of one that was deleted and made again under its name, only
// the new one is remembered.
func TestForgottenWhenReplaced(t *testing.T) {
	t.Parallel()
	s := newSetup(t)
	s.deploy(1)
	s.argo.edit(payments, func(app *approval.Application) { app.UID, app.Operation, app.Deployed = "uid-again", nil, nil })
	s.foreignRun(sha(1), phaseSucceeded)
	s.reconciled()
	s.gate.WakeAll()
	require.Len(t, s.gate.operations.apps, 1)
	require.Contains(t, s.gate.operations.apps, "uid-again")
}
