package collect

import (
	"context"
	"sync"
	"sync/atomic"
	"time"
)

// sharedFor bounds how old a read may be that serves several queries, for the case that
// the event which makes it old is lost or late.
const sharedFor = 5 * time.Second

// Heard says that an event may have changed something: what began to be read before serves
// nobody from now on.
func (c *Collector) Heard() { c.heard.Add(1) }

// shared lets queries that say so be served by a read that was made for another one, if
// nothing was heard since it began and that is not long ago. All others are served by a
// read that begins after they asked, see queue. At most one read for a key runs and one
// waits. Safe for concurrent use.
//
// A landing concerns all Applications that read from its branch, and what is read for one
// of them a moment later would be read for the next.
type shared[K comparable, V any] struct {
	heard *atomic.Uint64

	mu               sync.Mutex
	running, waiting map[K]*reading[V]
	kept             *lru[K, *reading[V]]
}

// reading is a load that began when so many events had been heard of.
type reading[V any] struct {
	load[V]
	heard uint64
	began time.Time
}

func newShared[K comparable, V any](limit int, heard *atomic.Uint64) *shared[K, V] {
	return &shared[K, V]{heard: heard, running: map[K]*reading[V]{}, waiting: map[K]*reading[V]{}, kept: newLRU[K, *reading[V]](limit)}
}

// get gives the value of a key; f reads it, and must do the same for all who ask for it.
func (s *shared[K, V]) get(ctx context.Context, share bool, key K, f func(context.Context) (V, error)) (V, error) {
	s.mu.Lock()
	if share {
		r, ok := s.kept.get(key)
		if !ok || !s.serves(r) {
			r = s.running[key]
		}
		if r != nil && s.serves(r) {
			s.mu.Unlock()
			return r.wait(ctx)
		}
	}
	r, ok := s.waiting[key]
	if !ok {
		r = &reading[V]{load: load[V]{done: make(chan struct{})}}
		s.waiting[key] = r
		if s.running[key] == nil {
			s.begin(key)
			go s.run(ctx, key, f)
		}
	}
	s.mu.Unlock()
	return r.wait(ctx)
}

// serves says whether nothing may be different from what a read found.
func (s *shared[K, V]) serves(r *reading[V]) bool {
	return r.heard == s.heard.Load() && time.Since(r.began) < sharedFor
}

// begin makes what waits run, and is nil when nothing does.
func (s *shared[K, V]) begin(key K) *reading[V] {
	r := s.waiting[key]
	delete(s.waiting, key)
	if r == nil {
		delete(s.running, key)
		return nil
	}
	r.heard, r.began = s.heard.Load(), time.Now()
	s.running[key] = r
	return r
}

// run reads until nobody waits for the key.
func (s *shared[K, V]) run(ctx context.Context, key K, f func(context.Context) (V, error)) {
	s.mu.Lock()
	r := s.running[key]
	s.mu.Unlock()
	for r != nil {
		func() {
			ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), loadTimeout)
			defer cancel()
			r.value, r.err = f(ctx)
			close(r.done)
		}()
		s.mu.Lock()
		if r.err == nil {
			s.kept.put(key, r)
		} else {
			s.kept.drop(key)
		}
		r = s.begin(key)
		s.mu.Unlock()
	}
}
