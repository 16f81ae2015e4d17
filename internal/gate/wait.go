package gate

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/util/wait"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
)

// How soon a landing that is not settled is asked about again, when no webhook
// tells: at first GitHub is a few seconds behind, and what has not come for
// minutes may never come.
const (
	againUnsettled     = 2 * time.Second
	againUnsettledMost = time.Minute
)

// patience holds the Applications of which a landing is not settled. Safe for
// concurrent use; nothing rests on it.
type patience struct {
	mu     sync.Mutex
	byName map[string]waiting // by namespace/name
}

type waiting struct {
	// landing is the oldest that is not settled.
	landing approval.SHA
	since   time.Time
	asked   int
}

// next says when to ask again about a landing that is not settled, and since
// when it is waited for. Each time in a row it takes half as long again, up to
// againUnsettledMost; a sixth of that is chance, so that many Applications that
// wait for the same landing do not ask at the same moments.
func (w *patience) next(app string, landing approval.SHA, now time.Time) (again time.Duration, state waiting) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.byName == nil {
		w.byName = map[string]waiting{}
	}
	state, ok := w.byName[app]
	if !ok || state.landing != landing {
		state = waiting{landing: landing, since: now}
	}
	most := againUnsettled
	for range min(state.asked, 32) {
		most = min(most+most/2, againUnsettledMost)
	}
	state.asked++
	w.byName[app] = state
	return wait.Jitter(most-most/6, 0.2), state
}

// hurry begins anew: a webhook says that there is news. What is waited for, and
// since when, stays.
func (w *patience) hurry(app string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if state, ok := w.byName[app]; ok {
		state.asked = 0
		w.byName[app] = state
	}
}

func (w *patience) forget(app string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.byName, app)
}

// unsettled is the oldest landing of a decision that will change by itself; empty
// when there is none.
func unsettled(findings []approval.Finding) (approval.Finding, bool) {
	for _, f := range findings {
		if f.Code == approval.CodeLandingUnsettled {
			return f, true
		}
	}
	return approval.Finding{}, false
}

// againSettled is when to ask again because a landing is not settled; 0 when all
// are.
func (g *Gate) againSettled(ctx context.Context, app approval.Application, d approval.Decision) time.Duration {
	f, ok := unsettled(d.Findings)
	if !ok {
		g.waits.forget(app.Key())
		return 0
	}
	now := g.now()
	again, state := g.waits.next(app.Key(), f.Commit, now)
	g.log.LogAttrs(ctx, slog.LevelInfo, "landing_unsettled",
		slog.String("application", app.Key()), slog.String("commit", f.Commit.Short()), slog.String("why", f.Text),
		slog.Time("since", state.since.UTC()), slog.Int("asked", state.asked), slog.Duration("again", again))
	return again
}
