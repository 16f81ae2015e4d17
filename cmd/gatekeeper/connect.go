package main

import (
	"context"
	"fmt"
	"log/slog"
	"net/url"

	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/client-go/transport"

	"github.com/argo-gatekeeper/gatekeeper/internal/config"
	"github.com/argo-gatekeeper/gatekeeper/pkg/argo"
	"github.com/argo-gatekeeper/gatekeeper/pkg/github"
	"github.com/argo-gatekeeper/gatekeeper/pkg/github/collect"
)

// hub is GitHub's side: the App, the mirrors, the collector.
type hub struct {
	app          *github.App
	repositories *mirrors
	collector    *collect.Collector
}

// keeper is an inbox, opened for writing or for reading alone.
type keeper interface {
	collect.Witness
	collect.Pushes
	collect.Memory
	collect.Comments
}

// connectGitHub makes no request. The mirrors are kept in a folder of their own;
// close them when the collector is not used any more. The guard is asked before each write;
// it may be nil.
func connectGitHub(cfg config.Config, kept keeper, mirrorsDir string, observe func(context.Context, github.Call), guard func() error, log *slog.Logger) (hub, error) {
	app, err := connectGuarded(cfg, observe, guard, log)
	if err != nil {
		return hub{}, err
	}
	web, err := url.Parse(cfg.File.GitHub.URL)
	if err != nil {
		return hub{}, fmt.Errorf("parse github.url: %w", err)
	}
	repositories := mirrorsOf(cfg, mirrorsDir, app, log)
	collector, err := collect.New(collect.Options{
		GitHub: app, Witness: kept, Pushes: kept, Memory: kept, Comments: kept, Mirror: repositories.get, Logger: log, NoReplyHost: web.Hostname(),
		IndexGrace: cfg.File.GitHub.IndexGrace, MembershipTTL: cfg.File.GitHub.MembershipTTL,
	})
	if err != nil {
		return hub{}, fmt.Errorf("set up collecting: %w", err)
	}
	return hub{app, repositories, collector}, nil
}

// connectApp makes no request.
func connectApp(cfg config.Config, observe func(context.Context, github.Call), log *slog.Logger) (*github.App, error) {
	return connectGuarded(cfg, observe, nil, log)
}

// connectGuarded is connectApp with a guard, which is asked before each write.
func connectGuarded(cfg config.Config, observe func(context.Context, github.Call), guard func() error, log *slog.Logger) (*github.App, error) {
	authorities, err := githubAuthorities(cfg.Path(cfg.File.GitHub.CAFile))
	if err != nil {
		return nil, err
	}
	app, err := github.NewApp(github.Options{
		BaseURL: cfg.File.GitHub.APIURL, AppID: cfg.File.GitHub.AppID, CertificatesPEM: authorities,
		PrivateKeyPEM: cfg.Secrets.PrivateKey.Reveal(), Version: currentVersion().Version,
		Observe: observe, Guard: guard, Logger: log,
	})
	if err != nil {
		return nil, fmt.Errorf("set up the GitHub App: %w", err)
	}
	return app, nil
}

// argoCD is Argo CD's side: the Applications in Kubernetes.
type argoCD struct {
	config *rest.Config
	client dynamic.Interface
	parser *argo.Parser
}

// connectArgoCD makes no request. What wraps sees each that is made later.
func connectArgoCD(cfg config.Config, wrap ...transport.WrapperFunc) (argoCD, error) {
	kubeconfig, err := kubernetesConfig(cfg.File.Kubernetes)
	if err != nil {
		return argoCD{}, err
	}
	for _, w := range wrap {
		kubeconfig.Wrap(w)
	}
	client, err := dynamic.NewForConfig(kubeconfig)
	if err != nil {
		return argoCD{}, fmt.Errorf("make a Kubernetes client: %w", err)
	}
	web, err := url.Parse(cfg.File.GitHub.URL)
	if err != nil {
		return argoCD{}, fmt.Errorf("parse github.url: %w", err)
	}
	parser, err := argo.NewParser([]string{web.Host})
	if err != nil {
		return argoCD{}, fmt.Errorf("set up reading Applications: %w", err)
	}
	return argoCD{kubeconfig, client, parser}, nil
}

// kubernetesConfig makes no request. Client-side limits are left to the API server's
// priority and fairness: a limit of our own would delay a sync.
func kubernetesConfig(k config.Kubernetes) (*rest.Config, error) {
	var c *rest.Config
	var err error
	if k.Kubeconfig != "" {
		c, err = clientcmd.BuildConfigFromFlags("", k.Kubeconfig)
	} else {
		c, err = rest.InClusterConfig()
	}
	if err != nil {
		return nil, fmt.Errorf("find the cluster (set kubernetes.kubeconfig outside of one): %w", err)
	}
	c.UserAgent = "gatekeeper/" + currentVersion().Version
	c.QPS = -1
	return c, nil
}

func kubernetes(k config.Kubernetes) (dynamic.Interface, error) {
	c, err := kubernetesConfig(k)
	if err != nil {
		return nil, err
	}
	client, err := dynamic.NewForConfig(c)
	if err != nil {
		return nil, fmt.Errorf("make a Kubernetes client: %w", err)
	}
	return client, nil
}
