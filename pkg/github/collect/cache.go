package collect

import (
	"container/list"
	"context"
	"sync"
	"time"
)

// loadTimeout bounds a shared load, which goes on when its first caller gives up.
const loadTimeout = 2 * time.Minute

// lru keeps the most recently used entries. It is not safe for concurrent use.
type lru[K comparable, V any] struct {
	limit int
	order *list.List
	items map[K]*list.Element
}

type lruItem[K comparable, V any] struct {
	key   K
	value V
}

func newLRU[K comparable, V any](limit int) *lru[K, V] {
	return &lru[K, V]{limit: limit, order: list.New(), items: map[K]*list.Element{}}
}

func (l *lru[K, V]) get(key K) (V, bool) {
	e, ok := l.items[key]
	if !ok {
		var none V
		return none, false
	}
	l.order.MoveToFront(e)
	return e.Value.(*lruItem[K, V]).value, true
}

func (l *lru[K, V]) put(key K, value V) {
	if e, ok := l.items[key]; ok {
		e.Value.(*lruItem[K, V]).value = value
		l.order.MoveToFront(e)
		return
	}
	l.items[key] = l.order.PushFront(&lruItem[K, V]{key, value})
	if l.order.Len() > l.limit {
		oldest := l.order.Back()
		l.order.Remove(oldest)
		delete(l.items, oldest.Value.(*lruItem[K, V]).key)
	}
}

func (l *lru[K, V]) drop(key K) {
	if e, ok := l.items[key]; ok {
		l.order.Remove(e)
		delete(l.items, key)
	}
}

// forever is the time to live of a fact that cannot change.
const forever = time.Duration(0)

// dated is a value with the end of its life; the zero time means none.
type dated[V any] struct {
	value V
	until time.Time
}

// memory keeps values for a time that each load decides. Callers that ask for
// the same key at the same time share one load. Safe for concurrent use.
type memory[K comparable, V any] struct {
	mu    sync.Mutex
	kept  *lru[K, dated[V]]
	loads map[K]*load[V]
	limit int
}

type load[V any] struct {
	done  chan struct{}
	value V
	err   error
}

func newMemory[K comparable, V any](limit int) *memory[K, V] {
	return &memory[K, V]{kept: newLRU[K, dated[V]](limit), loads: map[K]*load[V]{}, limit: limit}
}

// peek gives what is kept, without loading.
func (m *memory[K, V]) peek(key K) (V, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.fresh(key)
}

func (m *memory[K, V]) fresh(key K) (V, bool) {
	d, ok := m.kept.get(key)
	if !ok || !d.until.IsZero() && !time.Now().Before(d.until) {
		var none V
		return none, false
	}
	return d.value, true
}

// put keeps a value; a negative life keeps nothing.
func (m *memory[K, V]) put(key K, value V, life time.Duration) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.keep(key, value, life)
}

// drop forgets one value.
func (m *memory[K, V]) drop(key K) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.kept.drop(key)
}

func (m *memory[K, V]) keep(key K, value V, life time.Duration) {
	switch {
	case life == forever:
		m.kept.put(key, dated[V]{value: value})
	case life > 0:
		m.kept.put(key, dated[V]{value, time.Now().Add(life)})
	}
}

// get gives what is kept or loads it. The load says how long its value lives.
// Errors are not kept.
func (m *memory[K, V]) get(ctx context.Context, key K, f func(context.Context) (V, time.Duration, error)) (V, error) {
	m.mu.Lock()
	if v, ok := m.fresh(key); ok {
		m.mu.Unlock()
		return v, nil
	}
	l, ok := m.loads[key]
	if !ok {
		l = &load[V]{done: make(chan struct{})}
		m.loads[key] = l
		go m.run(ctx, key, l, f)
	}
	m.mu.Unlock()
	return l.wait(ctx)
}

func (m *memory[K, V]) run(ctx context.Context, key K, l *load[V], f func(context.Context) (V, time.Duration, error)) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), loadTimeout)
	defer cancel()
	v, life, err := f(ctx)
	m.mu.Lock()
	defer m.mu.Unlock()
	l.value, l.err = v, err
	close(l.done)
	// After forget the load is no longer the current one, and what it read may
	// be older than what made somebody forget.
	if m.loads[key] != l {
		return
	}
	delete(m.loads, key)
	if err == nil {
		m.keep(key, v, life)
	}
}

func (l *load[V]) wait(ctx context.Context) (V, error) {
	select {
	case <-l.done:
		return l.value, l.err
	case <-ctx.Done():
		var none V
		return none, context.Cause(ctx)
	}
}

// forget drops everything. Loads that are under way serve those who wait for
// them already and nobody else.
func (m *memory[K, V]) forget() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.kept = newLRU[K, dated[V]](m.limit)
	m.loads = map[K]*load[V]{}
}

// forgetMortal drops what would not have been kept for ever.
func (m *memory[K, V]) forgetMortal() {
	m.mu.Lock()
	defer m.mu.Unlock()
	old := m.kept
	m.kept = newLRU[K, dated[V]](m.limit)
	for e := old.order.Back(); e != nil; e = e.Prev() {
		if item := e.Value.(*lruItem[K, dated[V]]); item.value.until.IsZero() {
			m.kept.put(item.key, item.value)
		}
	}
	m.loads = map[K]*load[V]{}
}

// queue shares reads that must be fresh: a caller is served by a read that
// begins after it called, never by one that is under way. At most one read for
// a key runs and one waits. Safe for concurrent use.
type queue[K comparable, V any] struct {
	mu      sync.Mutex
	running map[K]bool
	waiting map[K]*load[V]
}

func newQueue[K comparable, V any]() *queue[K, V] {
	return &queue[K, V]{running: map[K]bool{}, waiting: map[K]*load[V]{}}
}

func (q *queue[K, V]) get(ctx context.Context, key K, f func(context.Context) (V, error)) (V, error) {
	q.mu.Lock()
	l, ok := q.waiting[key]
	if !ok {
		l = &load[V]{done: make(chan struct{})}
		q.waiting[key] = l
		if !q.running[key] {
			q.running[key] = true
			go q.run(ctx, key, f)
		}
	}
	q.mu.Unlock()
	return l.wait(ctx)
}

// run serves what waits for the key, one load after the other. All loads of a
// key do the same, so the first caller's function serves them all.
func (q *queue[K, V]) run(ctx context.Context, key K, f func(context.Context) (V, error)) {
	for l := q.next(key); l != nil; l = q.next(key) {
		func() {
			ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), loadTimeout)
			defer cancel()
			l.value, l.err = f(ctx)
			close(l.done)
		}()
	}
}

func (q *queue[K, V]) next(key K) *load[V] {
	q.mu.Lock()
	defer q.mu.Unlock()
	l := q.waiting[key]
	delete(q.waiting, key)
	if l == nil {
		delete(q.running, key)
	}
	return l
}
