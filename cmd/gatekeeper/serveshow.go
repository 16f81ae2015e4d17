package main

import (
	"context"
	"log/slog"
	"strings"

	"github.com/argo-gatekeeper/gatekeeper/internal/config"
	"github.com/argo-gatekeeper/gatekeeper/internal/gate"
	"github.com/argo-gatekeeper/gatekeeper/internal/inbox"
	"github.com/argo-gatekeeper/gatekeeper/pkg/github"
	"github.com/argo-gatekeeper/gatekeeper/pkg/github/deployment"
	"github.com/argo-gatekeeper/gatekeeper/pkg/github/errand"
)

// shown is what GitHub is told besides checks and comments. No decision and no sync waits
// for it.
type shown struct {
	deployments *deployment.Publisher
}

func showing(cfg config.Config, app *github.App, box *inbox.Store, log *slog.Logger) shown {
	return shown{deployments: deployment.New(deployment.Options{
		GitHub: app, Store: box, Gates: deploymentsOf(cfg), Logger: log, Pace: errand.NewPace(0), Links: deployment.Links{
			GitHub: strings.TrimRight(cfg.File.GitHub.URL, "/"), ArgoCD: strings.TrimRight(cfg.File.ArgoCD.URL, "/"),
		},
	})}
}

func (s shown) followers() []gate.Follower { return []gate.Follower{s.deployments} }

// run writes until the context ends.
func (s shown) run(ctx context.Context) error {
	s.deployments.Run(ctx)
	return nil
}

// deploymentsOf are the gates that are shown as GitHub Deployments.
func deploymentsOf(cfg config.Config) map[string]deployment.Settings {
	gates := map[string]deployment.Settings{}
	for _, g := range cfg.File.Gates {
		if d := g.Deployments; !d.Off {
			gates[g.Name] = deployment.Settings{Environment: g.Environment(), Production: !d.Testing, URL: d.URL}
		}
	}
	return gates
}
