package postgresdb

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"io/fs"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"
)

// Key is that of an advisory lock for a schema of the database.
func Key(what, schema string) int64 {
	h := fnv.New64a()
	_, _ = h.Write([]byte("gatekeeper " + what + " " + schema))
	return int64(h.Sum64()) //nolint:gosec // any 64 bits will do
}

// Newest is the version of the newest migration.
func Newest(files fs.FS) (newest int64, err error) {
	names, err := fs.Glob(files, "*.sql")
	if err != nil {
		return 0, fmt.Errorf("load the migrations: %w", err)
	}
	for _, name := range names {
		version, err := goose.NumericComponent(name)
		if err != nil {
			return 0, fmt.Errorf("load the migrations: %w", err)
		}
		newest = max(newest, version)
	}
	return newest, nil
}

// Owner changes a schema. It holds a lock meanwhile, so that two do not.
type Owner struct {
	Options
	Conn *pgx.Conn
	// User is the role that it is connected as.
	User string
}

// AsOwner connects with the owner's connection string and runs one change. The Options
// must be WithDefaults.
func AsOwner(ctx context.Context, o Options, change func(Owner) error) (err error) {
	config, hide, err := Configure(o, ToMigrate)
	if err != nil {
		return err
	}
	defer func() { err = hide.Clean(err) }()
	conn, err := pgx.ConnectConfig(ctx, config.ConnConfig)
	if err != nil {
		return fmt.Errorf("connect: %w", err)
	}
	defer func() {
		closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), o.Timeout)
		defer cancel()
		err = errors.Join(err, conn.Close(closing))
	}()
	if err := Examine(ctx, conn, ToMigrate); err != nil {
		return err
	}
	if _, err := conn.Exec(ctx, "SELECT pg_catalog.pg_advisory_lock($1)", Key("migrate", o.Schema)); err != nil {
		return fmt.Errorf("wait for whoever else changes the schema %s: %w", o.Schema, err)
	}
	return change(Owner{o, conn, config.ConnConfig.User})
}

// ChangeAs runs a change as the owner, who is the role that works with the tables if the
// owner's connection string is empty. It is told which role works with the tables.
func ChangeAs(ctx context.Context, o Options, ownerDSN string, change func(w Owner, worker string) error) error {
	o, err := o.WithDefaults()
	if err != nil {
		return err
	}
	config, _, err := Configure(o, ToWrite)
	if err != nil {
		return err
	}
	worker := config.ConnConfig.User
	if ownerDSN != "" {
		o.DSN = ownerDSN
	}
	return AsOwner(ctx, o, func(w Owner) error { return change(w, worker) })
}

// Migrate brings the tables of the migrations to their newest version, which is kept in a
// table of that name.
func (w Owner) Migrate(ctx context.Context, files fs.FS, table string) (err error) {
	db := stdlib.OpenDB(*w.Conn.Config())
	defer func() { err = errors.Join(err, db.Close()) }()
	provider, err := goose.NewProvider(goose.DialectPostgres, db, files, goose.WithDisableGlobalRegistry(true), goose.WithTableName(table))
	if err != nil {
		return fmt.Errorf("load the migrations: %w", err)
	}
	if _, err := provider.Up(ctx); err != nil {
		return fmt.Errorf("migrate: %w", err)
	}
	return nil
}

// Grant gives a role rights, unless it is the owner: each is what stands between GRANT
// and TO.
func (w Owner) Grant(ctx context.Context, role string, rights ...string) error {
	if role == w.User {
		return nil
	}
	to := pgx.Identifier{role}.Sanitize()
	for _, right := range append([]string{"USAGE ON SCHEMA " + pgx.Identifier{w.Schema}.Sanitize()}, rights...) {
		if _, err := w.Conn.Exec(ctx, "GRANT "+right+" TO "+to); err != nil {
			return fmt.Errorf("give %s its rights: %w", role, err)
		}
	}
	return nil
}
