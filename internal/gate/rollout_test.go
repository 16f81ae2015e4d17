package gate

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
)

// follower keeps what it was told.
type follower struct {
	mu     sync.Mutex
	told   []approval.PullReport
	awaits map[int]bool
	// owes are those that it is not done with.
	owes   map[int]bool
	closed []int
	// during runs while it is told.
	during func()
}

func (f *follower) Follow(r approval.PullReport) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.told = append(f.told, r)
	if f.during != nil {
		f.during()
	}
}

func (f *follower) Awaits(_ context.Context, _ approval.RepositoryName, pull int) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.awaits[pull]
}

func (f *follower) Owes(_ approval.RepositoryName, pull int) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.owes[pull]
}

func (f *follower) Closed(_ approval.RepositoryName, pull int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.closed = append(f.closed, pull)
	delete(f.owes, pull)
}

func (f *follower) count() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.told)
}

// rollout is what is said of a pull request and payments.
func (s *setup) rollout(pull int) approval.Rollout {
	s.t.Helper()
	report, ok := s.reported(pull)
	require.True(s.t, ok)
	require.True(s.t, report.Merged)
	require.Equal(s.t, sha(pull), report.Landed)
	require.Len(s.t, report.Gates, 1)
	require.Len(s.t, report.Gates[0].Applications, 1)
	return report.Gates[0].Applications[0].Rollout
}

func (s *setup) stage(pull int) approval.Stage {
	s.t.Helper()
	return s.rollout(pull).Stage
}

// TestRollout: one pull request from its landing until something newer is live.
func TestRollout(t *testing.T) {
	t.Parallel()
	s := newSetup(t)
	f := &follower{}
	s.gate.followers = []Follower{f}
	s.hub.land(1)
	s.reconciled()
	require.Equal(t, approval.StageWaiting, s.stage(1))
	require.Empty(t, s.rollout(1).Revision)
	s.hub.approve(1, alice)
	s.reconciled()
	require.Equal(t, approval.StageSyncing, s.stage(1))
	s.argo.pick(payments)
	s.reconciled()
	require.Equal(t, approval.StageSyncing, s.stage(1), "as long as it runs")
	s.argo.finish(payments, phaseSucceeded)
	s.reconciled()
	live := s.rollout(1)
	require.Equal(t, approval.StageLive, live.Stage)
	require.Equal(t, sha(1), live.Revision)
	require.Positive(t, live.Sequence)
	require.Equal(t, s.reports.count(), f.count(), "each report once")

	// Two at once: the newer one is live, the other one behind it.
	s.hub.approve(2, alice)
	s.hub.approve(3, alice)
	s.hub.land(2, 3)
	s.reconciled()
	require.Equal(t, []approval.Stage{approval.StageSyncing, approval.StageSyncing}, []approval.Stage{s.stage(2), s.stage(3)})
	require.Equal(t, approval.StageLive, s.stage(1), "until it is replaced")
	s.argo.run(payments, phaseSucceeded)
	s.reconciled()
	require.Equal(t, approval.StageLive, s.stage(3))
	second := s.rollout(2)
	require.Equal(t, approval.StagePast, second.Stage)
	require.Equal(t, 3, second.Newest)
	first := s.rollout(1)
	require.Equal(t, approval.StagePast, first.Stage)
	require.Zero(t, first.Newest, "it came with another sync")
	require.Equal(t, sha(3), first.Revision)
}

// TestRolloutFails: the same once more is still a failure, something newer is not.
func TestRolloutFails(t *testing.T) {
	t.Parallel()
	s := newSetup(t)
	s.deploy(1)
	s.hub.land(2)
	s.hub.approve(2, alice)
	s.reconciled()
	require.Equal(t, approval.StageSyncing, s.stage(2))
	s.fails("no")
	require.Equal(t, approval.StageFailed, s.stage(2))
	require.Equal(t, approval.StageLive, s.stage(1))
	s.clock.advance(time.Hour)
	s.reconciled()
	require.Len(t, s.argo.stored(), 3)
	require.Equal(t, approval.StageFailed, s.stage(2), "it is tried again")
	s.fails("no")
	s.hub.approve(3, alice)
	s.hub.land(3)
	s.reconciled()
	require.Equal(t, sha(3), s.argo.last().revision())
	require.Equal(t, []approval.Stage{approval.StageSyncing, approval.StageSyncing}, []approval.Stage{s.stage(2), s.stage(3)})
}

// TestRolloutRolledBack: what was live waits again, and what is live says which it is.
func TestRolloutRolledBack(t *testing.T) {
	t.Parallel()
	s := newSetup(t)
	s.deploy(1)
	s.deploy(2)
	s.goesBack(1)
	s.reconciled()
	s.argo.run(payments, phaseSucceeded)
	s.reconciled()
	back := s.rollout(2)
	require.Equal(t, approval.StageWaiting, back.Stage)
	require.Equal(t, sha(1), back.Revision)
	require.Equal(t, approval.StagePast, s.stage(1))
}

// TestRolloutBeforeTheDecision: between the record of an outcome and the next decision, of
// two that were shipped together only the newer one is live.
func TestRolloutBeforeTheDecision(t *testing.T) {
	t.Parallel()
	s := newSetup(t)
	s.deploy(1)
	s.hub.approve(2, alice)
	s.hub.approve(3, alice)
	s.hub.land(2, 3)
	s.reconciled()
	now := s.gate.rollouts.get(payments)
	now.live, now.syncing = *now.syncing, nil
	s.gate.rollouts.set(payments, now)
	require.Equal(t, approval.StageLive, s.stage(3))
	require.Equal(t, approval.StagePast, s.stage(2))
	require.Equal(t, 3, s.rollout(2).Newest)
}

// TestRolloutUnknown: without facts nothing is said.
func TestRolloutUnknown(t *testing.T) {
	t.Parallel()
	s := newSetup(t)
	s.hub.land(1)
	s.reconciled()
	s.gate.rollouts.forget(payments)
	require.Empty(t, s.stage(1), "it was not reconciled")
	s.reconciled()
	require.Equal(t, approval.StageWaiting, s.stage(1))
	s.argo.edit(payments, func(app *approval.Application) { app.UID = "another" })
	require.Equal(t, approval.StageWaiting, s.stage(1))
	require.Empty(t, s.gate.rollouts.of(payments, remembered{uid: "another"}, Key{Repository: repository, Pull: 1}).Stage)
	require.Empty(t, s.gate.rollouts.of(payments, remembered{uid: "uid-payments"}, Key{Repository: repository, Pull: 1}).Stage, "no line")
}

// TestAwaitedAfterRestart: a process that ended before it told how a sync ended tells it
// when it begins again, and only to those who did not hear it.
func TestAwaitedAfterRestart(t *testing.T) {
	t.Parallel()
	for _, awaits := range []bool{true, false} {
		s := newSetup(t)
		s.deploy(1)
		f := &follower{awaits: map[int]bool{1: awaits}}
		s.gate = s.newGate()
		s.gate.followers = []Follower{f}
		s.reconciled()
		require.Equal(t, awaits, s.gate.queue.Len() == 1)
		if awaits {
			key, _ := s.gate.queue.Get()
			require.Equal(t, Key{Repository: repository, Pull: 1}, key)
			s.gate.queue.Done(key)
			require.Equal(t, approval.StageLive, s.stage(1))
		}
		s.reconciled()
		require.Zero(t, s.gate.queue.Len(), "once")
	}
}

// TestLabelsChangeNothing: whoever may label decides nothing.
func TestLabelsChangeNothing(t *testing.T) {
	t.Parallel()
	s := newSetup(t)
	answer := s.openPull(7)
	before, ok := s.reported(7)
	require.True(t, ok)
	require.Equal(t, approval.Blocked, before.Gates[0].Quorum.Verdict)
	answer.Labels = []string{"gatekeeper/prod: approved", "gatekeeper/prod: synced", "lgtm", "approved"}
	s.hub.pullOf[7] = answer
	after, ok := s.reported(7)
	require.True(t, ok)
	require.Equal(t, before.Gates, after.Gates)
	require.Equal(t, answer.Labels, after.Labels)
}
