package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"github.com/argo-gatekeeper/gatekeeper/internal/config"
	"github.com/argo-gatekeeper/gatekeeper/pkg/history"
	"github.com/argo-gatekeeper/gatekeeper/pkg/history/export"
	"github.com/argo-gatekeeper/gatekeeper/pkg/history/merkle"
	"github.com/argo-gatekeeper/gatekeeper/pkg/history/sqlite"
)

func ledgerExportCommand() *cobra.Command {
	var from uint64
	var out string
	var archives []string
	c := withRecordConfig(&cobra.Command{
		Use:   "export --config FILE",
		Short: "Write the record as JSON lines, oldest entry first",
		Long: `Write the record as JSON lines, oldest entry first. It works while gatekeeper serves.

When the configuration has a key (checkpoints.keyFile), the last line is a signed
checkpoint of all entries before it, with which anybody can verify the export:
gatekeeper ledger verify --export FILE --public-key FILE. Without a key, and with
--from, there are entries alone.

Of archived entries there are their hashes; with --archive they are whole again.`,
		Example: `  gatekeeper ledger export --config gatekeeper.yaml --out record.jsonl
  gatekeeper ledger export --config gatekeeper.yaml | jq 'select(.kind == "decision").payload.decision.verdict'`,
	}, func(ctx context.Context, c *cobra.Command, cfg config.Config) error {
		return withArchives(ctx, cfg, archives, func(r history.Reader) error {
			if out == "" {
				return exportTo(ctx, c.OutOrStdout(), cfg, r, from)
			}
			return writeFile(out, func(w io.Writer) error { return exportTo(ctx, w, cfg, r, from) })
		})
	})
	c.Flags().Uint64Var(&from, "from", 1, "first entry to write")
	c.Flags().StringVar(&out, "out", "", "new file to write to (default: standard output)")
	archiveFlag(c, &archives)
	return c
}

func exportTo(ctx context.Context, w io.Writer, cfg config.Config, r history.Reader, from uint64) error {
	signer, ok, err := checkpointSigner(cfg)
	if err != nil {
		return err
	}
	if !ok || from > 1 {
		return export.WriteEntries(ctx, w, r, from)
	}
	signed, err := signNow(ctx, cfg, r, signer)
	if err != nil {
		return err
	}
	return export.Write(ctx, w, r, signed)
}

// writeFile writes a new file, or none.
func writeFile(path string, write func(io.Writer) error) error {
	file, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600) //nolint:gosec // the operator names the file
	if err != nil {
		return fmt.Errorf("make a file: %w", err)
	}
	err = write(file)
	if err == nil {
		err = file.Sync()
	}
	if err := errors.Join(err, file.Close()); err != nil {
		return errors.Join(err, os.Remove(path))
	}
	return nil
}

func ledgerBackupCommand() *cobra.Command {
	var out string
	c := withRecordConfig(&cobra.Command{
		Use:   "backup --config FILE --out FILE",
		Short: "Copy the record to a new file, also while gatekeeper serves",
		Long: `Copy the record, as it is at one moment, to a new file and verify the copy. It works
while gatekeeper serves.

To restore it, stop gatekeeper, move record.db, record.db-wal and record.db-shm away,
and put the copy at record.db in the data directory. With a key, FILE.checkpoint is a signed checkpoint of the copy: restore it as
record.checkpoint, since the newer one there is of entries that are lost.

Of a record in PostgreSQL the copy is an export with a signed checkpoint, which needs a
key (checkpoints.keyFile). Restore it with ledger import.`,
		Example: `  gatekeeper ledger backup --config gatekeeper.yaml --out backup.db`,
	}, func(ctx context.Context, c *cobra.Command, cfg config.Config) error {
		if out == "" {
			return fmt.Errorf("--out is missing; name the file to write: %w", errUsage)
		}
		if cfg.File.Record.Postgres != nil {
			return backupExport(ctx, c.OutOrStdout(), c.ErrOrStderr(), cfg, out)
		}
		return backup(ctx, c.OutOrStdout(), cfg, out)
	})
	c.Flags().StringVar(&out, "out", "", "new file to write to (required)")
	return c
}

func backup(ctx context.Context, w io.Writer, cfg config.Config, out string) (err error) {
	signer, keyed, err := checkpointSigner(cfg)
	if err != nil {
		return err
	}
	var last merkle.Signed
	if keyed {
		if last, err = merkle.Last(cfg.File.DataDirectory, signer.Verifier()); err != nil {
			return err
		}
	}
	record, err := sqlite.Inspect(ctx, recordPath(cfg.File.DataDirectory))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, record.Close()) }()
	report, err := record.Backup(ctx, out)
	if err != nil {
		return err
	}
	if err := (verifyFlags{}).print(io.Discard, verified{Report: report}); err != nil {
		return errors.Join(fmt.Errorf("entry %d: %s: %w", report.Fault.Sequence, report.Fault.Text, err), os.Remove(out))
	}
	if keyed {
		if err := signCopy(ctx, out, last, signer); err != nil {
			return errors.Join(err, os.Remove(out))
		}
	}
	_, err = fmt.Fprintf(w, "copied %d entries to %s, head %s\n", report.Head.Sequence, out, report.Head.Digest)
	return err
}

func ledgerImportCommand() *cobra.Command {
	var from, publicKey string
	var against []string
	c := withRecordConfig(&cobra.Command{
		Use:   "import --config FILE --export FILE --public-key FILE",
		Short: "Begin a record with the entries of an export",
		Long: `Begin a record in the data directory with the entries of an export, each the same to
the byte. There must be no record yet. The export is verified on the way, and if
anything is wrong with it there is no record afterwards.

In PostgreSQL the record must be there and empty (ledger init), gatekeeper must not run,
and all entries are there at once, or none.`,
		Example: `  gatekeeper ledger import --config gatekeeper.yaml --export record.jsonl --public-key record.key.pub`,
	}, func(ctx context.Context, c *cobra.Command, cfg config.Config) error {
		if from == "" || publicKey == "" {
			return fmt.Errorf("--export and --public-key are both needed: %w", errUsage)
		}
		return importExport(ctx, c.OutOrStdout(), cfg, from, publicKey, against)
	})
	c.Flags().StringVar(&from, "export", "", "export to read (required)")
	c.Flags().StringVar(&publicKey, "public-key", "", "file with the public key (required)")
	c.Flags().StringArrayVar(&against, "against", nil, "file with a checkpoint that was kept elsewhere; may be repeated")
	return c
}

func importExport(ctx context.Context, w io.Writer, cfg config.Config, from, publicKey string, against []string) (err error) {
	key, err := readVerifier(publicKey)
	if err != nil {
		return err
	}
	known, err := readKnown(key, against)
	if err != nil {
		return err
	}
	in, err := os.Open(from) //nolint:gosec // the operator names the file
	if err != nil {
		return fmt.Errorf("open the export: %w", err)
	}
	defer func() { err = errors.Join(err, in.Close()) }()
	if cfg.File.Record.Postgres != nil {
		return importPostgres(ctx, w, cfg, in, key, known)
	}
	if err := os.MkdirAll(cfg.File.DataDirectory, 0o700); err != nil {
		return fmt.Errorf("create the data directory: %w", err)
	}
	path := recordPath(cfg.File.DataDirectory)
	if _, err := os.Lstat(path); err == nil {
		return fmt.Errorf("import: %s: %w", path, sqlite.ErrExists)
	}
	// Under another name until it is whole. What an earlier try left goes first.
	draft := path + ".import"
	discard := func() {
		for _, suffix := range []string{"", "-wal", "-shm", "-journal", ".lock"} {
			_ = os.Remove(draft + suffix)
		}
	}
	discard()
	defer discard()
	store, err := sqlite.Create(ctx, draft)
	if err != nil {
		return err
	}
	report, end, err := export.Import(ctx, in, key, store, known...)
	if errors.Is(err, history.ErrArchived) {
		err = fmt.Errorf("%w; a record begins with whole entries alone: write the export with ledger export --archive FILE", err)
	}
	if err := errors.Join(err, store.Close()); err != nil {
		return err
	}
	if err := (verifyFlags{}).print(w, verified{Report: report, Size: end.Size, Root: end.Root.String(), Checkpoints: len(known) + 1}); err != nil {
		return err
	}
	// Unlike a renaming, a link never replaces a record that came meanwhile.
	if err := os.Link(draft, path); err != nil {
		return fmt.Errorf("import: %w", err)
	}
	_, err = fmt.Fprintf(w, "created the record %s\n", path)
	return err
}
