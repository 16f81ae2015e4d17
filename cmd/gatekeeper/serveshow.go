package main

import (
	"context"
	"log/slog"
	"strings"
	"sync"

	"github.com/argo-gatekeeper/gatekeeper/internal/config"
	"github.com/argo-gatekeeper/gatekeeper/internal/gate"
	"github.com/argo-gatekeeper/gatekeeper/internal/inbox"
	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
	"github.com/argo-gatekeeper/gatekeeper/pkg/github"
	"github.com/argo-gatekeeper/gatekeeper/pkg/github/deployment"
	"github.com/argo-gatekeeper/gatekeeper/pkg/github/errand"
	"github.com/argo-gatekeeper/gatekeeper/pkg/github/label"
	"github.com/argo-gatekeeper/gatekeeper/pkg/github/reviewrequest"
)

// shown is what GitHub is told besides checks and comments. No decision and no sync waits
// for it.
type shown struct {
	deployments *deployment.Publisher
	reviews     *reviewrequest.Publisher
	labels      *label.Publisher
	links       *links
}

func showing(live *settings, app *github.App, box *inbox.Store, done func(context.Context, approval.RepositoryName, int), sign checkpointing, log *slog.Logger) shown {
	pace, cfg := errand.NewPace(0), live.now()
	return shown{
		deployments: deployment.New(deployment.Options{
			GitHub: app, Store: box, Gates: func() map[string]deployment.Settings { return deploymentsOf(live.now()) }, Logger: log, Pace: pace, Done: done, Checkpoint: sign, Links: deployment.Links{
				GitHub: strings.TrimRight(cfg.File.GitHub.URL, "/"), ArgoCD: strings.TrimRight(cfg.File.ArgoCD.URL, "/"),
			},
		}),
		reviews: reviewrequest.New(reviewrequest.Options{GitHub: app, Store: box, Gates: func() map[string]reviewrequest.Mode { return reviewsOf(live.now()) }, Logger: log, Pace: pace, Done: done}),
		labels:  label.New(label.Options{GitHub: app, Store: box, Gates: func() []string { return labelsOf(live.now()) }, Logger: log, Pace: pace, Done: done}),
	}
}

func (s shown) followers() []gate.Follower {
	return []gate.Follower{s.deployments, s.reviews, s.labels}
}

// run writes until the context ends.
func (s shown) run(ctx context.Context) error {
	var all sync.WaitGroup
	all.Go(func() { s.deployments.Run(ctx) })
	all.Go(func() { s.reviews.Run(ctx) })
	all.Go(func() { s.labels.Run(ctx) })
	all.Go(func() { s.links.queue.Run(ctx) })
	all.Wait()
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

// reviewsOf are the gates that ask for reviews.
func reviewsOf(cfg config.Config) map[string]reviewrequest.Mode {
	gates := map[string]reviewrequest.Mode{}
	for _, g := range cfg.File.Gates {
		switch mode := reviewrequest.Mode(g.ReviewRequests); mode {
		case reviewrequest.People, reviewrequest.Team:
			gates[g.Name] = mode
		}
	}
	return gates
}

// labelsOf are the gates that have labels.
func labelsOf(cfg config.Config) []string {
	var gates []string
	for _, g := range cfg.File.Gates {
		if g.Labels {
			gates = append(gates, g.Name)
		}
	}
	return gates
}
