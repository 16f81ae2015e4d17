package postgres

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/argo-gatekeeper/gatekeeper/internal/postgresdb"
	"github.com/argo-gatekeeper/gatekeeper/pkg/history"
)

// Store is a record that can be appended to. It is safe for concurrent use, and any
// number of processes may have the same record open.
type Store struct {
	Reader
	// lock is the key of the advisory lock that every append holds.
	lock int64
}

var (
	_ history.Record = (*Store)(nil)
	_ history.Reader = (*Reader)(nil)
)

// Create makes a new, empty record and opens it. The owner's connection string is
// used for making it, and may be empty: then the role that appends owns the record,
// and could change it. It fails with ErrExists unless the schema is missing or empty.
func Create(ctx context.Context, o Options, ownerDSN string) (*Store, error) {
	files, err := migrations()
	if err != nil {
		return nil, err
	}
	err = change(ctx, o, ownerDSN, files, func(w owner, appender string) error { return w.create(ctx, appender) })
	if err != nil {
		return nil, fmt.Errorf("create the record: %w", err)
	}
	return Open(ctx, o)
}

// Migrate brings a record of an older version to this one, as its owner. It does
// nothing when that is done already, but give the role that appends its rights anew.
func Migrate(ctx context.Context, o Options, ownerDSN string) error {
	files, err := migrations()
	if err != nil {
		return err
	}
	return migrateWith(ctx, o, ownerDSN, files)
}

func migrateWith(ctx context.Context, o Options, ownerDSN string, files fs.FS) error {
	err := change(ctx, o, ownerDSN, files, func(w owner, appender string) error {
		if err := identify(ctx, w.Conn, w.Schema); err != nil {
			return err
		}
		if err := compare(ctx, w.Conn, files); err != nil && !errors.Is(err, ErrOlder) {
			return err
		}
		return w.migrate(ctx, appender)
	})
	if err != nil {
		return fmt.Errorf("migrate the record: %w", advise(err))
	}
	return nil
}

// change runs something as the owner, who is the role that appends if there is no other.
func change(ctx context.Context, o Options, ownerDSN string, files fs.FS, run func(w owner, appender string) error) error {
	return postgresdb.ChangeAs(ctx, o, ownerDSN, func(w postgresdb.Owner, appender string) error { return run(owner{w, files}, appender) })
}

// Open opens the record for appending. It never makes one, and never migrates one.
func Open(ctx context.Context, o Options) (*Store, error) {
	files, err := migrations()
	if err != nil {
		return nil, err
	}
	return openWith(ctx, o, files)
}

func openWith(ctx context.Context, o Options, files fs.FS) (*Store, error) {
	reader, err := connect(ctx, o, postgresdb.ToWrite, files)
	if err != nil {
		return nil, advise(err)
	}
	s := &Store{Reader: *reader, lock: postgresdb.Key("append", reader.schema)}
	// A process that was killed may have left an append under way.
	s.fence = newFence(s.lock)
	s.tables = tables{fenced{s.pool, s.fence, s.hide}, s.timeout, s.hide}
	return s, nil
}

// Inspect opens the record for reading alone, on a standby as well. An append whose
// answer was lost is not waited for.
func Inspect(ctx context.Context, o Options) (*Reader, error) {
	files, err := migrations()
	if err != nil {
		return nil, err
	}
	reader, err := connect(ctx, o, postgresdb.ToInspect, files)
	if err != nil {
		return nil, advise(err)
	}
	return reader, nil
}

// connect opens a pool and looks at what is there.
func connect(ctx context.Context, o Options, why postgresdb.Purpose, files fs.FS) (reader *Reader, err error) {
	o, err = withDefaults(o)
	if err != nil {
		return nil, err
	}
	config, hide, err := postgresdb.Configure(o, why)
	if err != nil {
		return nil, err
	}
	defer func() { err = hide.Clean(err) }()
	pool, err := pgxpool.NewWithConfig(context.WithoutCancel(ctx), config)
	if err != nil {
		return nil, fmt.Errorf("connect: %w", err)
	}
	looking, cancel := context.WithTimeout(ctx, o.Timeout)
	defer cancel()
	err = identify(looking, pool, o.Schema)
	if err == nil {
		err = compare(looking, pool, files)
	}
	if err != nil {
		pool.Close()
		return nil, err
	}
	return &Reader{
		tables: tables{pool, o.Timeout, hide}, pool: pool, hide: hide, timeout: o.Timeout, schema: o.Schema,
	}, nil
}

// PostgreSQL's error codes, https://www.postgresql.org/docs/current/errcodes-appendix.html.
const (
	uniqueViolation       = "23505"
	serializationFailure  = "40001"
	deadlockDetected      = "40P01"
	insufficientPrivilege = "42501"
)

// advise adds what the operator can do.
func advise(err error) error {
	var answer *pgconn.PgError
	switch {
	case errors.Is(err, ErrMissing):
		return fmt.Errorf("open the record: %w; if there was a record, check the database in the connection string and the schema; "+
			"to begin a new one, run: gatekeeper ledger init --config FILE", err)
	case errors.Is(err, ErrForeign):
		return fmt.Errorf("open the record: %w; check the database in the connection string and the schema; "+
			"to begin a new record in an unused schema, run: gatekeeper ledger init --config FILE", err)
	case errors.Is(err, ErrOlder):
		return fmt.Errorf("open the record: %w; back it up, then run: gatekeeper ledger migrate --config FILE", err)
	case errors.As(err, &answer) && answer.Code == insufficientPrivilege:
		return fmt.Errorf("open the record: %w; as the record's owner, run: gatekeeper ledger migrate --config FILE --owner-dsn-file FILE, "+
			"which gives the role its rights", err)
	default:
		return fmt.Errorf("open the record: %w", err)
	}
}

// Append implements history.Record.
func (s *Store) Append(ctx context.Context, expect history.Head, drafts ...history.Draft) (history.Head, error) {
	entries, err := history.Seal(expect, drafts...)
	if err != nil {
		return history.Head{}, fmt.Errorf("append to the record: %w", err)
	}
	if err := s.append(ctx, expect, entries); err != nil {
		return history.Head{}, s.hide.Clean(fmt.Errorf("append to the record after entry %d: %w", expect.Sequence, err))
	}
	return entries[len(entries)-1].Head(), nil
}

func (s *Store) append(ctx context.Context, expect history.Head, entries []history.Entry) error {
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	return s.transact(ctx, func(conn *pgxpool.Conn, tx pgx.Tx) error { return s.write(ctx, conn, tx, expect, entries) })
}

// transact begins a transaction that keeps others from appending, and runs something in it
// that commits it. When that fails, the transaction is rolled back.
func (s *Store) transact(ctx context.Context, run func(conn *pgxpool.Conn, tx pgx.Tx) error) (err error) {
	beginning, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	conn, err := s.pool.Acquire(beginning)
	if err != nil {
		return fmt.Errorf("connect: %w", err)
	}
	defer conn.Release() // Ends the connection if it is still inside a transaction.
	tx, err := conn.BeginTx(beginning, pgx.TxOptions{IsoLevel: pgx.ReadCommitted, AccessMode: pgx.ReadWrite})
	if err != nil {
		return fmt.Errorf("begin: %w", err)
	}
	defer func() {
		if err != nil {
			ending, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.timeout)
			defer cancel()
			_ = tx.Rollback(ending) // If it fails, the connection ends, and with it the transaction.
		}
	}()
	if err := s.prepare(beginning, tx); err != nil {
		return err
	}
	return run(conn, tx)
}

func (s *Store) write(ctx context.Context, conn *pgxpool.Conn, tx pgx.Tx, expect history.Head, entries []history.Entry) error {
	inside := tables{tx, s.timeout, s.hide}
	head, err := inside.Head(ctx)
	if err != nil {
		return err
	}
	if head != expect {
		return fmt.Errorf("the head is entry %d: %w", head.Sequence, history.ErrConflict)
	}
	if err := history.CheckReferences(ctx, inside, entries); err != nil {
		return err
	}
	if err := insert(ctx, tx, s.schema, entries); err != nil {
		return err
	}
	return s.commit(ctx, conn, tx)
}

// commit is an error unless the entries are on the server's disk, and on its synchronous
// standby's.
func (s *Store) commit(ctx context.Context, conn *pgxpool.Conn, tx pgx.Tx) error {
	delete(conn.Conn().PgConn().CustomData(), postgresdb.Warned)
	err := tx.Commit(ctx)
	if warning, ok := conn.Conn().PgConn().CustomData()[postgresdb.Warned]; ok && err == nil {
		// Its wait for the synchronous standby was cut short, which is no error to it.
		err = fmt.Errorf("the server warned: %s", warning)
	}
	if err != nil {
		s.fence.doubt()
		return fmt.Errorf("commit: %w", err)
	}
	return nil
}

// prepare takes the lock and asks for a durable commit, in one exchange. The head is
// read by a later statement, since a statement sees what was there when it began.
func (s *Store) prepare(ctx context.Context, tx pgx.Tx) error {
	batch := &pgx.Batch{}
	batch.Queue("SELECT pg_catalog.pg_advisory_xact_lock($1)", s.lock)
	// remote_apply asks for more than on, and stays.
	batch.Queue("SELECT pg_catalog.set_config('synchronous_commit', 'on', true) WHERE pg_catalog.current_setting('synchronous_commit') <> 'remote_apply'")
	if err := tx.SendBatch(ctx, batch).Close(); err != nil {
		return fmt.Errorf("wait for other appends: %w", err)
	}
	return nil
}

// insert writes the entries, and wakes who listens for them once they are committed.
func insert(ctx context.Context, tx pgx.Tx, schema string, entries []history.Entry) error {
	batch := &pgx.Batch{}
	batch.Queue("SELECT pg_catalog.pg_notify($1, $2)", postgresdb.Channel, schema+" "+postgresdb.RecordAppended)
	for _, e := range entries {
		batch.Queue("INSERT INTO entries ("+columns+") VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
			int64(e.Sequence), string(e.Previous), e.Time.UnixNano(), string(e.Kind), //nolint:gosec // A record never has 2^63 entries.
			e.Application, e.Intent, []byte(e.Payload), string(e.Digest))
	}
	err := tx.SendBatch(ctx, batch).Close()
	var answer *pgconn.PgError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &answer) && (answer.Code == uniqueViolation || answer.Code == serializationFailure || answer.Code == deadlockDetected):
		// Somebody who does not take the lock was quicker.
		return fmt.Errorf("insert from entry %d on: %w: %w", entries[0].Sequence, history.ErrConflict, err)
	default:
		return fmt.Errorf("insert from entry %d on: %w", entries[0].Sequence, err)
	}
}
