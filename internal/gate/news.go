package gate

import (
	"context"
	"log/slog"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
	"github.com/argo-gatekeeper/gatekeeper/pkg/history"
)

// Observer is told what is new about Applications, for what is shown of them elsewhere. It
// returns at once and keeps nothing waiting.
type Observer interface {
	// Decided is told of a decision that says something else than the one before, and of
	// the first one since the start.
	Decided(ctx context.Context, app approval.Application, d approval.Decision, first bool)
	// Ended is told how a sync ended, once it is recorded.
	Ended(ctx context.Context, app approval.Application, intent history.IntentPayload, o history.OutcomePayload)
}

func (g *Gate) decidedAnew(ctx context.Context, app approval.Application, d approval.Decision, first bool) {
	for _, o := range g.observers {
		o.Decided(ctx, app, d, first)
	}
}

// endedAnew tells how syncs ended. What cannot be read is not told.
func (g *Gate) endedAnew(ctx context.Context, app approval.Application, o history.OutcomePayload) {
	if len(g.observers) == 0 {
		return
	}
	intent, found, err := g.intent(ctx, o.Intent)
	if err != nil || !found {
		g.log.LogAttrs(ctx, slog.LevelWarn, "outcome_not_told", slog.String("application", app.Key()), slog.String("intent", o.Intent), slog.Any("error", err))
		return
	}
	for _, observer := range g.observers {
		observer.Ended(ctx, app, intent, o)
	}
}
