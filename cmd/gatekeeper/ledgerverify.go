package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"

	"github.com/spf13/cobra"

	"github.com/argo-gatekeeper/gatekeeper/internal/config"
	"github.com/argo-gatekeeper/gatekeeper/pkg/history"
	"github.com/argo-gatekeeper/gatekeeper/pkg/history/archive"
	"github.com/argo-gatekeeper/gatekeeper/pkg/history/export"
	"github.com/argo-gatekeeper/gatekeeper/pkg/history/merkle"
)

// verifyFlags say what is verified, and against what.
type verifyFlags struct {
	config, export, publicKey, output string
	against, archives                 []string
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

Of entries that were archived (gatekeeper ledger archive) their hashes are verified;
with --archive, also what they tell, and the archive itself.

The exit status is 1 when something is wrong.`,
		Example: `  gatekeeper ledger verify --config gatekeeper.yaml
  gatekeeper ledger verify --config gatekeeper.yaml --against march.checkpoint
  gatekeeper ledger verify --export record.jsonl --public-key record.key.pub
  gatekeeper ledger verify --proof 118.proof --entry 118.json --public-key record.key.pub`,
		Args: noArgs,
	}
	c.Flags().StringVar(&f.config, "config", "", "configuration file, to verify the record itself (default, unless there is --export or --proof: $"+configVariable+")")
	c.Flags().StringVar(&f.export, "export", "", "export to verify; - for standard input")
	c.Flags().StringVar(&f.publicKey, "public-key", "", "file with the public key (default with --config: that of the key in the configuration)")
	c.Flags().StringArrayVar(&f.against, "against", nil, "file with a checkpoint that was kept elsewhere; may be repeated")
	archiveFlag(c, &f.archives)
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
	if f.config == "" && f.export == "" && f.proof == "" {
		f.config = os.Getenv(configVariable)
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
	case len(f.archives) > 0 && f.config == "":
		return fmt.Errorf("--archive goes with --config; an archive alone is verified like an export, with --export: %w", errUsage)
	case f.entry != "" && f.proof == "":
		return fmt.Errorf("--entry goes with --proof: %w", errUsage)
	}
	switch {
	case f.proof != "":
		return f.verifyProof(c)
	case f.export != "":
		return f.verifyExport(c)
	}
	cfg, err := config.LoadForRecord(f.config, config.RecordSecrets{Checkpoints: f.publicKey == "" || len(f.archives) > 0})
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
	// From is the first entry of a file that begins in the middle of the record.
	From uint64 `json:"from,omitempty"`
	// Archived is what was verified by its hashes alone.
	Archived []archivedRange `json:"archived,omitempty"`
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
	if len(f.archives) > 0 && !ok {
		return fmt.Errorf("--archive needs --public-key when the configuration has no key: %w", errUsage)
	}
	err = overArchives(ctx, r, key, f.archives, func(over *archive.Reader) error {
		report, tree, err := merkle.Verify(ctx, over.ForVerification(), known...)
		if err != nil {
			return fmt.Errorf("verify the record: %w", err)
		}
		v := verified{Report: report, Size: tree.Size, Root: tree.Root.String(), Checkpoints: len(known)}
		if report.Intact() {
			missing, err := over.Missing(ctx)
			if err != nil {
				return err
			}
			v.Archived = rangesOf(missing)
		}
		return f.print(w, v)
	})
	if !errors.Is(err, archive.ErrOther) {
		return err
	}
	// Perhaps the entry is at fault that should know the archive.
	report, tree, broken := merkle.Verify(ctx, r, known...)
	if broken != nil || report.Fault == nil {
		return errors.Join(err, broken)
	}
	return f.print(w, verified{Report: report, Size: tree.Size, Root: tree.Root.String(), Checkpoints: len(known)})
}

// archivedRange is what was archived together.
type archivedRange struct {
	From uint64         `json:"from"`
	To   uint64         `json:"to"`
	File history.Digest `json:"file"`
}

func rangesOf(archives []history.Archive) (all []archivedRange) {
	for _, a := range archives {
		all = append(all, archivedRange{a.From, a.To, a.File})
	}
	return all
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
	v := verified{Checkpoints: len(known) + 1}
	var stubs []uint64
	report, end, err := export.VerifyEach(c.Context(), in, key, func(e history.Entry) error {
		if v.From == 0 {
			v.From = e.Sequence
		}
		if e.Archived() {
			stubs = append(stubs, e.Sequence)
		}
		if e.Kind != history.KindArchived {
			return nil
		}
		p, err := history.Decode[history.ArchivedPayload](e)
		if slices.ContainsFunc(stubs, p.Covers) {
			v.Archived = append(v.Archived, archivedRange{p.From, p.To, p.File})
		}
		return err
	}, known...)
	if err != nil {
		return err
	}
	v.Report, v.Size = report, end.Size
	if report.Intact() {
		v.Root = end.Root.String()
	}
	return f.print(c.OutOrStdout(), v)
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
	case v.Intact() && v.From > 1:
		_, err = fmt.Fprintf(w, "intact: entries %d to %d, head %s, root %s, compared with %s\n", v.From, v.Head.Sequence, v.Head.Digest, v.Root, howMany(v.Checkpoints, "checkpoint"))
	case v.Intact():
		_, err = fmt.Fprintf(w, "intact: %d entries, head %s, root %s, compared with %s\n", v.Head.Sequence, v.Head.Digest, v.Root, howMany(v.Checkpoints, "checkpoint"))
	case fault != nil:
		_, err = fmt.Fprintf(w, "NOT INTACT at entry %d (%s): %s\n", fault.Sequence, fault.Kind, fault.Text)
	}
	for _, a := range v.Archived {
		if f.output != "json" && err == nil {
			_, err = fmt.Fprintf(w, "archived: entries %d to %d, of which the hashes were verified; what they tell is in the archive %s\n", a.From, a.To, a.File)
		}
	}
	if err != nil {
		return fmt.Errorf("print the report: %w", err)
	}
	if !v.Intact() {
		return errNotIntact
	}
	return nil
}
