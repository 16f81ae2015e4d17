package httpapi

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
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

// TestReviewsKeepTheirMemory: a review's memory goes to another one only when nobody
// looks at it any more, however many are judged at once.
func TestReviewsKeepTheirMemory(t *testing.T) {
	t.Parallel()
	h, _ := admitter(func(_ context.Context, review []byte) ([]byte, error) {
		before := string(review)
		time.Sleep(time.Millisecond) // others come meanwhile
		if before != string(review) {
			return nil, errors.New("the review has changed")
		}
		var read struct {
			Request struct {
				UID  string `json:"uid"`
				Text string `json:"text"`
			} `json:"request"`
		}
		if err := json.Unmarshal(review, &read); err != nil {
			return nil, err
		}
		return fmt.Appendf(nil, `{"response":{"uid":%q,"allowed":true,"warnings":[%q]}}`, read.Request.UID, read.Request.Text), nil
	}, false)
	var all sync.WaitGroup
	for i := range 20 {
		all.Go(func() {
			for j := range 20 {
				uid, text := fmt.Sprint("u-", i, "-", j), strings.Repeat(fmt.Sprint(i), 1+i*j*7)
				w := post(t, h, "application/json", strings.NewReader(fmt.Sprintf(`{"request":{"uid":%q,"text":%q}}`, uid, text)))
				assert.JSONEq(t, fmt.Sprintf(`{"response":{"uid":%q,"allowed":true,"warnings":[%q]}}`, uid, text), w.Body.String())
			}
		})
	}
	all.Wait()
}
