package mirror

import (
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
)

// fetchQueue runs one fetch at a time. What waits for the same branch meanwhile
// becomes one fetch, because a fetch that has begun may have read the remote's
// refs already and says nothing about later changes.
type fetchQueue struct {
	mu      sync.Mutex
	waiting []*fetchRequest
	running bool
	closed  bool
}

// fetchRequest is what one or more callers wait for.
type fetchRequest struct {
	branch  string
	pulls   []int
	callers int
	ctx     context.Context
	cancel  context.CancelCauseFunc
	done    chan struct{}
	err     error
}

var errNobodyWaits = errors.New("nobody waits for it any more")

type fetchFunc func(ctx context.Context, branch string, pulls []int) error

// do waits until a fetch that began after the call has ended. The fetch goes on
// when one caller gives up, and is stopped when all have.
func (q *fetchQueue) do(ctx context.Context, branch string, pulls []int, start func(func()) bool, fetch fetchFunc) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	r, ok := q.join(ctx, branch, pulls, start, fetch)
	if !ok {
		return ErrClosed
	}
	select {
	case <-r.done:
		return r.err
	case <-ctx.Done():
		q.leave(r)
		return context.Cause(ctx)
	}
}

func (q *fetchQueue) join(ctx context.Context, branch string, pulls []int, start func(func()) bool, fetch fetchFunc) (*fetchRequest, bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		return nil, false
	}
	for _, r := range q.waiting {
		if r.branch == branch && r.callers > 0 && slices.Equal(r.pulls, pulls) {
			r.callers++
			return r, true
		}
	}
	r := &fetchRequest{branch: branch, pulls: pulls, callers: 1, done: make(chan struct{})}
	r.ctx, r.cancel = context.WithCancelCause(context.WithoutCancel(ctx))
	q.waiting = append(q.waiting, r)
	if !q.running {
		q.running = start(func() { q.run(fetch) })
		if !q.running {
			q.waiting = nil
			return nil, false
		}
	}
	return r, true
}

func (q *fetchQueue) leave(r *fetchRequest) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if r.callers--; r.callers == 0 {
		r.cancel(errNobodyWaits)
	}
}

// run serves the queue until it is empty.
func (q *fetchQueue) run(fetch fetchFunc) {
	for {
		batch := q.take()
		if batch == nil {
			return
		}
		serve(batch, fetch)
	}
}

// take removes the oldest request and all for the same branch. From here on
// nobody can join them.
func (q *fetchQueue) take() []*fetchRequest {
	q.mu.Lock()
	defer q.mu.Unlock()
	var batch, rest []*fetchRequest
	pulls := 0
	for _, r := range q.waiting {
		if len(batch) == 0 || r.branch == batch[0].branch && pulls+len(r.pulls) <= maxPulls {
			batch = append(batch, r)
			pulls += len(r.pulls)
		} else {
			rest = append(rest, r)
		}
	}
	q.waiting = rest
	q.running = batch != nil
	return batch
}

// maxAlone is how many requests of a batch may fail alone before the rest is
// told what the batch was told: then it is not one of them that is at fault.
const maxAlone = 3

// serve fetches for a batch of requests.
func serve(batch []*fetchRequest, fetch fetchFunc) {
	err := fetchTogether(batch, fetch)
	failures := 0
	for _, r := range batch {
		r.err = err
		// One pull request whose objects git refuses must not keep the others
		// from being fetched.
		failed, ok := errors.AsType[*gitError](err)
		if ok && failed.cause == nil && len(batch) > 1 && failures < maxAlone && r.ctx.Err() == nil {
			if r.err = fetch(r.ctx, r.branch, r.pulls); r.err != nil {
				failures++
			}
		}
		r.cancel(nil)
		close(r.done)
	}
}

// fetchTogether is one fetch for all requests. It is stopped when all of them
// were given up.
func fetchTogether(batch []*fetchRequest, fetch fetchFunc) error {
	ctx, cancel := context.WithCancelCause(context.WithoutCancel(batch[0].ctx))
	defer cancel(nil)
	var left atomic.Int64
	left.Store(int64(len(batch)))
	for _, r := range batch {
		stop := context.AfterFunc(r.ctx, func() {
			if left.Add(-1) == 0 {
				cancel(errNobodyWaits)
			}
		})
		defer stop()
	}
	return fetch(ctx, batch[0].branch, withoutDuplicates(batch))
}

// drain refuses new requests. Those that wait are served by the runner, whose
// fetches fail at once when the mirror's life has ended.
func (q *fetchQueue) drain() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.closed = true
}
