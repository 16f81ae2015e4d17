package inbox

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"errors"
	"time"

	"github.com/argo-gatekeeper/gatekeeper/internal/sqlitefile"
)

// database is where an inbox is kept. Both kinds understand the same statements: with
// placeholders as $1, with the columns of a conflict named, and with the table before a
// column where both the old and the new row have it.
type database struct {
	read, write *sql.DB
	close       func() error
	dialect
}

// dialect is what the two kinds of database do not share.
type dialect struct {
	// timeout bounds each statement; 0 for one that no network is before.
	timeout time.Duration
	// serial makes the rest of a transaction one that no other one of its kind runs beside;
	// empty where there is one writer anyway.
	serial string
	// pending reads at most $1 deliveries that wait, without those in a JSON array as $2.
	pending string
	// among is a condition on the column sha, for a JSON array as $2.
	among string
	// longName is after how many bytes a name is too long for an index; 0 for never.
	longName int
}

// sqliteFile has one writer, who takes the write lock before it reads.
func sqliteFile(file *sqlitefile.File) database {
	return database{file.Read(), file.Write(), file.Close, dialect{
		pending: "SELECT guid, event, received, body FROM deliveries WHERE state = 'pending' AND guid NOT IN (SELECT value FROM json_each($2)) ORDER BY received, guid LIMIT $1",
		among:   "sha IN (SELECT value FROM json_each($2))",
	}}
}

// indexed is a name as it is kept in an index: what is too long is known by its digest.
func (d dialect) indexed(name string) string {
	if d.longName == 0 || len(name) <= d.longName {
		return name
	}
	sum := sha256.Sum256([]byte(name))
	return "sha256:" + hex.EncodeToString(sum[:])
}

// bound is the context of one statement.
func (s *Store) bound(ctx context.Context) (context.Context, context.CancelFunc) {
	if s.db.timeout == 0 {
		return ctx, func() {}
	}
	return context.WithTimeout(ctx, s.db.timeout)
}

// exec runs one statement that writes and says how many rows it changed.
func (s *Store) exec(ctx context.Context, statement string, args ...any) (int64, error) {
	ctx, cancel := s.bound(ctx)
	defer cancel()
	result, err := s.db.write.ExecContext(ctx, statement, args...)
	if err != nil {
		return 0, err
	}
	return result.RowsAffected()
}

// row reads one row; false when there is none.
func (s *Store) row(ctx context.Context, into []any, query string, args ...any) (bool, error) {
	ctx, cancel := s.bound(ctx)
	defer cancel()
	err := s.db.read.QueryRowContext(ctx, query, args...).Scan(into...)
	if errors.Is(err, sql.ErrNoRows) {
		return false, nil
	}
	return err == nil, err
}

// errEnough ends each without an error.
var errEnough = errors.New("enough")

// each reads rows and calls take for each.
func (s *Store) each(ctx context.Context, take func(*sql.Rows) error, query string, args ...any) (err error) {
	ctx, cancel := s.bound(ctx)
	defer cancel()
	rows, err := s.db.read.QueryContext(ctx, query, args...)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		switch err := take(rows); {
		case errors.Is(err, errEnough):
			return nil
		case err != nil:
			return err
		}
	}
	return rows.Err()
}

// write runs what belongs together in one transaction.
func (s *Store) write(ctx context.Context, do func(context.Context, *sql.Tx) error) error {
	ctx, cancel := s.bound(ctx)
	defer cancel()
	tx, err := s.db.write.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	if err := do(ctx, tx); err != nil {
		if undone := tx.Rollback(); !errors.Is(undone, sql.ErrTxDone) { // its context had ended
			err = errors.Join(err, undone)
		}
		return err
	}
	return tx.Commit()
}

// alone is write for what reads and writes, and must not run beside itself: in any process.
func (s *Store) alone(ctx context.Context, do func(context.Context, *sql.Tx) error) error {
	return s.write(ctx, func(ctx context.Context, tx *sql.Tx) error {
		if s.db.serial != "" {
			if _, err := tx.ExecContext(ctx, s.db.serial); err != nil {
				return err
			}
		}
		return do(ctx, tx)
	})
}
