package postgres

import (
	"context"
	"fmt"
	"sync/atomic"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/argo-gatekeeper/gatekeeper/internal/postgresdb"
)

// fence keeps reads from looking for entries whose commit may still be under way. It is
// safe for concurrent use.
type fence struct {
	lock int64
	// doubts counts the appends whose answer was lost; settled is how many of them are
	// known to have ended.
	doubts, settled atomic.Uint64
}

// newFence begins in doubt.
func newFence(lock int64) *fence {
	f := &fence{lock: lock}
	f.doubt()
	return f
}

// doubt says that an append may or may not have been written.
func (f *fence) doubt() { f.doubts.Add(1) }

// settle returns once every append in doubt has ended.
func (f *fence) settle(ctx context.Context, pool *pgxpool.Pool) error {
	doubts := f.doubts.Load()
	if f.settled.Load() >= doubts {
		return nil
	}
	if _, err := pool.Exec(ctx, "SELECT pg_catalog.pg_advisory_xact_lock_shared($1)", f.lock); err != nil {
		return fmt.Errorf("wait for an append whose answer was lost: %w", err)
	}
	for {
		settled := f.settled.Load()
		if settled >= doubts || f.settled.CompareAndSwap(settled, doubts) {
			return nil
		}
	}
}

// fenced reads behind a fence.
type fenced struct {
	pool  *pgxpool.Pool
	fence *fence
	hide  postgresdb.Secret
}

// Query implements querier.
func (f fenced) Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error) {
	if err := f.fence.settle(ctx, f.pool); err != nil {
		return nil, err
	}
	return f.pool.Query(ctx, sql, args...)
}
