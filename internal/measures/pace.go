package measures

import (
	"context"
	"time"
)

const (
	// stretch is for how long work in the background goes on at a time, and rest how long
	// it then leaves the machine to others: with ten thousand Applications the first
	// reading takes seconds of a processor, and answers to the API server may take
	// milliseconds.
	stretch = 3 * time.Millisecond
	rest    = 10 * stretch
)

// pace has work rest after each stretch. The zero pace does not; it is used by one
// goroutine.
type pace struct {
	now   func() time.Time
	sleep func(ctx context.Context, d time.Duration) error
	began time.Time
}

func newPace() *pace { return &pace{now: time.Now, sleep: sleep} }

// breathe is called between two small pieces of work. It fails when the context ends.
func (p *pace) breathe(ctx context.Context) error {
	if p == nil || p.now == nil {
		return nil
	}
	now := p.now()
	if p.began.IsZero() {
		p.began = now
	}
	if now.Sub(p.began) < stretch {
		return nil
	}
	if err := p.sleep(ctx, rest); err != nil {
		return err
	}
	p.began = p.now()
	return nil
}

// resume begins a stretch after time in which somebody else decided when to go on.
func (p *pace) resume() {
	if p != nil {
		p.began = time.Time{}
	}
}

func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}
