package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/argo-gatekeeper/gatekeeper/internal/config"
	"github.com/argo-gatekeeper/gatekeeper/pkg/history"
	"github.com/argo-gatekeeper/gatekeeper/pkg/history/postgres"
	"github.com/argo-gatekeeper/gatekeeper/pkg/history/sqlite"
)

// archiver is a record of which payloads can be removed.
type archiver interface {
	history.Record
	Archive(ctx context.Context, expect history.Head, draft history.Draft) (history.Head, error)
	Shrink(ctx context.Context) error
}

// withArchiver opens the record for archiving, with nobody else at work on it, for as long as
// use takes. In PostgreSQL it is opened by its owner, who is the role that appends if no
// connection string is given.
func withArchiver(ctx context.Context, cfg config.Config, ownerDSN string, use func(archiver) error) (err error) {
	if cfg.File.Record.Postgres == nil {
		store, err := sqlite.Open(ctx, recordPath(cfg.File.DataDirectory))
		if err != nil {
			return err
		}
		return errors.Join(use(store), store.Close())
	}
	o := postgresOptions(cfg)
	if ownerDSN != "" {
		o.DSN = ownerDSN
	}
	store, err := postgres.Open(ctx, o)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	alone, err := holdRecord(ctx, store, false, slog.New(slog.DiscardHandler))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, alone.release()) }()
	if err := sameRecord(ctx, cfg, store); err != nil {
		return err
	}
	return use(store)
}

// sameRecord refuses an owner's connection string that is for another record than the
// configuration's.
func sameRecord(ctx context.Context, cfg config.Config, store history.Reader) error {
	owned, err := store.Head(ctx)
	if err != nil {
		return err
	}
	return withRecord(ctx, cfg, func(r history.Reader) error {
		configured, err := r.Head(ctx)
		if err == nil && configured != owned {
			err = fmt.Errorf("--owner-dsn-file is for a record that ends at entry %d, and the configuration for one that ends at %d; name the same database in both", owned.Sequence, configured.Sequence)
		}
		return err
	})
}

// afterwardsTimeout is for finding out what became of an archiving.
const afterwardsTimeout = 30 * time.Second

// afterwards says what became of an archiving that failed: the answer to a commit can be lost.
// Then it is no failure.
func afterwards(ctx context.Context, r history.Reader, file history.Digest, path string, failed error) (history.Head, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), afterwardsTimeout)
	defer cancel()
	archives, err := history.Archives(ctx, r)
	if err != nil {
		return history.Head{}, errors.Join(fmt.Errorf("%w; whether it is done is not known, so keep %s: gatekeeper ledger archives lists it if it is", failed, path), err)
	}
	i := slices.IndexFunc(archives, func(a history.Archive) bool { return a.File == file })
	if i < 0 {
		return history.Head{}, fmt.Errorf("%w; the record is as it was, and %s can be deleted", failed, path)
	}
	return history.Head{Sequence: archives[i].Sequence, Digest: archives[i].Digest}, nil
}
