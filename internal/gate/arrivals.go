package gate

import (
	"sync"
	"time"

	"k8s.io/client-go/util/workqueue"
)

// newQueue makes the gate's queue, which tries again what failed later and later.
func newQueue(waiting *arrivals) workqueue.TypedRateLimitingInterface[Key] {
	return workqueue.NewTypedRateLimitingQueueWithConfig(
		workqueue.NewTypedItemExponentialFailureRateLimiter[Key](250*time.Millisecond, time.Minute),
		workqueue.TypedRateLimitingQueueConfig[Key]{DelayingQueue: workqueue.NewTypedDelayingQueueWithConfig(
			workqueue.TypedDelayingQueueConfig[Key]{Queue: workqueue.NewTypedWithConfig(workqueue.TypedQueueConfig[Key]{Queue: waiting})},
		)},
	)
}

// arrivals are the keys that wait to be worked on, first come, first served, with when each
// came. It is the storage of the workqueue, which calls it under a lock of its own.
type arrivals struct {
	now func() time.Time
	// waited is told how long a key waited. It may be nil.
	waited func(k Key, wait time.Duration)

	mu   sync.Mutex // for oldest, which comes from elsewhere
	keys []arrival
}

type arrival struct {
	key Key
	at  time.Time
}

// Touch implements workqueue.Queue: what waits already waits since it came first.
func (*arrivals) Touch(Key) {}

// Push implements workqueue.Queue.
func (a *arrivals) Push(k Key) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.keys = append(a.keys, arrival{k, a.now()})
}

// Len implements workqueue.Queue.
func (a *arrivals) Len() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return len(a.keys)
}

// Pop implements workqueue.Queue. It is only called when there is something.
func (a *arrivals) Pop() Key {
	a.mu.Lock()
	first := a.keys[0]
	a.keys[0] = arrival{} // the rest of the slice lives on
	a.keys = a.keys[1:]
	a.mu.Unlock()
	if a.waited != nil {
		a.waited(first.key, a.now().Sub(first.at))
	}
	return first.key
}

// oldest is how long the first has waited; 0 when nothing waits.
func (a *arrivals) oldest() time.Duration {
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.keys) == 0 {
		return 0
	}
	return a.now().Sub(a.keys[0].at)
}

// oldest is how long the key that is next has waited, as far as this replica works.
func (g *Gate) oldest() time.Duration {
	if g.leads() != nil {
		return 0
	}
	return g.waiting.oldest()
}
