package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"github.com/argo-gatekeeper/gatekeeper/internal/config"
	"github.com/argo-gatekeeper/gatekeeper/pkg/history"
	audit "github.com/argo-gatekeeper/gatekeeper/pkg/history/evidence"
	"github.com/argo-gatekeeper/gatekeeper/pkg/history/merkle"
)

type reportOptions struct {
	file, gate, from, to, last, out, output string
	archives                                []string
}

func reportCommand() *cobra.Command {
	var o reportOptions
	c := &cobra.Command{
		Use:   "report --gate GATE {--from TIME [--to TIME] | --last 90d} --config FILE",
		Short: "Write what an auditor asks for: changes, approvals, deployments and exceptions of a gate",
		Long: `Write what was recorded at a gate in a time: every deployment with its changes, who
asked for them, who approved them and on what grounds they were let through, every
exception, the orders of people and the policies, each with the entry of the record
that it rests on.

The record is verified first; the exit status is 1 when it is not intact, and then
nothing is written. It works while gatekeeper serves. A time is a date, which begins
at midnight UTC, or RFC 3339; --to does not belong to the report any more, and is now
by default.

Without --out one format is written to standard output. With it, a new directory gets
report.html, report.json, changes.csv, exceptions.csv and, if a key is configured, the
signed checkpoint.txt.`,
		Example: `  gatekeeper report --gate prod --from 2026-01-01 --to 2026-04-01 --config gatekeeper.yaml --out q1
  gatekeeper report --gate prod --last 90d --config gatekeeper.yaml -o html > report.html`,
		Args: noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			now := time.Now().UTC()
			about, err := o.check(now)
			if err != nil {
				return err
			}
			cfg, err := config.LoadForRecord(o.file, config.RecordSecrets{Checkpoints: true})
			if err != nil {
				return err
			}
			for _, p := range cfg.Policies {
				about.Gates = append(about.Gates, p.Gate)
			}
			signer, keyed, err := checkpointSigner(cfg)
			if err != nil {
				return err
			}
			shown := newProgress(c.ErrOrStderr())
			about.Progress = shown.step
			var made audit.Report
			err = withArchives(c.Context(), cfg, o.archives, func(r history.Reader) error {
				if keyed {
					about.Checkpoint = func(ctx context.Context, head history.Head) (string, error) {
						return signFor(ctx, cfg, r, signer, head)
					}
				}
				made, err = audit.Gather(c.Context(), r, about)
				return err
			})
			shown.clear()
			if err != nil {
				return fmt.Errorf("report on gate %s: %w", o.gate, err)
			}
			return o.write(c.OutOrStdout(), made)
		},
	}
	f := c.Flags()
	f.StringVar(&o.file, "config", "", "configuration file (required)")
	archiveFlag(c, &o.archives)
	f.StringVar(&o.gate, "gate", "", "gate to report on; also one that is not configured any more (required)")
	f.StringVar(&o.from, "from", "", "beginning, for example 2026-01-01 or 2026-01-01T09:00:00Z")
	f.StringVar(&o.to, "to", "", "end, which does not belong to it (default now)")
	f.StringVar(&o.last, "last", "", "instead of --from and --to: the days until now, for example 90d")
	f.StringVar(&o.out, "out", "", "directory to write to; it must not exist, or be empty")
	f.StringVarP(&o.output, "output", "o", "json", "json, csv (the changes) or html, on standard output")
	return c
}

// signFor signs the record as it is, which has the head and perhaps what was appended since.
// A record that contradicts the last checkpoint fails.
func signFor(ctx context.Context, cfg config.Config, r merkle.Entries, signer merkle.Signer, head history.Head) (string, error) {
	signed, err := signNow(ctx, cfg, r, signer)
	if err != nil {
		return "", err
	}
	if signed.Size < 0 || uint64(signed.Size) < head.Sequence {
		return "", fmt.Errorf("it is of %d entries, and the report of %d", signed.Size, head.Sequence)
	}
	return signed.Note, nil
}

// reportFormats are what -o takes.
func reportFormats() map[string]func(io.Writer, audit.Report) error {
	return map[string]func(io.Writer, audit.Report) error{
		"json": audit.WriteJSON, "csv": audit.WriteChanges, "html": audit.WriteHTML,
	}
}

// check says what the report is about.
func (o reportOptions) check(now time.Time) (audit.Options, error) {
	none := audit.Options{}
	switch {
	case o.file == "":
		return none, fmt.Errorf("--config is missing; name the configuration file, or set GATEKEEPER_CONFIG: %w", errUsage)
	case o.gate == "":
		return none, fmt.Errorf("--gate is missing; name the gate to report on: %w", errUsage)
	case (o.from == "") == (o.last == ""):
		return none, fmt.Errorf("give --from with a time, or --last with a number of days: %w", errUsage)
	case o.last != "" && o.to != "":
		return none, fmt.Errorf("--last ends now, and takes no --to: %w", errUsage)
	case reportFormats()[o.output] == nil:
		return none, fmt.Errorf("--output %q is not json, csv or html: %w", o.output, errUsage)
	}
	if o.out != "" {
		if err := checkOut(o.out); err != nil {
			return none, err
		}
	}
	about := audit.Options{Gate: o.gate, To: now, Made: now}
	var err error
	if o.last != "" {
		days, err := daysOf(o.last)
		if err != nil {
			return none, err
		}
		about.From = now.AddDate(0, 0, -days)
		return about, nil
	}
	if about.From, err = timeOf("--from", o.from); err != nil {
		return none, err
	}
	if o.to != "" {
		if about.To, err = timeOf("--to", o.to); err != nil {
			return none, err
		}
	}
	switch {
	case about.To.After(now):
		return none, fmt.Errorf("--to %s is still to come, so the report would not be complete: %w", o.to, errUsage)
	case !about.From.Before(about.To):
		return none, fmt.Errorf("--from is not before --to: %w", errUsage)
	}
	return about, nil
}

// timeOf reads a date, which begins at midnight UTC, or a time of RFC 3339.
func timeOf(flag, text string) (time.Time, error) {
	for _, layout := range []string{time.DateOnly, time.RFC3339} {
		if at, err := time.Parse(layout, text); err == nil {
			return at.UTC(), nil
		}
	}
	return time.Time{}, fmt.Errorf("%s %q is neither a date such as 2026-01-31 nor a time such as 2026-01-31T09:00:00Z: %w", flag, text, errUsage)
}

// mostDays bounds --last.
const mostDays = 36_600

func daysOf(text string) (int, error) {
	number, ok := strings.CutSuffix(text, "d")
	days, err := strconv.Atoi(number)
	if !ok || err != nil || days < 1 || days > mostDays {
		return 0, fmt.Errorf("--last %q is not a number of days such as 90d: %w", text, errUsage)
	}
	return days, nil
}

// step shows what a report waits for.
func (p *progress) step(step string, done int) {
	if p.w == nil || (done > 0 && time.Now().Before(p.next)) {
		return
	}
	p.next, p.shown = time.Now().Add(200*time.Millisecond), true
	if done == 0 {
		_, _ = fmt.Fprintf(p.w, "\r%s\x1b[K", step)
		return
	}
	_, _ = fmt.Fprintf(p.w, "\r%d %s\x1b[K", done, step)
}

// write writes the report to where it is wanted.
func (o reportOptions) write(stdout io.Writer, r audit.Report) error {
	if o.out == "" {
		return reportFormats()[o.output](stdout, r)
	}
	if err := writeReport(o.out, r); err != nil {
		return err
	}
	_, err := fmt.Fprintf(stdout, "wrote the report on gate %s to %s: %s, %s, %s\n",
		r.Gate, o.out, howMany(r.Summary.Deployments, "deployment"), howMany(r.Summary.Changes, "change"), howMany(r.Summary.Exceptions, "exception"))
	if err != nil {
		return fmt.Errorf("print what was written: %w", err)
	}
	return nil
}

// checkOut refuses a directory in which something is.
func checkOut(out string) error {
	found, err := os.ReadDir(out)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return fmt.Errorf("look at --out: %w", err)
	case len(found) > 0:
		return fmt.Errorf("--out %s: %w", out, errNotEmpty)
	}
	return nil
}

// errNotEmpty says that a report would be mixed with something else.
var errNotEmpty = errors.New("the directory is not empty; name one that does not exist")

// writeReport writes all files of a report beside the directory, and then renames that to
// it: a report is there whole, or not at all.
func writeReport(out string, r audit.Report) (err error) {
	if err := checkOut(out); err != nil {
		return err
	}
	if out, err = filepath.Abs(out); err != nil {
		return fmt.Errorf("--out: %w", err)
	}
	temporary, err := os.MkdirTemp(filepath.Dir(out), "."+filepath.Base(out)+".")
	if err != nil {
		return fmt.Errorf("make a directory for the report: %w", err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.RemoveAll(temporary))
		}
	}()
	files := map[string]func(io.Writer, audit.Report) error{
		"report.json": audit.WriteJSON, "report.html": audit.WriteHTML, "changes.csv": audit.WriteChanges, "exceptions.csv": audit.WriteExceptions,
	}
	if r.Record.Checkpoint != "" {
		files["checkpoint.txt"] = func(w io.Writer, r audit.Report) error {
			_, err := io.WriteString(w, r.Record.Checkpoint)
			return err
		}
	}
	for name, write := range files {
		if err := writeWhole(filepath.Join(temporary, name), func(w io.Writer) error { return write(w, r) }); err != nil {
			return fmt.Errorf("write %s: %w", name, err)
		}
	}
	// Unlike os.Rename, this puts a directory in the place of an empty one, and of nothing else.
	if err := unix.Rename(temporary, out); err != nil {
		return fmt.Errorf("put the report to its place: %w", err)
	}
	return nil
}

// writeWhole writes a new file and waits until it is on the disk.
func writeWhole(path string, write func(io.Writer) error) error {
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600) //nolint:gosec // in the folder that the operator named
	if err != nil {
		return err
	}
	out := bufio.NewWriter(file)
	return errors.Join(write(out), out.Flush(), file.Sync(), file.Close())
}
