package registry

import "sync"

// How many things are remembered of each kind. A full memory forgets the oldest.
const (
	tokenMemory    = 256
	typeMemory     = 4096
	evidenceMemory = 4096
)

// imageKey names content, which never changes.
type imageKey struct {
	repository repository
	digest     Digest
}

// memory is a bounded map that forgets what was put in first. Safe for concurrent use.
type memory[K comparable, V any] struct {
	mu     sync.Mutex
	values map[K]V
	order  []K // a ring once it is full
	next   int
	bound  int
}

func newMemory[K comparable, V any](bound int) *memory[K, V] {
	return &memory[K, V]{values: map[K]V{}, bound: bound}
}

func (m *memory[K, V]) get(k K) (V, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	v, ok := m.values[k]
	return v, ok
}

func (m *memory[K, V]) put(k K, v V) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, known := m.values[k]; !known {
		if len(m.order) < m.bound {
			m.order = append(m.order, k)
		} else {
			delete(m.values, m.order[m.next])
			m.order[m.next] = k
			m.next = (m.next + 1) % m.bound
		}
	}
	m.values[k] = v
}
