package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
)

// prepared is a pool of connections that parses each query once for each of them; an
// admission answer rests on several, and parsing takes SQLite as long as reading. The
// queries are those of this package, so there are few. It is safe for concurrent use.
type prepared struct {
	pool *sql.DB

	mu         sync.Mutex
	statements map[string]*sql.Stmt
	// wanted are queries that a transaction had to have parsed.
	wanted map[string]bool
}

func newPrepared(pool *sql.DB) *prepared {
	return &prepared{pool: pool, statements: map[string]*sql.Stmt{}, wanted: map[string]bool{}}
}

// QueryContext implements querier.
func (p *prepared) QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	statement, err := p.statement(ctx, query)
	if err != nil {
		return nil, fmt.Errorf("prepare: %w", err)
	}
	return statement.QueryContext(uncancelled(ctx), args...)
}

// uncancelled is for one statement. To end it with the context, database/sql and the driver
// start two goroutines, which takes longer than most statements; all of them are short, or are
// pages of long ones.
func uncancelled(ctx context.Context) context.Context { return context.WithoutCancel(ctx) }

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

// begin starts a transaction that has the statements at hand which earlier ones wanted.
// They are prepared before it, since a transaction may have the pool's only connection.
func (p *prepared) begin(ctx context.Context) (*transaction, error) {
	p.mu.Lock()
	wanted := slices.Collect(maps.Keys(p.wanted))
	clear(p.wanted)
	p.mu.Unlock()
	for _, query := range wanted {
		if _, err := p.statement(ctx, query); err != nil {
			return nil, fmt.Errorf("prepare: %w", err)
		}
	}
	// Whoever waits for the connection may give up. What has it goes to its end.
	conn, err := p.pool.Conn(ctx)
	if err != nil {
		return nil, fmt.Errorf("wait for the connection: %w", err)
	}
	tx, err := conn.BeginTx(uncancelled(ctx), nil)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("begin: %w", err), conn.Close())
	}
	return &transaction{tx, conn, p}, nil
}

// transaction runs queries in a transaction, each of them to its end.
type transaction struct {
	tx       *sql.Tx
	conn     *sql.Conn
	prepared *prepared
}

// QueryContext implements querier.
func (t *transaction) QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	ctx = uncancelled(ctx)
	if statement := t.statement(ctx, query); statement != nil {
		return statement.QueryContext(ctx, args...)
	}
	return t.tx.QueryContext(ctx, query, args...)
}

// ExecContext is that of sql.Tx.
func (t *transaction) ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	ctx = uncancelled(ctx)
	if statement := t.statement(ctx, query); statement != nil {
		return statement.ExecContext(ctx, args...)
	}
	return t.tx.ExecContext(ctx, query, args...)
}

// commit ends the transaction, calls then once it is on disk, and gives the connection to whoever
// waits for it. SQLite may leave a transaction open whose COMMIT failed, and database/sql takes it for
// ended (https://www.sqlite.org/lang_transaction.html, "Response To Errors Within A Transaction").
func (t *transaction) commit(ctx context.Context, then func()) error {
	if err := t.tx.Commit(); err != nil {
		_, _ = t.conn.ExecContext(uncancelled(ctx), "ROLLBACK") // an error when it is closed
		return err
	}
	then()
	return t.conn.Close()
}

// rollback is for after an error; after a commit there is nothing to roll back.
func (t *transaction) rollback() { _, _ = t.tx.Rollback(), t.conn.Close() }

// statement is nil for a query that is not prepared yet; the next transaction has it.
func (t *transaction) statement(ctx context.Context, query string) *sql.Stmt {
	t.prepared.mu.Lock()
	known, ok := t.prepared.statements[query]
	if !ok {
		t.prepared.wanted[query] = true
	}
	t.prepared.mu.Unlock()
	if !ok {
		return nil
	}
	return t.tx.StmtContext(ctx, known)
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
