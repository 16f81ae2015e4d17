package gate

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
	"github.com/argo-gatekeeper/gatekeeper/pkg/history"
)

// Leadership says who works, where several replicas share the record.
type Leadership interface {
	// Leads is nil while this replica may decide and act.
	Leads() error
	// Led is nil while some replica is seen to lead.
	Led() error
}

// Shared is where the replica that leads leaves what it knows of Applications for the
// others, which answer the API server and the read API by it.
type Shared interface {
	// SaveCurrent keeps what is known of an Application, DropCurrent forgets it.
	SaveCurrent(ctx context.Context, c Current) error
	DropCurrent(ctx context.Context, application string) error
	// Current returns what is known of one Application, Currents of all. The latter is
	// not fresh, and nothing is read, when nothing has changed since it was called last.
	Current(ctx context.Context, application string) (Current, bool, error)
	Currents(ctx context.Context) (all []Current, fresh bool, err error)
	// Waits says whether a delivery that was received before a moment is not processed.
	Waits(ctx context.Context, before time.Time) (bool, error)
}

// leads is nil while this process may decide and act.
func (g *Gate) leads() error {
	if g.leadership == nil {
		return nil
	}
	if err := g.leadership.Leads(); err != nil {
		return fmt.Errorf("not decided here: %w", err)
	}
	return nil
}

// share leaves for other replicas what was just decided. What cannot be left is logged: the
// others then let nobody's sync through, by what is too old or not of the record's newest
// decision.
func (g *Gate) share(ctx context.Context, app string) {
	if g.shared == nil || g.leads() != nil {
		return
	}
	var err error
	if known, ok := g.memory.get(app); ok {
		now := known.current(app)
		if _, settled := g.memory.settled(app); !settled {
			now.Entry = 0 // there is news that was not judged, so no decision is of now
		}
		err = g.shared.SaveCurrent(ctx, now)
	} else {
		err = g.shared.DropCurrent(ctx, app)
	}
	if err != nil {
		g.log.LogAttrs(ctx, slog.LevelError, "decision_not_shared", slog.String("application", app), slog.Any("error", err))
	}
}

// errUnsettled says that a follower cannot answer by the leader's decision yet.
var errUnsettled = errors.New("the replica that leads is judging it right now")

// followedDecision is settledDecision on a replica that does not lead. It is what the record
// says last, as long as the leader stands by it: nothing that arrived before the request may
// wait, and somebody has to lead. The error says why there is none.
func (g *Gate) followedDecision(ctx context.Context, now *rules, p approval.Policy, app approval.Application) (remembered, error) {
	if g.shared == nil {
		return remembered{}, errUnsettled
	}
	asked := g.now()
	deadline := time.NewTimer(settleWait)
	defer deadline.Stop()
	tick := time.NewTicker(settleWait / 10)
	defer tick.Stop()
	for {
		known, err := g.leadersDecision(ctx, now, p, app, asked)
		if err == nil || !errors.Is(err, errUnsettled) {
			return known, err
		}
		select {
		case <-tick.C:
		case <-deadline.C:
			return remembered{}, err
		case <-ctx.Done():
			return remembered{}, err
		}
	}
}

func (g *Gate) leadersDecision(ctx context.Context, now *rules, p approval.Policy, app approval.Application, asked time.Time) (remembered, error) {
	if err := g.leadership.Led(); err != nil {
		return remembered{}, err //nolint:wrapcheck // it says all
	}
	waits, err := g.shared.Waits(ctx, asked)
	if err != nil {
		return remembered{}, fmt.Errorf("read what waits: %w", err)
	}
	if waits {
		return remembered{}, errUnsettled
	}
	current, ok, err := g.shared.Current(ctx, app.Key())
	if err != nil {
		return remembered{}, fmt.Errorf("read the decision: %w", err)
	}
	if !ok || current.UID != app.UID || current.Gate != p.Gate || current.Entry == 0 {
		return remembered{}, errUnsettled
	}
	// A leader that was stopped and goes on may leave what is out of date by now. What
	// another one has decided since is on record, and comes before it.
	latest, found, err := g.record.LatestDecision(ctx, app.UID, p.Gate)
	if err != nil {
		return remembered{}, fmt.Errorf("read the latest decision: %w", err)
	}
	if !found || latest.Sequence != current.Entry {
		return remembered{}, errUnsettled
	}
	decided, err := history.Decode[history.DecisionPayload](latest)
	if err != nil {
		return remembered{}, fmt.Errorf("read the latest decision: %w", err)
	}
	on := groundsOf(latest.Sequence, decided)
	// A decision that stays what it was is not recorded again when only keys are others.
	if now.File != "" && (on.policy != now.digests[p.Gate] || !current.Judged.After(g.enacted.from(p.Gate))) {
		return remembered{}, errUnsettled
	}
	return remembered{uid: app.UID, gate: current.Gate, decision: decided.Decision, at: current.Judged, state: current.State, grounds: on}, nil
}

const (
	// followInterval is how often the replica that leads looks for what others have recorded
	// when nobody tells it.
	followInterval = 5 * time.Second
	// followRest is how long it does not look again: most of what is recorded is its own.
	followRest = 50 * time.Millisecond
)

// RecordGrew says that something was recorded, by this process or another one. It never
// blocks.
func (g *Gate) RecordGrew() {
	select {
	case g.grew <- struct{}{}:
	default:
	}
}

// own are the entries that this process has appended and not come across yet.
type own struct {
	mu      sync.Mutex
	entries map[uint64]bool
}

func (o *own) note(head history.Head, entries int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.entries == nil {
		o.entries = map[uint64]bool{}
	}
	for i := range uint64(entries) { //nolint:gosec // a handful
		o.entries[head.Sequence-i] = true
	}
}

func (o *own) take(sequence uint64) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	was := o.entries[sequence]
	delete(o.entries, sequence)
	return was
}

// appended remembers what this process has appended, for followRecord.
func (g *Gate) appended(head history.Head, entries int) {
	if g.leadership != nil && g.leads() == nil {
		g.own.note(head, entries)
	}
}

// followRecord wakes what others have recorded something about, until the context ends: the
// replicas that answer people let their syncs through, record how the last one ended, and
// take orders.
func (g *Gate) followRecord(ctx context.Context, from history.Head) {
	tick := time.NewTicker(followInterval)
	defer tick.Stop()
	failed := false
	for {
		next, err := g.followOnce(ctx, from)
		if err != nil && ctx.Err() == nil && !failed {
			g.log.LogAttrs(ctx, slog.LevelError, "record_not_followed", slog.Any("error", err))
		}
		failed = err != nil
		from = next
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		case <-g.grew:
			rest := time.NewTimer(followRest)
			select {
			case <-ctx.Done():
			case <-rest.C:
			}
			rest.Stop()
		}
	}
}

func (g *Gate) followOnce(ctx context.Context, from history.Head) (history.Head, error) {
	head, err := g.record.Head(ctx)
	if err != nil || head.Sequence <= from.Sequence {
		return from, err //nolint:wrapcheck // logged as it is
	}
	const page = 500
	for from.Sequence < head.Sequence {
		news, err := g.record.Entries(ctx, from.Sequence+1, page)
		if err != nil {
			return from, fmt.Errorf("read what was recorded: %w", err)
		}
		if len(news) == 0 {
			return from, nil
		}
		for _, e := range news {
			if !g.own.take(e.Sequence) {
				g.others(ctx, e)
			}
			from = e.Head()
		}
	}
	return from, nil
}

// others wakes what an entry of another process is about.
func (g *Gate) others(ctx context.Context, e history.Entry) {
	if e.Kind == history.KindDenied || e.Kind == history.KindArchived {
		return // nothing changes
	}
	if e.Application == "" {
		g.WakeAll()
		return
	}
	apps := g.apps.List()
	i := slices.IndexFunc(apps, func(a approval.Application) bool { return a.UID == e.Application })
	if i < 0 {
		return
	}
	g.WakeKey(ctx, apps[i].Key())
	if e.Kind != history.KindOutcome {
		return
	}
	o, err := history.Decode[history.OutcomePayload](e)
	if err != nil {
		g.log.LogAttrs(ctx, slog.LevelError, "outcome_unreadable", slog.String("application", apps[i].Key()), slog.Any("error", err))
		return
	}
	g.endedAnew(ctx, apps[i], o)
	told, err := g.shippedBy(ctx, o.Intent)
	if err != nil {
		g.log.LogAttrs(ctx, slog.LevelWarn, "outcome_not_told", slog.String("application", apps[i].Key()), slog.String("intent", o.Intent), slog.Any("error", err))
		return
	}
	g.tell(ctx, told...)
}

// TellDenials records refusals until the context ends, and then what is left. Run does so
// itself where one process runs alone; each of several replicas has refusals of its own.
func (g *Gate) TellDenials(ctx context.Context) { g.tellDenials(ctx) }

// following is what a replica that does not lead knows from the one that does.
type following struct {
	mu sync.Mutex
	// over is true once this process has led: then it knows by itself.
	over bool
}

// catchUpEvery is how old what a follower shows of the leader's knowledge may be.
const catchUpEvery = 3 * time.Second

// Follow keeps what the replica that leads knows, for those who look on, until the context
// ends or this replica begins to lead. What it shows is a few seconds old at most; nothing
// is decided by it.
func (g *Gate) Follow(ctx context.Context) {
	if g.shared == nil {
		return
	}
	tick := time.NewTicker(catchUpEvery)
	defer tick.Stop()
	failed := false
	for {
		over, err := g.catchUp(ctx)
		if over {
			return
		}
		if err != nil && ctx.Err() == nil && !failed {
			g.log.LogAttrs(ctx, slog.LevelError, "leader_not_followed", slog.Any("error", err))
		}
		failed = err != nil
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

func (g *Gate) catchUp(ctx context.Context) (over bool, err error) {
	all, fresh, err := g.shared.Currents(ctx)
	if err != nil {
		return false, fmt.Errorf("read what the leader knows: %w", err)
	}
	protected := map[string]bool{}
	for _, a := range g.apps.List() {
		if len(g.policiesFor(a)) > 0 {
			protected[a.Key()] = true
		}
	}
	g.following.mu.Lock()
	defer g.following.mu.Unlock()
	if g.following.over || !fresh {
		return g.following.over, nil
	}
	for _, c := range all {
		g.memory.set(c.Application, remembered{
			uid: c.UID, gate: c.Gate, decision: c.Decision, at: c.Judged, state: c.State, grounds: grounds{sequence: c.Entry},
		})
	}
	g.memory.keep(protected)
	return false, nil
}

// lead forgets what others knew: from now on this process knows by itself.
func (g *Gate) lead() {
	g.following.mu.Lock()
	defer g.following.mu.Unlock()
	g.following.over = true
	g.memory.keep(nil)
	began := g.now()
	g.began.Store(&began)
}

// decisionNow is the decision that a person's sync is answered by.
func (g *Gate) decisionNow(ctx context.Context, now *rules, p approval.Policy, app approval.Application) (remembered, Admission) {
	if g.leads() == nil {
		known, ok := g.settledDecision(ctx, now, app)
		if !ok {
			return remembered{}, deny(refusedUnknown, "gate "+p.Gate+" is judging it right now; try again in a moment")
		}
		return known, Admission{Allowed: true}
	}
	known, err := g.followedDecision(ctx, now, p, app)
	switch {
	case err == nil:
		return known, Admission{Allowed: true}
	case errors.Is(err, errUnsettled):
		return remembered{}, deny(refusedUnknown, "gate "+p.Gate+" is judging it right now; try again in a moment")
	case g.leadership.Led() != nil:
		return remembered{}, deny(refusedUnknown, "no replica of Gatekeeper leads right now, so nothing is decided; try again in a few seconds")
	}
	return remembered{}, g.unrecorded(ctx, app, err)
}

// queued is how many keys wait for work; on a replica that does not lead none does.
func (g *Gate) queued() int {
	if g.leads() != nil {
		return 0
	}
	return g.queue.Len()
}
