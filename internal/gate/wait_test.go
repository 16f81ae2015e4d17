package gate

import (
	"bytes"
	"context"
	"log/slog"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
)

// running is a gate at work in a bubble, until its test ends.
func running(t *testing.T, play func(m *mailroom)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		m := newMailroom(t)
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan error, 2)
		m.gate.now = time.Now
		go func() { ended <- m.gate.Run(ctx) }()
		go func() { ended <- m.intake.Run(ctx) }()
		synctest.Wait()
		play(m)
		stop()
		require.NoError(t, <-ended)
		require.NoError(t, <-ended)
		m.close()
	})
}

// asked is how often GitHub is asked within a time.
func (m *mailroom) asked(within time.Duration) int {
	m.t.Helper()
	before, _, _ := m.hub.counts()
	time.Sleep(within)
	synctest.Wait()
	after, _, _ := m.hub.counts()
	return after - before
}

// A landing that never settles is asked about less and less, down to about once a
// minute, and at once when a webhook comes.
func TestUnsettledForEver(t *testing.T) {
	t.Parallel()
	running(t, func(m *mailroom) {
		m.hub.land(1)
		m.hub.approve(1, alice)
		m.hub.index(1, false)
		m.gate.WakeAll()
		first := m.asked(30 * time.Second)
		require.Greater(t, first, 4, "GitHub is seconds behind, mostly")
		require.Less(t, first, 10)
		m.asked(5 * time.Minute)
		require.InDelta(t, 61, m.asked(time.Hour), 10, "and nobody waits for ever")

		m.deliver("push", pushed)
		m.intake.Wake()
		require.Greater(t, m.asked(30*time.Second), 4, "a webhook says that there is news")
		m.asked(5 * time.Minute)

		m.hub.land(2)
		m.hub.index(1, true)
		m.hub.index(2, false)
		require.Positive(t, m.asked(time.Minute))
		require.Len(t, m.argo.stored(), 1)
		m.argo.run(payments, phaseSucceeded)
		m.gate.WakeApplication(m.argo.live(payments))
		require.Greater(t, m.asked(30*time.Second), 4, "another landing is waited for anew, although what was approved is synced")
		m.hub.approve(2, alice)
		m.hub.index(2, true)
		m.asked(time.Minute)
		require.Len(t, m.argo.stored(), 2)
		m.argo.run(payments, phaseSucceeded)
		m.gate.WakeApplication(m.argo.live(payments))
		m.asked(time.Minute)
		require.LessOrEqual(t, m.asked(59*time.Minute), 1, "all is settled")
	})
}

// Facts that cannot be had are asked for less and less, too.
func TestMissingForEver(t *testing.T) {
	t.Parallel()
	for name, fail := range map[string]func(*hub, error){
		"GitHub":  (*hub).fail,
		"content": func(h *hub, err error) { h.mu.Lock(); defer h.mu.Unlock(); h.closureErr = err },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			running(t, func(m *mailroom) {
				fail(m.hub, errDown)
				m.hub.land(1)
				m.hub.approve(1, alice)
				m.gate.WakeAll()
				require.Less(t, m.asked(30*time.Second), 10)
				m.asked(5 * time.Minute)
				require.InDelta(t, 61, m.asked(time.Hour), 5)
				fail(m.hub, nil)
				m.asked(61 * time.Second)
				require.Len(t, m.argo.stored(), 1)
			})
		})
	}
}

func TestPatience(t *testing.T) {
	t.Parallel()
	var w patience
	began := time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	distinct := map[time.Duration]bool{}
	for i := range 100 {
		again, state := w.next(payments, sha(1), began.Add(time.Duration(i)*time.Minute))
		require.Equal(t, began, state.since)
		require.Equal(t, i+1, state.asked)
		require.LessOrEqual(t, again, againUnsettledMost)
		require.Greater(t, again, time.Second)
		if i > 20 {
			require.Greater(t, again, againUnsettledMost*3/4)
			distinct[again] = true
		}
	}
	require.Greater(t, len(distinct), 50, "not all at the same time")

	w.hurry(payments)
	again, state := w.next(payments, sha(1), began.Add(time.Hour))
	require.LessOrEqual(t, again, againUnsettled)
	require.Equal(t, began, state.since, "it is the same landing")
	w.hurry("argocd/other")
	_, state = w.next(payments, sha(2), began.Add(time.Hour))
	require.Equal(t, waiting{sha(2), began.Add(time.Hour), 1}, state)
	w.forget(payments)
	require.Empty(t, w.byName)
}

// The log says since when a landing is waited for.
func TestUnsettledIsLogged(t *testing.T) {
	t.Parallel()
	s := newSetup(t)
	var log lines
	s.gate.log = slog.New(slog.NewTextHandler(&log, nil))
	s.hub.land(1)
	s.hub.index(1, false)
	s.reconciled()
	since := s.clock.now().UTC().Format(time.RFC3339)
	s.clock.advance(time.Minute)
	s.reconciled()
	require.Contains(t, log.String(), `msg=landing_unsettled application=argocd/payments commit=`+sha(1).Short())
	require.Contains(t, log.String(), "since="+since[:len(since)-1])
	require.Contains(t, log.String(), "asked=2")
	s.argo.edit(payments, func(a *approval.Application) { a.Project = "unprotected" })
	s.reconciled()
	require.Empty(t, s.gate.waits.byName)
}

// lines is a log that can be read while it is written.
type lines struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}
