package payments

import (
	"context"
	"fmt"
	"time"
)

// poll is how often a condition is looked at. It decides no test: conditions are
// awaited until the context or the limit ends.
const poll = 50 * time.Millisecond

// limit is far above what anything takes on a slow machine.
const limit = 90 * time.Second

// Await looks at a condition until it holds. look returns true when it does,
// else what it saw, which becomes part of the error. An error of look ends the
// wait.
func Await(ctx context.Context, what string, look func(context.Context) (bool, string, error)) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	tick := time.NewTicker(poll)
	defer tick.Stop()
	seen := "nothing"
	for {
		ok, saw, err := look(ctx)
		if err != nil && ctx.Err() == nil {
			return fmt.Errorf("await %s: %w", what, err)
		}
		if ok {
			return nil
		}
		if err == nil && saw != "" {
			seen = saw
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("await %s: %w; last seen: %s", what, ctx.Err(), seen)
		case <-tick.C:
		}
	}
}
