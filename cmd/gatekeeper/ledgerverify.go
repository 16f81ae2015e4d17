package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"github.com/argo-gatekeeper/gatekeeper/internal/config"
	"github.com/argo-gatekeeper/gatekeeper/pkg/history"
	"github.com/argo-gatekeeper/gatekeeper/pkg/history/export"
	"github.com/argo-gatekeeper/gatekeeper/pkg/history/merkle"
)

// verifyFlags say what is verified, and against what.
type verifyFlags struct {
	config, export, publicKey, output string
	against                           []string
	proof, entry                      string
}

func ledgerVerifyCommand() *cobra.Command {
	var f verifyFlags
	c := &cobra.Command{
		Use:   "verify (--config FILE | --export FILE --public-key FILE | --proof FILE --public-key FILE)",
		Short: "Check that no entry of the record was changed, removed or reordered",
		Long: `Check that no entry of the record was changed, removed, inserted or reordered, and
name the first place where one was.

With --config the record itself is read, also while gatekeeper serves. With --export
and --public-key, an export is, and nothing else is needed. With --proof, it is a
proof of "gatekeeper ledger prove": of the entry that --entry names, or that the
record continues the checkpoint that --against names.

A record that was cut off at its end, or written anew, is consistent in itself. That
shows against checkpoints that were kept elsewhere: --against takes files with signed
checkpoints, and answers of GitHub's API about deployments
(gh api "repos/OWNER/REPO/deployments?task=gatekeeper").

The exit status is 1 when something is wrong.`,
		Args: noArgs,
	}
	c.Flags().StringVar(&f.config, "config", "", "configuration file, to verify the record itself")
	c.Flags().StringVar(&f.export, "export", "", "export to verify; - for standard input")
	c.Flags().StringVar(&f.publicKey, "public-key", "", "file with the public key (default with --config: that of the key in the configuration)")
	c.Flags().StringArrayVar(&f.against, "against", nil, "file with a checkpoint that was kept elsewhere; may be repeated")
	c.Flags().StringVar(&f.proof, "proof", "", "proof to verify")
	c.Flags().StringVar(&f.entry, "entry", "", "file with the line of the entry that --proof is of")
	c.Flags().StringVarP(&f.output, "output", "o", "text", "text or json")
	c.RunE = func(c *cobra.Command, _ []string) error { return f.run(c) }
	return c
}

func (f verifyFlags) run(c *cobra.Command) error {
	if f.output != "text" && f.output != "json" {
		return fmt.Errorf("--output %q is not text or json: %w", f.output, errUsage)
	}
	given := 0
	for _, name := range []string{f.config, f.export, f.proof} {
		if name != "" {
			given++
		}
	}
	switch {
	case given == 0:
		return fmt.Errorf("--config is missing; name the configuration file, or an export or a proof: %w", errUsage)
	case given > 1:
		return fmt.Errorf("one of --config, --export and --proof: %w", errUsage)
	case f.config == "" && f.publicKey == "":
		return fmt.Errorf("--public-key is missing; without it nothing shows who wrote the file: %w", errUsage)
	case f.entry != "" && f.proof == "":
		return fmt.Errorf("--entry goes with --proof: %w", errUsage)
	}
	switch {
	case f.proof != "":
		return f.verifyProof(c)
	case f.export != "":
		return f.verifyExport(c)
	}
	cfg, err := config.Load(f.config)
	if err != nil {
		return err
	}
	return readRecord(c.Context(), cfg, func(r history.Reader) error { return f.verifyRecord(c.Context(), c.OutOrStdout(), cfg, r) })
}

// key is the public key; false when none is known.
func (f verifyFlags) key(cfg config.Config) (merkle.Verifier, bool, error) {
	if f.publicKey != "" {
		key, err := readVerifier(f.publicKey)
		return key, err == nil, err
	}
	signer, ok, err := checkpointSigner(cfg)
	if err != nil || !ok {
		return merkle.Verifier{}, false, err
	}
	return signer.Verifier(), true, nil
}

// verified is the report with what the tree is, to compare with other checkpoints.
type verified struct {
	history.Report
	Size int64  `json:"size"`
	Root string `json:"root"`
	// Checkpoints is the number of those that were compared.
	Checkpoints int `json:"checkpoints"`
}

func (f verifyFlags) verifyRecord(ctx context.Context, w io.Writer, cfg config.Config, r history.Reader) error {
	key, ok, err := f.key(cfg)
	if err != nil {
		return err
	}
	var known []merkle.Checkpoint
	switch {
	case ok:
		if known, err = readKnown(key, f.against); err != nil {
			return err
		}
		last, err := merkle.Last(cfg.File.DataDirectory, key)
		if err != nil {
			return err
		}
		if last.Note != "" {
			known = append(known, last.Checkpoint)
		}
	case len(f.against) > 0:
		return fmt.Errorf("--against needs --public-key when the configuration has no key: %w", errUsage)
	}
	report, tree, err := merkle.Verify(ctx, r, known...)
	if err != nil {
		return fmt.Errorf("verify the record: %w", err)
	}
	return f.print(w, verified{report, tree.Size, tree.Root.String(), len(known)})
}

func (f verifyFlags) verifyExport(c *cobra.Command) (err error) {
	key, err := readVerifier(f.publicKey)
	if err != nil {
		return err
	}
	known, err := readKnown(key, f.against)
	if err != nil {
		return err
	}
	in := c.InOrStdin()
	if f.export != "-" {
		file, err := os.Open(f.export)
		if err != nil {
			return fmt.Errorf("open the export: %w", err)
		}
		defer func() { err = errors.Join(err, file.Close()) }()
		in = file
	}
	report, end, err := export.Verify(c.Context(), in, key, known...)
	if err != nil {
		return err
	}
	root := ""
	if report.Intact() {
		root = end.Root.String()
	}
	return f.print(c.OutOrStdout(), verified{report, end.Size, root, len(known) + 1})
}

func (f verifyFlags) verifyProof(c *cobra.Command) error {
	key, err := readVerifier(f.publicKey)
	if err != nil {
		return err
	}
	text, err := readSmall(f.proof, smallFile)
	if err != nil {
		return err
	}
	if f.entry == "" {
		return f.verifyConsistency(c, key, text)
	}
	proof, err := merkle.ParseInclusion(text, key)
	if err != nil {
		return fmt.Errorf("%s: %w", f.proof, err)
	}
	line, err := readSmall(f.entry, history.MaxLine+1)
	if err != nil {
		return err
	}
	if len(line) > 0 && line[len(line)-1] == '\n' {
		line = line[:len(line)-1]
	}
	entry, err := (&history.LineParser{}).Parse([]byte(line))
	if err != nil {
		return fmt.Errorf("%s: %w", f.entry, err)
	}
	if !entry.Sealed() {
		return fmt.Errorf("%s: the entry does not fit its digest: %w", f.entry, errNotIntact)
	}
	if err := proof.Check(entry); err != nil {
		return err
	}
	_, err = fmt.Fprintf(c.OutOrStdout(), "proved: entry %d is in the record of %s, under its checkpoint of %d entries\n",
		entry.Sequence, proof.Checkpoint.Origin, proof.Checkpoint.Size)
	return err
}

func (f verifyFlags) verifyConsistency(c *cobra.Command, key merkle.Verifier, text string) error {
	proof, err := merkle.ParseConsistency(text, key)
	if err != nil {
		return fmt.Errorf("%s: %w; a proof of an entry needs --entry", f.proof, err)
	}
	older, err := readKnown(key, f.against)
	if err != nil {
		return err
	}
	if len(older) != 1 {
		return fmt.Errorf("--against must name one file with the older checkpoint: %w", errUsage)
	}
	if err := proof.Check(older[0]); err != nil {
		return err
	}
	_, err = fmt.Fprintf(c.OutOrStdout(), "proved: the record of %s with %d entries continues the one with %d\n",
		proof.Checkpoint.Origin, proof.Checkpoint.Size, proof.From)
	return err
}

// errNotIntact makes the command fail after its report was printed.
var errNotIntact = errors.New("the record is not intact")

func (f verifyFlags) print(w io.Writer, v verified) error {
	var err error
	switch fault := v.Fault; {
	case f.output == "json":
		err = json.NewEncoder(w).Encode(v)
	case v.Intact():
		_, err = fmt.Fprintf(w, "intact: %d entries, head %s, root %s, compared with %d checkpoints\n", v.Head.Sequence, v.Head.Digest, v.Root, v.Checkpoints)
	case fault != nil:
		_, err = fmt.Fprintf(w, "NOT INTACT at entry %d (%s): %s\n", fault.Sequence, fault.Kind, fault.Text)
	}
	if err != nil {
		return fmt.Errorf("print the report: %w", err)
	}
	if !v.Intact() {
		return errNotIntact
	}
	return nil
}
