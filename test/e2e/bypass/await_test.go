package bypass

import (
	"context"
	"fmt"
	"time"
)

const (
	// poll is how often a condition is looked at, at many victims at the same time. It
	// decides no test.
	poll = 150 * time.Millisecond
	// steadyPolls is for how many looks something has to stay as it is.
	steadyPolls = 8
	// patience is far above what anything takes on a machine that has much else to do.
	patience = 5 * time.Minute
)

// await looks at a condition until it holds. look returns true when it does, else
// what it saw, which becomes part of the error. An error of look ends the wait.
func await(ctx context.Context, what string, look func(context.Context) (bool, string, error)) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	tick := time.NewTicker(poll)
	defer tick.Stop()
	seen := "nothing"
	for {
		ok, saw, err := look(ctx)
		switch {
		case err != nil && ctx.Err() == nil:
			return fmt.Errorf("await %s: %w", what, err)
		case err == nil && ok:
			return nil
		case err == nil && saw != "":
			seen = saw
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("await %s: %w; last seen: %s", what, ctx.Err(), seen)
		case <-tick.C:
		}
	}
}
