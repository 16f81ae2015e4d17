package gate

import (
	"context"
	"log/slog"
	"slices"
	"strings"
	"sync"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
	"github.com/argo-gatekeeper/gatekeeper/pkg/history"
)

// Reverter brings Git to what was rolled back to: a pull request for each repository in
// which the Application's files are not as they were. It returns their numbers, also of
// those that it opened earlier.
type Reverter interface {
	Revert(ctx context.Context, p approval.Policy, app approval.Application, r approval.Rollback) ([]Key, error)
}

// rollback is the order to go back that counts: the newest one, unless it was called off
// by releasing its hold before it was carried out, or something was deployed since.
func (s standing) rollback(uid string, last *deployed) *approval.Rollback {
	order, ok := s.Rollback(uid)
	if !ok || order.Candidate == nil {
		return nil
	}
	r := &approval.Rollback{
		ID: order.ID, Person: order.Person.Name, Reason: order.Reason, Candidate: *order.Candidate,
		Intent: order.Intent, Hold: order.Hold,
	}
	if last != nil && last.succeeded {
		if last.intent.Act == order.ID {
			r.Done = true
			return r
		}
		if last.sequence > order.Sequence {
			return nil
		}
	}
	if _, released := s.Answer(r.Hold); released {
		return nil
	}
	return r
}

// collectRollback reads what was rolled back to is rendered from, once it is live: that
// is what may come back to Git without a quorum. Without it nothing may.
func (g *Gate) collectRollback(ctx context.Context, facts *approval.Facts) {
	r := facts.Rollback
	if r == nil || !r.Done || !slices.ContainsFunc(facts.Lines, func(l approval.Line) bool { return len(l.Landings) > 0 }) {
		return
	}
	closure, err := g.closures.Closure(ctx, facts.Application, r.Candidate.Revisions)
	if err != nil {
		g.log.LogAttrs(ctx, slog.LevelWarn, "rollback_closure_unknown", slog.String("application", facts.Application.Key()), slog.Any("error", err))
		return
	}
	r.Reads = closure.Reads
}

// reverts are the rollbacks for which Git was looked at. After a restart GitHub is asked
// once more. Safe for concurrent use.
type reverts struct {
	mu   sync.Mutex
	done map[string]bool // by the ID of the order
}

func (r *reverts) known(id string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.done[id]
}

func (r *reverts) add(id string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.done == nil {
		r.done = map[string]bool{}
	}
	r.done[id] = true
}

// revert opens the pull requests after a rollback was carried out. When it fails, the
// next reconcile tries again: what is live does not depend on it.
func (g *Gate) revert(ctx context.Context, p approval.Policy, facts approval.Facts) {
	r := facts.Rollback
	if g.reverter == nil || r == nil || !r.Done || g.reverts.known(r.ID) || len(facts.Lines) == 0 {
		return
	}
	pulls, err := g.reverter.Revert(ctx, p, facts.Application, *r)
	if err != nil {
		g.log.LogAttrs(ctx, slog.LevelError, "revert_failed",
			slog.String("application", facts.Application.Key()), slog.String("order", r.ID), slog.Any("error", err))
		return
	}
	g.reverts.add(r.ID)
	names := make([]string, len(pulls))
	for i, k := range pulls {
		names[i] = k.String()
		g.queue.Add(k)
	}
	g.log.LogAttrs(ctx, slog.LevelInfo, "revert_proposed",
		slog.String("application", facts.Application.Key()), slog.String("order", r.ID), slog.String("pulls", strings.Join(names, ", ")))
}

// holdAfter stops what is newer after somebody went back in Argo CD's UI, as an ordered
// rollback does. Otherwise the next decision would take them forward again at once.
func holdAfter(app approval.Application, intent history.IntentPayload) []history.Payload {
	if intent.Admitted == nil || !intent.Admitted.Rollback {
		return nil
	}
	return []history.Payload{history.ActPayload{
		ID: "hold-" + intent.ID, Verb: history.VerbHold, Gate: intent.Gate, Application: app.Key(),
		Person: history.Person{Name: intent.InitiatedBy, Via: history.ViaArgoCD},
		Reason: "rolled back to " + revisions(intent.Candidate) + " in Argo CD",
	}}
}
