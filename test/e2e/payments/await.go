package payments

import (
	"context"
	"fmt"
	"time"
)

// poll is the least pause between two looks at a condition. It decides no test:
// conditions are awaited until the context or the limit ends.
const poll = 50 * time.Millisecond

// lookShare is how many times as long as a look the pause after it is, so that those who
// wait leave the machine to those they wait for: some looks start a program. It is half a
// second at most.
const lookShare = 3

// limit is far above what anything takes on a slow machine.
const limit = 90 * time.Second

// Await looks at a condition until it holds. look returns true when it does,
// else what it saw, which becomes part of the error. An error of look ends the
// wait.
func Await(ctx context.Context, what string, look func(context.Context) (bool, string, error)) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	pause := time.NewTimer(poll)
	defer pause.Stop()
	seen := "nothing"
	for {
		began := time.Now()
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
		pause.Reset(max(poll, min(lookShare*time.Since(began), time.Second/2)))
		select {
		case <-ctx.Done():
			return fmt.Errorf("await %s: %w; last seen: %s", what, ctx.Err(), seen)
		case <-pause.C:
		}
	}
}
