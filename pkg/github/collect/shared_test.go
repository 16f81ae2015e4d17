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

// counter reads how often it was read.
type counter struct {
	mu    sync.Mutex
	n     int
	takes time.Duration
	err   error
}

func (c *counter) read(context.Context) (int, error) {
	time.Sleep(c.takes)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.n++
	return c.n, c.err
}

// TestShared: who shares is served by a read of a moment ago, unless something was heard
// since it began, and everybody else by one of now.
func TestShared(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var heard atomic.Uint64
		s, c := newShared[string, int](2, &heard), &counter{}
		get := func(share bool, key string) int {
			t.Helper()
			v, err := s.get(t.Context(), share, key, c.read)
			synctest.Wait() // until it is kept
			require.NoError(t, err)
			return v
		}
		require.Equal(t, 1, get(true, "a"))
		require.Equal(t, 1, get(true, "a"))
		require.Equal(t, 2, get(false, "a"), "it does not share")
		require.Equal(t, 2, get(true, "a"), "the newest serves")
		require.Equal(t, 3, get(true, "b"), "another key")
		heard.Add(1)
		require.Equal(t, 4, get(true, "a"), "something was heard")
		time.Sleep(sharedFor - time.Second)
		require.Equal(t, 4, get(true, "a"))
		time.Sleep(time.Second)
		require.Equal(t, 5, get(true, "a"), "it is too old")
		c.err = errors.New("no")
		_, err := s.get(t.Context(), false, "a", c.read)
		require.Error(t, err)
		synctest.Wait()
		c.err = nil
		require.Equal(t, 7, get(true, "a"), "an error serves nobody, nor what was before")
		require.Equal(t, []int{8, 9, 10}, []int{get(true, "c"), get(true, "d"), get(true, "a")}, "it is bounded")
		require.Empty(t, s.running)
		require.Empty(t, s.waiting)
	})
}

// TestSharedWhileReading: many at once are one read; who asks after an event is not served
// by a read that was under way.
func TestSharedWhileReading(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var heard atomic.Uint64
		s, c := newShared[string, int](2, &heard), &counter{takes: time.Second}
		var all sync.WaitGroup
		ask := func(share bool, want int) {
			all.Go(func() {
				v, err := s.get(t.Context(), share, "a", c.read)
				if err != nil || v != want {
					t.Errorf("got %d, want %d: %v", v, want, err)
				}
			})
		}
		for range 100 {
			ask(true, 1)
		}
		synctest.Wait()
		ask(false, 2)
		heard.Add(1)
		ask(true, 2)
		synctest.Wait()
		time.Sleep(1500 * time.Millisecond)
		ask(true, 2) // of the one that runs now, which began after the event
		ask(false, 3)
		all.Wait()
		synctest.Wait()
		require.Equal(t, 3, c.n)
		time.Sleep(time.Second)

		// A read that is too slow to be of now serves only those who waited for it.
		synctest.Wait()
		c.takes = sharedFor + time.Second
		ask(true, 3)
		synctest.Wait()
		heard.Add(1)
		ask(true, 4)
		synctest.Wait()
		time.Sleep(sharedFor)
		ask(true, 5)
		all.Wait()
	})
}
