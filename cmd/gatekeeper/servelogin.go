package main

import (
	"bytes"
	"context"
	"errors"
	"log/slog"

	"github.com/argo-gatekeeper/gatekeeper/internal/config"
	"github.com/argo-gatekeeper/gatekeeper/internal/postgresdb"
)

// recordLogin has all connections to the database made with what the file of the connection
// string says then; nil with a record in a file.
func recordLogin(cfg config.Config, log *slog.Logger) *postgresdb.Login {
	if cfg.File.Record.Postgres == nil {
		return nil
	}
	path := cfg.Path(cfg.File.Record.Postgres.DSNFile)
	return postgresdb.NewLogin(func() (string, error) {
		dsn, err := config.ReadSecret(path)
		if err != nil {
			return "", err
		}
		return string(dsn.Reveal()), nil
	}, log)
}

// relogin takes another connection string over, before a connection needs it, so that a
// mistake is said at once. One for another database waits for a restart.
func (c *changes) relogin(ctx context.Context, before config.Config, taken *config.Config, waiting []string) ([]string, error) {
	dsn := taken.Secrets.RecordDSN.Reveal()
	if c.login == nil || bytes.Equal(dsn, before.Secrets.RecordDSN.Reveal()) {
		return waiting, nil
	}
	err := c.login.Take(ctx, string(dsn))
	if errors.Is(err, postgresdb.ErrElsewhere) {
		taken.Secrets.RecordDSN = before.Secrets.RecordDSN
		return append(waiting, "record.postgres.dsnFile"), nil
	}
	return waiting, err
}
