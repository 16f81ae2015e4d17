package collect

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

func TestMemory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemory[string, int](2)
		loads := 0
		get := func(key string, life time.Duration) int {
			v, err := m.get(t.Context(), key, func(context.Context) (int, time.Duration, error) {
				loads++
				return loads, life, nil
			})
			require.NoError(t, err)
			return v
		}
		require.Equal(t, 1, get("a", time.Minute))
		time.Sleep(59 * time.Second)
		require.Equal(t, 1, get("a", time.Minute))
		time.Sleep(time.Second)
		require.Equal(t, 2, get("a", forever))
		time.Sleep(1000 * time.Hour)
		require.Equal(t, 2, get("a", forever))

		require.Equal(t, 3, get("b", -1))
		require.Equal(t, 4, get("b", -1), "not kept at all")

		require.Equal(t, 5, get("b", time.Hour))
		require.Equal(t, 2, get("a", forever))
		require.Equal(t, 6, get("c", forever), "drops b, which was used least")
		require.Equal(t, 2, get("a", forever))
		require.Equal(t, 7, get("b", time.Hour))

		m.forgetMortal()
		require.Equal(t, 2, get("a", forever))
		require.Equal(t, 8, get("b", time.Hour))
		m.forget()
		require.Equal(t, 9, get("a", forever))
	})
}

func TestMemoryKeepsNoErrors(t *testing.T) {
	m := newMemory[string, int](2)
	boom := errors.New("boom")
	_, err := m.get(t.Context(), "a", func(context.Context) (int, time.Duration, error) { return 1, forever, boom })
	require.ErrorIs(t, err, boom)
	v, err := m.get(t.Context(), "a", func(context.Context) (int, time.Duration, error) { return 2, forever, nil })
	require.NoError(t, err)
	require.Equal(t, 2, v)
}

// Somebody forgets while a load is under way: what that load read may be from
// before, so nobody who asks afterwards may get it.
func TestForgetDuringALoad(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemory[string, string](2)
		release := make(chan struct{})
		old := make(chan string)
		go func() {
			v, err := m.get(t.Context(), "team", func(context.Context) (string, time.Duration, error) {
				<-release
				return "before", forever, nil
			})
			if err == nil {
				old <- v
			}
		}()
		synctest.Wait()
		m.forget()
		v, err := m.get(t.Context(), "team", func(context.Context) (string, time.Duration, error) { return "after", forever, nil })
		require.NoError(t, err)
		require.Equal(t, "after", v)
		close(release)
		require.Equal(t, "before", <-old)
		v, err = m.get(t.Context(), "team", nil)
		require.NoError(t, err)
		require.Equal(t, "after", v)
	})
}

func TestLoadsAreShared(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemory[string, int](2)
		var loads atomic.Int64
		load := func(ctx context.Context) (int, time.Duration, error) {
			time.Sleep(time.Second)
			return int(loads.Add(1)), forever, ctx.Err()
		}
		// The first caller gives up; the load goes on for the others.
		impatient, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		var wg sync.WaitGroup
		wg.Go(func() {
			_, err := m.get(impatient, "a", load)
			if !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("the impatient caller got %v", err)
			}
		})
		synctest.Wait()
		for range 10 {
			wg.Go(func() {
				if v, err := m.get(t.Context(), "a", load); v != 1 || err != nil {
					t.Errorf("got %d, %v", v, err)
				}
			})
		}
		wg.Wait()
		require.Equal(t, int64(1), loads.Load())
	})
}

// A read that is under way may have missed what made the caller ask.
func TestQueueServesFreshReads(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newQueue[string, int]()
		var reads atomic.Int64
		read := func(context.Context) (int, error) {
			n := reads.Add(1)
			time.Sleep(time.Second)
			return int(n), nil
		}
		var wg sync.WaitGroup
		get := func(want int) {
			wg.Go(func() {
				if v, err := q.get(t.Context(), "reviews", read); v != want || err != nil {
					t.Errorf("got %d and %v, want %d", v, err, want)
				}
			})
			synctest.Wait()
		}
		get(1)
		time.Sleep(time.Millisecond)
		for range 5 {
			get(2) // all share the one that comes next
		}
		time.Sleep(1500 * time.Millisecond)
		get(3)
		wg.Wait()
		require.Equal(t, int64(3), reads.Load())
		synctest.Wait()
		q.mu.Lock()
		left := len(q.running) + len(q.waiting)
		q.mu.Unlock()
		require.Zero(t, left)
		get(4)
		wg.Wait()
	})
}

func TestQueueKeysDoNotWaitForEachOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newQueue[int, int]()
		start := time.Now()
		var wg sync.WaitGroup
		for key := range 5 {
			wg.Go(func() {
				_, err := q.get(t.Context(), key, func(context.Context) (int, error) { time.Sleep(time.Second); return 0, nil })
				if err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		require.Equal(t, time.Second, time.Since(start))
	})
}
