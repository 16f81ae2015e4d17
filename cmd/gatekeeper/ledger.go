package main

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"github.com/argo-gatekeeper/gatekeeper/internal/config"
	"github.com/argo-gatekeeper/gatekeeper/pkg/history/sqlite"
)

func ledgerCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "ledger",
		Short: "Create, read and verify the record",
		Args:  noArgs,
		RunE:  func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	c.AddCommand(ledgerInitCommand(), ledgerExportCommand(), ledgerVerifyCommand(), ledgerKeyCommand(), ledgerProveCommand(), ledgerBackupCommand(), ledgerImportCommand())
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
	return withConfig(&cobra.Command{
		Use:   "init --config FILE",
		Short: "Begin a new, empty record",
		Long: `Begin a new, empty record in the data directory.

This is done once. Gatekeeper never creates a record by itself: an unmounted
volume must not turn into an empty history.`,
	}, func(ctx context.Context, c *cobra.Command, cfg config.Config) error {
		if err := os.MkdirAll(cfg.File.DataDirectory, 0o700); err != nil {
			return fmt.Errorf("create the data directory: %w", err)
		}
		path := recordPath(cfg.File.DataDirectory)
		store, err := sqlite.Create(ctx, path)
		if err != nil {
			return err
		}
		if err := store.Close(); err != nil {
			return fmt.Errorf("close the record: %w", err)
		}
		_, err = fmt.Fprintf(c.OutOrStdout(), "created the record %s\n", path)
		return err
	})
}

// exportPage is how many entries are read at a time.
const exportPage = 500

// withRecord opens the record for reading, which works beside a running gatekeeper.
func withRecord(ctx context.Context, cfg config.Config, use func(*sqlite.Reader) error) error {
	r, err := sqlite.Inspect(ctx, recordPath(cfg.File.DataDirectory))
	if err != nil {
		return err
	}
	return errors.Join(use(r), r.Close())
}
