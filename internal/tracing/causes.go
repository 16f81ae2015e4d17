package tracing

import (
	"context"
	"slices"
	"sync"

	"go.opentelemetry.io/otel/trace"
)

// causesMost bounds how many spans are linked to one: the newest, when there are more.
const causesMost = 32

// Causes remembers which spans woke which key until the key is worked on. The zero Causes
// is ready. It is safe for concurrent use.
type Causes[K comparable] struct {
	mu    sync.Mutex
	byKey map[K][]trace.SpanContext
}

// Add says that the context's span wakes the key. Nothing is kept without one that is
// exported.
func (c *Causes[K]) Add(ctx context.Context, key K) {
	if span := trace.SpanContextFromContext(ctx); span.IsSampled() {
		c.put(key, nil, []trace.SpanContext{span})
	}
}

// Take returns what woke the key, oldest first, and forgets it.
func (c *Causes[K]) Take(key K) []trace.SpanContext {
	c.mu.Lock()
	defer c.mu.Unlock()
	taken := c.byKey[key]
	if taken != nil {
		delete(c.byKey, key)
	}
	return taken
}

// GiveBack remembers what was taken, for the next time; what came meanwhile is newer.
func (c *Causes[K]) GiveBack(key K, causes []trace.SpanContext) {
	if len(causes) > 0 {
		c.put(key, causes, nil)
	}
}

// put adds older and newer ones to what is there.
func (c *Causes[K]) put(key K, older, newer []trace.SpanContext) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.byKey == nil {
		c.byKey = map[K][]trace.SpanContext{}
	}
	all := slices.Concat(older, c.byKey[key], newer)
	c.byKey[key] = all[max(0, len(all)-causesMost):]
}
