package main

import (
	"context"
	"log/slog"
	"time"

	"github.com/argo-gatekeeper/gatekeeper/internal/adopt"
	"github.com/argo-gatekeeper/gatekeeper/internal/commands"
	"github.com/argo-gatekeeper/gatekeeper/internal/inbox"
	"github.com/argo-gatekeeper/gatekeeper/internal/orders"
	"github.com/argo-gatekeeper/gatekeeper/pkg/github/conversation"
)

// answering carries out what people ask for on pull requests.
func answering(o ordering, box *inbox.Store, h hub, differ commands.Differ) *commands.Processor {
	desk := orders.NewDesk(orders.Options{Record: o.record})
	talk := conversation.New(h.app)
	return commands.New(commands.Options{
		Policies: o.policies, Store: box, Hub: talk, Requester: talk, Differ: differ, Gates: o.decider, Desk: desk, Operator: o.operator(desk),
		Adopter: adopt.New(adopt.Options{Policies: o.policies, Applications: o.reader, Desk: desk, Wake: o.wake, Logger: o.log}),
		Logger:  o.log,
	})
}

// pruneAsked forgets what was answered long ago.
func pruneAsked(ctx context.Context, box *inbox.Store, log *slog.Logger) {
	if _, err := box.PruneAsked(ctx, time.Now().Add(-inbox.Retention)); err != nil && ctx.Err() == nil {
		log.LogAttrs(ctx, slog.LevelError, "prune_failed", slog.Any("error", err))
	}
}
