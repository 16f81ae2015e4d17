package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/argo-gatekeeper/gatekeeper/internal/config"
	"github.com/argo-gatekeeper/gatekeeper/internal/gate"
	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
	"github.com/argo-gatekeeper/gatekeeper/pkg/argo"
	"github.com/argo-gatekeeper/gatekeeper/pkg/argo/closure"
	"github.com/argo-gatekeeper/gatekeeper/pkg/github"
	"github.com/argo-gatekeeper/gatekeeper/pkg/history"
)

type explainOptions struct {
	application string
	entry       uint64
	live        bool
	output      string
	timeout     time.Duration
	archives    []string
}

func explainCommand() *cobra.Command {
	var o explainOptions
	var file string
	c := &cobra.Command{
		Use:   "explain NAMESPACE/APPLICATION --config FILE",
		Short: "Tell why an Application may or may not be synced, and who can change that",
		Long: `Print the newest recorded decision on an Application as a tree, and replay it: the
recorded policy and facts are decided on once more, and the result must be the
recorded decision. The exit status is 1 when it is not.

With --live the facts are collected now and decided on with the configuration as
it is now; nothing is recorded, synced or written on a pull request. Both work
while gatekeeper serves.`,
		Example: `  gatekeeper explain argocd/payments --config gatekeeper.yaml
  gatekeeper explain argocd/payments --config gatekeeper.yaml --entry 42
  gatekeeper explain argocd/payments --config gatekeeper.yaml --live -o json`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 || !strings.Contains(args[0], "/") {
				return fmt.Errorf("name one Application as NAMESPACE/NAME, for example argocd/payments: %w", errUsage)
			}
			return nil
		},
		RunE: func(c *cobra.Command, args []string) error {
			o.application = args[0]
			switch {
			case file == "":
				return fmt.Errorf("--config is missing; name the configuration file, or set GATEKEEPER_CONFIG: %w", errUsage)
			case o.output != "text" && o.output != "json":
				return fmt.Errorf("--output %q is not text or json: %w", o.output, errUsage)
			case o.live && o.entry > 0:
				return fmt.Errorf("--entry names a recorded decision, --live makes a new one; use one of them: %w", errUsage)
			}
			load := func(path string) (config.Config, error) {
				return config.LoadForRecord(path, config.RecordSecrets{Checkpoints: len(o.archives) > 0})
			}
			if o.live {
				load = config.Load // GitHub and Argo CD are asked, too
			}
			cfg, err := load(file)
			if err != nil {
				return err
			}
			return withArchives(c.Context(), cfg, o.archives, func(r history.Reader) error {
				if o.live {
					return explainLive(c.Context(), c.OutOrStdout(), c.ErrOrStderr(), cfg, r, o)
				}
				return explainRecorded(c.Context(), c.OutOrStdout(), r, o)
			})
		},
	}
	c.Flags().StringVar(&file, "config", "", "configuration file (required)")
	archiveFlag(c, &o.archives)
	c.Flags().Uint64Var(&o.entry, "entry", 0, "sequence number of the recorded decision (default: the newest)")
	c.Flags().BoolVar(&o.live, "live", false, "collect the facts and decide now")
	c.Flags().StringVarP(&o.output, "output", "o", "text", "text or json")
	c.Flags().DurationVar(&o.timeout, "timeout", time.Minute, "how long --live may take")
	return c
}

// explanation is what is printed with -o json.
type explanation struct {
	// Entry is the recorded entry; absent for a live decision.
	Entry    uint64            `json:"entry,omitempty"`
	Time     time.Time         `json:"time"`
	Policy   approval.Policy   `json:"policy"`
	Facts    approval.Facts    `json:"facts"`
	Decision approval.Decision `json:"decision"`
	// Replayed is "same" or says what differs; absent for a live decision.
	Replayed string `json:"replayed,omitempty"`
}

const replayedSame = "same"

// errReplay makes the command fail after the decision was printed.
var errReplay = errors.New("the recorded decision is not what its policy and facts give")

func explainRecorded(ctx context.Context, w io.Writer, r history.Reader, o explainOptions) error {
	entry, err := findDecision(ctx, r, o)
	if err != nil {
		return err
	}
	p, err := history.Decode[history.DecisionPayload](entry)
	if err != nil {
		return fmt.Errorf("read entry %d: %w", entry.Sequence, err)
	}
	x := explanation{Entry: entry.Sequence, Time: entry.Time, Policy: p.Policy, Facts: p.Facts, Decision: p.Decision}
	if x.Replayed, err = replay(p); err != nil {
		return fmt.Errorf("replay entry %d: %w", entry.Sequence, err)
	}
	if err := printExplanation(w, o.output, x); err != nil {
		return err
	}
	if x.Replayed != replayedSame {
		return errReplay
	}
	return nil
}

// findDecision finds the entry that is asked for. An Application may have been
// deleted and made again, so it is looked for by its name, from the end.
func findDecision(ctx context.Context, r history.Reader, o explainOptions) (history.Entry, error) {
	if o.entry > 0 {
		entries, err := r.Entries(ctx, o.entry, 1)
		switch {
		case err != nil:
			return history.Entry{}, fmt.Errorf("read entry %d: %w", o.entry, err)
		case len(entries) == 0 || entries[0].Sequence != o.entry:
			return history.Entry{}, fmt.Errorf("the record has no entry %d", o.entry)
		case entries[0].Kind != history.KindDecision:
			return history.Entry{}, fmt.Errorf("entry %d is not a decision, it is a %s", o.entry, entries[0].Kind)
		}
		if name, err := decidedOn(entries[0]); err != nil || name != o.application {
			return history.Entry{}, errors.Join(fmt.Errorf("entry %d is about %s, not %s", o.entry, name, o.application), err)
		}
		return entries[0], nil
	}
	head, err := r.Head(ctx)
	if err != nil {
		return history.Entry{}, fmt.Errorf("read the record's head: %w", err)
	}
	var others []string
	for end := head.Sequence; end > 0; {
		from := max(end, exportPage) - exportPage + 1
		entries, err := r.Entries(ctx, from, int(end-from+1)) //nolint:gosec // at most exportPage
		if err != nil {
			return history.Entry{}, fmt.Errorf("read the record: %w", err)
		}
		for _, entry := range slices.Backward(entries) {
			if entry.Kind != history.KindDecision {
				continue
			}
			if name, err := decidedOn(entry); err != nil {
				return history.Entry{}, err
			} else if name == o.application {
				return entry, nil
			} else if !slices.Contains(others, name) {
				others = append(others, name)
			}
		}
		end = from - 1
	}
	return history.Entry{}, fmt.Errorf("the record has no decision on %s; --live decides now%s", o.application, recordedNames(o.application, others))
}

func decidedOn(e history.Entry) (string, error) {
	p, err := history.Decode[history.DecisionPayload](e)
	if err != nil {
		return "", fmt.Errorf("read entry %d: %w", e.Sequence, err)
	}
	return p.Decision.Application, nil
}

// replay decides once more and says whether the decision is the recorded one.
func replay(p history.DecisionPayload) (string, error) {
	policy, err := history.DigestOf(p.Policy)
	if err != nil {
		return "", err
	}
	facts, err := history.DigestOf(p.Facts)
	if err != nil {
		return "", err
	}
	if policy != p.PolicyDigest || facts != p.FactsDigest {
		return "the policy or the facts are not those whose digests were recorded", nil
	}
	again := approval.Explain(p.Policy, p.Facts)
	recorded, err := history.Canonical(p.Decision)
	if err != nil {
		return "", err
	}
	now, err := history.Canonical(again)
	if err != nil {
		return "", err
	}
	if string(recorded) != string(now) {
		return fmt.Sprintf("this version decides %s where %s was recorded, or gives other reasons", again.Verdict, p.Decision.Verdict), nil
	}
	return replayedSame, nil
}

func explainLive(ctx context.Context, w, stderr io.Writer, cfg config.Config, r history.Reader, o explainOptions) (err error) {
	ctx, cancel := context.WithTimeout(ctx, o.timeout)
	defer cancel()
	log := commandLog(stderr)
	witness, err := inspectInbox(ctx, cfg)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, witness.Close()) }()
	// A mirror belongs to one process, so this one makes its own for the moment.
	dir, err := os.MkdirTemp("", "gatekeeper-explain-")
	if err != nil {
		return fmt.Errorf("make a folder for the mirrors: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	hub, err := connectGitHub(cfg, witness, dir, func(context.Context, github.Call) {}, nil, log)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, hub.repositories.close()) }()
	cluster, err := connectArgoCD(cfg)
	if err != nil {
		return err
	}
	api, err := connectArgoAPI(cfg, nil)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, api.Close()) }()
	reader := argo.NewReader(cluster.client, cluster.parser)
	soaks, err := newProvings(ctx, cfg, witness, reader, func(string) {}, log)
	if err != nil {
		return err
	}
	keys, err := cfg.PublicKeys()
	if err != nil {
		return err
	}
	imageFacts, err := connectImages(cfg, keys, hub, witness, *soaks.gates.Load(), log)
	if err != nil {
		return err
	}
	x, err := gate.Examiner{
		Policies: cfg.Policies, Applications: reader,
		Collector: hub.collector, Closures: closure.New(objects{hub.repositories}), Images: imageFacts, Specs: specs{reader, api, nil}, Record: r,
		Logger: log,
	}.Examine(ctx, o.application)
	if err != nil {
		return err
	}
	return printExplanation(w, o.output, explanation{Time: x.Facts.CollectedAt, Policy: x.Policy, Facts: x.Facts, Decision: x.Decision})
}

func printExplanation(w io.Writer, output string, x explanation) error {
	if output == "json" {
		out := json.NewEncoder(w)
		out.SetEscapeHTML(false)
		if err := out.Encode(x); err != nil {
			return fmt.Errorf("print the decision: %w", err)
		}
		return nil
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s: %s by gate %s\n", mark(x.Decision.Verdict), x.Decision.Application, strings.ToUpper(string(x.Decision.Verdict)), x.Decision.Gate)
	// Several sources of one repository are synced to one commit of it.
	var said []string
	for _, rev := range x.Decision.Candidate.Revisions {
		if line := fmt.Sprintf("  may be synced to %s of %s\n", rev.SHA, rev.Repository); !slices.Contains(said, line) {
			said = append(said, line)
			b.WriteString(line)
		}
	}
	switch {
	case x.Entry > 0:
		fmt.Fprintf(&b, "  recorded as entry %d on %s\n", x.Entry, x.Time.UTC().Format(time.RFC3339))
	default:
		fmt.Fprintf(&b, "  decided now, from facts of %s; nothing was recorded\n", x.Time.UTC().Format(time.RFC3339))
	}
	b.WriteByte('\n')
	writeFindings(&b, x.Decision.Findings, "")
	switch x.Replayed {
	case "":
	case replayedSame:
		b.WriteString("\nReplayed: the recorded policy and facts give this decision.\n")
	default:
		fmt.Fprintf(&b, "\nREPLAY DIFFERS: %s.\n", x.Replayed)
	}
	if _, err := io.WriteString(w, b.String()); err != nil {
		return fmt.Errorf("print the decision: %w", err)
	}
	return nil
}
