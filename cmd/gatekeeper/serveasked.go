package main

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/argo-gatekeeper/gatekeeper/internal/adopt"
	"github.com/argo-gatekeeper/gatekeeper/internal/commands"
	"github.com/argo-gatekeeper/gatekeeper/internal/inbox"
	"github.com/argo-gatekeeper/gatekeeper/internal/orders"
	"github.com/argo-gatekeeper/gatekeeper/pkg/github/conversation"
	"github.com/argo-gatekeeper/gatekeeper/pkg/github/promote"
)

// answering carries out what people ask for on pull requests.
func answering(live *settings, o ordering, box *inbox.Store, h hub, asker commands.Asker, differ commands.Differ) (*commands.Processor, error) {
	cfg := live.now()
	promoter, err := promote.New(promote.Options{GitHub: h.app, WebURL: cfg.File.GitHub.URL, Logger: o.log})
	if err != nil {
		return nil, fmt.Errorf("set up promotions: %w", err)
	}
	desk := orders.NewDesk(orders.Options{Record: o.record})
	talk := conversation.New(h.app)
	return commands.New(commands.Options{
		Policies: o.policies, Store: box, Hub: talk, Asker: asker, Gates: o.decider, Desk: desk, Operator: o.operator(desk),
		Adopter: adopt.New(adopt.Options{Policies: o.policies, Applications: o.reader, Desk: desk, Wake: o.wake, Logger: o.log}),
		Differ:  differ,
		Promoter: promoting{func() (promotions, error) {
			cfg := live.now()
			client, err := registryClient(cfg)
			return promotions{cfg: cfg, reader: o.reader, promoter: promoter, registry: client, log: o.log}, err
		}, h.app},
		Logger: o.log, Tracer: o.tracer,
	}), nil
}

// pruneAsked forgets what was answered long ago.
func pruneAsked(ctx context.Context, box *inbox.Store, log *slog.Logger) {
	if _, err := box.PruneAsked(ctx, time.Now().Add(-inbox.Retention)); err != nil && ctx.Err() == nil {
		log.LogAttrs(ctx, slog.LevelError, "prune_failed", slog.Any("error", err))
	}
}
