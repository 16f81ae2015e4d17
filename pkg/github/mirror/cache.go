package mirror

import (
	"container/list"
	"sync"
)

// lru keeps the most recently used values up to a total weight. It is safe for
// concurrent use.
type lru[K comparable, V any] struct {
	mu     sync.Mutex
	limit  int
	weight func(V) int
	total  int
	order  *list.List
	items  map[K]*list.Element
}

type lruItem[K comparable, V any] struct {
	key    K
	value  V
	weight int
}

func newLRU[K comparable, V any](limit int, weight func(V) int) *lru[K, V] {
	return &lru[K, V]{limit: limit, weight: weight, order: list.New(), items: map[K]*list.Element{}}
}

func (c *lru[K, V]) get(key K) (value V, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	e, ok := c.items[key]
	if !ok {
		return value, false
	}
	c.order.MoveToFront(e)
	return e.Value.(*lruItem[K, V]).value, true
}

// put stores a value. One that is heavier than the limit is not kept.
func (c *lru[K, V]) put(key K, value V) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if e, ok := c.items[key]; ok {
		c.remove(e)
	}
	w := c.weight(value)
	if w > c.limit {
		return
	}
	c.items[key] = c.order.PushFront(&lruItem[K, V]{key: key, value: value, weight: w})
	for c.total += w; c.total > c.limit; {
		c.remove(c.order.Back())
	}
}

func (c *lru[K, V]) remove(e *list.Element) {
	item := c.order.Remove(e).(*lruItem[K, V])
	delete(c.items, item.key)
	c.total -= item.weight
}
