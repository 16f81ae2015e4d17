package gate

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
	"github.com/argo-gatekeeper/gatekeeper/pkg/history"
)

// admittedGrace is how long the API server may take to store what it was told that
// it may. Its own limit for a request is a minute (kube-apiserver,
// --request-timeout), of which a write spends nearly nothing after admission.
const admittedGrace = 15 * time.Second

// settleAdmitted is settleOne for a sync that somebody else asked for. Its operation
// does not carry the intent, since what is admitted cannot be changed; who asked,
// what for and when must agree instead.
//
// Settled are the operations that have their outcome: none of them is this one, however
// alike they are.
func (g *Gate) settleAdmitted(ctx context.Context, app approval.Application, intent history.IntentPayload, at time.Time, settled map[begun]bool) (_ history.Payload, running bool) {
	later := func(start time.Time) bool {
		return start.After(at.Add(-clockSlack)) && !settled[begun{start.Unix(), intent.InitiatedBy}]
	}
	if op := app.Operation; op != nil && op.Intent == "" && sameInitiator(op.InitiatedBy, intent) && sameRevisions(op.Revisions, intent.Candidate) &&
		(op.StartedAt.IsZero() || later(op.StartedAt)) {
		if !op.Finished() {
			return nil, true
		}
		return g.outcome(ctx, app, intent, *op), false
	}
	for _, past := range slices.Backward(app.Deployed) {
		if sameInitiator(past.InitiatedBy, intent) && sameRevisions(past.Revisions, intent.Candidate) && later(past.StartedAt) {
			return g.outcome(ctx, app, intent, approval.Operation{
				Phase: phaseSucceeded, Revisions: past.Revisions, StartedAt: past.StartedAt, FinishedAt: past.DeployedAt,
				InitiatedBy: past.InitiatedBy, Message: "found in Argo CD's history",
			}), false
		}
	}
	if g.now().Sub(at) < admittedGrace && app.ResourceVersion == intent.ResourceVersion {
		return nil, true // the API server may be about to store it
	}
	const reason = "the sync that was let through was not stored, or ended without a trace"
	g.log.LogAttrs(ctx, slog.LevelWarn, "intent_abandoned",
		slog.String("application", app.Key()), slog.String("intent", intent.ID), slog.String("reason", reason))
	return history.AbandonedPayload{Intent: intent.ID, Reason: reason}, false
}

// begun is when an operation began, by the second as Argo CD writes it, and who asked
// for it. There is one operation at a time.
type begun struct {
	at int64
	by string
}

// settledStarts are the operations whose outcomes are on record.
func (g *Gate) settledStarts(ctx context.Context, uid string) (map[begun]bool, error) {
	outcomes, err := g.record.Outcomes(ctx, uid, outcomesRead)
	if err != nil {
		return nil, fmt.Errorf("read the outcomes: %w", err)
	}
	starts := map[begun]bool{}
	for _, entry := range outcomes {
		o, err := history.Decode[history.OutcomePayload](entry)
		if err != nil {
			return nil, fmt.Errorf("read an outcome: %w", err)
		}
		intent, found, err := g.intent(ctx, o.Intent)
		if err != nil {
			return nil, err
		}
		if found {
			starts[begun{o.StartedAt.Unix(), intent.InitiatedBy}] = true
		}
	}
	return starts, nil
}

// sameInitiator says whether an operation's author is that of the intent. Without a
// name, as when Argo CD knows no users, the intent has the API server's.
func sameInitiator(by string, intent history.IntentPayload) bool {
	return by == intent.InitiatedBy || (by == "" && intent.InitiatedBy == intent.Admitted.User)
}
