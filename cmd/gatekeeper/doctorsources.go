package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"time"

	"golang.org/x/sys/unix"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"

	"github.com/argo-gatekeeper/gatekeeper/internal/config"
	"github.com/argo-gatekeeper/gatekeeper/internal/doctor"
	"github.com/argo-gatekeeper/gatekeeper/internal/enforce"
	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
	"github.com/argo-gatekeeper/gatekeeper/pkg/argo"
	"github.com/argo-gatekeeper/gatekeeper/pkg/argo/argoapi"
	"github.com/argo-gatekeeper/gatekeeper/pkg/argo/closure"
	"github.com/argo-gatekeeper/gatekeeper/pkg/argo/installation"
	"github.com/argo-gatekeeper/gatekeeper/pkg/github"
	"github.com/argo-gatekeeper/gatekeeper/pkg/github/access"
	"github.com/argo-gatekeeper/gatekeeper/pkg/history"
)

// patient connects what a doctor looks at. What cannot be connected is absent, for a
// reason, and keeps nothing else from being checked.
type patient struct {
	doctor.Sources
	cfg     config.Config
	log     *slog.Logger
	closers []func() error
}

// connectPatient connects; secrets is why they could not be read, if so. Call close at
// the end.
func connectPatient(cfg config.Config, secrets error, o doctorOptions, log *slog.Logger) *patient {
	p := &patient{cfg: cfg, log: log, Sources: doctor.Sources{
		Policies: cfg.Policies, ArgoNamespace: o.argoNamespace, GatekeeperNamespace: o.namespace,
		Trusted: o.trust, Promotes: o.promotes, Deployments: len(deploymentsOf(cfg)) > 0, Record: recordOf(cfg), Directory: directoryOf(cfg.File.DataDirectory),
		Absent: map[string]error{}, Skew: map[string]func(context.Context) (time.Duration, error){},
	}}
	operator := cfg.File.Kubernetes
	if o.kubeconfig != "" {
		operator.Kubeconfig = o.kubeconfig
	}
	if err := p.connectCluster(operator); err != nil {
		p.Absent["Cluster"] = err
		p.Absent["Skew"] = err
	}
	if err := p.connectEnforcement(operator); err != nil {
		p.Absent["Objects"] = err
	}
	if own, err := kubernetes(cfg.File.Kubernetes); err != nil {
		p.Absent["Rights"] = fmt.Errorf("use Gatekeeper's own identity: %w", err)
	} else {
		p.Rights = func(ctx context.Context, need []doctor.Right) ([]doctor.Right, error) { return lacking(ctx, own, need) }
	}
	p.Skew["GitHub"] = func(ctx context.Context) (time.Duration, error) {
		return githubSkew(ctx, cfg)
	}
	if secrets != nil {
		for _, name := range []string{"Hub", "ArgoAPI", "Closure"} {
			p.Absent[name] = fmt.Errorf("the secrets of the configuration: %w", secrets)
		}
		return p
	}
	if err := p.connectArgoAPI(); err != nil {
		p.Absent["ArgoAPI"] = err
	}
	if err := p.connectHub(); err != nil {
		p.Absent["Hub"], p.Absent["Closure"] = err, err
	}
	return p
}

func (p *patient) close() error {
	var errs []error
	for _, c := range p.closers {
		errs = append(errs, c())
	}
	return errors.Join(errs...)
}

func (p *patient) connectCluster(k config.Kubernetes) error {
	c, err := kubernetesConfig(k)
	if err != nil {
		return err
	}
	client, err := dynamic.NewForConfig(c)
	if err != nil {
		return fmt.Errorf("make a Kubernetes client: %w", err)
	}
	web, err := url.Parse(p.cfg.File.GitHub.URL)
	if err != nil {
		return fmt.Errorf("parse github.url: %w", err)
	}
	parser, err := argo.NewParser([]string{web.Host})
	if err != nil {
		return fmt.Errorf("set up reading Applications: %w", err)
	}
	p.Cluster = installation.New(client, parser)
	plain, err := rest.HTTPClientFor(c)
	if err != nil {
		return fmt.Errorf("make an HTTP client for Kubernetes: %w", err)
	}
	p.Skew["Kubernetes"] = func(ctx context.Context) (time.Duration, error) { return access.Skew(ctx, plain, c.Host) }
	return nil
}

// connectEnforcement compares as "enforcement status" does, with the operator's rights.
func (p *patient) connectEnforcement(k config.Kubernetes) error {
	e := p.cfg.File.Enforcement
	if e == nil {
		return nil
	}
	p.Enforced = e.Mode == config.ModeEnforce
	named, err := enforcementObjects(p.cfg)(nil)
	if err != nil {
		return err
	}
	for _, o := range named {
		p.EnforcedNames = append(p.EnforcedNames, o.GetName())
	}
	client, err := kubernetes(k)
	if err != nil {
		return err
	}
	asOperator := p.cfg
	asOperator.File.Kubernetes = k
	p.Objects = func(ctx context.Context) ([]doctor.Object, error) {
		bundle, err := caBundle(ctx, asOperator)
		if err != nil {
			return nil, err
		}
		objects, err := enforcementObjects(p.cfg)(bundle)
		if err != nil {
			return nil, err
		}
		reports, err := enforce.NewCluster(client).Check(ctx, objects)
		out := make([]doctor.Object, len(reports))
		for i, r := range reports {
			out[i] = doctor.Object{Kind: r.Kind, Name: r.Name}
			for _, d := range r.Differences {
				out[i].Differences = append(out[i].Differences, d.String())
			}
		}
		return out, err
	}
	return nil
}

func (p *patient) connectArgoAPI() error {
	f := p.cfg.File.ArgoCD
	api, err := argoapi.New(argoapi.Options{
		Server: f.Server, TokenFile: p.cfg.Path(f.TokenFile), PlainText: f.Plaintext, CAFile: p.cfg.Path(f.CAFile),
	})
	if err != nil {
		return err
	}
	p.ArgoAPI = api
	p.closers = append(p.closers, api.Close)
	return nil
}

func (p *patient) connectHub() error {
	app, err := connectApp(p.cfg, func(context.Context, github.Call) {}, p.log)
	if err != nil {
		return err
	}
	p.Hub = access.New(app)
	// A mirror belongs to one process, so this one makes its own for the moment.
	dir, err := os.MkdirTemp("", "gatekeeper-doctor-")
	if err != nil {
		return fmt.Errorf("make a folder for the mirrors: %w", err)
	}
	repositories := mirrorsOf(p.cfg, dir, app, p.log)
	p.closers = append(p.closers, func() error { return errors.Join(repositories.close(), os.RemoveAll(dir)) })
	h := &heads{mirrors: repositories, finder: closure.New(objects{repositories}), policies: p.cfg.Policies, known: map[string]approval.SHA{}}
	p.Closure = h.closure
	return nil
}

// heads follows Applications at the head of their gate's branches. It is not safe for
// concurrent use.
type heads struct {
	mirrors  *mirrors
	finder   *closure.Finder
	policies []approval.Policy
	known    map[string]approval.SHA
}

func (h *heads) closure(ctx context.Context, a approval.Application) (approval.Closure, error) {
	revisions := make([]approval.Revision, len(a.Sources))
	for i, s := range a.Sources {
		if s.Kind != approval.SourceGit {
			continue
		}
		sha, err := h.head(ctx, a, s.Repository)
		if err != nil {
			return approval.Closure{}, err
		}
		revisions[i] = approval.Revision{Repository: s.Repository, SHA: sha}
	}
	return h.finder.Closure(ctx, a, revisions)
}

func (h *heads) head(ctx context.Context, a approval.Application, name approval.RepositoryName) (approval.SHA, error) {
	for _, policy := range h.policies {
		r, ok := policy.Repository(name)
		if !ok || !policy.Protects(a) {
			continue
		}
		key := string(r.Name) + "\x00" + r.Branch
		if sha, ok := h.known[key]; ok {
			return sha, nil
		}
		m, err := h.mirrors.get(ctx, r.Name)
		if err != nil {
			return "", err
		}
		if err := m.Fetch(ctx, r.Branch); err != nil {
			return "", fmt.Errorf("fetch %s: %w", r.Name, err)
		}
		sha, err := m.Head(ctx, r.Branch)
		if err != nil {
			return "", fmt.Errorf("read the head of %s: %w", r.Name, err)
		}
		h.known[key] = sha
		return sha, nil
	}
	return "", fmt.Errorf("no gate judges the repository %q of a source", name)
}

// recordOf verifies the record.
func recordOf(cfg config.Config) func(context.Context) (uint64, error) {
	data, missing := cfg.File.DataDirectory, "there is no record in "+cfg.File.DataDirectory
	if p := cfg.File.Record.Postgres; p != nil {
		missing = "there is no record in the schema " + p.Schema
	}
	return func(ctx context.Context) (entries uint64, err error) {
		if cfg.File.Record.Postgres == nil {
			if _, err := os.Stat(data); err != nil {
				return 0, elsewhere(data)
			}
		} else if len(cfg.Secrets.RecordDSN.Reveal()) == 0 {
			return 0, &doctor.Absent{What: "the connection string of the record is not on this machine", Fix: "run doctor where Gatekeeper runs, or leave this check to it with --skip"}
		}
		r, err := inspectRecord(ctx, cfg)
		switch {
		case recordMissing(err):
			return 0, &doctor.Broken{What: missing, Fix: "begin one", Command: "gatekeeper ledger init --config FILE"}
		case recordForeign(err):
			return 0, &doctor.Broken{What: err.Error(), Fix: "restore the record from its backup, or use the version that wrote it"}
		case err != nil:
			return 0, err
		}
		defer func() { err = errors.Join(err, r.Close()) }()
		report, err := history.Verify(ctx, r)
		if err != nil {
			return 0, fmt.Errorf("verify the record: %w", err)
		}
		if !report.Intact() {
			what := "the record is not intact"
			if report.Fault != nil {
				what = fmt.Sprintf("the record is not intact at entry %d: %s", report.Fault.Sequence, report.Fault.Text)
			}
			return 0, &doctor.Broken{What: what, Fix: "keep the record as evidence, and restore the record from its backup", Command: "gatekeeper ledger verify --config FILE"}
		}
		return report.Head.Sequence, nil
	}
}

// elsewhere says that this machine is not the one that Gatekeeper runs on.
func elsewhere(data string) error {
	return &doctor.Absent{What: "there is no " + data + " on this machine", Fix: "run doctor where Gatekeeper runs, or leave this check to it with --skip",
		Command: "kubectl -n gatekeeper exec deploy/gatekeeper -- gatekeeper doctor --config FILE"}
}

func directoryOf(data string) func() (doctor.Directory, error) {
	return func() (doctor.Directory, error) {
		if _, err := os.Stat(data); err != nil {
			return doctor.Directory{}, elsewhere(data)
		}
		var fs unix.Statfs_t
		if err := unix.Statfs(data, &fs); err != nil {
			return doctor.Directory{}, fmt.Errorf("ask for the space in %s: %w", data, err)
		}
		size := uint64(fs.Bsize) //nolint:gosec,unconvert // a block size is positive; its type differs by system
		return doctor.Directory{
			Path: data, Writable: unix.Access(data, unix.W_OK|unix.X_OK) == nil,
			Free: uint64(fs.Bavail) * size, Size: fs.Blocks * size, //nolint:unconvert // their types differ by system
		}, nil
	}
}
