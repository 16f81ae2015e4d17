package doctor

import (
	"context"
	"fmt"
	"sync"
	"time"
)

// shared is something that several checks need: it is read once, by a goroutine of its
// own, so that a check whose time is over does not spoil it for others.
type shared[T any] struct {
	once  sync.Once
	ready chan struct{}
	read  func(ctx context.Context) (T, error)
	ctx   context.Context //nolint:containedctx // that of the run, which outlives each check
	limit time.Duration

	value T
	err   error
}

func share[T any](ctx context.Context, limit time.Duration, read func(ctx context.Context) (T, error)) *shared[T] {
	return &shared[T]{ready: make(chan struct{}), read: read, ctx: ctx, limit: limit}
}

func (s *shared[T]) get(ctx context.Context) (T, error) {
	s.once.Do(func() { //nolint:contextcheck // that of the run: one check must not end what others wait for
		go func() {
			defer close(s.ready)
			defer func() {
				if r := recover(); r != nil {
					s.err = fmt.Errorf("reading failed: %v", r)
				}
			}()
			ctx, cancel := context.WithTimeoutCause(s.ctx, s.limit, fmt.Errorf("no answer within %s", s.limit))
			defer cancel()
			s.value, s.err = s.read(ctx)
		}()
	})
	select {
	case <-s.ready:
		return s.value, s.err
	case <-ctx.Done():
		var none T
		return none, context.Cause(ctx)
	}
}
