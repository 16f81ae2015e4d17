package main

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	udiff "github.com/aymanbagabas/go-udiff"
	"github.com/spf13/cobra"

	"github.com/argo-gatekeeper/gatekeeper/internal/config"
)

func configMigrateCommand() *cobra.Command {
	var write bool
	c := &cobra.Command{
		Use:   "migrate FILE",
		Short: "Bring a configuration that an older version was written for to this one",
		Long: `Bring a configuration that an older version was written for to the format of this
one, and print the difference. What it means stays the same, and so do comments, order
and everything else. With --write the file is replaced.

A file of a newer format than this gatekeeper knows is refused. Nothing is contacted, and
the secrets are not read.`,
		Example: `  gatekeeper config migrate gatekeeper.yaml
  gatekeeper config migrate gatekeeper.yaml -w`,
		Args: oneFile("configuration"),
		RunE: func(c *cobra.Command, args []string) error {
			return migrateConfig(c.OutOrStdout(), args[0], write)
		},
	}
	c.Flags().BoolVarP(&write, "write", "w", false, "replace the file")
	return c
}

func migrateConfig(w io.Writer, file string, write bool) error {
	// A link is followed, so that the link itself stays.
	path, err := filepath.EvalSymlinks(file)
	if err != nil {
		return fmt.Errorf("open the configuration: %w", err)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("read the configuration: %w", err)
	}
	migrated, err := config.Migrate(file, data)
	if err != nil {
		return err
	}
	var b strings.Builder
	if len(migrated.Steps) == 0 {
		fmt.Fprintf(&b, "%s is of version %d, the newest: nothing is to be done\n", file, config.Version)
		write = false
	} else {
		b.WriteString(udiff.Unified(file, file, string(data), string(migrated.Text)))
		for _, step := range migrated.Steps {
			fmt.Fprintf(&b, "# %s\n", step)
		}
	}
	if write {
		if err := replaceFile(path, migrated.Text); err != nil {
			return fmt.Errorf("write the configuration: %w", err)
		}
		fmt.Fprintf(&b, "%s is of version %d now\n", file, config.Version)
	}
	if _, err := io.WriteString(w, b.String()); err != nil {
		return fmt.Errorf("print the difference: %w", err)
	}
	return nil
}

// replaceFile puts another file in the place of one, all at once and with its rights.
func replaceFile(path string, text []byte) error {
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	next, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+"-*")
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(next.Name()) }() // it is gone when all went well
	_, err = next.Write(text)
	if err == nil {
		err = next.Chmod(info.Mode().Perm())
	}
	if err == nil {
		err = next.Sync()
	}
	if closed := next.Close(); err == nil {
		err = closed
	}
	if err != nil {
		return err
	}
	return os.Rename(next.Name(), path)
}

func configSchemaCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "schema",
		Short: "Print the JSON Schema of the configuration, for editors",
		Long: `Print the JSON Schema (draft 2020-12) of the configuration, for editors that complete
and check YAML. It knows the keys, the kinds of values and the words that are possible;
what they mean together is for "gatekeeper config check".`,
		Example: `  gatekeeper config schema > gatekeeper.schema.json`,
		Args:    noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if _, err := c.OutOrStdout().Write(config.JSONSchema()); err != nil {
				return fmt.Errorf("print the schema: %w", err)
			}
			return nil
		},
	}
}
