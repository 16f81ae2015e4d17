package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/argo-gatekeeper/gatekeeper/internal/config"
	"github.com/argo-gatekeeper/gatekeeper/internal/preview"
	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
	"github.com/argo-gatekeeper/gatekeeper/pkg/argo"
	"github.com/argo-gatekeeper/gatekeeper/pkg/argo/manifestdiff"
	"github.com/argo-gatekeeper/gatekeeper/pkg/github"
	"github.com/argo-gatekeeper/gatekeeper/pkg/history"
)

type diffOptions struct {
	application, file, output string
	repository, from, to      string
	pull                      int
	timeout                   time.Duration
}

func diffCommand() *cobra.Command {
	var o diffOptions
	c := &cobra.Command{
		Use:   "diff NAMESPACE/APPLICATION --config FILE",
		Short: "Show what a sync would ship, or what a pull request changes, as Argo CD renders it",
		Long: `Show how what Argo CD renders of an Application differs between two revisions, resource
by resource, with the spec that it has now. Values of secrets are masked.

Without more, what is live is compared with what a sync would ship: the candidate of
the newest recorded decision, or, when that allows nothing, everything that has
landed. --pr shows what one pull request changes by itself, --from and --to compare
any commits: full SHAs, one for each source by comma where there are several.

Nothing is changed anywhere. Argo CD is asked with the token of the configuration, and
what is asked for is rendered by its repo-server.`,
		Example: `  gatekeeper diff argocd/payments --config gatekeeper.yaml
  gatekeeper diff argocd/payments --pr 42 --repo acme/env-overrides --config gatekeeper.yaml
  gatekeeper diff argocd/payments --to 8f14e45fceea167a5a36dedd4bea2543b1b2c3d4 --config gatekeeper.yaml -o json`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 || strings.Count(args[0], "/") != 1 {
				return fmt.Errorf("name one Application as NAMESPACE/NAME, for example argocd/payments: %w", errUsage)
			}
			return nil
		},
		RunE: func(c *cobra.Command, args []string) error {
			o.application = args[0]
			if err := o.check(); err != nil {
				return err
			}
			ctx, cancel := context.WithTimeout(c.Context(), o.timeout)
			defer cancel()
			p, err := o.compare(ctx, c.ErrOrStderr())
			if err != nil {
				return err
			}
			w := c.OutOrStdout()
			if o.output == "json" {
				return printJSON(w, p)
			}
			return printPreview(w, p, colourful(w, os.Getenv))
		},
	}
	f := c.Flags()
	f.StringVar(&o.file, "config", "", "configuration file (required)")
	f.IntVar(&o.pull, "pr", 0, "show what this pull request changes")
	f.StringVar(&o.repository, "repo", "", "repository of --pr, as OWNER/NAME (default: that of the Application, if it reads one alone)")
	f.StringVar(&o.from, "from", "", "full commit SHA to compare with (default: what is live)")
	f.StringVar(&o.to, "to", "", "full commit SHA to show (default: what a sync would ship)")
	f.StringVarP(&o.output, "output", "o", "text", "text or json")
	f.DurationVar(&o.timeout, "timeout", 2*time.Minute, "how long it may take")
	return c
}

func (o *diffOptions) check() error {
	switch {
	case o.file == "":
		return fmt.Errorf("--config is missing; name the configuration file, or set GATEKEEPER_CONFIG: %w", errUsage)
	case o.pull < 0:
		return fmt.Errorf("--pr %d is not the number of a pull request: %w", o.pull, errUsage)
	case o.pull > 0 && o.from+o.to != "":
		return fmt.Errorf("--pr says what is compared; leave --from and --to out: %w", errUsage)
	case o.repository != "" && o.pull == 0:
		return fmt.Errorf("--repo is that of a pull request; give --pr as well: %w", errUsage)
	}
	return textOrJSON(o.output)
}

// compare does what was asked for. A preview that is not to be had is an error.
func (o *diffOptions) compare(ctx context.Context, stderr io.Writer) (p approval.Preview, err error) {
	load := config.LoadWithoutSecrets
	if o.pull > 0 {
		load = config.Load // GitHub is asked, too
	}
	cfg, err := load(o.file)
	if err != nil {
		return p, err
	}
	cluster, err := connectArgoCD(cfg)
	if err != nil {
		return p, err
	}
	api, err := connectArgoAPI(cfg, nil)
	if err != nil {
		return p, err
	}
	defer func() { err = errors.Join(err, api.Close()) }()
	reader := argo.NewReader(cluster.client, cluster.parser)
	namespace, name, _ := strings.Cut(o.application, "/")
	app, err := reader.Get(ctx, namespace, name)
	if errors.Is(err, approval.ErrNotFound) {
		return p, fmt.Errorf("there is no Application %s", o.application)
	}
	if err != nil {
		return p, err
	}
	if o.pull > 0 {
		p, err = o.ofPull(ctx, cfg, app, stderr)
	} else {
		p, err = o.ofRevisions(ctx, cfg, app)
	}
	if err != nil {
		return p, err
	}
	p.Application, p.Comparison.Application = app.Key(), app
	if p.State = approval.PreviewReady; len(p.To) == 0 {
		return p, nil // what is live is what a sync would ship
	}
	p.Diff, err = preview.Compare(ctx, renderer{reader, cluster.parser, api, cfg.File.Previews.Plugins}, manifestdiff.NewMasker(), p.Comparison)
	return p, err
}

// ofRevisions compares commits: those that are given, or what is live and what a sync
// would ship.
func (o *diffOptions) ofRevisions(ctx context.Context, cfg config.Config, app approval.Application) (p approval.Preview, err error) {
	p = approval.Preview{Kind: approval.PreviewSync}
	if o.from == "" || o.to == "" {
		if p, err = newest(ctx, cfg, app); err != nil {
			return p, err
		}
	}
	if o.from != "" {
		if p.From, err = vector(app, "--from", o.from); err != nil {
			return p, err
		}
	}
	if o.to != "" {
		if p.To, err = vector(app, "--to", o.to); err != nil {
			return p, err
		}
	}
	if o.from != "" || o.to != "" {
		p.Kind, p.Shipped, p.Allowed = "", nil, false
	}
	return p, nil
}

// newest is what a sync would ship by the newest recorded decision. What is live is
// known without one.
func newest(ctx context.Context, cfg config.Config, app approval.Application) (p approval.Preview, err error) {
	var d approval.Decision
	err = withRecord(ctx, cfg, func(r history.Reader) error {
		entry, err := findDecision(ctx, r, explainOptions{application: app.Key()})
		if err != nil {
			return fmt.Errorf("find what a sync would ship: %w; or give --from and --to", err)
		}
		decided, err := history.Decode[history.DecisionPayload](entry)
		d = decided.Decision
		return err
	})
	if err != nil {
		return p, err
	}
	return preview.Sync(app, d)
}

// vector reads a revision for each source. One SHA stands for all sources when they are
// of one repository.
func vector(app approval.Application, flag, text string) ([]approval.Revision, error) {
	parts := strings.Split(text, ",")
	if len(parts) == 1 {
		for _, s := range app.Sources[1:] {
			if !s.Repository.Equal(app.Sources[0].Repository) {
				return nil, fmt.Errorf("%s must have %d SHAs by comma, one for each source of %s: %w", flag, len(app.Sources), app.Key(), errUsage)
			}
			parts = append(parts, text)
		}
	}
	if len(parts) != len(app.Sources) {
		return nil, fmt.Errorf("%s has %d SHAs, and %s has %d sources: %w", flag, len(parts), app.Key(), len(app.Sources), errUsage)
	}
	out := make([]approval.Revision, len(parts))
	for i, part := range parts {
		sha, err := approval.ParseSHA(strings.TrimSpace(part))
		if err != nil {
			return nil, fmt.Errorf("%s: %w: %w", flag, err, errUsage)
		}
		out[i] = approval.Revision{Repository: app.Sources[i].Repository, SHA: sha}
	}
	return out, nil
}

// ofPull compares what a pull request changes.
func (o *diffOptions) ofPull(ctx context.Context, cfg config.Config, app approval.Application, stderr io.Writer) (p approval.Preview, err error) {
	repository, err := o.repositoryOf(app)
	if err != nil {
		return p, err
	}
	witness, err := inspectInbox(ctx, cfg)
	if err != nil {
		return p, err
	}
	defer func() { err = errors.Join(err, witness.Close()) }()
	// A mirror belongs to one process, so this one makes its own for the moment.
	dir, err := os.MkdirTemp("", "gatekeeper-diff-")
	if err != nil {
		return p, fmt.Errorf("make a folder for the mirrors: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	hub, err := connectGitHub(cfg, witness, dir, func(context.Context, github.Call) {}, nil, commandLog(stderr))
	if err != nil {
		return p, err
	}
	defer func() { err = errors.Join(err, hub.repositories.close()) }()
	answer, err := hub.collector.CollectPull(ctx, repository, o.pull, approval.Query{})
	if errors.Is(err, approval.ErrNotFound) {
		return p, fmt.Errorf("%s has no pull request #%d; check the number, or name another repository with --repo", repository, o.pull)
	}
	if err != nil {
		return p, err
	}
	// Where the Application is not deployed, its other sources are not known.
	others, _ := preview.Live(app)
	p = approval.Preview{Kind: approval.PreviewPull}
	p.Comparison, err = preview.OfPull(app, repository, answer, others)
	return p, err
}

func (o *diffOptions) repositoryOf(app approval.Application) (approval.RepositoryName, error) {
	if o.repository != "" {
		name, err := approval.ParseRepositoryName(o.repository)
		if err != nil {
			return "", fmt.Errorf("--repo %q is not OWNER/NAME: %w", o.repository, errUsage)
		}
		return name, nil
	}
	var found approval.RepositoryName
	for _, s := range app.Sources {
		if s.Repository == "" || s.Repository.Equal(found) {
			continue
		}
		if found != "" {
			return "", fmt.Errorf("%s reads several repositories; say with --repo which one #%d is in: %w", app.Key(), o.pull, errUsage)
		}
		found = s.Repository
	}
	if found == "" {
		return "", fmt.Errorf("%s reads no repository on GitHub", app.Key())
	}
	return found, nil
}
