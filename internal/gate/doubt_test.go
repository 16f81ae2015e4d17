package gate

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
)

// reviewed is the news that somebody reviewed, or took a review back.
func reviewed(pull int) approval.Hint {
	return approval.Hint{RepositoryID: repositoryID, Repository: repository, Pull: pull}
}

// TestAdmitAfterNews: what was decided before an event lets nobody's sync through that comes
// after it, however long the Application has to wait until it is judged again.
func TestAdmitAfterNews(t *testing.T) {
	t.Parallel()
	m := newMailroom(t)
	m.held(1)
	m.hub.dismiss(1)
	m.deliver("pull_request_review", reviewed(1))
	m.drain()
	m.refuses(m.asks(1), refusedUnknown, "judging it right now")
	m.work()
	m.refuses(m.asks(1), "quorum.missing")

	m.hub.approve(1, alice)
	m.deliver("pull_request_review", reviewed(1))
	m.drain()
	m.work()
	m.admits(m.asks(1))
}

// TestAdmitAfterNewsInVain: a reconcile that could not find out what the news is leaves it
// open, one that found out that GitHub does not answer does not: what was deployed before
// can be gone back to.
func TestAdmitAfterNewsInVain(t *testing.T) {
	t.Parallel()
	m := newMailroom(t)
	m.policies = []approval.Policy{openPolicy()}
	m.gate = m.newGate()
	m.intake = NewIntake(m.gate, m.box, parseHint, testLogger(t))
	m.deploy(1)
	m.deploy(2)
	m.held(3)
	m.hub.dismiss(3)
	m.deliver("pull_request_review", reviewed(3))
	m.drain()

	m.record.before = func(call string) error {
		if call == "deployed" {
			return errDown
		}
		return nil
	}
	_, err := m.reconcile()
	require.ErrorIs(t, err, errDown)
	m.record.before = nil
	m.refuses(m.asks(3), refusedUnknown, "judging it right now")

	m.hub.fail(errDown)
	_, err = m.reconcile()
	require.ErrorIs(t, err, errDown)
	m.refuses(m.asks(3), string(approval.CodeFactsMissing))
	m.admits(m.asks(1))
}

// TestAdmitAfterNewsDuringSync: an Application is not judged while a sync of it runs, which
// may take long; what its decision of before says is not enough once there is news.
func TestAdmitAfterNewsDuringSync(t *testing.T) {
	t.Parallel()
	m := newMailroom(t)
	m.held(1)
	m.admits(m.asks(1))
	m.syncs(1)
	m.argo.pick(payments)
	m.clock.advance(time.Minute)
	require.Equal(t, againSyncing, m.reconciled(), "it runs")
	m.admits(m.asks(1))

	m.hub.dismiss(1)
	m.deliver("pull_request_review", reviewed(1))
	m.drain()
	m.work()
	m.refuses(m.asks(1), refusedUnknown, "judging it right now")
	m.argo.finish(payments, "Failed")
	m.reconciled()
	m.refuses(m.asks(1), "quorum.missing")
}

// TestAdmitAfterAnOrder: likewise for what people order.
func TestAdmitAfterAnOrder(t *testing.T) {
	t.Parallel()
	s := newAdmitSetup(t)
	s.held(1)
	s.gate.WakeKey(t.Context(), payments)
	s.refuses(s.asks(1), refusedUnknown, "judging it right now")
	s.work()
	s.admits(s.asks(1))
}

// TestFollowerAfterNews: what the leader heard and could not judge is not known to others
// either, although the delivery is done.
func TestFollowerAfterNews(t *testing.T) {
	t.Parallel()
	p := newPair(t)
	p.held(1)
	p.asFollower()
	p.admits(p.asks(1))
	p.syncs(1)
	p.argo.pick(payments)
	p.clock.advance(time.Minute)

	p.gate = p.leader
	p.leader.memory.doubt(payments)
	require.Equal(t, againSyncing, p.reconciled(), "it runs")
	p.asFollower()
	p.refuses(p.asks(1), refusedUnknown, "judging it right now")
	p.argo.finish(payments, "Failed")
	p.gate = p.leader
	p.reconciled()
	p.asFollower()
	p.admits(p.asks(1))
}
