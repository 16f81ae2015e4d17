package gate

import (
	"io"
	"log/slog"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
	"github.com/argo-gatekeeper/gatekeeper/pkg/history"
)

func slogTo(w io.Writer) *slog.Logger { return slog.New(slog.NewTextHandler(w, nil)) }

// fails lets what is requested fail with a message.
func (s *setup) fails(message string) {
	s.argo.pick(payments)
	s.argo.edit(payments, func(app *approval.Application) { app.Operation.Message = message })
	s.argo.finish(payments, "Failed")
	s.reconciled()
}

// TestManyFailures: each is recorded with what Argo CD says, tried again after a while,
// and from the fifth on people are told what to do.
func TestManyFailures(t *testing.T) {
	t.Parallel()
	s := newSetup(t)
	s.deploy(1)
	s.hub.land(2)
	s.hub.approve(2, alice)
	s.reconciled()
	for n := 1; n <= manyFailures; n++ {
		require.NotContains(t, s.state(), "go back")
		require.Len(t, s.argo.stored(), n+1)
		s.fails("one or more objects\nfailed to apply")
		require.Contains(t, s.state(), "the last sync, to "+sha(2).Short()+", failed")
		require.Contains(t, s.state(), ": one or more objects failed to apply; a part of it may be live")
		outcomes := s.outcomes()
		require.Len(t, outcomes, n+1)
		require.Equal(t, "one or more objects\nfailed to apply", outcomes[n].Message)
		require.Equal(t, "Failed", outcomes[n].Phase)
		if n < manyFailures {
			s.clock.advance(30 * time.Minute)
			s.reconciled()
		}
	}
	require.Contains(t, s.state(), "failed, 5 times in a row: ")
	require.Contains(t, s.state(), "go back: gatekeeper rollback argocd/payments")
	s.clock.advance(30 * time.Minute)
	s.reconciled()
	s.argo.run(payments, phaseSucceeded)
	s.reconciled()
	require.Equal(t, "synced to "+sha(2).Short(), s.state())
}

// TestGoesBackAfterFailure: what failed half way is not approved any more, which is told.
// Once the branch is where it was before, that is synced again, until it succeeds.
func TestGoesBackAfterFailure(t *testing.T) {
	t.Parallel()
	s := newSetup(t)
	s.deploy(1)
	s.hub.land(2)
	s.hub.approve(2, alice)
	s.reconciled()
	s.hub.dismiss(2)
	s.fails("no")
	require.Equal(t, sha(2), s.argo.stored()[1].revision())
	require.Equal(t, "not synced; the last sync, to "+sha(2).Short()+", failed: no; a part of it may be live", s.state())
	s.hub.mu.Lock()
	s.hub.landed = []int{1}
	s.hub.mu.Unlock()
	for range 2 {
		s.clock.advance(time.Hour)
		s.reconciled()
		require.Equal(t, sha(1), s.argo.last().revision())
		s.fails("no")
	}
	s.clock.advance(time.Hour)
	s.reconciled()
	s.argo.run(payments, phaseSucceeded)
	s.reconciled()
	require.Equal(t, "synced to "+sha(1).Short(), s.state())
	stored := len(s.argo.stored())
	s.clock.advance(time.Hour)
	s.reconciled()
	require.Len(t, s.argo.stored(), stored, "once it is back it is back")
}

// TestFailureOfAPerson: somebody's second sync of what is live fails. They are told, and
// Gatekeeper does not try as well.
func TestFailureOfAPerson(t *testing.T) {
	t.Parallel()
	s := newSetup(t)
	s.policies = []approval.Policy{openPolicy()}
	s.gate = s.newGate()
	s.deploy(1)
	s.clock.advance(time.Minute)
	s.admits(s.asks(1))
	s.syncs(1)
	s.fails("the hook failed")
	require.Equal(t, "synced to "+sha(1).Short()+"; the last sync, to "+sha(1).Short()+" by carol, failed: the hook failed", s.state())
	s.clock.advance(time.Hour)
	s.reconciled()
	require.Len(t, s.argo.stored(), 1)
}

// TestPersonAndGatekeeper: both sync the same at once, in each order. The resource
// version lets one of them through, and the record says which.
func TestPersonAndGatekeeper(t *testing.T) {
	for name, personFirst := range map[string]bool{"the person is faster": true, "Gatekeeper is faster": false} {
		for again, retries := range map[string]bool{"gives up": false, "starts over": true} {
			t.Run(name+", who loses "+again, func(t *testing.T) {
				t.Parallel()
				s := newSetup(t)
				s.policies = []approval.Policy{openPolicy()}
				s.gate = s.newGate()
				answers := s.newGate()
				s.hub.land(1)
				s.hub.approve(1, alice)
				s.argo.window = "closed by a test"
				_, err := answers.reconcile(t.Context(), Key{Application: payments})
				require.NoError(t, err)
				s.argo.window = ""

				// Both have read the same version, and both are on record.
				var carol *request
				s.argo.onSync = func(store func() error, _ func()) error {
					asked := s.asks(1)
					require.True(t, answers.Admit(t.Context(), asked).Allowed)
					carol = &request{app: payments, by: "carol", candidate: asked.Start.Candidate, version: asked.Before.ResourceVersion}
					if personFirst {
						require.NoError(t, s.argo.put(carol))
						return store()
					}
					require.NoError(t, store())
					require.ErrorIs(t, s.argo.put(carol), approval.ErrStale)
					return nil
				}
				_, err = s.reconcile()
				if personFirst {
					require.ErrorIs(t, err, approval.ErrStale)
				} else {
					require.NoError(t, err)
				}
				s.argo.onSync = nil
				require.Len(t, s.intents(), 2)
				require.Len(t, s.argo.stored(), 1)
				s.argo.run(payments, phaseSucceeded)
				s.reconciled()
				if retries && !personFirst {
					s.clock.advance(time.Minute)
					s.admits(s.asks(1)) // Argo CD's API begins anew after a conflict
					carol.version = s.argo.live(payments).ResourceVersion
					require.NoError(t, s.argo.put(carol))
					s.argo.run(payments, phaseSucceeded)
				}
				for range 3 {
					s.clock.advance(2 * admittedGrace)
					s.reconciled()
				}
				who := map[bool]string{true: "carol", false: "gatekeeper: PR #1 (alice)"}[personFirst]
				intents := s.intents()
				by := map[string]string{}
				for _, i := range intents {
					by[i.ID] = i.InitiatedBy
				}
				outcomes := s.outcomes()
				require.Equal(t, who, by[outcomes[0].Intent])
				require.Equal(t, history.ResultSucceeded, outcomes[0].Result)
				require.Len(t, outcomes, len(s.argo.stored()), "one for each that was stored")
				require.Len(t, s.abandoned(), 1, "the other one")
				report, err := history.Verify(t.Context(), s.store)
				require.NoError(t, err)
				require.Zero(t, report.Open)
			})
		}
	}
}

// TestSecondTry: the same person syncs the same again at once, after it failed or after
// the write was lost. Each operation has its own outcome.
func TestSecondTry(t *testing.T) {
	t.Parallel()
	s := newAdmitSetup(t)
	s.held(1)
	s.admits(s.asks(1)) // and the write conflicts
	s.argo.edit(payments, func(*approval.Application) {})
	s.admits(s.asks(1))
	s.syncs(1)
	s.argo.run(payments, "Failed")
	s.clock.advance(2 * time.Second)
	s.admits(s.asks(1)) // nobody has looked at the failure yet
	require.Equal(t, s.intents()[1].ID, s.outcomes()[0].Intent)
	s.syncs(1)
	s.argo.run(payments, phaseSucceeded)
	s.clock.advance(time.Minute)
	s.reconciled()
	outcomes := s.outcomes()
	require.Len(t, outcomes, 2)
	require.Equal(t, history.ResultFailed, outcomes[0].Result)
	require.Equal(t, history.ResultSucceeded, outcomes[1].Result)
	require.Equal(t, s.intents()[2].ID, outcomes[1].Intent)
	require.Equal(t, s.intents()[0].ID, s.abandoned()[0].Intent)
}

// TestForShow: a sync for show takes the place of an operation of which nobody has seen
// the end, and is nobody's outcome itself.
func TestForShow(t *testing.T) {
	t.Parallel()
	s := newAdmitSetup(t)
	s.held(1)
	s.admits(s.asks(1))
	s.syncs(1)
	s.argo.run(payments, "Failed")
	s.clock.advance(time.Second)
	s.admits(s.asks(1, func(r *AdmissionRequest) { r.Start.DryRun = true }))
	require.Equal(t, history.ResultFailed, s.outcomes()[0].Result)
	s.admits(s.asks(1)) // and the write is lost
	s.argo.edit(payments, func(app *approval.Application) {
		app.Operation = &approval.Operation{Requested: true, DryRun: true, InitiatedBy: "carol", Revisions: []string{string(sha(1))}}
	})
	s.argo.run(payments, phaseSucceeded)
	s.clock.advance(2 * admittedGrace)
	s.reconciled()
	require.Len(t, s.outcomes(), 1)
	require.Len(t, s.abandoned(), 1)
}
