package gate

import (
	"context"
	"log/slog"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
	"github.com/argo-gatekeeper/gatekeeper/pkg/history"
)

// collectBaseline reads what the Application at its baselines is rendered from, unless
// that is what the decision is about anyway, or the record already says that it was
// deployed. Without it the decision names no baseline, and stands all the same.
func (g *Gate) collectBaseline(ctx context.Context, p approval.Policy, facts *approval.Facts, last *deployed) {
	at, ok := approval.AtBaseline(p, *facts)
	if !ok || last != nil && last.succeeded && sameCandidate(last.intent.Candidate, at) {
		return
	}
	if prospect, found := approval.Prospect(p, *facts); found && sameCandidate(prospect, at) {
		return
	}
	closure, err := g.closures.Closure(ctx, facts.Application, at.Revisions)
	if err != nil {
		g.log.LogAttrs(ctx, slog.LevelWarn, "baseline_closure_unknown", slog.String("application", facts.Application.Key()), slog.Any("error", err))
		return
	}
	facts.BaselineClosure = &closure
}

// baselineGrounds lets a person sync what is at the baselines: where the gate was
// enrolled, as long as it deployed nothing newer. Once it did, that is going back, even
// if what is newer is not trusted.
func baselineGrounds(p approval.Policy, app approval.Application, known remembered, past []history.Deployment) (grounds, bool, Admission) {
	at := known.decision.Baseline
	back := len(past) > 0 && !deploysSame(past[0].Intent.Candidate, at)
	if back && !p.Sync.Rollback {
		return grounds{}, false, denyBack(p, app, at)
	}
	on := known.grounds
	on.candidate, on.approvers, on.act = at, nil, ""
	return on, back, Admission{Allowed: true}
}

func denyBack(p approval.Policy, app approval.Application, c approval.Candidate) Admission {
	return deny(refusedOption, "gate "+p.Gate+" does not permit going back to "+revisions(c)+
		" in Argo CD; order it: gatekeeper rollback "+app.Key()+" --to "+c.Revisions[0].SHA.Short())
}

// deploysSame compares what two candidates of one Application deploy, whatever their
// specs are.
func deploysSame(a, b approval.Candidate) bool {
	a.SpecDigest = b.SpecDigest
	return sameCandidate(a, b)
}
