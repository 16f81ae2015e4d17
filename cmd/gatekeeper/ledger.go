package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/argo-gatekeeper/gatekeeper/internal/config"
)

func ledgerCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "ledger",
		Short: "Create, read and verify the record",
		Args:  noArgs,
		RunE:  func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	c.AddCommand(ledgerInitCommand(), ledgerExportCommand(), ledgerVerifyCommand(), ledgerKeyCommand(), ledgerProveCommand(), ledgerPoliciesCommand(), ledgerBackupCommand(), ledgerImportCommand(), ledgerMigrateCommand(),
		ledgerArchiveCommand(), ledgerArchivesCommand())
	return c
}

// withConfig adds --config and loads it before the command runs.
func withConfig(c *cobra.Command, run func(ctx context.Context, c *cobra.Command, cfg config.Config) error) *cobra.Command {
	return withLoaded(c, config.Load, run)
}

// withRecordConfig is withConfig for what has to do with the record alone, and needs no
// other secrets than those of the record.
func withRecordConfig(c *cobra.Command, run func(ctx context.Context, c *cobra.Command, cfg config.Config) error) *cobra.Command {
	return withLoaded(c, func(path string) (config.Config, error) {
		return config.LoadForRecord(path, config.RecordSecrets{Checkpoints: true})
	}, run)
}

func withLoaded(c *cobra.Command, load func(path string) (config.Config, error), run func(ctx context.Context, c *cobra.Command, cfg config.Config) error) *cobra.Command {
	file := c.Flags().String("config", "", "configuration file (required)")
	c.Args = noArgs
	c.RunE = func(c *cobra.Command, _ []string) error {
		if *file == "" {
			return fmt.Errorf("--config is missing; name the configuration file, or set GATEKEEPER_CONFIG: %w", errUsage)
		}
		cfg, err := load(*file)
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
		Example: `  gatekeeper ledger init --config gatekeeper.yaml
  gatekeeper ledger init --config gatekeeper.yaml --owner-dsn-file owner.dsn`,
	}
	owner := ownerFlag(c)
	return withRecordConfig(c, func(ctx context.Context, c *cobra.Command, cfg config.Config) error {
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
