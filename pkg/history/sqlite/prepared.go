package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"sync"
)

// prepared is a pool of connections that parses each query once for each of them; an
// admission answer rests on several, and parsing takes SQLite as long as reading. The
// queries are those of this package, so there are few. It is safe for concurrent use.
type prepared struct {
	pool *sql.DB

	mu         sync.Mutex
	statements map[string]*sql.Stmt
}

func newPrepared(pool *sql.DB) *prepared {
	return &prepared{pool: pool, statements: map[string]*sql.Stmt{}}
}

// QueryContext implements querier.
func (p *prepared) QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	statement, err := p.statement(ctx, query)
	if err != nil {
		return nil, fmt.Errorf("prepare: %w", err)
	}
	return statement.QueryContext(ctx, args...)
}

func (p *prepared) statement(ctx context.Context, query string) (*sql.Stmt, error) {
	p.mu.Lock()
	known, ok := p.statements[query]
	p.mu.Unlock()
	if ok {
		return known, nil
	}
	// Not under the lock: a pool that has no connection to spare waits.
	made, err := p.pool.PrepareContext(ctx, query)
	if err != nil {
		return nil, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if known, ok := p.statements[query]; ok {
		return known, made.Close()
	}
	p.statements[query] = made
	return made, nil
}

// close gives the statements back; it must come before the pool is closed.
func (p *prepared) close() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	var errs []error
	for _, statement := range p.statements {
		errs = append(errs, statement.Close())
	}
	p.statements = map[string]*sql.Stmt{}
	return errors.Join(errs...)
}
