package errand_test

import (
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/pkg/github/errand"
)

// TestForbiddenForGood: what is refused until somebody changes something is tried after an
// hour, two, four, and every six; it is logged once what to do, and all goes on at once when
// it is permitted. Other places are not kept waiting.
func TestForbiddenForGood(t *testing.T) {
	t.Parallel()
	var log written
	var allowed atomic.Bool
	play(t, func(word string, _ int) error {
		if strings.HasPrefix(word, "no") && !allowed.Load() {
			return errand.Forbidden{Err: errors.New("no right"), Remedy: "give this right"}
		}
		return nil
	}, func(q *errand.Queue[string, string], r *runner) {
		q.Put("a1", "no", nil)
		synctest.Wait()
		q.Put("a2", "no too", nil)
		q.Put("b", "yes", nil)
		synctest.Wait()
		require.Equal(t, []string{"no", "yes"}, r.words())
		pass(20 * time.Hour)
		times := r.times()
		require.Len(t, times, 7, "one for all that is refused")
		require.Equal(t, []time.Duration{time.Hour, 3 * time.Hour, 7 * time.Hour, 13 * time.Hour, 19 * time.Hour}, times[2:])
		require.Equal(t, 1, strings.Count(log.String(), "errand_not_permitted"))
		require.Contains(t, log.String(), "give this right")
		require.Contains(t, log.String(), "no right")

		allowed.Store(true)
		pass(6 * time.Hour)
		require.Len(t, r.words(), 9, "the second does not wait for its own turn")
		require.Zero(t, q.Len())
		require.Equal(t, 1, strings.Count(log.String(), "errand_permitted"))
		allowed.Store(false)
		q.Put("a1", "no", nil)
		synctest.Wait()
		require.Equal(t, 2, strings.Count(log.String(), "errand_not_permitted"), "it is news again")
		require.Len(t, r.words(), 10)
	}, &log)
}
