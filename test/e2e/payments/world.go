package payments

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"

	"k8s.io/client-go/dynamic"

	"github.com/argo-gatekeeper/gatekeeper/test/e2e/sandbox"
	"github.com/argo-gatekeeper/gatekeeper/test/e2e/standin"
	"github.com/argo-gatekeeper/gatekeeper/test/e2e/standin/web"
)

// The people. Alice authors changes; bob, carol, dave and erin are the SRE team
// whose approvals count. Mallory may write to the repository but is in no team.
const (
	Alice   = "alice"
	Bob     = "bob"
	Carol   = "carol"
	Dave    = "dave"
	Erin    = "erin"
	Mallory = "mallory"
)

// argoReader is the account with which Argo CD reads the repository.
const argoReader = "argocd-reader"

// Organization, Repository and Team are the names that the gate knows.
const (
	Organization = "acme"
	Repository   = "acme/env-overrides"
	Team         = "acme/sre"
)

// Options make a world.
type Options struct {
	// Name is part of every name in the cluster: lower-case letters, digits, dashes.
	Name string
	// Services that get a production Application. Default: all.
	Services []string
	// Stage also creates the stage Applications, which no gate protects.
	Stage bool
	// Images give the gate an image quorum; nil for none. Payments and ledger then
	// have images in a registry of the world's own.
	Images *Images
	// Unadopted leaves the specs of the Applications to be adopted by the test.
	Unadopted bool
	// IndexGrace is gatekeeper's github.indexGrace. Default 1s, to keep tests short.
	IndexGrace time.Duration
	// Enforce has the API server ask gatekeeper about every write of an Application, and
	// puts a switch between gatekeeper and Argo CD's API.
	Enforce bool
	// Namespace is that of the Applications; Argo CD's own by default. The sandbox has to
	// allow it.
	Namespace string
	// Reverts lets the App write contents, which the pull requests of rollbacks need.
	Reverts bool
	// Configuration is more of gatekeeper's configuration: whole sections.
	Configuration string
	// GitHub configures the stand-in.
	GitHub standin.Options
}

// World is one payments team.
type World struct {
	Name     string
	Sandbox  *sandbox.Sandbox
	GitHub   *standin.Server
	CloneURL string
	// Enrolled is the commit that is live when the gate begins.
	Enrolled string
	// Config is gatekeeper's configuration file, Address is where it listens.
	Config  string
	Address string

	options Options
	dir     string
	client  dynamic.Interface
	app     standin.App
	// installation is that of the App on the organisation.
	installation int64
	tokens       map[string]string // by login
	runs         atomic.Int64
	images       *imageWorld // nil without Options.Images
	gate         string      // more of the gate's configuration
	enforcement  *enforced   // nil without Options.Enforce
	methods      string      // more of the requirement's configuration
}

// Open makes a world: everything is as it was the day before Gatekeeper was
// installed, with the services deployed by hand. Close it.
func Open(ctx context.Context, sb *sandbox.Sandbox, o Options) (_ *World, err error) {
	if len(o.Services) == 0 {
		o.Services = Services()
	}
	if o.Namespace == "" {
		o.Namespace = argoNamespace
	}
	if o.IndexGrace == 0 {
		o.IndexGrace = time.Second
	}
	client, err := sb.Client(sandbox.Admin)
	if err != nil {
		return nil, fmt.Errorf("make a client: %w", err)
	}
	dir := filepath.Join(sb.Dir(), "worlds", o.Name)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("make the world's folder: %w", err)
	}
	w := &World{Name: o.Name, Sandbox: sb, options: o, dir: dir, client: client, tokens: map[string]string{}}
	o.GitHub.Dir = filepath.Join(dir, "github")
	if err := os.MkdirAll(o.GitHub.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("make the stand-in's folder: %w", err)
	}
	// The stand-in lives as long as the world, not as long as this call's context.
	if w.GitHub, err = standin.Start(context.WithoutCancel(ctx), o.GitHub); err != nil {
		return nil, fmt.Errorf("start the GitHub stand-in: %w", err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, w.Close())
		}
	}()
	if err = web.Mount(w.GitHub, o.GitHub.Logger); err != nil {
		return nil, fmt.Errorf("mount the pages of the GitHub stand-in: %w", err)
	}
	for _, step := range []struct {
		what string
		do   func(context.Context) error
	}{
		{"people", w.people}, {"registry", w.registry}, {"repository", w.repository}, {"applications", w.deploy},
		{"enforcement", w.enforce}, {"configuration", w.configure}, {"adoption", w.adoptAll},
	} {
		if err := step.do(ctx); err != nil {
			return nil, fmt.Errorf("make the world %s: %s: %w", o.Name, step.what, err)
		}
	}
	return w, nil
}

// Close stops the stand-in and the registry. Processes belong to the sandbox.
func (w *World) Close() error {
	if w.images != nil {
		w.images.registry.Close()
	}
	if w.enforcement != nil {
		w.enforcement.argo.close()
	}
	return w.GitHub.Close()
}

func (w *World) people(context.Context) error {
	everybody := []string{Alice, Bob, Carol, Dave, Erin, Mallory, argoReader}
	if w.options.Images != nil {
		everybody = append(everybody, Frank, Grace, Renovate)
	}
	for _, person := range everybody {
		u, err := w.GitHub.CreateUser(person, person, person+"@acme.example.com")
		if err != nil {
			return err
		}
		w.tokens[person] = u.Token
	}
	if _, err := w.GitHub.CreateOrganization(Organization); err != nil {
		return err
	}
	if _, err := w.GitHub.CreateTeam(Organization, "sre", Bob, Carol, Dave, Erin); err != nil {
		return err
	}
	if w.options.Images == nil {
		return nil
	}
	_, err := w.GitHub.CreateTeam(Organization, "release", Frank, Grace)
	return err
}

// deploy creates the Applications and syncs them by hand, as an administrator
// does before there is a gate.
func (w *World) deploy(ctx context.Context) error {
	environments := []string{"prod"}
	if w.options.Stage {
		environments = append(environments, "stage")
	}
	for _, environment := range environments {
		if err := w.Sandbox.Apply(ctx, sandbox.Admin, []byte(w.environment(environment))); err != nil {
			return err
		}
		for _, service := range w.options.Services {
			if err := w.Sandbox.Apply(ctx, sandbox.Admin, []byte(w.manifest(environment, service))); err != nil {
				return err
			}
		}
	}
	for _, environment := range environments {
		for _, service := range w.options.Services {
			if err := w.SyncByHand(ctx, environment, service, w.Enrolled); err != nil {
				return err
			}
		}
	}
	for _, environment := range environments {
		for _, service := range w.options.Services {
			if _, err := w.AwaitLive(ctx, environment, service, w.Enrolled, FirstLimit); err != nil {
				return err
			}
		}
	}
	return nil
}

// SyncByHand syncs a service with the argocd command line, as a person would.
func (w *World) SyncByHand(ctx context.Context, environment, service, revision string) error {
	args := []string{"app", "sync", w.Key(environment, service), "--async"}
	if service == Payments {
		args = append(args, "--revisions", revision, "--source-positions", "1", "--revisions", revision, "--source-positions", "2")
	} else {
		args = append(args, "--revision", revision)
	}
	_, err := w.Sandbox.ArgoCD().CLI(ctx, args...)
	return err
}
