package postgres

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"slices"

	"github.com/jackc/pgx/v5"
	"github.com/pressly/goose/v3"

	"github.com/argo-gatekeeper/gatekeeper/internal/postgresdb"
	"github.com/argo-gatekeeper/gatekeeper/pkg/history"
)

// Errors of Create, Migrate, Open and Inspect that callers tell apart.
var (
	// ErrMissing says that there is no record in the schema.
	ErrMissing = errors.New("there is no record")
	// ErrExists says that there is something already where Create was to make one.
	ErrExists = errors.New("the schema is in use already")
	// ErrForeign says that the schema holds something else.
	ErrForeign = errors.New("the schema holds something else")
	// ErrNewer says that a newer version of Gatekeeper has migrated the record.
	ErrNewer = errors.New("the record was written by a newer version of Gatekeeper")
	// ErrOlder says that the record has to be migrated first.
	ErrOlder = errors.New("the record was written by an older version of Gatekeeper and has not been migrated yet")
	// ErrUnsuitable says that the server does not give the guarantees of a record.
	ErrUnsuitable = postgresdb.ErrUnsuitable
)

// Options say where a record is. Its schema may hold the inbox besides.
type Options = postgresdb.Options

// Defaults and bounds of Options.
const (
	DefaultSchema      = postgresdb.DefaultSchema
	DefaultConnections = postgresdb.DefaultConnections
	MaxConnections     = postgresdb.MaxConnections
	DefaultTimeout     = postgresdb.DefaultTimeout
	MinTimeout         = postgresdb.MinTimeout
	MaxTimeout         = postgresdb.MaxTimeout
)

// withDefaults are the options of a connection that reads entries.
func withDefaults(o Options) (Options, error) {
	o.Message = history.MaxPayload + 1<<20 // a row with the largest payload, and then some
	return o.WithDefaults()
}

//go:embed migrations/*.sql
var embedded embed.FS

func migrations() (fs.FS, error) {
	files, err := fs.Sub(embedded, "migrations")
	if err != nil {
		return nil, fmt.Errorf("load the migrations: %w", err)
	}
	return files, nil
}

// identity is what the table of that name says of a record.
const identity = "gatekeeper record"

// row is a pool or a connection.
type row interface {
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
}

// identify says what is in the schema: nil for a record, ErrMissing when there is room
// for one, or ErrForeign.
func identify(ctx context.Context, db row, schema string) error {
	rows, err := db.Query(ctx, "SELECT c.relname, c.relpersistence = 'p' FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace "+
		"WHERE n.nspname = $1 AND c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S') LIMIT 1000", schema)
	if err != nil {
		return fmt.Errorf("look at the schema %s: %w", schema, err)
	}
	logged := map[string]bool{}
	var name string
	var permanent bool
	_, err = pgx.ForEachRow(rows, []any{&name, &permanent}, func() error {
		logged[name] = permanent
		return nil
	})
	if err != nil {
		return fmt.Errorf("look at the schema %s: %w", schema, err)
	}
	// An attempt that ended before the first migration leaves the table of the versions
	// and its counter.
	delete(logged, goose.DefaultTablename)
	delete(logged, goose.DefaultTablename+"_id_seq")
	if len(logged) == 0 {
		return fmt.Errorf("the schema %s: %w", schema, ErrMissing)
	}
	permanent, known := logged["entries"]
	if _, marked := logged["identity"]; !known || !marked {
		return fmt.Errorf("the schema %s: %w", schema, ErrForeign)
	}
	var kind string
	if err := db.QueryRow(ctx, "SELECT kind FROM identity").Scan(&kind); err != nil && !errors.Is(err, pgx.ErrNoRows) {
		return fmt.Errorf("look at the schema %s: %w", schema, err)
	}
	switch {
	case kind != identity:
		return fmt.Errorf("the schema %s: %w", schema, ErrForeign)
	case !permanent:
		return fmt.Errorf("the table entries is not logged, and is emptied after a crash: %w; ALTER TABLE %s.entries SET LOGGED", ErrUnsuitable, schema)
	}
	return nil
}

// versions are those of the record and of the newest migration.
func versions(ctx context.Context, db row, files fs.FS) (current, target int64, err error) {
	if target, err = postgresdb.Newest(files); err != nil {
		return 0, 0, err
	}
	if err := db.QueryRow(ctx, "SELECT coalesce(max(version_id), 0) FROM goose_db_version WHERE is_applied").Scan(&current); err != nil {
		return 0, 0, fmt.Errorf("read the schema version: %w", err)
	}
	return current, target, nil
}

// compare is nil when the record has the version that this program knows.
func compare(ctx context.Context, db row, files fs.FS) error {
	current, target, err := versions(ctx, db, files)
	switch {
	case err != nil:
		return err
	case current > target:
		return fmt.Errorf("schema version %d, this version of Gatekeeper knows %d: %w", current, target, ErrNewer)
	case current < target:
		return fmt.Errorf("schema version %d, this version of Gatekeeper needs %d: %w", current, target, ErrOlder)
	}
	return nil
}

// owner changes the schema.
type owner struct {
	postgresdb.Owner
	files fs.FS
}

// migrate brings the schema to the newest version, and gives the role that appends what
// Open needs: to read, and to append entries. The triggers keep the list of open intents
// with the rights of their owner.
func (w owner) migrate(ctx context.Context, appender string) error {
	if err := w.Migrate(ctx, w.files, goose.DefaultTablename); err != nil {
		return err
	}
	err := w.Grant(ctx, appender,
		"SELECT ON entries, open_intents, identity, goose_db_version", "INSERT ON entries", "EXECUTE ON FUNCTION payload_text(bytea, text)")
	if err != nil {
		return fmt.Errorf("let %s append: %w", appender, err)
	}
	return nil
}

// create makes the schema if it is not there, and the record in it.
func (w owner) create(ctx context.Context, appender string) error {
	if err := identify(ctx, w.Conn, w.Schema); err == nil {
		return fmt.Errorf("the schema %s holds a record: %w", w.Schema, ErrExists)
	} else if errors.Is(err, ErrForeign) || errors.Is(err, ErrUnsuitable) {
		return errors.Join(err, ErrExists)
	} else if !errors.Is(err, ErrMissing) {
		return err
	}
	roles := []string{}
	rows, err := w.Conn.Query(ctx, "SELECT rolname::text FROM pg_catalog.pg_roles WHERE rolname = $1", appender)
	if err == nil {
		roles, err = pgx.CollectRows(rows, pgx.RowTo[string])
	}
	switch {
	case err != nil:
		return fmt.Errorf("look for the role %s: %w", appender, err)
	case !slices.Contains(roles, appender):
		return fmt.Errorf("there is no role %s, which is to append; create it first", appender)
	}
	var there bool
	if err := w.Conn.QueryRow(ctx, "SELECT EXISTS (SELECT 1 FROM pg_catalog.pg_namespace WHERE nspname = $1)", w.Schema).Scan(&there); err != nil {
		return fmt.Errorf("look for the schema %s: %w", w.Schema, err)
	}
	if !there {
		if _, err := w.Conn.Exec(ctx, "CREATE SCHEMA "+pgx.Identifier{w.Schema}.Sanitize()); err != nil {
			return fmt.Errorf("create the schema %s: %w", w.Schema, err)
		}
	}
	return w.migrate(ctx, appender)
}
