package main

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/argo-gatekeeper/gatekeeper/internal/inbox"
)

// reach says whether this replica is of less use than the others: it does not reach the
// database and the one that leads does. When none reaches it, all of them stay ready, since
// much is answered without it.
type reach struct {
	// look reads from the database, renewed is when the leader was seen to reach it.
	look    func(context.Context) error
	renewed func() time.Time
	leads   func() error

	mu   sync.Mutex
	lost time.Time
}

const (
	// reachLimit is how long a look may take, reachGrace how much later than the loss the
	// leader has to be seen to reach it: what is seen of it may be as old.
	reachLimit = 2 * time.Second
	reachGrace = 3 * time.Second
)

func (r *reach) ready(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, reachLimit)
	defer cancel()
	began := time.Now()
	err := r.look(ctx)
	r.mu.Lock()
	defer r.mu.Unlock()
	if err == nil {
		r.lost = time.Time{}
		return nil
	}
	if r.lost.IsZero() {
		r.lost = began
	}
	if r.leads() == nil || r.renewed().Sub(r.lost) < reachGrace {
		return nil
	}
	return fmt.Errorf("the database cannot be reached, and the replica that leads reaches it: %w", err)
}

// persistent keeps deliveries, and tries for a while when the database cannot be reached: what
// GitHub is told was not kept comes again only when it is asked for.
type persistent struct {
	putter
	patience time.Duration
}

func (p persistent) Put(ctx context.Context, d inbox.Delivery) (fresh bool, err error) {
	began, again := time.Now(), time.NewTicker(storeAgain)
	defer again.Stop()
	for {
		fresh, err = p.putter.Put(ctx, d)
		if err == nil || ctx.Err() != nil || time.Since(began) >= p.patience {
			return fresh, err
		}
		select {
		case <-ctx.Done():
		case <-again.C:
		}
	}
}

const (
	storeAgain = 250 * time.Millisecond
	// storePatience leaves time for the answer: GitHub waits 10 seconds for it.
	storePatience = 6 * time.Second
)
