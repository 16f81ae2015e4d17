package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/argo-gatekeeper/gatekeeper/internal/config"
	"github.com/argo-gatekeeper/gatekeeper/pkg/history"
	"github.com/argo-gatekeeper/gatekeeper/pkg/history/merkle"
	"github.com/argo-gatekeeper/gatekeeper/pkg/history/sqlite"
)

// proveFlags say what is proved.
type proveFlags struct {
	checkpoint, since string
	archives          []string
	sign              bool
}

func ledgerProveCommand() *cobra.Command {
	var f proveFlags
	c := withRecordConfig(&cobra.Command{
		Use:   "prove (ENTRY | --since FILE | --sign) --config FILE",
		Short: "Prove that an entry is in the record, or that the record continues a checkpoint",
		Long: `Write a proof that whoever has the public key can verify without the record:

  prove 118          that entry 118 is in the record (c2sp.org/tlog-proof)
  prove --since OLD  that the record continues the checkpoint in the file OLD
                     (c2sp.org/tlog-witness)
  prove --sign       a signed checkpoint of the record as it is, and no proof

The proof holds the checkpoint that it is under: that of --checkpoint, else one that
is signed now with the key of the configuration. The entry itself is a line of
"gatekeeper ledger export". Verify with "gatekeeper ledger verify --proof".`,
		Example: `  gatekeeper ledger prove 118 --config gatekeeper.yaml > 118.proof
  gatekeeper ledger prove --since march.checkpoint --config gatekeeper.yaml > since-march.proof
  gatekeeper ledger prove --sign --config gatekeeper.yaml > today.checkpoint`,
	}, func(ctx context.Context, c *cobra.Command, cfg config.Config) error {
		return withArchives(ctx, cfg, f.archives, func(r history.Reader) error { return f.run(ctx, c.OutOrStdout(), cfg, r, c.Flags().Args()) })
	})
	c.Args = cobra.MaximumNArgs(1)
	c.Flags().StringVar(&f.checkpoint, "checkpoint", "", "file with the checkpoint to prove under (default: one that is signed now)")
	c.Flags().StringVar(&f.since, "since", "", "file with the older checkpoint")
	c.Flags().BoolVar(&f.sign, "sign", false, "sign a checkpoint and prove nothing")
	archiveFlag(c, &f.archives)
	return c
}

func (f proveFlags) run(ctx context.Context, w io.Writer, cfg config.Config, r history.Reader, args []string) error {
	asked := len(args)
	for _, given := range []bool{f.since != "", f.sign} {
		if given {
			asked++
		}
	}
	if asked != 1 || f.sign && f.checkpoint != "" {
		return fmt.Errorf("one of an entry's number, --since and --sign: %w", errUsage)
	}
	signer, ok, err := checkpointSigner(cfg)
	if err != nil {
		return err
	}
	if !ok {
		return errNoKey
	}
	under, err := f.under(ctx, cfg, r, signer)
	if err != nil {
		return err
	}
	text := under.Note
	prover := merkle.Prover{Entries: r, Folder: cfg.File.DataDirectory}
	switch {
	case f.since != "":
		older, err := readCheckpoint(f.since, signer.Verifier())
		if err != nil {
			return err
		}
		proof, err := prover.Consistency(ctx, older.Checkpoint, under)
		if err != nil {
			return err
		}
		text = proof.Format()
	case len(args) == 1:
		sequence, err := strconv.ParseUint(args[0], 10, 64)
		if err != nil {
			return fmt.Errorf("%.40q is not the number of an entry: %w", args[0], errUsage)
		}
		_, proof, err := prover.Inclusion(ctx, sequence, under)
		if err != nil {
			return err
		}
		text = proof.Format()
	}
	_, err = io.WriteString(w, text)
	return err
}

func (f proveFlags) under(ctx context.Context, cfg config.Config, r history.Reader, signer merkle.Signer) (merkle.Signed, error) {
	if f.checkpoint == "" {
		return signNow(ctx, cfg, r, signer)
	}
	return readCheckpoint(f.checkpoint, signer.Verifier())
}

func readCheckpoint(path string, key merkle.Verifier) (merkle.Signed, error) {
	text, err := readSmall(path, merkle.MaxCheckpoint)
	if err != nil {
		return merkle.Signed{}, err
	}
	signed, err := key.Open(text)
	if err != nil {
		return merkle.Signed{}, fmt.Errorf("%s: %w", path, err)
	}
	return signed, nil
}

// signCopy signs a checkpoint of a backup, in a file beside it, if the copy continues the
// last checkpoint that was signed before it was made.
func signCopy(ctx context.Context, copied string, last merkle.Signed, signer merkle.Signer) (err error) {
	r, err := sqlite.Inspect(ctx, copied)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	var known []merkle.Checkpoint
	if last.Note != "" {
		known = append(known, last.Checkpoint)
	}
	report, tree, err := merkle.Verify(ctx, r, known...)
	if err != nil {
		return fmt.Errorf("sign the backup: %w", err)
	}
	if report.Fault != nil {
		return fmt.Errorf("sign the backup: entry %d: %s: %w", report.Fault.Sequence, report.Fault.Text, errNotIntact)
	}
	signed, err := signer.Sign(tree)
	if err != nil {
		return err
	}
	return writeNew(copied+".checkpoint", 0o600, signed.Note)
}
