package gate

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
)

// ious keeps debts in memory, as the inbox does in its store.
type ious struct {
	mu   sync.Mutex
	open map[int]bool
	err  error
}

func (i *ious) Owe(_ context.Context, _ approval.RepositoryName, pull int) error {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.open == nil {
		i.open = map[int]bool{}
	}
	i.open[pull] = true
	return i.err
}

func (i *ious) Paid(_ context.Context, _ approval.RepositoryName, pull int) error {
	i.mu.Lock()
	defer i.mu.Unlock()
	delete(i.open, pull)
	return i.err
}

func (i *ious) Owed(context.Context) (map[approval.RepositoryName][]int, error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	all := map[approval.RepositoryName][]int{}
	for n := range i.open {
		all[repository] = append(all[repository], n)
	}
	return all, i.err
}

// TestTellAfterARestart: a process that ends between a sync and the report on it leaves
// behind that somebody is to be told, and the next one tells.
func TestTellAfterARestart(t *testing.T) {
	t.Parallel()
	s := newSetup(t)
	kept := &ious{}
	s.gate.debts.store = kept
	s.hub.land(1)
	s.hub.approve(1, alice)
	s.reconciled()
	s.argo.run(payments, phaseSucceeded)
	s.reconciled()
	require.Equal(t, map[int]bool{1: true}, kept.open, "not told yet")

	s.restart()
	s.gate.debts.store = kept
	s.reports.failure = errDown
	s.gate.wakeOwed(t.Context())
	s.gate.next(t.Context())
	require.NotEmpty(t, kept.open, "the report failed")
	s.reports.failure = nil
	s.gate.wakeOwed(t.Context())
	s.reconciled()
	s.work()
	require.Empty(t, kept.open)
	report, ok := s.reports.last(1)
	require.True(t, ok)
	require.Equal(t, "synced to "+sha(1).Short(), report.Gates[0].Applications[0].State)
}

// TestDebts: what is owed again while it is being told stays owed, and a store that
// fails keeps nobody from being told.
func TestDebts(t *testing.T) {
	t.Parallel()
	s := newSetup(t)
	kept := &ious{}
	s.gate.debts.store = kept
	key := Key{Repository: repository, Pull: 7}
	s.gate.tell(t.Context(), key)
	number := s.gate.debts.newest(key)
	require.NotZero(t, number)
	s.gate.tell(t.Context(), key)
	s.gate.debts.paid(t.Context(), key, number)
	require.NotEmpty(t, kept.open, "there is something newer")
	s.gate.debts.paid(t.Context(), key, s.gate.debts.newest(key))
	require.Empty(t, kept.open)
	s.gate.debts.paid(t.Context(), key, 0)

	kept.err = errors.New("disk full")
	s.openPull(7)
	s.gate.tell(t.Context(), key)
	s.gate.wakeOwed(t.Context())
	s.work()
	require.Equal(t, 1, s.reports.count())
}

// TestUnfinishedReportIsOwed: what a report says to be on its way, another process sees
// to as well; and who follows hears of it although the comment may not be written now.
func TestUnfinishedReportIsOwed(t *testing.T) {
	t.Parallel()
	s, r := newPreviewed(t)
	kept, f := &ious{}, &follower{}
	s.gate.debts.store, s.gate.followers = kept, []Follower{f}
	answer := s.openPull(7)
	answer.MergeBase = sha(0)
	s.hub.pullOf[7] = answer
	key := Key{Repository: repository, Pull: 7}

	s.reports.failure = errDown
	_, err := s.gate.reconcile(t.Context(), key)
	require.ErrorIs(t, err, errDown)
	require.Equal(t, 1, f.count())
	s.reports.failure = nil

	s.gate.queue.Add(key)
	s.work()
	require.Equal(t, map[int]bool{7: true}, kept.open, "it is being rendered")
	r.ready = true
	s.gate.queue.Add(key)
	s.work()
	require.Empty(t, kept.open)
}

// TestGroupIsToldToTheEnd: the delivery that names a merge group stays in the inbox until
// the group's check is complete.
func TestGroupIsToldToTheEnd(t *testing.T) {
	t.Parallel()
	s := newSetup(t)
	s.hub.groupOf[sha(1)] = approval.GroupAnswer{Newest: 7, UntoldAhead: "it was built by another process"}
	key, done := Key{Repository: repository, Group: group(1)}, false
	s.gate.tickets.issue("guid", []Key{key}, false, func(context.Context) { done = true })
	s.gate.queue.Add(key)
	s.work()
	require.False(t, done)
	s.hub.groupOf[sha(1)] = approval.GroupAnswer{Newest: 7}
	s.gate.queue.Add(key)
	s.work()
	require.True(t, done)
}

// TestOwedCannotBeRead: what an earlier process owed is told although it cannot be read at
// the start.
func TestOwedCannotBeRead(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		kept := &ious{open: map[int]bool{1: true}, err: errDown}
		g := &Gate{log: testLogger(t), queue: newQueue(&arrivals{now: time.Now})}
		defer g.queue.ShutDown()
		g.debts.store = kept
		done := make(chan struct{})
		go func() {
			defer close(done)
			g.tellOwed(t.Context())
		}()
		time.Sleep(3 * owedAgain)
		require.Zero(t, g.queue.Len())
		kept.mu.Lock()
		kept.err = nil
		kept.mu.Unlock()
		<-done
		require.Equal(t, 1, g.queue.Len())
		k, _ := g.queue.Get()
		require.Equal(t, Key{Repository: repository, Pull: 1}, k)
		g.queue.Done(k)
	})
}
