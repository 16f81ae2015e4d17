package gate

import (
	"context"
	"strings"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
)

// rollbacksRead bounds how far back a deployment may be that people go back to.
// Argo CD keeps ten by default (spec.revisionHistoryLimit).
const rollbacksRead = 50

// groundsFor finds the recorded decision that allows a candidate: the latest, or
// that of an earlier deployment.
func (g *Gate) groundsFor(ctx context.Context, p approval.Policy, app approval.Application, known remembered, ordered standing, c approval.Candidate) (grounds, bool, Admission) {
	d := known.decision
	if stop, ok := g.stoppedSince(p, app, ordered, d); ok {
		return grounds{}, false, deny(string(stop.Code), "gate "+p.Gate+": "+stop.Text)
	}
	if d.Allowed() && sameCandidate(d.Candidate, c) && known.grounds.sequence > 0 {
		on := known.grounds
		on.act = d.Override + d.Rollback
		return on, false, Admission{Allowed: true}
	}
	if stop, ok := stopOf(d); ok {
		return grounds{}, false, deny(string(stop.Code), "gate "+p.Gate+": "+stop.Text)
	}
	past, err := g.record.Deployments(ctx, app.UID, rollbacksRead)
	if err != nil {
		return grounds{}, false, g.unrecorded(ctx, app, err)
	}
	for _, deployment := range past {
		intent := deployment.Intent
		if intent.Gate != p.Gate || !sameCandidate(intent.Candidate, c) || !ordered.Trusts(app.UID, intent.Act) {
			continue
		}
		// To sync again what is live is no way back.
		back := !sameCandidate(past[0].Intent.Candidate, c)
		if back && !p.Sync.Rollback {
			return grounds{}, false, denyBack(p, app, c)
		}
		return grounds{
			sequence: intent.DecisionSequence, policy: intent.PolicyDigest, facts: intent.FactsDigest,
			candidate: intent.Candidate, approvers: intent.Approvers, act: ordered.glassOf(app.UID, intent),
		}, back, Admission{Allowed: true}
	}
	if sameCandidate(d.Baseline, c) && known.grounds.sequence > 0 {
		return baselineGrounds(p, app, known, past)
	}
	code, text := refusalOf(p, d, app, c)
	return grounds{}, false, deny(code, text)
}

// stopOf finds what keeps everything from being synced, earlier deployments too.
// Windows do not: a calendar does not keep a running system broken.
func stopOf(d approval.Decision) (approval.Finding, bool) {
	for _, f := range d.Findings {
		switch {
		case f.Verdict == approval.Allowed:
		case strings.HasPrefix(string(f.Code), "hold."),
			f.Code == approval.CodeApplicationDeleting, f.Code == approval.CodeApplicationSpec, f.Code == approval.CodePolicyEmpty:
			return f, true
		}
	}
	return approval.Finding{}, false
}

// sameCandidate compares without regard to how repositories are spelled.
func sameCandidate(a, b approval.Candidate) bool {
	if a.UID == "" || a.UID != b.UID || a.SpecDigest != b.SpecDigest || len(a.Revisions) == 0 || len(a.Revisions) != len(b.Revisions) {
		return false
	}
	for i := range a.Revisions {
		if a.Revisions[i].SHA != b.Revisions[i].SHA || !a.Revisions[i].Repository.Equal(b.Revisions[i].Repository) {
			return false
		}
	}
	return true
}
