package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"

	"github.com/spf13/cobra"

	"github.com/argo-gatekeeper/gatekeeper/internal/config"
	"github.com/argo-gatekeeper/gatekeeper/pkg/history"
	"github.com/argo-gatekeeper/gatekeeper/pkg/history/merkle"
)

func ledgerKeyCommand() *cobra.Command {
	var name, out string
	c := &cobra.Command{
		Use:   "key --name NAME --out FILE",
		Short: "Make the key that signs checkpoints of the record",
		Long: `Make the key pair that signs checkpoints of the record, and print the public key.

The private key is written to FILE, which only its owner can read, and is never
printed. The public key is written to FILE.pub as well. NAME is what the record is
called in its checkpoints: a host name of yours and a path, without a scheme, that
no other record uses, for example gatekeeper.example.com/prod.

Name the file in the configuration (checkpoints.keyFile), and give the public key to
whoever is to verify the record.`,
		Example: `  gatekeeper ledger key --name gatekeeper.example.com/prod --out record.key`,
		Args:    noArgs,
	}
	c.Flags().StringVar(&name, "name", "", "name of the key and of the record (required)")
	c.Flags().StringVar(&out, "out", "", "file for the private key (required)")
	c.RunE = func(c *cobra.Command, _ []string) error {
		if name == "" || out == "" {
			return fmt.Errorf("--name and --out are both needed: %w", errUsage)
		}
		private, public, err := merkle.GenerateKey(rand.Reader, name)
		if err != nil {
			return err
		}
		if err := writeNew(out, 0o600, private+"\n"); err != nil {
			return err
		}
		if err := writeNew(out+".pub", 0o644, public+"\n"); err != nil {
			return errors.Join(err, os.Remove(out))
		}
		_, err = fmt.Fprintln(c.OutOrStdout(), public)
		return err
	}
	return c
}

// writeNew writes a file that is not there yet.
func writeNew(path string, mode os.FileMode, text string) error {
	file, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, mode) //nolint:gosec // the operator names the file
	if err != nil {
		return fmt.Errorf("make a file: %w", err)
	}
	_, err = file.WriteString(text)
	if err := errors.Join(err, file.Sync(), file.Close()); err != nil {
		return fmt.Errorf("write %s: %w", path, errors.Join(err, os.Remove(path)))
	}
	return nil
}

// checkpointSigner is the key of the configuration; false when there is none.
func checkpointSigner(cfg config.Config) (merkle.Signer, bool, error) {
	key := cfg.Secrets.CheckpointKey.Reveal()
	if len(key) == 0 {
		return merkle.Signer{}, false, nil
	}
	signer, err := merkle.NewSigner(string(key))
	if err != nil {
		return merkle.Signer{}, false, fmt.Errorf("checkpoints.keyFile, %s: %w", cfg.Path(cfg.File.Checkpoints.KeyFile), err)
	}
	return signer, true, nil
}

// errNoKey says what to do.
var errNoKey = errors.New("the configuration names no key for checkpoints; make one with gatekeeper ledger key, and name it as checkpoints.keyFile")

// signNow signs the record as it is, beside a process that serves.
func signNow(ctx context.Context, cfg config.Config, entries merkle.Entries, signer merkle.Signer) (merkle.Signed, error) {
	notary, err := merkle.OpenNotary(ctx, merkle.Options{
		Entries: entries, Signer: signer, Folder: cfg.File.DataDirectory, Observe: true, Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		return merkle.Signed{}, err
	}
	signed, err := notary.Checkpoint(ctx)
	return signed, errors.Join(err, notary.Close())
}

// smallFile is far above every key, checkpoint and proof.
const smallFile = 64 << 10

// readSmall reads a file of bounded size.
func readSmall(path string, limit int64) (string, error) {
	file, err := os.Open(path) //nolint:gosec // the operator names the file
	if err != nil {
		return "", fmt.Errorf("open a file: %w", err)
	}
	text, err := io.ReadAll(io.LimitReader(file, limit+1))
	if err := errors.Join(err, file.Close()); err != nil {
		return "", fmt.Errorf("read %s: %w", path, err)
	}
	if int64(len(text)) > limit {
		return "", fmt.Errorf("%s is larger than %d bytes", path, limit)
	}
	return string(text), nil
}

// readVerifier reads a file with a public key.
func readVerifier(path string) (merkle.Verifier, error) {
	text, err := readSmall(path, smallFile)
	if err != nil {
		return merkle.Verifier{}, fmt.Errorf("--public-key: %w", err)
	}
	key, err := merkle.NewVerifier(text)
	if err != nil {
		return merkle.Verifier{}, fmt.Errorf("--public-key %s: %w", path, err)
	}
	return key, nil
}

// readRecord opens the record for reading, for as long as use takes.
func readRecord(ctx context.Context, cfg config.Config, use func(history.Reader) error) error {
	return withRecord(ctx, cfg, use)
}
