package gate

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
)

// TestBackoff: a candidate that fails is tried again, later each time, however
// wrong the controller's clock is. A new candidate is tried at once.
func TestBackoff(t *testing.T) {
	t.Parallel()
	for name, skew := range map[string]time.Duration{"same clock": 0, "ahead": 3 * time.Hour, "behind": -3 * time.Hour} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSetup(t)
			s.hub.land(1)
			s.hub.approve(1, alice)
			s.reconciled()
			waits := []time.Duration{
				30 * time.Second, time.Minute, 2 * time.Minute, 4 * time.Minute, 8 * time.Minute, 16 * time.Minute,
				30 * time.Minute, 30 * time.Minute, 30 * time.Minute, 30 * time.Minute, 30 * time.Minute, 30 * time.Minute,
			}
			for i, wait := range waits {
				require.Len(t, s.argo.stored(), i+1)
				s.argo.pick(payments)
				s.argo.edit(payments, func(a *approval.Application) { a.Operation.StartedAt = s.clock.now().Add(skew) })
				s.clock.advance(skew)
				s.argo.finish(payments, "Failed")
				s.clock.advance(-skew)
				require.Equal(t, wait, s.reconciled())
				require.Equal(t, "the next try is in "+wait.String(), strings.Split(s.state(), ";")[0])
				s.clock.advance(wait - time.Second)
				require.Equal(t, time.Second, s.reconciled())
				require.Len(t, s.argo.stored(), i+1)
				s.clock.advance(time.Second)
				s.reconciled()
			}
			s.argo.run(payments, "Failed")
			s.hub.land(2)
			s.hub.approve(2, alice)
			s.reconciled()
			require.Equal(t, sha(2), s.argo.last().revision(), "another candidate does not wait")
			s.argo.run(payments, phaseSucceeded)
			s.reconciled()
			require.Equal(t, "synced to "+sha(2).Short(), s.state())
		})
	}
}

// TestFailedWithoutTime: an operation without an end time is not tried again at
// once.
func TestFailedWithoutTime(t *testing.T) {
	t.Parallel()
	s := newSetup(t)
	s.hub.land(1)
	s.hub.approve(1, alice)
	s.reconciled()
	s.argo.run(payments, "Failed")
	s.argo.edit(payments, func(a *approval.Application) { a.Operation.FinishedAt = time.Time{} })
	require.Equal(t, 30*time.Second, s.reconciled())
	require.Len(t, s.argo.stored(), 1)
}

// TestRetry: who raced is tried again soon, then later; a peer's wish counts;
// everything else backs off.
func TestRetry(t *testing.T) {
	t.Parallel()
	s := newSetup(t)
	k := Key{Application: payments}
	for range 4 {
		s.gate.retry(t.Context(), k, fmt.Errorf("sync: %w", approval.ErrStale))
	}
	require.Equal(t, 800*time.Millisecond, s.gate.raced.When(k), "50ms, 100ms, 200ms, 400ms before")
	require.Zero(t, s.gate.queue.NumRequeues(k))
	s.gate.retry(t.Context(), k, fmt.Errorf("collect: %w", limited{time.Hour}))
	require.Zero(t, s.gate.queue.NumRequeues(k), "AddAfter, not the queue's own back-off")
	s.gate.retry(t.Context(), k, errDown)
	require.Equal(t, 1, s.gate.queue.NumRequeues(k))

	s.gate.queue.Add(k)
	require.True(t, s.gate.next(t.Context()))
	require.Zero(t, s.gate.queue.NumRequeues(k))
	require.Zero(t, s.gate.raced.NumRequeues(k))
	require.Zero(t, retryAfter(errors.New("plain")))
}
