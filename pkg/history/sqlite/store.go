package sqlite

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"

	"github.com/argo-gatekeeper/gatekeeper/internal/sqlitefile"
	"github.com/argo-gatekeeper/gatekeeper/pkg/history"
)

// Errors of Create, Open and Inspect that callers tell apart.
var (
	// ErrMissing says that there is no record at the path.
	ErrMissing = sqlitefile.ErrMissing
	// ErrExists says that there is a file already where Create was to make one.
	ErrExists = sqlitefile.ErrExists
	// ErrForeign says that the file is not a record.
	ErrForeign = sqlitefile.ErrForeign
	// ErrNewer says that the record was written by a newer version.
	ErrNewer = sqlitefile.ErrNewer
	// ErrLocked says that another process has the record open for writing.
	ErrLocked = sqlitefile.ErrLocked
)

// applicationID is "GKRC" in the header of the file.
const applicationID = 0x474b5243

//go:embed migrations/*.sql
var migrations embed.FS

// Store is a record that can be appended to. It is safe for concurrent use.
type Store struct {
	Reader
	writes    *prepared
	mover     *mover
	tail      tail
	decisions decisions
}

func newStore(ctx context.Context, file *sqlitefile.File) *Store {
	return &Store{Reader: newReader(file), writes: newPrepared(file.Write()), mover: newMover(ctx, file), decisions: newDecisions()}
}

// Close releases the record. Reads and appends that are under way fail.
func (s *Store) Close() error {
	s.mover.close()
	return errors.Join(s.writes.close(), s.Reader.Close())
}

var (
	_ history.Record = (*Store)(nil)
	_ history.Reader = (*Reader)(nil)
)

// Create makes a new, empty record and opens it. It fails with ErrExists when
// anything is at the path, a left-over write-ahead log included, and leaves
// either no record or a complete one, even when the machine stops meanwhile.
func Create(ctx context.Context, path string) (*Store, error) {
	schema, err := schema()
	if err != nil {
		return nil, err
	}
	file, err := sqlitefile.Create(ctx, path, schema)
	if err != nil {
		return nil, fmt.Errorf("create the record: %w", err)
	}
	return newStore(ctx, file), nil
}

// Open opens the record for appending; no other process can do so until Close,
// or the end of this process. It never makes a record.
func Open(ctx context.Context, path string) (*Store, error) {
	schema, err := schema()
	if err != nil {
		return nil, err
	}
	file, err := sqlitefile.Open(ctx, path, schema)
	if err != nil {
		return nil, advise(err)
	}
	return newStore(ctx, file), nil
}

// Inspect opens the record for reading alone, which works while another process
// appends to it.
func Inspect(ctx context.Context, path string) (*Reader, error) {
	schema, err := schema()
	if err != nil {
		return nil, err
	}
	file, err := sqlitefile.Inspect(ctx, path, schema)
	if err != nil {
		return nil, advise(err)
	}
	reader := newReader(file)
	return &reader, nil
}

// advise adds what the operator can do.
func advise(err error) error {
	switch {
	case errors.Is(err, ErrMissing):
		return fmt.Errorf("open the record: %w; if there was a record, check that its volume is mounted; "+
			"to begin a new one, run: gatekeeper ledger init --config FILE", err)
	case errors.Is(err, ErrForeign):
		return fmt.Errorf("open the record: %w; check the path in the configuration; "+
			"to begin a new record at an unused path, run: gatekeeper ledger init --config FILE", err)
	case errors.Is(err, ErrLocked):
		return fmt.Errorf("open the record: %w; one process at a time writes a record, so stop the other one first", err)
	default:
		return fmt.Errorf("open the record: %w", err)
	}
}

func schema() (sqlitefile.Schema, error) {
	files, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return sqlitefile.Schema{}, fmt.Errorf("load the migrations: %w", err)
	}
	return sqlitefile.Schema{ApplicationID: applicationID, Migrations: files, LogPages: logPages}, nil
}

// Append implements history.Record.
func (s *Store) Append(ctx context.Context, expect history.Head, drafts ...history.Draft) (history.Head, error) {
	entries, err := history.Seal(expect, drafts...)
	if err != nil {
		return history.Head{}, fmt.Errorf("append to the record: %w", err)
	}
	if err := s.appending(ctx, expect, entries, func(*transaction) error { return nil }); err != nil {
		return history.Head{}, fmt.Errorf("append to the record after entry %d: %w", expect.Sequence, err)
	}
	return entries[len(entries)-1].Head(), nil
}

// appending inserts the entries and then runs what belongs to them, in one transaction.
func (s *Store) appending(ctx context.Context, expect history.Head, entries []history.Entry, then func(*transaction) error) (err error) {
	tx, err := s.writes.begin(ctx)
	if err != nil {
		return err
	}
	written := false
	defer func() {
		// When the roll-back fails, SQLite does it at the next use of the file.
		if err != nil {
			if written {
				s.tail.forget()
			} else {
				s.tail.refused()
			}
			tx.rollback()
		}
	}()
	record := inside{tables{tx}, s.decisions}
	// What is known of the tail holds until the transaction ends: nobody else begins one.
	head, known, _ := s.tail.at()
	if !known {
		if head, err = record.Head(ctx); err != nil {
			return err
		}
	}
	if head != expect {
		return fmt.Errorf("the head is entry %d: %w", head.Sequence, history.ErrConflict)
	}
	if !s.tail.openKnown(head.Sequence) {
		open, err := record.OpenIntents(ctx)
		if err != nil {
			return err
		}
		s.tail.learnedOpen(open, head.Sequence)
		s.decisions.forget() // what else has changed, nobody knows
	}
	if err := history.CheckReferences(ctx, record, entries); err != nil {
		return err
	}
	written = true
	for _, e := range entries {
		if err := insert(ctx, tx, e); err != nil {
			return err
		}
	}
	if err := then(tx); err != nil {
		return err
	}
	err = tx.commit(ctx, func() {
		s.tail.appended(entries)
		s.decisions.appended(entries)
	})
	if err != nil {
		return fmt.Errorf("commit: %w", err)
	}
	size := 0
	for _, e := range entries {
		size += len(e.Payload)
	}
	s.mover.wrote(size)
	return nil
}

// execer is a pool of connections or a transaction.
type execer interface {
	ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
}

func insert(ctx context.Context, db execer, e history.Entry) error {
	_, err := db.ExecContext(ctx, "INSERT INTO entries ("+columns+", filed) VALUES (?, ?, ?, ?, ?, ?, ?, ?, nullif(?, ''))",
		int64(e.Sequence), string(e.Previous), e.Time.UnixNano(), string(e.Kind), //nolint:gosec // A record never has 2^63 entries.
		e.Application, e.Intent, string(e.Payload), string(e.Digest), history.FiledUnder(e))
	if err != nil {
		return fmt.Errorf("insert entry %d: %w", e.Sequence, err)
	}
	return nil
}
