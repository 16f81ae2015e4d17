package gate

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
	"github.com/argo-gatekeeper/gatekeeper/pkg/history"
)

// TestGracefulStop: what runs is finished and recorded; nothing new begins.
func TestGracefulStop(t *testing.T) {
	t.Parallel()
	m := newMailroom(t)
	m.hub.land(1)
	m.hub.approve(1, alice)
	shop := application("shop")
	shop.Project = "unprotected"
	m.argo.apps[shop.Key()] = &shop
	m.gate.workers = 1
	ctx, stop := context.WithCancel(t.Context())
	collecting, carryOn := make(chan struct{}), make(chan struct{})
	m.hub.onAnswer = func() {
		close(collecting)
		<-carryOn
	}
	ended := make(chan error, 2)
	go func() { ended <- m.gate.Run(ctx) }()
	<-collecting
	m.deliver("push", pushed)
	m.drain()
	m.gate.queue.Add(Key{Repository: repository, Pull: 1})
	stop()
	select {
	case err := <-ended:
		require.Fail(t, "it did not wait for the running reconcile", "%v", err)
	default:
	}
	close(carryOn)
	require.NoError(t, <-ended)
	require.Equal(t, []history.Kind{history.KindDecision, history.KindIntent}, m.kinds())
	require.Len(t, m.argo.stored(), 1)
	calls, pulls, _ := m.hub.counts()
	require.Equal(t, []int{1, 0}, []int{calls, pulls}, "nothing new began")
	require.Equal(t, 1, m.pending(), "what was not reconciled stays in the inbox")
}

// TestStopDuringSync: the end of the process's context does not cut off a
// reconcile between its intent and its request.
func TestStopDuringSync(t *testing.T) {
	t.Parallel()
	s := newSetup(t)
	s.hub.land(1)
	s.hub.approve(1, alice)
	ctx, stop := context.WithCancel(t.Context())
	s.record.after = func(string) error { stop(); return nil }
	s.gate.WakeAll()
	s.gate.next(ctx)
	require.Len(t, s.argo.stored(), 1)
	s.gate.WakeAll()
	require.True(t, s.gate.next(ctx))
	require.Len(t, s.entries(), 2)
}

// TestRun plays one deployment with real workers and timers: the webhook, the
// watcher's wake-ups, a failure that GitHub asks to wait after, and the end.
func TestRun(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := newMailroom(t)
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan error, 2)
		go func() { ended <- m.gate.Run(ctx) }()
		go func() { ended <- m.intake.Run(ctx) }()
		time.Sleep(time.Second)
		synctest.Wait()
		began, _, _ := m.hub.counts()
		require.Equal(t, 1, began, "everything is judged at the start")

		m.hub.fail(limited{10 * time.Minute})
		m.hub.land(1)
		m.hub.approve(1, alice)
		m.deliver("push", pushed)
		m.intake.Wake()
		time.Sleep(9 * time.Minute)
		synctest.Wait()
		calls, _, _ := m.hub.counts()
		require.Equal(t, began+1, calls, "no sooner than GitHub asks for")
		require.Equal(t, 1, m.pending())
		m.hub.fail(nil)
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		require.Len(t, m.argo.stored(), 1)
		require.Zero(t, m.pending())

		m.argo.run(payments, phaseSucceeded)
		m.gate.WakeApplication(m.argo.live(payments))
		time.Sleep(time.Second)
		synctest.Wait()
		require.Len(t, m.outcomes(), 1)
		report, ok := m.reports.last(1)
		require.True(t, ok)
		require.Equal(t, "synced to "+sha(1).Short(), report.Gates[0].Applications[0].State)

		before := m.argo.reads()
		time.Sleep(2*time.Hour + time.Minute)
		synctest.Wait()
		require.GreaterOrEqual(t, m.argo.reads(), before+2, "judged again at each resync")
		require.LessOrEqual(t, m.argo.reads(), before+4, "and only then")
		require.Len(t, m.argo.stored(), 1)
		stop()
		require.NoError(t, <-ended)
		require.NoError(t, <-ended)
		m.close()
	})
}

// TestAgain: what changes by itself is looked at again without an event.
func TestAgain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := newMailroom(t)
		m.hub.land(1)
		m.hub.approve(1, alice)
		m.hub.index(1, false)
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- m.gate.Run(ctx) }()
		synctest.Wait()
		m.hub.index(1, true)
		time.Sleep(againUnsettled)
		synctest.Wait()
		require.Len(t, m.argo.stored(), 1)
		m.argo.run(payments, phaseSucceeded)
		time.Sleep(againSyncing)
		synctest.Wait()
		require.Len(t, m.outcomes(), 1)
		stop()
		require.NoError(t, <-ended)
		m.close()
	})
}

// TestStale: with somebody who writes all the time, tries get rarer.
func TestStale(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := newMailroom(t)
		m.hub.land(1)
		m.hub.approve(1, alice)
		m.argo.onSync = func(store func() error, _ func()) error {
			m.argo.edit(payments, func(*approval.Application) {})
			return store()
		}
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- m.gate.Run(ctx) }()
		time.Sleep(10 * time.Minute)
		synctest.Wait()
		require.Less(t, len(m.intents()), 25)
		require.Greater(t, len(m.intents()), 10)
		stop()
		require.NoError(t, <-ended)
		m.close()
	})
}

// TestResyncIsSpread: what is judged again without an event does not come all at once.
func TestResyncIsSpread(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newSetup(t)
		like := s.argo.live(payments)
		for i := range 9 {
			app := clone(like)
			app.Name, app.UID = fmt.Sprintf("other-%d", i), fmt.Sprintf("uid-%d", i)
			s.argo.apps[app.Key()] = &app
		}
		all := len(s.argo.List())
		s.gate.wakeWithin(time.Hour)
		synctest.Wait()
		require.Equal(t, 1, s.gate.queue.Len())
		time.Sleep(30 * time.Minute)
		synctest.Wait()
		require.InDelta(t, all/2, s.gate.queue.Len(), 1)
		time.Sleep(30 * time.Minute)
		synctest.Wait()
		require.Equal(t, all, s.gate.queue.Len())
		shutDown(s.gate)
	})
}
