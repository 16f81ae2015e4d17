package gate

import (
	"context"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
)

const (
	// pickupLimit is how long an operation may be requested before Argo CD's controller
	// begins with it. Usually that takes less than a second.
	pickupLimit = 5 * time.Minute
	// nudgeAfter is how long it may be requested before the controller is woken: one
	// that is set at the end of a comparison may be lost to the controller's own cache, until
	// the Application is written again (seen with 3.2.11 on 2026-11-21).
	nudgeAfter = 10 * time.Second
	// stuckByDefault is how long it may run. Hooks and waves take their time.
	stuckByDefault = 30 * time.Minute
)

// blockedByWindow is in the message of an operation that was taken up, and waits in a
// sync window of Argo CD, in the phase Running (controller/sync.go, SyncAppState, 2.14 and
// 3.2).
const blockedByWindow = "blocked by sync window"

// underWay watches an operation that has not ended. It returns when to look again.
func (g *Gate) underWay(ctx context.Context, app approval.Application, policies []approval.Policy) (time.Duration, error) {
	op := app.Operation
	if op == nil || op.Finished() {
		g.moves(ctx, app.Key()) // nothing but a write that may be stored any moment
		return againSyncing, nil
	}
	since, err := g.underWaySince(ctx, app)
	if err != nil {
		return 0, err
	}
	limit, text := stuckByDefault, "runs since "
	if given := policies[0].Sync.StuckAfter; given > 0 {
		limit = given
	}
	switch {
	case op.Phase == "":
		limit, text = min(limit, pickupLimit), "was not picked up by Argo CD since "
	case strings.Contains(op.Message, blockedByWindow):
		limit, text = min(limit, pickupLimit), "waits in a sync window of Argo CD since "
	}
	waited := g.now().Sub(since)
	again := againSyncing
	if op.Phase == "" {
		if again = nudgeAfter; waited >= nudgeAfter {
			again = againSyncing
			g.nudge(ctx, app)
		}
	}
	if left := limit - waited; left > 0 {
		g.moves(ctx, app.Key())
		return sooner(again, left), nil
	}
	by := op.InitiatedBy
	if by == "" {
		by = "somebody whom Argo CD does not name"
	}
	state := "the sync of " + shortened(oneLine(by), initiatedByLimit) + " " + text + since.UTC().Format("2006-01-02 15:04 MST")
	if message := messageOf(op.Message); message != "" {
		state += ", it hangs at: " + message
	}
	state += "; look at it in Argo CD, and terminate it there if it does not end"
	g.sticks(ctx, app, policies[0].Gate, stall{since: since, kind: text, state: state})
	return againSyncing, nil
}

// nudge wakes Argo CD's controller. Nothing rests on it.
func (g *Gate) nudge(ctx context.Context, app approval.Application) {
	err := g.apps.Nudge(ctx, app.Namespace, app.Name)
	attrs := []slog.Attr{slog.String("application", app.Key()), slog.String("intent", app.Operation.Intent)}
	if err != nil {
		g.log.LogAttrs(ctx, slog.LevelWarn, "nudge_failed", append(attrs, slog.Any("error", err))...)
		return
	}
	g.log.LogAttrs(ctx, slog.LevelInfo, "operation_nudged", attrs...)
}

// underWaySince is when an operation began; before that, when it was asked for as far as
// is known.
func (g *Gate) underWaySince(ctx context.Context, app approval.Application) (time.Time, error) {
	if app.Operation.Phase != "" && !app.Operation.StartedAt.IsZero() {
		g.stalls.noticed(app, time.Time{})
		return app.Operation.StartedAt, nil
	}
	first := g.stalls.noticed(app, g.now())
	open, err := g.openIntents(ctx, app.UID)
	if err != nil {
		return time.Time{}, err
	}
	taken := &operations{ended: map[int64]bool{}}
	for _, intent := range slices.Backward(open) {
		if _, found := traceOf(app, intent, taken); found && intent.at.Before(first) {
			return intent.at, nil
		}
	}
	return first, nil
}

// sticks remembers that an operation is stuck, and says so once.
func (g *Gate) sticks(ctx context.Context, app approval.Application, gate string, now stall) {
	now.gate = gate
	known, _ := g.memory.get(app.Key())
	now.told = pullsOf(known.decision)
	if shipped, err := g.shippedBy(ctx, app.Operation.Intent); err == nil {
		for _, k := range shipped {
			if !slices.Contains(now.told, k) {
				now.told = append(now.told, k)
			}
		}
	}
	before, isNew := g.stalls.set(app.Key(), now)
	if isNew {
		g.log.LogAttrs(ctx, slog.LevelError, "operation_stuck",
			slog.String("application", app.Key()), slog.String("gate", gate), slog.String("initiated_by", app.Operation.InitiatedBy),
			slog.String("intent", app.Operation.Intent), slog.Time("since", now.since.UTC()), slog.String("state", now.state))
	}
	g.metrics.stuckNow(g.Policies(), g.stalls.counts())
	if before.state != now.state {
		for _, k := range now.told {
			g.queue.Add(k)
		}
	}
}

// moves forgets that an Application's operation is stuck.
func (g *Gate) moves(ctx context.Context, app string) {
	before, was := g.stalls.clear(app)
	if !was {
		return
	}
	g.log.LogAttrs(ctx, slog.LevelInfo, "operation_unstuck", slog.String("application", app), slog.String("gate", before.gate))
	g.metrics.stuckNow(g.Policies(), g.stalls.counts())
	for _, k := range before.told {
		g.queue.Add(k)
	}
}

// stall is an operation that does not get on.
type stall struct {
	gate  string
	since time.Time
	// kind is what it does instead, state the line for people, told who heard it.
	kind, state string
	told        []Key
}

// stalls are the stuck operations by Application, and when requests that nobody has
// picked up were noticed. It is rebuilt by reconciling. Safe for concurrent use.
type stalls struct {
	mu      sync.Mutex
	apps    map[string]stall // by namespace/name
	waiting map[string]noticed
}

// noticed is a request that was seen on the object.
type noticed struct {
	uid, intent, by, revisions string
	at                         time.Time
}

// noticed returns when the request was seen first; a zero time forgets it.
func (s *stalls) noticed(app approval.Application, at time.Time) time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	if at.IsZero() {
		delete(s.waiting, app.Key())
		return at
	}
	op := app.Operation
	now := noticed{uid: app.UID, intent: op.Intent, by: op.InitiatedBy, revisions: strings.Join(op.Revisions, ","), at: at}
	if before := s.waiting[app.Key()]; before.at.Before(at) && !before.at.IsZero() {
		same := before
		same.at = at
		if same == now {
			return before.at
		}
	}
	if s.waiting == nil {
		s.waiting = map[string]noticed{}
	}
	s.waiting[app.Key()] = now
	return at
}

// set replaces what is known of one Application's operation. It is new unless the same
// one was stuck in the same way.
func (s *stalls) set(app string, now stall) (before stall, isNew bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	before, was := s.apps[app]
	if s.apps == nil {
		s.apps = map[string]stall{}
	}
	s.apps[app] = now
	return before, !was || before.kind != now.kind || !before.since.Equal(now.since)
}

func (s *stalls) clear(app string) (before stall, was bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	before, was = s.apps[app]
	delete(s.apps, app)
	return before, was
}

// ended forgets the request that was noticed as well.
func (s *stalls) ended(app string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.waiting, app)
}

func (s *stalls) get(app string) (stall, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	found, ok := s.apps[app]
	return found, ok
}

// counts are by gate.
func (s *stalls) counts() map[string]int {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := map[string]int{}
	for _, found := range s.apps {
		n[found.gate]++
	}
	return n
}
