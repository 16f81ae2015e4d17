package httpapi

import (
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// dismissed returns, in a bubble, when those have left who waited for more to do.
func dismissed() { time.Sleep(2 * crewIdle) }

// TestCrew: nobody waits for another one's job, who waits for work gets it, and all of
// them leave when there is none.
func TestCrew(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := newCrew(crewIdle)
		var begun sync.WaitGroup
		end := make(chan struct{})
		for range 5 {
			begun.Add(1)
			c.do(func() {
				begun.Done()
				<-end
			})
		}
		begun.Wait() // all five at once
		close(end)
		synctest.Wait()

		// One after the other they are done by one of those that stayed.
		for range 20 {
			done := false
			c.do(func() { done = true })
			synctest.Wait()
			require.True(t, done)
			time.Sleep(crewIdle / 100)
		}
		stayed := 0
		for range 5 {
			select {
			case c.jobs <- func() {}:
				stayed++
			default:
			}
		}
		require.Equal(t, 5, stayed)
		synctest.Wait()

		time.Sleep(crewIdle + time.Second)
		synctest.Wait()
		select {
		case c.jobs <- func() {}:
			require.Fail(t, "somebody still waits")
		default:
		}
	})
}
