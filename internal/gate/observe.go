package gate

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
	"github.com/argo-gatekeeper/gatekeeper/pkg/history"
)

const (
	// operationsRead is how many operations on record are compared with what Argo CD
	// shows. Its own history has ten entries unless the Application says otherwise.
	operationsRead = 50
	// coverRead is how many deployments are looked through for one of the same revisions.
	coverRead = 50
)

// seenOperation is one that Argo CD tells of, in its history or as the last one.
type seenOperation struct {
	approval.Operation
	// last is true for the last operation: the health of now came after it.
	last bool
}

// seenOperations are the completed ones of an Application, oldest first. Dry runs are not
// among them, since they change nothing.
func seenOperations(app approval.Application) []seenOperation {
	var seen []seenOperation
	for _, past := range app.Deployed {
		op := fromHistory(past)
		if op.StartedAt = startOf(op.StartedAt, op.FinishedAt); !op.StartedAt.IsZero() {
			seen = append(seen, seenOperation{Operation: op})
		}
	}
	if op := app.Operation; op != nil && !op.StartedAt.IsZero() {
		// Argo CD writes its history before it ends the operation (seen with 3.2.11 on
		// 2026-11-21), so what is under way may be there already.
		seen = slices.DeleteFunc(seen, func(s seenOperation) bool { return s.StartedAt.Unix() == op.StartedAt.Unix() })
		if op.Finished() && !op.DryRun {
			seen = append(seen, seenOperation{*op, true})
		}
	}
	slices.SortStableFunc(seen, func(a, b seenOperation) int { return a.StartedAt.Compare(b.StartedAt) })
	return seen
}

// startOf tells operations of one Application apart: Argo CD has one at a time. Entries
// of its history that old versions wrote have no start.
func startOf(started, finished time.Time) time.Time {
	if started.IsZero() {
		return finished
	}
	return started
}

// recordedOperations are the newest operations on record.
type recordedOperations struct {
	// starts are when they began, by the second as Argo CD writes it.
	starts map[int64]bool
	// observed are those without an intent.
	observed []history.ObservedPayload
	// floor is before everything that has to be on record.
	floor time.Time
	// first is true when the gate has nothing on record about the Application.
	first bool
}

func (r *recordedOperations) add(started, finished time.Time) {
	at := startOf(started, finished)
	if at.IsZero() {
		return
	}
	r.starts[at.Unix()] = true
	if r.floor.IsZero() || at.Before(r.floor) {
		r.floor = at
	}
}

// recordedOperations reads what the record has.
//
// Whatever is visible is recorded when the gate sees an Application for the first time, as
// from before, and then each time before anything else is. So what is older than all that
// is on record was there before the gate, or is long since told.
func (g *Gate) recordedOperations(ctx context.Context, app approval.Application, gate string) (*recordedOperations, error) {
	entries, err := g.record.Select(ctx, history.Selection{Kinds: history.Deployed(), Application: app.UID, Newest: true}, operationsRead)
	if err != nil {
		return nil, fmt.Errorf("read the operations of %s: %w", app.Key(), err)
	}
	r := &recordedOperations{starts: map[int64]bool{}}
	var before time.Time
	for _, entry := range entries {
		if entry.Kind == history.KindOutcome {
			o, err := history.Decode[history.OutcomePayload](entry)
			if err != nil {
				return nil, fmt.Errorf("read an outcome of %s: %w", app.Key(), err)
			}
			r.add(o.StartedAt, o.FinishedAt)
			continue
		}
		o, err := history.Decode[history.ObservedPayload](entry)
		if err != nil {
			return nil, fmt.Errorf("read a sync that was seen of %s: %w", app.Key(), err)
		}
		r.add(o.StartedAt, o.FinishedAt)
		r.observed = append(r.observed, o)
		if o.Before && o.StartedAt.After(before) {
			before = o.StartedAt
		}
	}
	if !before.IsZero() {
		r.floor = before
	}
	if len(entries) == 0 {
		_, known, err := g.record.LatestDecision(ctx, app.UID, gate)
		if err != nil {
			return nil, fmt.Errorf("read the latest decision on %s: %w", app.Key(), err)
		}
		r.first = !known
	}
	return r, nil
}

// unasked finds operations that Argo CD carried out and for which there is no intent,
// besides those whose outcomes are about to be recorded.
func (g *Gate) unasked(ctx context.Context, app approval.Application, settled []history.Payload) ([]history.Payload, error) {
	policies := g.policiesFor(app)
	seen := seenOperations(app)
	if len(policies) == 0 || g.operations.knows(app.UID, seen) {
		return nil, nil
	}
	gate := policies[0].Gate
	known, err := g.recordedOperations(ctx, app, gate)
	if err != nil {
		return nil, err
	}
	if known.first {
		return before(app, gate, seen), nil
	}
	for _, p := range settled {
		if o, ok := p.(history.OutcomePayload); ok {
			known.starts[startOf(o.StartedAt, o.FinishedAt).Unix()] = true
		}
	}
	var found []history.Payload
	var noted []seenOperation
	for _, op := range seen {
		if known.starts[op.StartedAt.Unix()] || op.StartedAt.Before(known.floor) || known.again(op) {
			noted = append(noted, op)
			continue
		}
		o := observation(app, gate, op)
		if o.Decision, o.Covers, err = g.coveredBy(ctx, app, gate, op.Operation); err != nil {
			return nil, err
		}
		// Argo CD leaves out the parts of a second. What ended in the second of the start most
		// likely ended before it.
		o.Late = !op.FinishedAt.IsZero() && !op.FinishedAt.After(*g.began.Load())
		found = append(found, o)
		known.observed = append(known.observed, o)
	}
	g.operations.note(app.UID, seen, noted)
	return found, nil
}

// before is what was there when the gate saw the Application for the first time: what was
// deployed last, and what came after that.
func before(app approval.Application, gate string, seen []seenOperation) []history.Payload {
	last := len(seen) - 1
	for last > 0 && (seen[last].Phase != phaseSucceeded || seen[last].Partial) {
		last--
	}
	var found []history.Payload
	for _, op := range seen[max(last, 0):] {
		o := observation(app, gate, op)
		o.Before = true
		found = append(found, o)
	}
	return found
}

func observation(app approval.Application, gate string, op seenOperation) history.ObservedPayload {
	o := history.ObservedPayload{
		Gate: gate, Application: app.Key(), Phase: op.Phase, Message: op.Message, Revisions: op.Revisions,
		StartedAt: op.StartedAt, FinishedAt: op.FinishedAt, InitiatedBy: op.InitiatedBy, Partial: op.Partial, Resources: op.Resources,
	}
	if op.last {
		o.Health = app.Health
	}
	return o
}

// again says whether an automatic sync only does what the one before did: while an
// Application heals itself, there may be one every few seconds.
func (r *recordedOperations) again(op seenOperation) bool {
	if op.InitiatedBy != automatedSync || op.Partial {
		return false
	}
	var last *history.ObservedPayload
	for i := range r.observed {
		if o := &r.observed[i]; o.StartedAt.Before(op.StartedAt) && (last == nil || o.StartedAt.After(last.StartedAt)) {
			last = o
		}
	}
	if last == nil || last.InitiatedBy != op.InitiatedBy || last.Phase != op.Phase || !slices.Equal(last.Revisions, op.Revisions) {
		return false
	}
	for start := range r.starts {
		if start > last.StartedAt.Unix() && start < op.StartedAt.Unix() {
			return false // something else was synced in between
		}
	}
	return true
}

// coveredBy is the entry of the newest decision, and the one that allows an operation's
// revisions, with the spec of now; 0 for none.
func (g *Gate) coveredBy(ctx context.Context, app approval.Application, gate string, op approval.Operation) (decision, covered uint64, err error) {
	covers := func(c approval.Candidate) bool {
		return c.UID == app.UID && c.SpecDigest == app.SpecDigest && sameRevisions(op.Revisions, c)
	}
	entry, found, err := g.record.LatestDecision(ctx, app.UID, gate)
	if err != nil {
		return 0, 0, fmt.Errorf("read the latest decision on %s: %w", app.Key(), err)
	}
	if found {
		d, err := history.Decode[history.DecisionPayload](entry)
		if err != nil {
			return 0, 0, fmt.Errorf("read the latest decision on %s: %w", app.Key(), err)
		}
		if (d.Decision.Allowed() && covers(d.Decision.Candidate)) || covers(d.Decision.Baseline) {
			return entry.Sequence, entry.Sequence, nil
		}
	}
	past, err := g.record.Deployments(ctx, app.UID, coverRead)
	if err != nil {
		return 0, 0, fmt.Errorf("read the deployments of %s: %w", app.Key(), err)
	}
	for _, d := range past {
		if covers(d.Intent.Candidate) {
			return entry.Sequence, d.Sequence, nil
		}
	}
	return entry.Sequence, 0, nil
}

// sawUnasked says aloud that something was synced without the gate.
func (g *Gate) sawUnasked(ctx context.Context, app approval.Application, o history.ObservedPayload) {
	attrs := []slog.Attr{
		slog.String("application", app.Key()), slog.String("gate", o.Gate), slog.String("phase", o.Phase),
		slog.Any("revisions", o.Revisions), slog.String("initiated_by", o.InitiatedBy), slog.Time("started", o.StartedAt.UTC()),
		slog.Bool("late", o.Late), slog.Uint64("covered_by", o.Covers),
	}
	if o.Before {
		g.log.LogAttrs(ctx, slog.LevelInfo, "application_met", attrs...)
		return
	}
	level := slog.LevelError
	if o.Covers > 0 {
		level = slog.LevelWarn
	}
	g.metrics.unasked(o)
	g.log.LogAttrs(ctx, level, "sync_ungated", attrs...)
}

// operationsKnown are the operations that are on record, or need not be, so that the
// record is not read for them each time. Safe for concurrent use.
type operationsKnown struct {
	mu   sync.Mutex
	apps map[string]map[int64]bool // by UID
}

// knows says whether all of them are.
func (k *operationsKnown) knows(uid string, seen []seenOperation) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return !slices.ContainsFunc(seen, func(op seenOperation) bool { return !k.apps[uid][op.StartedAt.Unix()] })
}

// note keeps those that are known, of those that are seen.
func (k *operationsKnown) note(uid string, seen, known []seenOperation) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.apps == nil {
		k.apps = map[string]map[int64]bool{}
	}
	starts := map[int64]bool{}
	for _, op := range seen {
		if k.apps[uid][op.StartedAt.Unix()] {
			starts[op.StartedAt.Unix()] = true
		}
	}
	for _, op := range known {
		starts[op.StartedAt.Unix()] = true
	}
	k.apps[uid] = starts
}

// keep forgets all other Applications.
func (k *operationsKnown) keep(uids map[string]bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	maps.DeleteFunc(k.apps, func(uid string, _ map[int64]bool) bool { return !uids[uid] })
}

func (k *operationsKnown) forget(uid string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	delete(k.apps, uid)
}

// ungated is what is live without having been let through by the gate; nil when nothing is.
func ungated(live *liveOperation, last *deployed) *approval.Ungated {
	if live == nil || live.observed == nil || live.observed.Before {
		return nil
	}
	o := live.observed
	if last != nil && last.succeeded && sameRevisions(o.Revisions, last.intent.Candidate) {
		return nil
	}
	return &approval.Ungated{Revisions: o.Revisions, InitiatedBy: o.InitiatedBy, StartedAt: o.StartedAt.UTC(), Approved: o.Covers > 0}
}

// withUngated puts before a state that something else is live than the gate let through.
func withUngated(state string, o *approval.Ungated) string {
	if o == nil {
		return state
	}
	text := "NOT let through by the gate: " + shortRevisions(o.Revisions) + " was synced by " +
		shortened(oneLine(cmp.Or(o.InitiatedBy, "somebody whom Argo CD does not name")), initiatedByLimit) +
		" on " + o.StartedAt.UTC().Format("2006-01-02 15:04 MST")
	if o.Approved {
		text += ", which was approved before"
	}
	if state == "" {
		return text
	}
	return text + "; " + state
}

func shortRevisions(revisions []string) string {
	var short []string
	for _, r := range revisions {
		if s := approval.SHA(r).Short(); !slices.Contains(short, s) {
			short = append(short, s)
		}
	}
	if len(short) == 0 {
		return "something"
	}
	return oneLine(strings.Join(short, ", "))
}
