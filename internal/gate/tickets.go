package gate

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/argo-gatekeeper/gatekeeper/internal/tracing"
)

// ticket is a delivery that stays in the inbox until every key it woke has been
// reconciled after it, or a newer one stays for that.
type ticket struct {
	guid string
	// again is true when nothing but this delivery says that a report is to be written
	// although nothing is new.
	again bool
	// late is true from when a key was reconciled in vain.
	late   atomic.Bool
	mu     sync.Mutex
	open   int
	finish func(context.Context)
}

func (t *ticket) done(ctx context.Context) {
	t.mu.Lock()
	t.open--
	last := t.open == 0
	t.mu.Unlock()
	if last {
		t.finish(ctx)
	}
}

// tickets tells which deliveries wait for which key.
type tickets struct {
	mu    sync.Mutex
	byKey map[Key][]*ticket
	// late is how many deliveries wait for a key that was reconciled in vain.
	late atomic.Int64
}

// issue registers a delivery with its keys; it must happen before the keys are
// queued, so that the reconcile that counts begins after it.
func (ts *tickets) issue(guid string, keys []Key, again bool, finish func(context.Context)) {
	t := &ticket{guid: guid, again: again, open: len(keys)}
	t.finish = func(ctx context.Context) {
		if t.late.Load() {
			ts.late.Add(-1)
		}
		finish(ctx)
	}
	ts.mu.Lock()
	defer ts.mu.Unlock()
	if ts.byKey == nil {
		ts.byKey = map[Key][]*ticket{}
	}
	for _, k := range keys {
		ts.byKey[k] = append(ts.byKey[k], t)
	}
}

func (ts *tickets) take(k Key) []*ticket {
	ts.mu.Lock()
	defer ts.mu.Unlock()
	taken := ts.byKey[k]
	delete(ts.byKey, k)
	return taken
}

// served names the deliveries of tickets to what logs on their behalf.
func served(ctx context.Context, tickets []*ticket) context.Context {
	if len(tickets) == 0 {
		return ctx
	}
	guids := make([]string, len(tickets))
	for i, t := range tickets {
		guids[i] = t.guid
	}
	return tracing.Serving(ctx, guids)
}

// ticketsKept is how many deliveries stay for a key that fails: one would do, and the log of
// what comes of them in the end names them.
const ticketsKept = 5

// giveBack registers deliveries anew whose key was reconciled in vain, and returns those
// that need not stay for it, since newer ones say the same. Otherwise a key that always
// fails would fill the inbox, and what is behind that would never be read.
func (ts *tickets) giveBack(k Key, back []*ticket) (spare []*ticket) {
	if len(back) == 0 {
		return nil
	}
	ts.mu.Lock()
	defer ts.mu.Unlock()
	if ts.byKey == nil {
		ts.byKey = map[Key][]*ticket{}
	}
	var stay []*ticket
	again := false
	for _, t := range slices.Backward(slices.Concat(back, ts.byKey[k])) {
		if len(stay) >= ticketsKept && (again || !t.again) {
			spare = append(spare, t)
			continue
		}
		again = again || t.again
		stay = append(stay, t)
		if t.late.CompareAndSwap(false, true) {
			ts.late.Add(1)
		}
	}
	slices.Reverse(stay)
	ts.byKey[k] = stay
	return spare
}
