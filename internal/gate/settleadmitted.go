package gate

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
	"github.com/argo-gatekeeper/gatekeeper/pkg/history"
)

// admittedGrace is how long the API server may take to store what it was told that
// it may: its limit for a whole request, a minute (kube-apiserver, --request-timeout),
// and some time for what etcd was sent just before.
const admittedGrace = 75 * time.Second

// traceOfAdmitted is traceOf for a sync that somebody else asked for. Its operation
// does not carry the intent, since what is admitted cannot be changed; who asked,
// what for and when must agree instead. An operation that it is found to be is taken:
// no other intent is settled with it, however alike they are.
func traceOfAdmitted(app approval.Application, intent openIntent, taken *operations) (approval.Operation, bool) {
	later := func(start time.Time) bool { return start.After(intent.at.Add(-clockSlack)) }
	if op := app.Operation; op != nil && op.Intent == "" && !op.DryRun && op.Partial == intent.Admitted.Partial &&
		sameInitiator(op.InitiatedBy, intent.IntentPayload) && sameRevisions(op.Revisions, intent.Candidate) &&
		(op.StartedAt.IsZero() || later(op.StartedAt)) {
		if op.Finished() && taken.take(op.StartedAt) || !op.Finished() && taken.takeCurrent() {
			return *op, true
		}
	}
	// Syncs of single resources are not in Argo CD's history.
	for _, past := range slices.Backward(app.Deployed) {
		if !intent.Admitted.Partial && sameInitiator(past.InitiatedBy, intent.IntentPayload) && sameRevisions(past.Revisions, intent.Candidate) &&
			later(past.StartedAt) && taken.take(past.StartedAt) {
			return fromHistory(past), true
		}
	}
	return approval.Operation{}, false
}

// operations are those of an Application that have their intents.
type operations struct {
	current bool
	// ended are when they began, by the second as Argo CD writes it. There is one
	// operation at a time; of two that begin within one second, the second one is given
	// up as without a trace. Who asked is not looked at: people can put Gatekeeper's mark
	// on theirs, and then Argo CD's history has it without the mark.
	ended map[int64]bool
}

// take says whether an operation that ended was nobody's yet.
func (o *operations) take(start time.Time) bool {
	key := start.Unix()
	if o.ended[key] {
		return false
	}
	o.ended[key] = true
	return true
}

func (o *operations) takeCurrent() bool {
	free := !o.current
	o.current = true
	return free
}

// takenOperations are those whose outcomes are on record, as far as open intents need
// to know.
func (g *Gate) takenOperations(ctx context.Context, uid string, open []openIntent) (*operations, error) {
	taken := &operations{ended: map[int64]bool{}}
	if !slices.ContainsFunc(open, func(o openIntent) bool { return o.Admitted != nil }) {
		return taken, nil
	}
	outcomes, err := g.record.Outcomes(ctx, uid, outcomesRead)
	if err != nil {
		return nil, fmt.Errorf("read the outcomes: %w", err)
	}
	for _, entry := range outcomes {
		o, err := history.Decode[history.OutcomePayload](entry)
		if err != nil {
			return nil, fmt.Errorf("read an outcome: %w", err)
		}
		taken.take(o.StartedAt)
	}
	return taken, nil
}

// settleFirst records how the Application's last operation ended, before the next one
// takes its place: nobody can tell afterwards. Intents without a trace stay open, since
// their writes may be under way.
func (g *Gate) settleFirst(ctx context.Context, head history.Head, app approval.Application) (history.Head, error) {
	if !app.Operation.Finished() {
		return head, nil
	}
	open, err := g.openIntents(ctx, app.UID)
	if err != nil {
		return head, err
	}
	settled, _, err := g.ended(ctx, app, open)
	if err != nil {
		return head, err
	}
	head, told, err := g.recordSettled(ctx, head, app, settled)
	g.tell(ctx, told...)
	return head, err
}

// sameInitiator says whether an operation's author is that of the intent. Without a
// name, as when Argo CD knows no users, the intent has the API server's.
func sameInitiator(by string, intent history.IntentPayload) bool {
	return by == intent.InitiatedBy || (by == "" && intent.InitiatedBy == intent.Admitted.User)
}
