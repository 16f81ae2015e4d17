package preview

import "container/list"

// store keeps the values that were used last, within a number and a size in bytes. It is
// not safe for concurrent use.
type store[V any] struct {
	maxLen, maxSize, size int
	order                 *list.List // newest first
	byKey                 map[string]*list.Element
}

type stored[V any] struct {
	key   string
	value V
	size  int
}

func newStore[V any](maxLen, maxSize int) *store[V] {
	return &store[V]{maxLen: maxLen, maxSize: maxSize, order: list.New(), byKey: map[string]*list.Element{}}
}

func (s *store[V]) get(key string) (V, bool) {
	e, ok := s.byKey[key]
	if !ok {
		var none V
		return none, false
	}
	s.order.MoveToFront(e)
	return e.Value.(*stored[V]).value, true
}

// put keeps a value of a size. One that is larger than all that may be kept is not.
func (s *store[V]) put(key string, value V, size int) {
	if e, ok := s.byKey[key]; ok {
		s.remove(e)
	}
	if size > s.maxSize {
		return
	}
	s.byKey[key] = s.order.PushFront(&stored[V]{key, value, size})
	for s.size += size; s.size > s.maxSize || s.order.Len() > s.maxLen; {
		s.remove(s.order.Back())
	}
}

func (s *store[V]) remove(e *list.Element) {
	v := s.order.Remove(e).(*stored[V])
	delete(s.byKey, v.key)
	s.size -= v.size
}
