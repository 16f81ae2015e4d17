package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"

	"github.com/spf13/cobra"

	"github.com/argo-gatekeeper/gatekeeper/internal/config"
	"github.com/argo-gatekeeper/gatekeeper/internal/postgresdb"
	"github.com/argo-gatekeeper/gatekeeper/pkg/history"
	"github.com/argo-gatekeeper/gatekeeper/pkg/history/postgres"
	"github.com/argo-gatekeeper/gatekeeper/pkg/history/sqlite"
)

// openedRecord is a record that can be appended to until it is closed.
type openedRecord interface {
	history.Record
	io.Closer
}

// openRecord opens the record where the configuration says it is. The login is nil for a
// command, which connects with what it has read.
func openRecord(ctx context.Context, cfg config.Config, login *postgresdb.Login) (openedRecord, error) {
	if cfg.File.Record.Postgres == nil {
		store, err := sqlite.Open(ctx, recordPath(cfg.File.DataDirectory))
		if err != nil {
			return nil, err
		}
		return store, nil
	}
	o := postgresOptions(cfg)
	o.Login = login
	store, err := postgres.Open(ctx, o)
	if err != nil {
		return nil, err
	}
	return store, nil
}

// held keeps other processes from working on the record.
type held struct {
	run     func(ctx context.Context) error
	release func() error
}

// holdRecord makes this process the one that works on the record, or one of those that
// share it. A SQLite file belongs to whoever has it open; PostgreSQL is asked.
func holdRecord(ctx context.Context, record openedRecord, shared bool, log *slog.Logger) (held, error) {
	store, ok := record.(*postgres.Store)
	if !ok {
		return held{func(context.Context) error { return nil }, func() error { return nil }}, nil
	}
	take := store.Hold
	if shared {
		take = store.Share
	}
	hold, err := take(ctx)
	if err != nil {
		return held{}, err
	}
	return held{
		func(ctx context.Context) error { return hold.Run(ctx, log) },
		func() error { return hold.Release(context.WithoutCancel(ctx)) },
	}, nil
}

// recordLocked says whether another process keeps this one from opening the record.
func recordLocked(err error) bool { return errors.Is(err, sqlite.ErrLocked) }

// recordMissing says whether there is no record where it should be.
func recordMissing(err error) bool {
	return errors.Is(err, sqlite.ErrMissing) || errors.Is(err, postgres.ErrMissing)
}

// recordForeign says whether what is there is no record that this version can read.
func recordForeign(err error) bool {
	for _, other := range []error{sqlite.ErrForeign, sqlite.ErrNewer, postgres.ErrForeign, postgres.ErrNewer} {
		if errors.Is(err, other) {
			return true
		}
	}
	return false
}

// inspectedRecord is a record that can be read until it is closed.
type inspectedRecord interface {
	history.Reader
	io.Closer
}

// inspectRecord opens the record for reading, which works beside a running gatekeeper.
func inspectRecord(ctx context.Context, cfg config.Config) (inspectedRecord, error) {
	if cfg.File.Record.Postgres == nil {
		reader, err := sqlite.Inspect(ctx, recordPath(cfg.File.DataDirectory))
		if err != nil {
			return nil, err
		}
		return reader, nil
	}
	reader, err := postgres.Inspect(ctx, postgresOptions(cfg))
	if err != nil {
		return nil, err
	}
	return reader, nil
}

// withRecord opens the record for reading, for as long as use takes.
func withRecord(ctx context.Context, cfg config.Config, use func(history.Reader) error) error {
	r, err := inspectRecord(ctx, cfg)
	if err != nil {
		return err
	}
	return errors.Join(use(r), r.Close())
}

// createRecord makes a new, empty record and says where.
func createRecord(ctx context.Context, cfg config.Config, ownerDSN string) (where string, err error) {
	var store openedRecord
	if p := cfg.File.Record.Postgres; p != nil {
		where = "in the schema " + p.Schema
		store, err = postgres.Create(ctx, postgresOptions(cfg), ownerDSN)
		if err == nil {
			if err = migrateInbox(ctx, cfg, ownerDSN); err != nil {
				err = errors.Join(fmt.Errorf("the record is there, and the inbox is not; run gatekeeper ledger migrate for that: %w", err), store.Close())
			}
		}
	} else {
		if err := os.MkdirAll(cfg.File.DataDirectory, 0o700); err != nil {
			return "", fmt.Errorf("create the data directory: %w", err)
		}
		where = recordPath(cfg.File.DataDirectory)
		store, err = sqlite.Create(ctx, where)
	}
	if err != nil {
		return "", err
	}
	if err := store.Close(); err != nil {
		return "", fmt.Errorf("close the record: %w", err)
	}
	return where, nil
}

func postgresOptions(cfg config.Config) postgres.Options {
	p := cfg.File.Record.Postgres
	return postgres.Options{DSN: string(cfg.Secrets.RecordDSN.Reveal()), Schema: p.Schema, Connections: p.Connections, Timeout: p.Timeout}
}

// ownerFlag names the connection string of the role that owns the record.
func ownerFlag(c *cobra.Command) *string {
	return c.Flags().String("owner-dsn-file", "", "with a record in PostgreSQL: file with the connection string of the role that owns the record (default: the role that appends)")
}

// readOwner reads what ownerFlag names.
func readOwner(cfg config.Config, file string) (string, error) {
	if file == "" {
		return "", nil
	}
	if cfg.File.Record.Postgres == nil {
		return "", fmt.Errorf("--owner-dsn-file is for a record in PostgreSQL, and record.postgres is not configured: %w", errUsage)
	}
	dsn, err := config.ReadSecret(file)
	if err != nil {
		return "", fmt.Errorf("--owner-dsn-file: %w", err)
	}
	return string(dsn.Reveal()), nil
}

func ledgerMigrateCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "migrate --config FILE",
		Short: "Bring a record that an older version has written to this one",
		Long: `Bring a record that an older version has written to this one. There is no way
back, so back the record up first.

The inbox, where webhook deliveries wait, is migrated with a record in PostgreSQL,
and made if there is none yet.

A record in a SQLite file is migrated by "gatekeeper serve" as well, when it
starts. One in PostgreSQL is migrated here alone, by the role that owns it, and
the role that appends is given the rights that it needs.`,
		Example: `  gatekeeper ledger migrate --config gatekeeper.yaml`,
	}
	owner := ownerFlag(c)
	return withRecordConfig(c, func(ctx context.Context, c *cobra.Command, cfg config.Config) error {
		ownerDSN, err := readOwner(cfg, *owner)
		if err != nil {
			return err
		}
		if cfg.File.Record.Postgres != nil {
			if err := postgres.Migrate(ctx, postgresOptions(cfg), ownerDSN); err != nil {
				return err
			}
			if err := migrateInbox(ctx, cfg, ownerDSN); err != nil {
				return err
			}
		}
		record, err := openRecord(ctx, cfg, nil)
		if err != nil {
			return err
		}
		if err := record.Close(); err != nil {
			return err
		}
		_, err = fmt.Fprintln(c.OutOrStdout(), "the record is of this version")
		return err
	})
}
