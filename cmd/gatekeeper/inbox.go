package main

import (
	"context"

	"github.com/argo-gatekeeper/gatekeeper/internal/config"
	"github.com/argo-gatekeeper/gatekeeper/internal/inbox"
	"github.com/argo-gatekeeper/gatekeeper/internal/postgresdb"
)

// openedInbox is an inbox until it is closed. Shared is nil for one that belongs to this
// process alone, in the data directory.
type openedInbox struct {
	*inbox.Store
	shared *inbox.Shared
}

// openInbox opens the inbox where the record is: what several processes decide on together
// has to be where all of them see it.
func openInbox(ctx context.Context, cfg config.Config, login *postgresdb.Login) (openedInbox, error) {
	if cfg.File.Record.Postgres == nil {
		store, err := inbox.Open(ctx, inboxPath(cfg.File.DataDirectory))
		return openedInbox{Store: store}, err
	}
	o := inboxOptions(cfg)
	o.Login = login
	shared, err := inbox.OpenPostgres(ctx, o)
	if err != nil {
		return openedInbox{}, err
	}
	return openedInbox{shared.Store, shared}, nil
}

// inspectInbox opens the inbox for reading, which works beside a running gatekeeper.
func inspectInbox(ctx context.Context, cfg config.Config) (*inbox.Witness, error) {
	if cfg.File.Record.Postgres == nil {
		return inbox.Inspect(ctx, inboxPath(cfg.File.DataDirectory))
	}
	return inbox.InspectPostgres(ctx, inboxOptions(cfg))
}

// migrateInbox makes the inbox beside a record in PostgreSQL, or brings it to this version.
func migrateInbox(ctx context.Context, cfg config.Config, ownerDSN string) error {
	return inbox.MigratePostgres(ctx, inboxOptions(cfg), ownerDSN)
}

// inboxConnections is how many connections an inbox needs at least.
const inboxConnections = 2

// inboxOptions are those of the record, with half as many connections.
func inboxOptions(cfg config.Config) postgresdb.Options {
	o := postgresOptions(cfg)
	o.Connections = max(inboxConnections, o.Connections/2)
	return o
}
