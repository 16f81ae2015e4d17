package gate

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
	"github.com/argo-gatekeeper/gatekeeper/pkg/history"
)

// deployed is what the record says about an Application's syncs.
type deployed struct {
	// intent is that of the newest successful sync, if succeeded.
	intent    history.IntentPayload
	succeeded bool
	// sequence is the entry of its outcome.
	sequence uint64
	// baseline is that of the newest one that is trusted, nil for none; policy is the
	// one that it was decided with.
	baseline *history.IntentPayload
	policy   approval.Policy
	// failures counts how often the newest candidate failed in a row.
	failures int
	failed   approval.Candidate
	failedAt time.Time
	// failedBy asked for the newest failure, person is true when that was not Gatekeeper;
	// failure is what Argo CD says about it.
	failedBy string
	person   bool
	failure  history.OutcomePayload
}

// outcomesRead bounds how far back failures are counted.
const outcomesRead = 10

func (g *Gate) lastDeployed(ctx context.Context, app approval.Application, ordered standing) (*deployed, error) {
	var d deployed
	newest, err := g.record.Deployments(ctx, app.UID, 1)
	if err != nil {
		return nil, fmt.Errorf("read the last deployment of %s: %w", app.Key(), err)
	}
	if len(newest) > 0 {
		d.intent, d.succeeded, d.sequence = newest[0].Intent, true, newest[0].Sequence
		d.baseline = &newest[0].Intent
		if !ordered.Trusts(app.UID, d.intent.Act) {
			if d.baseline, err = g.trusted(ctx, app, ordered); err != nil {
				return nil, err
			}
		}
	}
	if d.baseline != nil {
		decided, found, err := g.decisionOf(ctx, *d.baseline)
		if err != nil {
			return nil, err
		}
		if found {
			d.policy = decided.Policy
		}
	}
	outcomes, err := g.record.Outcomes(ctx, app.UID, outcomesRead)
	if err != nil {
		return nil, fmt.Errorf("read the outcomes of %s: %w", app.Key(), err)
	}
	for _, entry := range outcomes {
		o, err := history.Decode[history.OutcomePayload](entry)
		if err != nil {
			return nil, fmt.Errorf("read an outcome of %s: %w", app.Key(), err)
		}
		if o.Result == history.ResultSucceeded {
			break
		}
		if o.Result == history.ResultPartial {
			continue // neither a deployment nor a failure of one
		}
		tried, found, err := g.intent(ctx, o.Intent)
		if err != nil {
			return nil, err
		}
		if !found || (d.failures > 0 && !tried.Candidate.Equal(d.failed)) {
			break
		}
		if d.failures == 0 {
			// By our own clock, which the back-off is measured with.
			d.failed, d.failedAt = tried.Candidate, entry.Time
			d.failedBy, d.person, d.failure = tried.InitiatedBy, tried.Admitted != nil, o
		}
		d.failures++
	}
	if !d.succeeded && d.failures == 0 {
		return nil, nil //nolint:nilnil // nothing was ever deployed
	}
	return &d, nil
}

// settle closes the Application's open intents as far as the live object tells
// what became of them, and says whether an operation is under way.
//
//	operation carries the intent, finished   → outcome
//	operation carries the intent, running    → wait
//	Argo CD's history holds the intended sync → outcome, observed late
//	no trace                                  → abandoned
//
// An abandoned intent cannot come to life later: its request is bound to a
// resource version, and either that version is gone or the next request takes it.
//
// The pull requests that a settled intent shipped come back, since people wait
// there for the news.
func (g *Gate) settle(ctx context.Context, head history.Head, app approval.Application) (_ history.Head, busy bool, told []Key, err error) {
	open, err := g.openIntents(ctx, app.UID)
	if err != nil {
		return head, false, nil, err
	}
	busy = app.Operation != nil && !app.Operation.Finished()

	settled, untraced, err := g.ended(ctx, app, open)
	if err != nil {
		return head, false, nil, err
	}
	for _, intent := range untraced {
		if intent.Admitted != nil && g.now().Sub(intent.at) < admittedGrace && app.ResourceVersion == intent.ResourceVersion {
			busy = true // the API server may be about to store it
			continue
		}
		settled = append(settled, g.abandon(ctx, app, intent.IntentPayload))
	}
	head, told, err = g.recordSettled(ctx, head, app, settled)
	return head, busy, told, err
}

// ended finds the outcomes of open intents whose operations ended, and the intents of
// which there is no trace.
//
// Of people's alike intents, the one for the newest version of the Application is the one
// that was stored: when it was let through, the write of another either had been stored,
// and then it was settled first (settleFirst), or was bound to a version that was gone.
func (g *Gate) ended(ctx context.Context, app approval.Application, open []openIntent) (settled []history.Payload, untraced []openIntent, err error) {
	taken, err := g.takenOperations(ctx, app.UID, open)
	if err != nil {
		return nil, nil, err
	}
	open = slices.Clone(open)
	slices.SortStableFunc(open, func(a, b openIntent) int { return compareVersions(a.ResourceVersion, b.ResourceVersion) })
	marked := app.Operation
	if marked.Finished() && marked.Intent != "" {
		taken.take(marked.StartedAt) // it is found by its mark
	}
	for _, intent := range slices.Backward(open) {
		op, found := traceOf(app, intent, taken)
		switch {
		case !found:
			untraced = append(untraced, intent)
		case op.Finished():
			settled = append(settled, g.outcome(ctx, app, intent.IntentPayload, op))
			settled = append(settled, holdAfter(app, intent.IntentPayload)...)
		}
	}
	late, found, err := g.lateOutcome(ctx, app, open)
	if err != nil {
		return nil, nil, err
	}
	if found {
		settled = append(settled, late)
	}
	seen, err := g.unasked(ctx, app, settled)
	if err != nil {
		return nil, nil, err
	}
	return append(settled, seen...), untraced, nil
}

// compareVersions orders resource versions, which are numbers that grow (Kubernetes
// promises that since 1.35, and has always had it so; KEP-5504).
func compareVersions(a, b string) int {
	return cmp.Or(cmp.Compare(len(a), len(b)), cmp.Compare(a, b))
}

// recordSettled appends what became of intents, and finds the pull requests that are to
// be told.
func (g *Gate) recordSettled(ctx context.Context, head history.Head, app approval.Application, settled []history.Payload) (_ history.Head, told []Key, err error) {
	if len(settled) == 0 {
		return head, nil, nil
	}
	for _, p := range settled {
		if o, ok := p.(history.ObservedPayload); ok {
			g.sawUnasked(ctx, app, o)
		}
		if o, ok := p.(history.OutcomePayload); ok {
			shipped, err := g.shippedBy(ctx, o.Intent)
			if err != nil {
				return head, nil, err
			}
			told = append(told, shipped...)
		}
	}
	// That they are to be told is kept first: once the outcome is on record, nothing says
	// it again. Whoever is told for nothing hears nothing new.
	for _, k := range told {
		g.debts.owe(ctx, k)
	}
	head, err = g.appendFor(ctx, head, app.UID, just(settled...))
	if err != nil {
		return head, nil, fmt.Errorf("record outcomes: %w", err)
	}
	if leads := g.leads() == nil; !leads {
		return head, told, nil // the replica that leads finds it on record, and tells
	}
	for _, p := range settled {
		switch o := p.(type) {
		case history.OutcomePayload:
			g.endedAnew(ctx, app, o)
		case history.ObservedPayload:
			// Those that were missing are on record now, so the next one who looks, which may
			// be an answer to the API server, need not read it.
			seen := seenOperations(app)
			g.operations.note(app.UID, seen, seen)
		}
	}
	return head, told, nil
}

// traceOf finds the operation of an intent.
func traceOf(app approval.Application, intent openIntent, taken *operations) (approval.Operation, bool) {
	if intent.Admitted != nil {
		return traceOfAdmitted(app, intent, taken)
	}
	if op := app.Operation; op != nil && op.Intent == intent.ID {
		return *op, true
	}
	past, found := deployedBy(app, intent.IntentPayload, intent.at)
	if !found {
		return approval.Operation{}, false
	}
	op := fromHistory(past)
	op.Intent = intent.ID
	return op, true
}

// fromHistory is an operation as Argo CD's history tells it.
func fromHistory(past approval.DeployedRevision) approval.Operation {
	return approval.Operation{
		Phase: phaseSucceeded, Revisions: past.Revisions, StartedAt: past.StartedAt, FinishedAt: past.DeployedAt,
		InitiatedBy: past.InitiatedBy, Message: "found in Argo CD's history",
	}
}

// abandon gives up an intent of which there is no trace.
func (g *Gate) abandon(ctx context.Context, app approval.Application, intent history.IntentPayload) history.AbandonedPayload {
	reason := "the application shows no trace of it"
	switch {
	case intent.Admitted != nil:
		reason = "the sync that was let through was not stored, or ended without a trace"
	case app.ResourceVersion == intent.ResourceVersion:
		reason = "it was never sent: the application is unchanged"
	}
	g.log.LogAttrs(ctx, slog.LevelWarn, "intent_abandoned",
		slog.String("application", app.Key()), slog.String("intent", intent.ID), slog.String("reason", reason))
	return history.AbandonedPayload{Intent: intent.ID, Reason: reason}
}

// lateOutcome finds an operation of ours that finished although its intent had
// been abandoned: a request that was in flight when its process died.
func (g *Gate) lateOutcome(ctx context.Context, app approval.Application, open []openIntent) (history.Payload, bool, error) {
	op := app.Operation
	if op == nil || op.Intent == "" || !op.Finished() ||
		slices.ContainsFunc(open, func(o openIntent) bool { return o.ID == op.Intent }) {
		return nil, false, nil
	}
	entries, err := g.record.Intent(ctx, op.Intent)
	if err != nil {
		return nil, false, fmt.Errorf("read intent %s: %w", op.Intent, err)
	}
	if len(entries) == 0 || slices.ContainsFunc(entries, func(e history.Entry) bool { return e.Kind == history.KindOutcome }) {
		return nil, false, nil
	}
	intent, err := history.Decode[history.IntentPayload](entries[0])
	if err != nil {
		return nil, false, fmt.Errorf("read intent %s: %w", op.Intent, err)
	}
	if entries[0].Application != app.UID {
		return nil, false, nil // somebody put our mark on another Application
	}
	return g.outcome(ctx, app, intent, *op), true, nil
}

const phaseSucceeded = "Succeeded"

// outcome writes down how an operation ended. Success means that exactly the
// intended revisions were synced, and not for show.
func (g *Gate) outcome(ctx context.Context, app approval.Application, intent history.IntentPayload, op approval.Operation) history.OutcomePayload {
	result := history.ResultFailed
	if op.Phase == phaseSucceeded {
		result = history.ResultMismatch
		if !op.DryRun && sameRevisions(op.Revisions, intent.Candidate) {
			result = history.ResultSucceeded
			if intent.Admitted != nil && intent.Admitted.Partial {
				result = history.ResultPartial
			}
		}
	}
	g.metrics.synced(intent.Gate, string(result))
	g.log.LogAttrs(ctx, levelOf(result), "sync_finished",
		slog.String("application", app.Key()), slog.String("intent", intent.ID), slog.String("result", string(result)),
		slog.String("phase", op.Phase), slog.String("message", op.Message))
	return history.OutcomePayload{
		Intent: intent.ID, Result: result, Phase: op.Phase, Message: op.Message, Revisions: op.Revisions,
		StartedAt: op.StartedAt, FinishedAt: op.FinishedAt, Health: app.Health, Resources: op.Resources,
	}
}

func levelOf(r history.Result) slog.Level {
	if r == history.ResultSucceeded || r == history.ResultPartial {
		return slog.LevelInfo
	}
	return slog.LevelError
}

func sameRevisions(got []string, c approval.Candidate) bool {
	if len(got) != len(c.Revisions) {
		return false
	}
	for i := range got {
		if got[i] != string(c.Revisions[i].SHA) {
			return false
		}
	}
	return true
}

// clockSlack covers the difference between the record's clock and that of the
// controller, which writes times by the second.
const clockSlack = 5 * time.Second

// deployedBy finds the intended sync in Argo CD's own history. It keeps no
// intent, so the text that we gave and the revisions must agree.
func deployedBy(app approval.Application, intent history.IntentPayload, at time.Time) (approval.DeployedRevision, bool) {
	for _, past := range slices.Backward(app.Deployed) {
		if op := app.Operation; op != nil && op.Intent != "" && past.StartedAt.Equal(op.StartedAt) {
			continue // the operation of another intent, which may have the same text
		}
		if past.InitiatedBy == intent.InitiatedBy && sameRevisions(past.Revisions, intent.Candidate) &&
			past.StartedAt.After(at.Add(-clockSlack)) {
			return past, true
		}
	}
	return approval.DeployedRevision{}, false
}
