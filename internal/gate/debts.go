package gate

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
)

// Debts remembers the pull requests that are still to be told something, so that a
// process that ends before it told them does not forget it: no webhook says it again.
type Debts interface {
	Owe(ctx context.Context, repository approval.RepositoryName, pull int) error
	Paid(ctx context.Context, repository approval.RepositoryName, pull int) error
	// Owed lists what is owed.
	Owed(ctx context.Context) (map[approval.RepositoryName][]int, error)
}

// debts counts what is owed to whom since when. Safe for concurrent use.
type debts struct {
	store Debts // nil: nothing is kept across restarts
	log   *slog.Logger

	mu sync.Mutex
	// owed are the numbers of the newest debts, next is the next one.
	owed map[Key]uint64
	next uint64
	// others are those of the debts that those who follow have, see oweMore.
	others map[Key]uint64
}

// tell has pull requests told. That it is to be done is kept first; if it cannot be, it
// is done all the same.
func (g *Gate) tell(ctx context.Context, keys ...Key) {
	for _, k := range keys {
		g.debts.owe(ctx, k)
		g.causes.Add(ctx, k)
		g.queue.Add(k)
	}
}

func (d *debts) owe(ctx context.Context, k Key) {
	if d.note(k) && d.store != nil {
		if err := d.store.Owe(ctx, k.Repository, k.Pull); err != nil {
			d.log.LogAttrs(ctx, slog.LevelError, "debt_not_kept", k.attrs(slog.Any("error", err))...)
		}
	}
}

// note is true when nothing was owed before.
func (d *debts) note(k Key) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.owed == nil {
		d.owed = map[Key]uint64{}
	}
	_, before := d.owed[k]
	d.next++
	d.owed[k] = d.next
	return !before
}

// newest is the number of what is owed to a key, 0 for nothing.
func (d *debts) newest(k Key) uint64 {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.owed[k]
}

// paid says that all up to a number was told. What came in between stays owed.
func (d *debts) paid(ctx context.Context, k Key, number uint64) {
	d.mu.Lock()
	done := number > 0 && d.owed[k] == number
	if done {
		delete(d.owed, k)
	}
	d.mu.Unlock()
	if !done || d.store == nil {
		return
	}
	if err := d.store.Paid(ctx, k.Repository, k.Pull); err != nil {
		d.log.LogAttrs(ctx, slog.LevelError, "debt_not_kept", k.attrs(slog.Any("error", err))...)
	}
	if d.newest(k) > 0 { // owed again meanwhile, and perhaps overwritten just now
		if err := d.store.Owe(ctx, k.Repository, k.Pull); err != nil {
			d.log.LogAttrs(ctx, slog.LevelError, "debt_not_kept", k.attrs(slog.Any("error", err))...)
		}
	}
}

// owedAtOnce are told without a pause.
const owedAtOnce = 20

// owedAgain is how soon it is tried again to read what is owed.
const owedAgain = 10 * time.Second

// tellOwed tries to read what an earlier process owed until that succeeds, or the context
// ends.
func (g *Gate) tellOwed(ctx context.Context) {
	for !g.wakeOwed(ctx) && rest(ctx, owedAgain) {
	}
}

// wakeOwed tells what an earlier process owed, and says whether that could be read.
func (g *Gate) wakeOwed(ctx context.Context) (read bool) {
	if g.debts.store == nil {
		return true
	}
	owed, err := g.debts.store.Owed(ctx)
	if err != nil {
		g.log.LogAttrs(ctx, slog.LevelError, "debts_unknown", slog.Any("error", err))
		return false
	}
	woken := 0
	for repository, pulls := range owed {
		for _, n := range pulls {
			k := Key{Repository: repository, Pull: n}
			g.debts.note(k)
			// Of many each costs calls: what the App may not write can be owed for long.
			g.queue.AddAfter(k, time.Duration(max(0, woken-owedAtOnce))*refreshEvery)
			woken++
		}
	}
	return true
}
