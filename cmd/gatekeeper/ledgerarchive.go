package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/argo-gatekeeper/gatekeeper/internal/config"
	"github.com/argo-gatekeeper/gatekeeper/pkg/history"
	"github.com/argo-gatekeeper/gatekeeper/pkg/history/archive"
	"github.com/argo-gatekeeper/gatekeeper/pkg/history/merkle"
)

// archiveFlags say what is archived, where to, and by whom.
type archiveFlags struct {
	before, keep, to, by, reason string
	// owner is the file with the connection string of the role that owns the record.
	owner  string
	dryRun bool
	now    func() time.Time
}

func ledgerArchiveCommand() *cobra.Command {
	f := archiveFlags{now: time.Now}
	c := withRecordConfig(&cobra.Command{
		Use:   "archive (--before DATE | --keep DURATION) --to FILE --by NAME --config FILE",
		Short: "Move what old entries tell to a signed file, and keep their proofs",
		Long: `Move what old entries tell to a signed file. What stays of them in the record are
their numbers, times and hashes, so that the record can still be verified as a whole,
checkpoints that were kept elsewhere still fit, and with the file at hand each entry can
be shown and proved as before. What something may still be decided by stays whole: the
newest deployments of each Application with their decisions, open intents, and all that
people ordered.

The file is written, made durable, read again and verified before the record is changed,
and the record is changed at once or not at all. Who archived what is on record.

Keep the file: without it, what it tells is gone. Gatekeeper must not run meanwhile. It
needs a key (checkpoints.keyFile). In PostgreSQL it is the role that owns the record who
archives (--owner-dsn-file): the one that appends can change nothing.`,
		Example: `  gatekeeper ledger archive --keep 400d --to 2026-q3.archive --by alice --config gatekeeper.yaml
  gatekeeper ledger archive --before 2026-01-01 --to old.archive --by alice --dry-run --config gatekeeper.yaml
  gatekeeper ledger archive --keep 400d --to 2026-q3.archive --by alice --owner-dsn-file owner-dsn --config gatekeeper.yaml`,
	}, func(ctx context.Context, c *cobra.Command, cfg config.Config) error {
		return f.run(ctx, c.OutOrStdout(), cfg)
	})
	c.Flags().StringVar(&f.before, "before", "", "archive what was recorded before this, for example 2026-01-01 or 2026-01-01T12:00:00Z")
	c.Flags().StringVar(&f.keep, "keep", "", "archive what is older than this, for example 400d or 9600h")
	c.Flags().StringVar(&f.to, "to", "", "new file for the archive (required)")
	c.Flags().StringVar(&f.by, "by", "", "who archives (required)")
	c.Flags().StringVar(&f.reason, "reason", "retention", "why")
	c.Flags().StringVar(&f.owner, "owner-dsn-file", "", "with a record in PostgreSQL: file with the connection string of the role that owns the record (default: the role that appends)")
	c.Flags().BoolVar(&f.dryRun, "dry-run", false, "say what would be archived, and change nothing")
	return c
}

// time is before when something is archived.
func (f archiveFlags) time() (time.Time, error) {
	switch {
	case (f.before == "") == (f.keep == ""):
		return time.Time{}, fmt.Errorf("one of --before and --keep: %w", errUsage)
	case f.to == "" || f.by == "":
		return time.Time{}, fmt.Errorf("--to and --by are both needed: %w", errUsage)
	case f.before != "":
		return timeOf("--before", f.before)
	}
	if number, ok := strings.CutSuffix(f.keep, "d"); ok {
		days, err := strconv.Atoi(number)
		if err == nil && days >= 1 && days <= mostDays {
			return f.now().AddDate(0, 0, -days).UTC(), nil
		}
	} else if d, err := time.ParseDuration(f.keep); err == nil && d > 0 {
		return f.now().Add(-d).UTC(), nil
	}
	return time.Time{}, fmt.Errorf("--keep %q is not a length of time such as 400d or 9600h: %w", f.keep, errUsage)
}

func (f archiveFlags) run(ctx context.Context, w io.Writer, cfg config.Config) (err error) {
	before, err := f.time()
	if err != nil {
		return err
	}
	ownerDSN, err := readOwner(cfg, f.owner)
	if err != nil {
		return err
	}
	signer, ok, err := checkpointSigner(cfg)
	if err != nil {
		return err
	}
	if !ok {
		return fmt.Errorf("an archive that is not signed proves nothing: %w", errNoKey)
	}
	if f.dryRun {
		return readRecord(ctx, cfg, func(r history.Reader) error {
			p, err := archive.Make(ctx, r, before, f.now())
			if err != nil {
				return err
			}
			_, err = fmt.Fprintf(w, "would archive %d of the entries %d to %d; %d stay whole\n", p.Archived(), p.From, p.To, len(p.Kept))
			return err
		})
	}
	return withArchiver(ctx, cfg, ownerDSN, func(store archiver) error { return f.archive(ctx, w, cfg, store, signer, before) })
}

func (f archiveFlags) archive(ctx context.Context, w io.Writer, cfg config.Config, store archiver, signer merkle.Signer, before time.Time) (err error) {
	last, err := merkle.Last(cfg.File.DataDirectory, signer.Verifier())
	if err != nil {
		return err
	}
	var known []merkle.Checkpoint
	if last.Note != "" {
		known = append(known, last.Checkpoint)
	}
	report, _, err := merkle.Verify(ctx, store, known...)
	if err != nil {
		return fmt.Errorf("verify the record: %w", err)
	}
	if report.Fault != nil {
		return fmt.Errorf("entry %d (%s): %s: %w, so nothing is archived", report.Fault.Sequence, report.Fault.Kind, report.Fault.Text, errNotIntact)
	}
	plan, err := archive.Make(ctx, store, before, f.now())
	if err != nil {
		return err
	}
	file, under, err := archive.Write(ctx, store, plan, signer, f.to)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	// From here on the file is complete. A checkpoint of the whole record vouches for all
	// that is about to be a stub.
	if err := checkpointNow(ctx, cfg, store, signer); err != nil {
		return err
	}
	head, err := store.Archive(ctx, report.Head, history.Draft{Time: f.now(), Payload: history.ArchivedPayload{
		From: plan.From, To: plan.To, Root: under.Root.String(), Stubs: plan.Stubs, File: file.Digest, Kept: plan.Kept, Before: before,
		Person: history.Person{Name: f.by, Via: history.ViaConsole}, Reason: f.reason,
	}})
	if err != nil {
		if head, err = afterwards(ctx, store, file.Digest, f.to, err); err != nil {
			return err
		}
	}
	if err := checkpointNow(ctx, cfg, store, signer); err != nil {
		return err
	}
	_, err = fmt.Fprintf(w, "archived %d of the entries %d to %d to %s, %s; %d stay whole, and entry %d says so\n",
		plan.Archived(), plan.From, plan.To, f.to, file.Digest, len(plan.Kept), head.Sequence)
	if shrink := store.Shrink(ctx); shrink != nil {
		err = errors.Join(err, fmt.Errorf("what was archived still takes its room in the record's file, which can be given back later: %w", shrink))
	}
	return err
}

// checkpointNow signs the record and keeps the checkpoint, as serve does.
func checkpointNow(ctx context.Context, cfg config.Config, r merkle.Entries, signer merkle.Signer) error {
	notary, err := merkle.OpenNotary(ctx, merkle.Options{
		Entries: r, Signer: signer, Folder: cfg.File.DataDirectory, Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		return err
	}
	_, err = notary.Checkpoint(ctx)
	return errors.Join(err, notary.Close())
}

func ledgerArchivesCommand() *cobra.Command {
	var output string
	c := withRecordConfig(&cobra.Command{
		Use:     "archives --config FILE",
		Short:   "List what was archived, by whom, and which file has it",
		Example: `  gatekeeper ledger archives --config gatekeeper.yaml`,
	}, func(ctx context.Context, c *cobra.Command, cfg config.Config) error {
		if output != "table" && output != "json" {
			return fmt.Errorf("--output %q is not table or json: %w", output, errUsage)
		}
		return readRecord(ctx, cfg, func(r history.Reader) error {
			archives, err := history.Archives(ctx, r)
			if err != nil {
				return err
			}
			if output == "json" {
				return json.NewEncoder(c.OutOrStdout()).Encode(append([]history.Archive{}, archives...))
			}
			return printArchives(c.OutOrStdout(), archives)
		})
	})
	c.Flags().StringVarP(&output, "output", "o", "table", "table or json")
	return c
}

func printArchives(w io.Writer, archives []history.Archive) error {
	if len(archives) == 0 {
		_, err := fmt.Fprintln(w, "nothing is archived")
		return err
	}
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintln(table, "ENTRIES\tARCHIVED\tON\tBY\tREASON\tENTRY\tFILE") // Flush tells
	for _, a := range archives {
		_, _ = fmt.Fprintf(table, "%d-%d\t%d\t%s\t%s\t%s\t%d\t%s\n", a.From, a.To, int(a.To-a.From)+1-len(a.Kept), //nolint:gosec // a record never has 2^63 entries
			a.At.UTC().Format(time.DateOnly), visible(a.Person.Name), visible(a.Reason), a.Sequence, a.File)
	}
	return table.Flush()
}

// archiveFlag names archives of the record that are to be read as well.
func archiveFlag(c *cobra.Command, files *[]string) {
	c.Flags().StringArrayVar(files, "archive", nil, "archive of the record to read as well (gatekeeper ledger archive); may be repeated")
}

// withArchives opens the record for reading, with archives at hand.
func withArchives(ctx context.Context, cfg config.Config, files []string, use func(history.Reader) error) error {
	return withRecord(ctx, cfg, func(r history.Reader) error {
		if len(files) == 0 {
			return use(r)
		}
		signer, ok, err := checkpointSigner(cfg)
		if err != nil {
			return err
		}
		if !ok {
			return fmt.Errorf("an archive is verified with the key of the configuration: %w", errNoKey)
		}
		return overArchives(ctx, r, signer.Verifier(), files, func(over *archive.Reader) error { return use(over) })
	})
}

// overArchives opens archives and verifies them, for as long as use takes.
func overArchives(ctx context.Context, r history.Reader, key merkle.Verifier, files []string, use func(*archive.Reader) error) (err error) {
	opened := make([]*archive.File, 0, len(files))
	defer func() {
		for _, f := range opened {
			err = errors.Join(err, f.Close())
		}
	}()
	for _, path := range files {
		f, err := archive.OpenFile(ctx, path, key)
		if errors.Is(err, archive.ErrFile) {
			return fmt.Errorf("%w: %w", err, errNotIntact)
		}
		if err != nil {
			return err
		}
		opened = append(opened, f)
	}
	over, err := archive.Over(ctx, r, opened...)
	if err != nil {
		return err
	}
	return use(over)
}
