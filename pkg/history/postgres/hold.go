package postgres

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/argo-gatekeeper/gatekeeper/internal/postgresdb"
)

// ErrHeld says that another process works on the record.
var ErrHeld = errors.New("another process works on the record")

// Hold says that this process works on the record: it holds an advisory lock on a
// connection of its own. It keeps two from deciding about the same Applications by mistake.
// The record does not rest on it; what it holds is decided by every append anew.
type Hold struct {
	config *pgxpool.Config
	hide   postgresdb.Secret
	every  time.Duration
	lock   int64
	conn   *pgx.Conn
	// session is that of the connection, or of the one that was lost.
	session uint32
	// shared lets others hold that share, too.
	shared bool
}

// Hold takes the hold, or fails with ErrHeld. Run keeps it, and Release gives it back.
func (s *Store) Hold(ctx context.Context) (*Hold, error) { return s.hold(ctx, false) }

// Share takes the hold together with other processes that share it, which choose by
// themselves who works. It keeps those away that work alone, and fails with ErrHeld when one
// does.
func (s *Store) Share(ctx context.Context) (*Hold, error) { return s.hold(ctx, true) }

func (s *Store) hold(ctx context.Context, shared bool) (*Hold, error) {
	h := &Hold{config: s.pool.Config(), hide: s.hide, every: s.timeout, lock: postgresdb.Key("serve", s.schema), shared: shared}
	if err := h.take(ctx); err != nil {
		return nil, err
	}
	return h, nil
}

func (h *Hold) take(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, h.every)
	defer cancel()
	conn, err := postgresdb.Connect(ctx, h.config)
	if err != nil {
		return h.hide.Clean(fmt.Errorf("hold the record: %w", err))
	}
	var taken bool
	take, remedy := "SELECT pg_catalog.pg_try_advisory_lock($1)", "one at a time does, so stop the other one first, or let both share it (replicas)"
	if h.shared {
		take, remedy = "SELECT pg_catalog.pg_try_advisory_lock_shared($1)", "it works alone, without replicas in its configuration, so stop it first"
	}
	err = conn.QueryRow(ctx, take, h.lock).Scan(&taken)
	if err == nil && !taken {
		if err = h.forget(ctx, conn); err == nil {
			err = fmt.Errorf("%w; %s", ErrHeld, remedy)
		}
	}
	if err != nil {
		return h.hide.Clean(fmt.Errorf("hold the record: %w", errors.Join(err, h.end(ctx, conn))))
	}
	h.conn, h.session = conn, conn.PgConn().PID()
	return nil
}

// errLeftover says that this process itself had the hold, on a connection whose end the
// server had not seen yet.
var errLeftover = errors.New("the connection that was lost still held the record")

// forget ends the session of the connection that was lost, if that has the lock.
func (h *Hold) forget(ctx context.Context, conn *pgx.Conn) error {
	if h.session == 0 {
		return nil
	}
	var ended bool
	err := conn.QueryRow(ctx, "SELECT coalesce(bool_or(pg_catalog.pg_terminate_backend(pid)), false) FROM pg_catalog.pg_locks "+
		"WHERE locktype = 'advisory' AND granted AND objsubid = 1 AND pid = $1 AND (classid::bigint << 32) | objid::bigint = $2 "+
		"AND database = (SELECT oid FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database())", h.session, h.lock).Scan(&ended)
	if err == nil && ended {
		err = errLeftover
	}
	return err
}

func (h *Hold) end(ctx context.Context, conn *pgx.Conn) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), h.every)
	defer cancel()
	return conn.Close(ctx)
}

// Run looks after the connection, and makes it anew when it was lost, until the context
// ends. It fails with ErrHeld when another process has taken the hold meanwhile; then this
// one has to end.
func (h *Hold) Run(ctx context.Context, log *slog.Logger) error {
	tick := time.NewTicker(h.every)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		if h.conn != nil && h.alive(ctx) {
			continue
		}
		switch err := h.take(ctx); {
		case err == nil:
			log.LogAttrs(ctx, slog.LevelInfo, "record_held_again")
		case errors.Is(err, ErrHeld):
			return err
		case ctx.Err() == nil:
			log.LogAttrs(ctx, slog.LevelWarn, "record_not_held", slog.String("error", err.Error()))
		}
	}
}

// alive is false once the connection was lost; it is ended then.
func (h *Hold) alive(ctx context.Context) bool {
	asking, cancel := context.WithTimeout(ctx, h.every)
	defer cancel()
	if err := h.conn.Ping(asking); err == nil || ctx.Err() != nil {
		return true
	}
	_ = h.end(ctx, h.conn) // It is broken.
	h.conn = nil
	return false
}

// Release gives the hold back. Run must have ended.
func (h *Hold) Release(ctx context.Context) error {
	if h.conn == nil {
		return nil
	}
	if err := errors.Join(h.unlock(ctx), h.end(ctx, h.conn)); err != nil {
		return h.hide.Clean(fmt.Errorf("release the record: %w", err))
	}
	return nil
}

// unlock gives the lock back before the connection ends: the server sees that end a moment
// after this process, and whoever begins in between would be refused.
func (h *Hold) unlock(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), h.every)
	defer cancel()
	if _, err := h.conn.Exec(ctx, "SELECT pg_catalog.pg_advisory_unlock_all()"); err != nil && !h.conn.IsClosed() {
		return err
	}
	return nil // A connection that was lost gives it back.
}
