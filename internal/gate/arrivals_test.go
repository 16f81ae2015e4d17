package gate

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"k8s.io/client-go/util/workqueue"
)

// TestArrivals: keys leave the queue in their order, each once, and the time that the first
// one waits is known.
func TestArrivals(t *testing.T) {
	now := time.Unix(1000, 0)
	waits := map[Key]time.Duration{}
	a := &arrivals{now: func() time.Time { return now }, waited: func(k Key, d time.Duration) { waits[k] = d }}
	queue := workqueue.NewTypedWithConfig(workqueue.TypedQueueConfig[Key]{Queue: a})
	defer queue.ShutDown()
	one, two := Key{Application: "argocd/one"}, Key{Repository: "acme/env", Pull: 2}
	require.Zero(t, a.oldest())
	queue.Add(one)
	now = now.Add(time.Second)
	queue.Add(two)
	queue.Add(one) // waits already
	now = now.Add(2 * time.Second)
	require.Equal(t, 2, queue.Len())
	require.Equal(t, 3*time.Second, a.oldest())

	got, _ := queue.Get()
	require.Equal(t, one, got)
	require.Equal(t, 2*time.Second, a.oldest())
	queue.Add(one) // while it is worked on: it comes again
	queue.Done(one)
	got, _ = queue.Get()
	require.Equal(t, two, got)
	queue.Done(two)
	now = now.Add(time.Second)
	got, _ = queue.Get()
	require.Equal(t, one, got)
	require.Equal(t, map[Key]time.Duration{one: time.Second, two: 2 * time.Second}, waits)
	require.Zero(t, a.oldest())
}
