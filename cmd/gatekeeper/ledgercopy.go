package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/argo-gatekeeper/gatekeeper/internal/config"
	"github.com/argo-gatekeeper/gatekeeper/pkg/history"
	"github.com/argo-gatekeeper/gatekeeper/pkg/history/export"
	"github.com/argo-gatekeeper/gatekeeper/pkg/history/merkle"
	"github.com/argo-gatekeeper/gatekeeper/pkg/history/postgres"
)

// backupExport backs a record in PostgreSQL up: as an export, which ledger import restores
// into a record of either kind. Entries never change, so all entries up to one of them are
// the record as it was at that moment.
func backupExport(ctx context.Context, w, progress io.Writer, cfg config.Config, out string) error {
	signer, ok, err := checkpointSigner(cfg)
	if err != nil {
		return err
	}
	if !ok {
		return fmt.Errorf("a backup of a record in PostgreSQL is an export, and one that is not signed is not restored: %w; or back it up with pg_dump (docs/record-postgres.md)", errNoKey)
	}
	if _, err := os.Lstat(out); err == nil {
		return fmt.Errorf("back up to %s: %w", out, os.ErrExist)
	}
	return withRecord(ctx, cfg, func(r history.Reader) error {
		signed, err := signNow(ctx, cfg, r, signer)
		if err != nil {
			return err
		}
		counted := &counting{from: r, of: signed.Size, out: progress, next: time.Now().Add(progressEvery)}
		report, err := wholeFile(out, func(draft *os.File) (history.Report, error) {
			if err := export.Write(ctx, draft, counted, signed); err != nil {
				return history.Report{}, err
			}
			return verifyCopy(ctx, draft, signer.Verifier(), signed)
		})
		if err != nil {
			return err
		}
		_, err = fmt.Fprintf(w, "copied %d entries to %s, head %s\n", report.Head.Sequence, out, report.Head.Digest)
		return err
	})
}

// verifyCopy reads what was written and verifies it.
func verifyCopy(ctx context.Context, copied *os.File, key merkle.Verifier, signed merkle.Signed) (history.Report, error) {
	if _, err := copied.Seek(0, io.SeekStart); err != nil {
		return history.Report{}, fmt.Errorf("read the backup: %w", err)
	}
	report, end, err := export.Verify(ctx, copied, key, signed.Checkpoint)
	switch {
	case err != nil:
		return history.Report{}, err
	case !report.Intact():
		return history.Report{}, fmt.Errorf("entry %d: %s: %w", report.Fault.Sequence, report.Fault.Text, errNotIntact)
	case end.Checkpoint != signed.Checkpoint:
		return history.Report{}, fmt.Errorf("the backup has %d entries, the record %d: %w", end.Size, signed.Size, errNotIntact)
	}
	return report, nil
}

// wholeFile makes a file of that name that is whole and on disk, or none. What is there
// already is never replaced.
func wholeFile(path string, write func(draft *os.File) (history.Report, error)) (report history.Report, err error) {
	draft, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+"-*") // mode 0600
	if err != nil {
		return history.Report{}, fmt.Errorf("make a file: %w", err)
	}
	defer func() { err = errors.Join(err, os.Remove(draft.Name())) }()
	report, err = write(draft)
	if err == nil {
		err = draft.Sync()
	}
	if err := errors.Join(err, draft.Close()); err != nil {
		return history.Report{}, err
	}
	// Unlike a renaming, a link never replaces what came meanwhile.
	if err := os.Link(draft.Name(), path); err != nil {
		return history.Report{}, fmt.Errorf("name the file: %w", err)
	}
	folder, err := os.Open(filepath.Dir(path))
	if err != nil {
		return history.Report{}, fmt.Errorf("sync the folder: %w", err)
	}
	return report, errors.Join(folder.Sync(), folder.Close())
}

// progressEvery is how often it is said how far a copy is.
const progressEvery = 5 * time.Second

// counting says now and then how many entries were read.
type counting struct {
	from merkle.Entries
	of   int64
	out  io.Writer
	next time.Time
}

// Entries implements merkle.Entries.
func (c *counting) Entries(ctx context.Context, from uint64, limit int) ([]history.Entry, error) {
	if now := time.Now(); now.After(c.next) {
		c.next = now.Add(progressEvery)
		_, _ = fmt.Fprintf(c.out, "%d of %d entries\n", from-1, c.of)
	}
	return c.from.Entries(ctx, from, limit)
}

// importPostgres fills the empty record in PostgreSQL with the entries of an export, in one
// transaction: all of them if the export is intact, or none.
func importPostgres(ctx context.Context, w io.Writer, cfg config.Config, in io.Reader, key merkle.Verifier, known []merkle.Checkpoint) (err error) {
	store, err := postgres.Open(ctx, postgresOptions(cfg))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	alone, err := holdRecord(ctx, store, false, slog.New(slog.DiscardHandler))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, alone.release()) }()
	var end merkle.Signed
	var report history.Report
	err = store.Fill(ctx, func(ctx context.Context, record history.Record) (err error) {
		report, end, err = export.Import(ctx, in, key, record, known...)
		if err == nil && !report.Intact() {
			err = errNotIntact
		}
		return err
	})
	switch {
	case errors.Is(err, history.ErrArchived):
		return fmt.Errorf("%w; a record begins with whole entries alone: write the export with ledger export --archive FILE", err)
	case err != nil && !errors.Is(err, errNotIntact):
		return err
	}
	if err := (verifyFlags{}).print(w, verified{Report: report, Size: end.Size, Root: end.Root.String(), Checkpoints: len(known) + 1}); err != nil {
		return err
	}
	_, err = fmt.Fprintf(w, "filled the record in the schema %s\n", cfg.File.Record.Postgres.Schema)
	return err
}
