package gate

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/internal/orders"
	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
	"github.com/argo-gatekeeper/gatekeeper/pkg/history"
)

// goesBack orders a rollback to the deployment of a pull request, with its hold.
func (s *setup) goesBack(pull int) (hold, order history.ActPayload) {
	s.t.Helper()
	app := s.argo.live(payments)
	past, err := s.store.Deployments(s.t.Context(), app.UID, 50)
	require.NoError(s.t, err)
	for _, d := range past {
		if d.Intent.Candidate.Revisions[0].SHA != sha(pull) {
			continue
		}
		act := history.ActPayload{
			Gate: "prod", Application: payments, Person: history.Person{Name: "ada", Via: history.ViaConsole}, Reason: "logins fail",
		}
		hold, back := act, act
		hold.Verb, hold.ID = history.VerbHold, "hold1"
		back.Verb, back.Candidate, back.Intent, back.Hold = history.VerbRollback, &d.Intent.Candidate, d.Intent.ID, hold.ID
		given, err := orders.NewDesk(orders.Options{Record: s.store, Now: s.clock.now}).Give(s.t.Context(), nil,
			orders.Order{UID: app.UID, Act: hold}, orders.Order{UID: app.UID, Act: back})
		require.NoError(s.t, err)
		return given[0], given[1]
	}
	s.t.Fatal("it was never deployed")
	return history.ActPayload{}, history.ActPayload{}
}

func (s *setup) releases(hold history.ActPayload) {
	s.t.Helper()
	_, err := orders.NewDesk(orders.Options{Record: s.store, Now: s.clock.now}).Give(s.t.Context(), nil, orders.Order{
		UID: s.argo.live(payments).UID, Act: history.ActPayload{
			Verb: history.VerbRelease, Of: hold.ID, Gate: "prod", Application: payments, Person: history.Person{Name: "bob", Via: history.ViaConsole}, Reason: "mended",
		},
	})
	require.NoError(s.t, err)
}

// reverter counts how often Git was to be brought to what was rolled back to.
type reverter struct {
	calls []approval.Rollback
	err   error
}

func (r *reverter) Revert(_ context.Context, _ approval.Policy, _ approval.Application, back approval.Rollback) ([]Key, error) {
	r.calls = append(r.calls, back)
	return []Key{{Repository: repository, Pull: 77}}, r.err
}

func TestRollback(t *testing.T) {
	s := newAdmitSetup(t)
	git := &reverter{err: errors.New("GitHub is down")}
	s.gate.reverter = git
	for pull := 1; pull <= 3; pull++ {
		s.deploy(pull)
	}
	hold, order := s.goesBack(1)
	s.hub.fail(errDown)
	_, err := s.reconcile()
	require.NoError(t, err, "it needs nothing of GitHub")
	require.Equal(t, sha(1), s.argo.last().revision())
	require.Equal(t, "gatekeeper: rollback by ada (logins fail)", s.argo.last().by)
	intents := s.intents()
	require.Equal(t, order.ID, intents[len(intents)-1].Act)
	require.Empty(t, git.calls, "not before it is live")

	s.argo.run(payments, phaseSucceeded)
	s.hub.fail(nil)
	s.hub.land(4)
	s.hub.approve(4, alice)
	s.reconciled()
	require.Equal(t, sha(1), s.argo.last().revision(), "what is newer is held")
	s.reconciled()
	require.Len(t, git.calls, 2, "tried again")
	git.err = nil
	s.reconciled()
	s.reconciled()
	require.Len(t, git.calls, 3, "once it is done it is done")
	require.Contains(t, s.queued(), Key{Repository: repository, Pull: 77})

	s.releases(hold)
	s.reconciled()
	require.Equal(t, sha(4), s.argo.last().revision(), "what is approved goes on")
	s.argo.run(payments, phaseSucceeded)
	s.reconciled()
	decided := s.decisions()
	require.Nil(t, decided[len(decided)-1].Facts.Rollback, "something was deployed since")
}

// TestRollbackCalledOff: releasing the hold before it was carried out.
func TestRollbackCalledOff(t *testing.T) {
	s := newAdmitSetup(t)
	s.deploy(1)
	s.deploy(2)
	hold, _ := s.goesBack(1)
	s.releases(hold)
	s.reconciled()
	require.Equal(t, sha(2), s.argo.last().revision())
}

// TestRollbackFails: it is tried again, after a while.
func TestRollbackFails(t *testing.T) {
	s := newAdmitSetup(t)
	s.deploy(1)
	s.deploy(2)
	s.goesBack(1)
	s.reconciled()
	s.argo.run(payments, "Failed")
	requests := len(s.argo.stored())
	s.reconciled()
	require.Len(t, s.argo.stored(), requests)
	s.clock.advance(time.Minute)
	s.reconciled()
	require.Len(t, s.argo.stored(), requests+1)
	require.Equal(t, sha(1), s.argo.last().revision())
}

// TestRollbackByHand: who goes back in Argo CD's UI is not taken forward again.
func TestRollbackByHand(t *testing.T) {
	s := newAdmitSetup(t)
	s.deploy(1)
	s.deploy(2)
	s.admits(s.asks(1))
	s.syncs(1)
	s.argo.run(payments, phaseSucceeded)
	s.reconciled()
	require.Equal(t, history.ResultSucceeded, s.outcomes()[2].Result)
	require.Equal(t, sha(2), s.argo.last().revision(), "Gatekeeper did nothing")
	holds := s.decisions()[len(s.decisions())-1].Facts.Holds
	require.Len(t, holds, 1)
	require.Equal(t, "carol", holds[0].Person)
	require.Equal(t, "rolled back to "+sha(1).Short()+" in Argo CD", holds[0].Reason)

	// To sync again what is live is no way back.
	s.refuses(s.asks(1), "hold.active")
	require.NotContains(t, s.kinds()[len(s.kinds())-1:], history.KindAct)
}

func TestSyncOfWhatIsLiveHoldsNothing(t *testing.T) {
	s := newAdmitSetup(t)
	s.deploy(1)
	s.deploy(2)
	s.hub.fail(errDown)
	_, err := s.reconcile()
	require.Error(t, err)
	s.admits(s.asks(2))
	s.syncs(2)
	s.argo.run(payments, phaseSucceeded)
	s.hub.fail(nil)
	s.reconciled()
	require.NotContains(t, s.kinds(), history.KindAct)
}
