package events

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
	"unicode/utf8"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
)

var payments = Application{Namespace: "argocd", Name: "payments-prod", UID: "7f0b"}

// api keeps what was written.
type api struct {
	mu     sync.Mutex
	events []*corev1.Event
	err    error
	wait   chan struct{}
}

func (a *api) create(_ context.Context, e *corev1.Event) error {
	if a.wait != nil {
		<-a.wait
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.events = append(a.events, e)
	return a.err
}

func (a *api) taken() []*corev1.Event {
	a.mu.Lock()
	defer a.mu.Unlock()
	out := a.events
	a.events = nil
	return out
}

// running runs an Emitter in a bubble.
func running(t *testing.T, a *api, test func(e *Emitter)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		e := New(a.create, slog.New(slog.DiscardHandler))
		done := make(chan struct{})
		go func() {
			e.Run(ctx)
			close(done)
		}()
		test(e)
		cancel()
		<-done
	})
}

func TestEvent(t *testing.T) {
	a := &api{}
	running(t, a, func(e *Emitter) {
		e.Emit(payments, Warning, "SyncRefused", "#42 waits for bob")
		synctest.Wait()
		events := a.taken()
		require.Len(t, events, 1)
		got := events[0]
		require.Equal(t, "argocd", got.Namespace)
		require.Regexp(t, `^payments-prod\.[a-z0-9]{16}$`, got.Name)
		require.Equal(t, corev1.ObjectReference{
			APIVersion: "argoproj.io/v1alpha1", Kind: "Application", Namespace: "argocd", Name: "payments-prod", UID: "7f0b",
		}, got.InvolvedObject)
		require.Equal(t, "SyncRefused", got.Reason)
		require.Equal(t, "#42 waits for bob", got.Message)
		require.Equal(t, int32(1), got.Count)
		require.False(t, got.LastTimestamp.IsZero())
	})
}

func TestRepeatedEvents(t *testing.T) {
	a := &api{}
	running(t, a, func(e *Emitter) {
		for range 100 {
			e.Emit(payments, Warning, "SyncRefused", "#42 waits for bob")
			synctest.Wait()
		}
		e.Emit(payments, Warning, "SyncRefused", "#43 waits for bob")
		synctest.Wait()
		require.Len(t, a.taken(), 2)
		require.InDelta(t, 99, counted(t, e, "repeated"), 0)

		time.Sleep(again + sweep)
		synctest.Wait()
		events := a.taken()
		require.Len(t, events, 1, "what came again is told, what did not is not")
		require.Equal(t, int32(99), events[0].Count)

		time.Sleep(again + sweep)
		synctest.Wait()
		require.Empty(t, a.taken())
		e.Emit(payments, Warning, "SyncRefused", "#42 waits for bob")
		synctest.Wait()
		require.Len(t, a.taken(), 1, "after a while it is new")
	})
}

func TestBudget(t *testing.T) {
	a := &api{}
	running(t, a, func(e *Emitter) {
		for i := range 200 {
			e.Emit(payments, Warning, "SyncRefused", fmt.Sprint(i))
		}
		synctest.Wait()
		require.Len(t, a.taken(), burst)
		require.InDelta(t, 170, counted(t, e, "dropped"), 0)
		time.Sleep(time.Minute)
		for i := range 200 {
			e.Emit(payments, Warning, "SyncRefused", fmt.Sprint("again ", i))
		}
		synctest.Wait()
		require.Len(t, a.taken(), perMinute)
	})
}

// TestNeverWaits: an API server that hangs makes nobody wait.
func TestNeverWaits(t *testing.T) {
	a := &api{wait: make(chan struct{})}
	running(t, a, func(e *Emitter) {
		began := time.Now()
		for i := range 2 * pending {
			e.Emit(payments, Warning, "SyncRefused", fmt.Sprint(i))
		}
		require.Equal(t, began, time.Now())
		close(a.wait)
	})
}

func TestFailure(t *testing.T) {
	a := &api{err: errors.New("forbidden")}
	running(t, a, func(e *Emitter) {
		e.Emit(payments, Warning, "SyncRefused", "x")
		e.Emit(Application{}, Warning, "SyncRefused", "about nothing")
		synctest.Wait()
		require.Len(t, a.taken(), 1)
		require.InDelta(t, 1, counted(t, e, "failed"), 0)
	})
}

func TestShorten(t *testing.T) {
	for _, s := range []string{"", "a", strings.Repeat("é", maxMessage), strings.Repeat("x", maxMessage), "\xff" + strings.Repeat("y", 2*maxMessage)} {
		got := shorten(s)
		require.LessOrEqual(t, len(got), maxMessage)
		require.True(t, utf8.ValidString(got))
	}
	require.Equal(t, "short", shorten("short"))
	require.LessOrEqual(t, len(shortName(strings.Repeat("a", 253)))+17, 253)
}

// counted is how often a result came.
func counted(t *testing.T, e *Emitter, result string) float64 {
	t.Helper()
	registry := prometheus.NewPedanticRegistry()
	registry.MustRegister(e)
	families, err := registry.Gather()
	require.NoError(t, err)
	for _, m := range families[0].GetMetric() {
		if m.GetLabel()[0].GetValue() == result {
			return m.GetCounter().GetValue()
		}
	}
	return 0
}
