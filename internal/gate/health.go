package gate

import (
	"context"
	"fmt"
	"time"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
	"github.com/argo-gatekeeper/gatekeeper/pkg/history"
)

const (
	// observeByDefault is for how long the health after a deployment is recorded.
	observeByDefault = time.Hour
	// healthGap is for how long a health must last to be recorded, so that one that
	// flickers does not fill the record; healthMost is after how many entries the
	// observation of a deployment ends.
	healthGap  = 10 * time.Second
	healthMost = 20
	// liveRead is how many operations are looked through at once for the one that is live,
	// liveReadMost how many in all: what comes after it are failures, and syncs of a part.
	liveRead, liveReadMost = 10, 1000
)

// liveOperation is the newest one on record that deployed all of the Application.
type liveOperation struct {
	entry    history.Entry
	finished time.Time
	health   string
	// observed is nil for one with an intent.
	observed *history.ObservedPayload
}

func (g *Gate) liveOperation(ctx context.Context, app approval.Application) (*liveOperation, error) {
	for read := 0; read < liveReadMost; {
		entries, err := g.record.Select(ctx, history.Selection{Kinds: history.Deployed(), Application: app.UID, Newest: true, Skip: read}, liveRead)
		if err != nil {
			return nil, fmt.Errorf("read the operations of %s: %w", app.Key(), err)
		}
		live, err := liveAmong(app, entries)
		if live != nil || err != nil || len(entries) < liveRead {
			return live, err
		}
		read += len(entries)
	}
	return nil, nil //nolint:nilnil // nothing is known to be live
}

// liveAmong is the first of some operations that deployed all of the Application, nil for none.
func liveAmong(app approval.Application, entries []history.Entry) (*liveOperation, error) {
	for _, entry := range entries {
		if entry.Kind == history.KindOutcome {
			o, err := history.Decode[history.OutcomePayload](entry)
			if err != nil {
				return nil, fmt.Errorf("read an outcome of %s: %w", app.Key(), err)
			}
			if o.Result == history.ResultSucceeded || o.Result == history.ResultMismatch {
				return &liveOperation{entry: entry, finished: startOf(o.FinishedAt, o.StartedAt), health: o.Health}, nil
			}
			continue
		}
		o, err := history.Decode[history.ObservedPayload](entry)
		if err != nil {
			return nil, fmt.Errorf("read a sync that was seen of %s: %w", app.Key(), err)
		}
		if o.Phase == phaseSucceeded && !o.Partial {
			return &liveOperation{entry: entry, finished: startOf(o.FinishedAt, o.StartedAt), health: o.Health, observed: &o}, nil
		}
	}
	return nil, nil //nolint:nilnil // none of them
}

// watchHealth records how the Application fares after what was deployed last, while no
// operation is under way. It returns when to look again, 0 for no need.
//
// The times are by our own clock: Argo CD's lastTransitionTime is not in all versions. A
// process that begins while a deployment is watched says so with its first entry, since
// nobody knows what happened in between.
func (g *Gate) watchHealth(ctx context.Context, head history.Head, app approval.Application, live *liveOperation) (history.Head, time.Duration, error) {
	if live == nil || app.Health == "" || (live.observed != nil && live.observed.Before) {
		return head, 0, nil
	}
	of := live.entry.Sequence
	entries, err := g.record.Select(ctx, history.Selection{Kinds: []history.Kind{history.KindHealth}, Application: app.UID, From: of + 1}, healthMost+1)
	if err != nil {
		return head, 0, fmt.Errorf("read the health of %s: %w", app.Key(), err)
	}
	health, at, written, n := live.health, live.finished, live.entry.Time, 0
	for _, entry := range entries {
		h, err := history.Decode[history.HealthPayload](entry)
		switch {
		case err != nil:
			return head, 0, fmt.Errorf("read the health of %s: %w", app.Key(), err)
		case h.Of != of:
			continue
		case h.End:
			return head, 0, nil
		}
		health, at, written, n = h.Health, h.At, entry.Time, n+1
	}
	now := g.now()
	next := history.HealthPayload{Of: of, Health: app.Health, At: now.UTC(), Late: written.Before(*g.began.Load())}
	over := now.Sub(live.finished) >= g.observe
	switch {
	case over, next.Late:
	case app.Health == health:
		return head, 0, nil
	case now.Sub(at) < healthGap:
		return head, healthGap - max(0, now.Sub(at)), nil
	}
	next.End = over || n+1 >= healthMost
	head, err = g.appendFor(ctx, head, app.UID, just(next))
	if err != nil {
		return head, 0, fmt.Errorf("record the health of %s: %w", app.Key(), err)
	}
	g.metrics.healthSeen(app.Health)
	return head, 0, nil
}
