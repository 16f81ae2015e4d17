package gate

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
	"github.com/argo-gatekeeper/gatekeeper/pkg/history"
)

// wakeLeftOver wakes the Applications that no gate protects any more while a sync of theirs
// that was let through has no outcome on record. No event wakes those.
//
// The intents of an Application that was deleted stay open: what became of them died with
// it, and the evidence report says so.
func (g *Gate) wakeLeftOver(ctx context.Context) {
	open, err := g.record.OpenIntents(ctx)
	if err != nil {
		g.log.LogAttrs(ctx, slog.LevelError, "open_intents_unread", slog.Any("error", err))
		return
	}
	uids := map[string]bool{}
	for _, e := range open {
		uids[e.Application] = true
	}
	for _, a := range g.apps.List() {
		if uids[a.UID] && len(g.policiesFor(a)) == 0 {
			g.queue.Add(Key{Application: a.Key()})
		}
	}
}

// leftOver records how the syncs of an Application ended that no gate protects any more. The
// head is one from before the Application was read.
func (g *Gate) leftOver(ctx context.Context, head history.Head, app approval.Application) (again time.Duration, err error) {
	g.forget(app.Key(), app.UID)
	_, busy, told, err := g.settle(ctx, head, app)
	if err != nil {
		return 0, fmt.Errorf("settle open intents of %s: %w", app.Key(), err)
	}
	g.tell(ctx, told...)
	if open, err := g.openIntents(ctx, app.UID); err != nil || len(open) == 0 || !busy {
		return 0, err
	}
	return againSyncing, nil
}
