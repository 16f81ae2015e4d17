package postgres

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"hash/fnv"
	"io/fs"
	"slices"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"
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
	ErrUnsuitable = errors.New("the server is not suitable")
)

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

// key is that of an advisory lock for a schema of the database.
func key(what, schema string) int64 {
	h := fnv.New64a()
	_, _ = h.Write([]byte("gatekeeper " + what + " " + schema))
	return int64(h.Sum64()) //nolint:gosec // any 64 bits will do
}

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
	names, err := fs.Glob(files, "*.sql")
	if err != nil {
		return 0, 0, fmt.Errorf("load the migrations: %w", err)
	}
	for _, name := range names {
		version, err := goose.NumericComponent(name)
		if err != nil {
			return 0, 0, fmt.Errorf("load the migrations: %w", err)
		}
		target = max(target, version)
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

// owner changes the schema. It holds a lock meanwhile, so that two do not.
type owner struct {
	Options
	hide  secret
	files fs.FS
	conn  *pgx.Conn
	user  string
}

// asOwner connects with the owner's connection string and runs one change.
func asOwner(ctx context.Context, o Options, files fs.FS, change func(owner) error) (err error) {
	config, hide, err := configure(o, toMigrate)
	if err != nil {
		return err
	}
	defer func() { err = hide.clean(err) }()
	conn, err := pgx.ConnectConfig(ctx, config.ConnConfig)
	if err != nil {
		return fmt.Errorf("connect: %w", err)
	}
	defer func() {
		closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), o.Timeout)
		defer cancel()
		err = errors.Join(err, conn.Close(closing))
	}()
	if err := examine(ctx, conn, toMigrate); err != nil {
		return err
	}
	if _, err := conn.Exec(ctx, "SELECT pg_catalog.pg_advisory_lock($1)", key("migrate", o.Schema)); err != nil {
		return fmt.Errorf("wait for whoever else changes the schema %s: %w", o.Schema, err)
	}
	return change(owner{o, hide, files, conn, config.ConnConfig.User})
}

// migrate brings the schema to the newest version, and lets the role that appends in.
func (w owner) migrate(ctx context.Context, appender string) (err error) {
	db := stdlib.OpenDB(*w.conn.Config())
	defer func() { err = errors.Join(err, db.Close()) }()
	provider, err := goose.NewProvider(goose.DialectPostgres, db, w.files, goose.WithDisableGlobalRegistry(true))
	if err != nil {
		return fmt.Errorf("load the migrations: %w", err)
	}
	if _, err := provider.Up(ctx); err != nil {
		return fmt.Errorf("migrate: %w", err)
	}
	return w.grant(ctx, appender)
}

// grant gives a role what Open needs: to read, and to append entries. The triggers keep
// the list of open intents with the rights of their owner.
func (w owner) grant(ctx context.Context, role string) error {
	if role == w.user {
		return nil
	}
	schema, to := pgx.Identifier{w.Schema}.Sanitize(), pgx.Identifier{role}.Sanitize()
	for _, statement := range []string{
		"GRANT USAGE ON SCHEMA " + schema + " TO " + to,
		"GRANT SELECT ON entries, open_intents, identity, goose_db_version TO " + to,
		"GRANT INSERT ON entries TO " + to,
		"GRANT EXECUTE ON FUNCTION payload_text(bytea, text) TO " + to,
	} {
		if _, err := w.conn.Exec(ctx, statement); err != nil {
			return fmt.Errorf("let %s append: %w", role, err)
		}
	}
	return nil
}

// create makes the schema if it is not there, and the record in it.
func (w owner) create(ctx context.Context, appender string) error {
	if err := identify(ctx, w.conn, w.Schema); err == nil {
		return fmt.Errorf("the schema %s holds a record: %w", w.Schema, ErrExists)
	} else if errors.Is(err, ErrForeign) || errors.Is(err, ErrUnsuitable) {
		return errors.Join(err, ErrExists)
	} else if !errors.Is(err, ErrMissing) {
		return err
	}
	roles := []string{}
	rows, err := w.conn.Query(ctx, "SELECT rolname::text FROM pg_catalog.pg_roles WHERE rolname = $1", appender)
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
	if err := w.conn.QueryRow(ctx, "SELECT EXISTS (SELECT 1 FROM pg_catalog.pg_namespace WHERE nspname = $1)", w.Schema).Scan(&there); err != nil {
		return fmt.Errorf("look for the schema %s: %w", w.Schema, err)
	}
	if !there {
		if _, err := w.conn.Exec(ctx, "CREATE SCHEMA "+pgx.Identifier{w.Schema}.Sanitize()); err != nil {
			return fmt.Errorf("create the schema %s: %w", w.Schema, err)
		}
	}
	return w.migrate(ctx, appender)
}
