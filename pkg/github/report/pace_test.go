package report

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
)

func (p *pace) writes1(pull string) {
	p.wrote(pull, true)
	p.reported(pull)
}

func TestPace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPace(time.Now)
		require.Zero(t, p.report("a#1"), "the first one is written at once")
		p.reported("a#1")
		require.Zero(t, p.report("a#1"), "nothing was written")
		p.writes1("a#1")
		require.Equal(t, time.Second, p.report("a#1"))
		require.Zero(t, p.report("a#2"), "another pull request")
		time.Sleep(400 * time.Millisecond)
		require.Equal(t, 600*time.Millisecond, p.report("a#1"))
		time.Sleep(600 * time.Millisecond)
		require.Zero(t, p.report("a#1"))

		// What goes on and on is told less often.
		n, begin := 0, time.Now()
		for time.Since(begin) < time.Minute {
			p.writes1("a#1")
			n++
			time.Sleep(p.report("a#1"))
		}
		require.InDelta(t, 20, n, 2, "in a minute")
		time.Sleep(2 * time.Minute)
		p.writes1("a#1")
		require.Equal(t, time.Second, p.report("a#1"), "after a rest it is as before")
	})
}

// Many pull requests at once stay within GitHub's limits: of comments, and of writes.
func TestPaceOfMany(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPace(time.Now)
		begin := time.Now()
		comments := 0
		for i := range 600 {
			for p.report(fmt.Sprint("a#", i)) > 0 || p.comment() > 0 {
				time.Sleep(max(p.report(fmt.Sprint("a#", i)), p.comment()))
			}
			p.writes1(fmt.Sprint("a#", i))
			comments++
			switch time.Since(begin).Truncate(time.Minute) {
			case 0:
				require.LessOrEqual(t, comments, commentsAMinute)
			default:
				if time.Since(begin) < time.Hour {
					require.LessOrEqual(t, comments, commentsAnHour)
				}
			}
		}
		require.GreaterOrEqual(t, time.Since(begin), time.Hour)
		require.Less(t, time.Since(begin), 70*time.Minute)
		require.LessOrEqual(t, len(p.reports), 61, "what was reported long ago is forgotten")
	})
	synctest.Test(t, func(t *testing.T) {
		p := newPace(time.Now)
		for i := range writesAMinute {
			require.Zero(t, p.report(fmt.Sprint("a#", i)))
			p.wrote(fmt.Sprint("a#", i), false)
		}
		require.Equal(t, time.Minute, p.report("b#1"))
		require.Zero(t, p.comment())
		time.Sleep(time.Minute)
		require.Zero(t, p.report("b#1"))
	})
}

func TestLater(t *testing.T) {
	var err error = Later{2 * time.Second}
	require.ErrorIs(t, err, approval.ErrLater)
	require.ErrorContains(t, err, "in 2s")
}
