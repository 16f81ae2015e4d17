package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/argo-gatekeeper/gatekeeper/internal/config"
	"github.com/argo-gatekeeper/gatekeeper/pkg/history"
)

func ledgerCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "ledger",
		Short: "Create, read and verify the record",
		Args:  noArgs,
		RunE:  func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	c.AddCommand(ledgerInitCommand(), ledgerExportCommand(), ledgerVerifyCommand(), ledgerMigrateCommand())
	return c
}

// withConfig adds --config and loads it before the command runs.
func withConfig(c *cobra.Command, run func(ctx context.Context, c *cobra.Command, cfg config.Config) error) *cobra.Command {
	file := c.Flags().String("config", "", "configuration file (required)")
	c.Args = noArgs
	c.RunE = func(c *cobra.Command, _ []string) error {
		if *file == "" {
			return fmt.Errorf("--config is missing; name the configuration file: %w", errUsage)
		}
		cfg, err := config.Load(*file)
		if err != nil {
			return err
		}
		return run(c.Context(), c, cfg)
	}
	return c
}

func ledgerInitCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "init --config FILE",
		Short: "Begin a new, empty record",
		Long: `Begin a new, empty record in the data directory, or in PostgreSQL if the
configuration says so (docs/record-postgres.md).

This is done once. Gatekeeper never creates a record by itself: an unmounted
volume must not turn into an empty history.`,
	}
	owner := ownerFlag(c)
	return withConfig(c, func(ctx context.Context, c *cobra.Command, cfg config.Config) error {
		ownerDSN, err := readOwner(cfg, *owner)
		if err != nil {
			return err
		}
		where, err := createRecord(ctx, cfg, ownerDSN)
		if err != nil {
			return err
		}
		_, err = fmt.Fprintf(c.OutOrStdout(), "created the record %s\n", where)
		return err
	})
}

// exportPage is how many entries are read at a time.
const exportPage = 500

func ledgerExportCommand() *cobra.Command {
	var from uint64
	c := withConfig(&cobra.Command{
		Use:   "export --config FILE",
		Short: "Write the record as JSON lines, oldest entry first",
		Long:  "Write the record as JSON lines, oldest entry first. It works while gatekeeper serves.",
	}, func(ctx context.Context, c *cobra.Command, cfg config.Config) error {
		return withRecord(ctx, cfg, func(r history.Reader) error { return export(ctx, c.OutOrStdout(), r, from) })
	})
	c.Flags().Uint64Var(&from, "from", 1, "first entry to write")
	return c
}

func export(ctx context.Context, w io.Writer, r history.Reader, from uint64) error {
	out := json.NewEncoder(w)
	out.SetEscapeHTML(false)
	for {
		entries, err := r.Entries(ctx, from, exportPage)
		if err != nil {
			return fmt.Errorf("read the record: %w", err)
		}
		if len(entries) == 0 {
			return nil
		}
		for _, e := range entries {
			if err := out.Encode(e); err != nil {
				return fmt.Errorf("write entry %d: %w", e.Sequence, err)
			}
			from = e.Sequence + 1
		}
	}
}

func ledgerVerifyCommand() *cobra.Command {
	var output string
	c := withConfig(&cobra.Command{
		Use:   "verify --config FILE",
		Short: "Check that no entry of the record was changed, removed or reordered",
		Long: `Check that no entry of the record was changed, removed, inserted or reordered.

The exit status is 1 when something is wrong. A record that was cut off at its
end is consistent in itself; compare the head that is printed with one that was
kept elsewhere.`,
	}, func(ctx context.Context, c *cobra.Command, cfg config.Config) error {
		return withRecord(ctx, cfg, func(r history.Reader) error { return verify(ctx, c.OutOrStdout(), r, output) })
	})
	c.Flags().StringVarP(&output, "output", "o", "text", "text or json")
	return c
}

// errNotIntact makes the command fail after its report was printed.
var errNotIntact = errors.New("the record is not intact")

func verify(ctx context.Context, w io.Writer, r history.Reader, output string) error {
	report, err := history.Verify(ctx, r)
	if err != nil {
		return fmt.Errorf("verify the record: %w", err)
	}
	switch output {
	case "json":
		err = json.NewEncoder(w).Encode(report)
	case "text":
		if report.Intact() {
			_, err = fmt.Fprintf(w, "intact: %d entries, head %s\n", report.Head.Sequence, report.Head.Digest)
		} else if report.Fault != nil {
			_, err = fmt.Fprintf(w, "NOT INTACT at entry %d (%s): %s\n", report.Fault.Sequence, report.Fault.Kind, report.Fault.Text)
		}
	default:
		return fmt.Errorf("--output %q is not text or json: %w", output, errUsage)
	}
	if err != nil {
		return fmt.Errorf("print the report: %w", err)
	}
	if !report.Intact() {
		return errNotIntact
	}
	return nil
}
