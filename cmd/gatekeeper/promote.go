package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/argo-gatekeeper/gatekeeper/internal/config"
	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
	"github.com/argo-gatekeeper/gatekeeper/pkg/argo"
	"github.com/argo-gatekeeper/gatekeeper/pkg/github"
	"github.com/argo-gatekeeper/gatekeeper/pkg/github/promote"
	"github.com/argo-gatekeeper/gatekeeper/pkg/registry"
)

type promoteOptions struct {
	from, to, as, repository, output string
	images                           []string
	only                             []promote.Selection
	pin, unhealthy, dryRun           bool
	timeout                          time.Duration
}

func promoteCommand() *cobra.Command {
	var o promoteOptions
	var file string
	c := &cobra.Command{
		Use:   "promote --from NAMESPACE/APPLICATION --to NAMESPACE/APPLICATION --as LOGIN --config FILE",
		Short: "Open a pull request that brings the images of one Application to another one",
		Long: `Open a pull request that brings the image versions that one Application runs into
the files of another one. Only the values change, and a person of the quorum
approves it like any other change of images; whoever asked for it cannot.

The files are those that --to alone is rendered from, on the protected branch, in
the scope of its gate. A place has to name the repository of the image, or to be
named with --image. A second promotion to the same Application updates the pull
request that is open. When the versions are there already, nothing is done.

The App needs the permissions contents: write and pull_requests: write.`,
		Example: `  gatekeeper promote --from argocd/shop-staging --to argocd/shop-prod --as alice --config gatekeeper.yaml --dry-run
  gatekeeper promote --from argocd/shop-staging --to argocd/shop-prod --as alice --config gatekeeper.yaml \
    --image ghcr.io/acme/shop=envs/prod/values.yaml:image.tag`,
		Args: noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if err := o.check(file); err != nil {
				return err
			}
			cfg, err := config.Load(file)
			if err != nil {
				return err
			}
			ctx, cancel := context.WithTimeout(c.Context(), o.timeout)
			defer cancel()
			return runPromote(ctx, c.OutOrStdout(), c.ErrOrStderr(), cfg, o)
		},
	}
	f := c.Flags()
	f.StringVar(&file, "config", "", "configuration file (required)")
	f.StringVar(&o.from, "from", "", "Application whose images are taken, as NAMESPACE/NAME (required)")
	f.StringVar(&o.to, "to", "", "Application that gets them, as NAMESPACE/NAME (required)")
	f.StringVar(&o.as, "as", "", "GitHub login of the person who asks, who then cannot approve (required)")
	f.StringArrayVar(&o.images, "image", nil, "image that is meant: REPOSITORY, REPOSITORY=PATH or REPOSITORY=FILE:PATH, where PATH is like\nimage.tag, or * for all places (default: every image of --from that the files name; can be repeated)")
	f.StringVar(&o.repository, "repository", "", "owner/name of the protected repository to change, when --to has several")
	f.BoolVar(&o.pin, "pin", false, "add the digest to references that have only a tag (always when the gate requires digests)")
	f.BoolVar(&o.unhealthy, "allow-unhealthy", false, "promote although --from is not Synced and Healthy")
	f.BoolVar(&o.dryRun, "dry-run", false, "print the change and the text of the pull request, and write nothing")
	f.StringVarP(&o.output, "output", "o", "text", "text or json")
	f.DurationVar(&o.timeout, "timeout", time.Minute, "how long it may take")
	return c
}

// check finds mistakes of the command line, before anything is read.
func (o *promoteOptions) check(file string) error {
	for _, required := range [][3]string{
		{file, "config", "name the configuration file"},
		{o.from, "from", "name the Application whose images are taken, for example argocd/shop-staging"},
		{o.to, "to", "name the Application that gets them, for example argocd/shop-prod"},
		{o.as, "as", "name the GitHub login of the person who asks"},
	} {
		if required[0] == "" {
			return fmt.Errorf("--%s is missing; %s: %w", required[1], required[2], errUsage)
		}
	}
	for flag, value := range map[string]string{"from": o.from, "to": o.to} {
		if namespace, name, ok := strings.Cut(value, "/"); !ok || namespace == "" || name == "" || strings.Contains(name, "/") {
			return fmt.Errorf("--%s %q is not NAMESPACE/NAME, for example argocd/shop-prod: %w", flag, value, errUsage)
		}
	}
	if err := textOrJSON(o.output); err != nil {
		return err
	}
	if o.repository != "" {
		if _, err := approval.ParseRepositoryName(o.repository); err != nil {
			return fmt.Errorf("--repository: %w: %w", err, errUsage)
		}
	}
	for _, text := range o.images {
		s, err := promote.ParseSelection(text)
		if err != nil {
			return fmt.Errorf("--image: %w: %w", err, errUsage)
		}
		o.only = append(o.only, s)
	}
	return nil
}

func runPromote(ctx context.Context, stdout, stderr io.Writer, cfg config.Config, o promoteOptions) error {
	log := commandLog(stderr)
	cluster, err := connectArgoCD(cfg)
	if err != nil {
		return err
	}
	app, err := connectApp(cfg, func(context.Context, github.Call) {}, log)
	if err != nil {
		return err
	}
	promoter, err := promote.New(promote.Options{GitHub: app, WebURL: cfg.File.GitHub.URL, Logger: log})
	if err != nil {
		return err
	}
	client, err := registryClient(cfg)
	if err != nil {
		return err
	}
	p := promotions{cfg: cfg, reader: argo.NewReader(cluster.client, cluster.parser), promoter: promoter, registry: client, log: log}
	out, knowledge, err := p.promote(ctx, o, func(repository approval.RepositoryName) (approval.User, error) {
		return readAsker(ctx, app, repository, o.as)
	})
	if err != nil {
		return err
	}
	if err := knowledge.warn(stderr); err != nil {
		return err
	}
	if o.output == "json" {
		return out.json(stdout)
	}
	return out.text(stdout)
}

// promotions are made from the command line and by comments on pull requests.
type promotions struct {
	cfg      config.Config
	reader   *argo.Reader
	promoter *promote.Promoter
	registry *registry.Client // nil when no gate verifies images
	log      *slog.Logger
}

// promote works a promotion out, and opens its pull request unless that is not wanted or
// nothing changes. The asker is read for the repository that changes.
func (p promotions) promote(ctx context.Context, o promoteOptions, asker func(approval.RepositoryName) (approval.User, error)) (promotion, *knowledge, error) {
	asked, err := readPromotion(ctx, p.reader, p.cfg, o)
	if err != nil {
		return promotion{}, nil, err
	}
	repositories, err := targetRepositories(asked.policy, asked.request, o)
	if err != nil {
		return promotion{}, nil, err
	}
	if asked.request.Asker, err = asker(repositories[0].Name); err != nil {
		return promotion{}, nil, err
	}
	known := &knowledge{promotable: asked, registry: p.registry, patience: o.timeout / 4}
	plan, err := known.plan(ctx, func(r promote.Request) (promote.Plan, error) {
		return planPromotion(ctx, p.promoter, r, repositories)
	})
	if err != nil {
		return promotion{}, nil, err
	}
	if !plan.Nothing() {
		known.labels(ctx, plan.Changes())
		known.soaks(ctx, p.cfg, p.reader, plan.Changes(), p.log)
		plan = known.tell(plan)
	}
	out := promotion{plan: plan, gate: asked.policy.Gate, dryRun: o.dryRun}
	if plan.Nothing() || o.dryRun {
		return out, known, nil
	}
	pull, err := p.promoter.Open(ctx, plan)
	out.pull = &pull
	return out, known, err
}

// promotable is what was read of both Applications.
type promotable struct {
	// request has neither a repository nor who asks yet.
	request promote.Request
	policy  approval.Policy
	to      argo.Running
}

// readPromotion reads both Applications and finds the gate.
func readPromotion(ctx context.Context, reader *argo.Reader, cfg config.Config, o promoteOptions) (promotable, error) {
	fail := func(err error) (promotable, error) { return promotable{}, err }
	read := func(key string) (argo.Running, error) {
		namespace, name, _ := strings.Cut(key, "/")
		return reader.Running(ctx, namespace, name)
	}
	from, err := read(o.from)
	if err != nil {
		return fail(err)
	}
	to, err := read(o.to)
	if err != nil {
		return fail(err)
	}
	gates := slices.DeleteFunc(slices.Clone(cfg.Policies), func(p approval.Policy) bool { return !p.Protects(to.Application) })
	switch {
	case len(gates) == 0:
		return fail(fmt.Errorf("no gate protects %s, so nobody would have to approve this; change its files directly", o.to))
	case len(gates) > 1:
		return fail(fmt.Errorf("%s is protected by %d gates, so it is blocked; leave it to one of them", o.to, len(gates)))
	}
	if why := unfit(from); why != "" && !o.unhealthy {
		return fail(&unfitError{from: o.from, why: why})
	}
	r := promote.Request{
		From: o.from, To: o.to, Only: o.only,
		// A gate that refuses images without a digest would refuse this one.
		Pin:    o.pin || gates[0].Image != nil && gates[0].Image.RequireDigest,
		Signed: gates[0].Image != nil && len(gates[0].Image.Signers) > 0,
		Reads:  readsOf(to.Application), Shared: readsOf(from.Application), Evidence: evidence(o.from, from),
	}
	for _, reference := range from.Images {
		if image, ok := promote.ParseImage(reference); ok {
			r.Images = append(r.Images, image)
		}
	}
	if len(r.Images) == 0 {
		return fail(fmt.Errorf("the status of %s names no image; Argo CD lists those of running pods there", o.from))
	}
	for _, g := range cfg.File.Gates {
		if g.Name != gates[0].Gate || g.Image == nil {
			continue
		}
		if r.Rules, err = imageRules(g.Image); err != nil {
			return fail(fmt.Errorf("set up the images of gate %s: %w", g.Name, err))
		}
	}
	return promotable{request: r, policy: gates[0], to: to}, nil
}

// unfit says why what an Application runs is no example; empty when it is one.
func unfit(r argo.Running) string {
	op := r.Application.Operation
	switch {
	case r.Application.Deleting:
		return "is being deleted"
	case r.Sync != "Synced":
		return "is not Synced, it is " + orUnknown(r.Sync)
	case r.Application.Health != "Healthy":
		return "is not Healthy, it is " + orUnknown(r.Application.Health)
	case op != nil && !op.Finished():
		return "is being synced at the moment"
	default:
		return ""
	}
}

// unfitError is about an Application that is no example at the moment. What to do about it
// depends on how it was asked: the flag is the command line's alone.
type unfitError struct{ from, why string }

func (e *unfitError) Error() string {
	return e.text() + "; wait until it is Synced and Healthy, or promote it all the same with --allow-unhealthy"
}

func (e *unfitError) text() string { return e.from + " " + e.why }

func orUnknown(status string) string {
	if status == "" {
		return "of unknown state"
	}
	return status
}

// evidence says what speaks for the images, in sentences that stay true.
func evidence(name string, r argo.Running) []string {
	state := fmt.Sprintf("%s was %s and %s", name, orUnknown(r.Sync), orUnknown(r.Application.Health))
	if !r.ReconciledAt.IsZero() {
		state += " when Argo CD looked at it on " + r.ReconciledAt.UTC().Format(time.RFC3339)
	}
	list := []string{state + "."}
	if deployed := r.Application.Deployed; len(deployed) > 0 {
		last := deployed[len(deployed)-1]
		text := "It runs what was deployed on " + last.DeployedAt.UTC().Format(time.RFC3339)
		if !r.ReconciledAt.IsZero() && r.ReconciledAt.After(last.DeployedAt) {
			text += ", " + strings.TrimSuffix(r.ReconciledAt.Sub(last.DeployedAt).Round(time.Minute).String(), "0s") + " before that"
		}
		if len(last.Revisions) > 0 {
			text += ", at " + strings.Join(last.Revisions, ", ")
		}
		list = append(list, text+".")
	}
	return list
}

func readsOf(a approval.Application) []approval.Read {
	var reads []approval.Read
	for _, s := range a.Sources {
		reads = append(reads, s.Reads...)
	}
	return reads
}

// targetRepositories are the protected repositories that the target is rendered from.
func targetRepositories(p approval.Policy, r promote.Request, o promoteOptions) ([]approval.ProtectedRepository, error) {
	var list []approval.ProtectedRepository
	for _, repository := range p.Repositories {
		read := slices.ContainsFunc(r.Reads, func(read approval.Read) bool { return read.Repository.Equal(repository.Name) })
		if read && (o.repository == "" || repository.Name.Equal(approval.RepositoryName(o.repository))) {
			list = append(list, repository)
		}
	}
	if len(list) == 0 {
		which := "any repository"
		if o.repository != "" {
			which = o.repository
		}
		return nil, fmt.Errorf("%s is not rendered from %s that gate %s protects", o.to, which, p.Gate)
	}
	return list, nil
}

func readAsker(ctx context.Context, app *github.App, repository approval.RepositoryName, login string) (approval.User, error) {
	client, err := app.Client(ctx, repository)
	if err != nil {
		return approval.User{}, err
	}
	u, _, err := client.API().Users.Get(ctx, login)
	err = github.Wrap("read user "+login, "", err)
	switch {
	case errors.Is(err, approval.ErrNotFound):
		return approval.User{}, fmt.Errorf("GitHub has no account %q, which --as names", login)
	case err != nil:
		return approval.User{}, err
	case !strings.EqualFold(u.GetLogin(), login):
		return approval.User{}, fmt.Errorf("GitHub was asked for %q and answered with %q", login, u.GetLogin())
	case u.GetType() != approval.UserTypePerson:
		return approval.User{}, fmt.Errorf("%s is not a person's account but a %s; --as names the person who asks", u.GetLogin(), u.GetType())
	}
	return approval.User{ID: approval.UserID(u.GetID()), Login: u.GetLogin(), Type: u.GetType()}, nil
}

// planPromotion finds the repository whose files name the images.
func planPromotion(ctx context.Context, promoter *promote.Promoter, r promote.Request, repositories []approval.ProtectedRepository) (promote.Plan, error) {
	var found *promote.Plan
	var missing []error
	for _, repository := range repositories {
		r.Repository = repository
		plan, err := promoter.Plan(ctx, r)
		switch {
		case errors.Is(err, promote.ErrNoPlace):
			missing = append(missing, err)
		case err != nil:
			return promote.Plan{}, err
		case found == nil || found.Nothing():
			found = &plan
		case !plan.Nothing():
			return promote.Plan{}, fmt.Errorf("both %s and %s name the images; choose one with --repository", found.Request.Repository.Name, repository.Name)
		}
	}
	if found == nil {
		return promote.Plan{}, errors.Join(missing...)
	}
	return *found, nil
}
