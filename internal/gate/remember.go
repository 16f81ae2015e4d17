package gate

import (
	"context"
	"log/slog"
	"slices"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
	"github.com/argo-gatekeeper/gatekeeper/pkg/history"
)

// remember keeps the decision for reports, and wakes the pull requests that it
// says something new about, and those that are to be told anyway.
func (g *Gate) remember(ctx context.Context, by *rules, app approval.Application, p approval.Policy, d approval.Decision, state string, told ...Key) {
	before, _ := g.memory.get(app.Key())
	now := before
	if before.uid != app.UID {
		now.recorded, now.grounds = "", grounds{} // another Application of that name
	}
	now.uid, now.gate, now.decision, now.state, now.at, now.by = app.UID, p.Gate, d, state, g.now(), by.identity(p.Gate)
	if before.uid == app.UID && before.state == state && sameDecision(before.decision, d) {
		g.memory.set(app.Key(), now)
		return
	}
	told = slices.Concat(told, before.owed, pullsOf(before.decision, d))
	if before.uid != app.UID {
		told = append(told, g.awaited(ctx, app)...)
	}
	now.owed = nil
	if len(d.Lines) == 0 {
		// Without facts there is no news. Who hears that is told again once there
		// is, although the pull request may be behind the baseline by then.
		now.owed = slices.Compact(slices.SortedFunc(slices.Values(told), compareKeys))
	}
	g.memory.set(app.Key(), now)
	g.log.LogAttrs(ctx, slog.LevelInfo, "application_decided",
		slog.String("application", app.Key()), slog.String("gate", p.Gate),
		slog.String("verdict", string(d.Verdict)), slog.String("state", state), slog.String("why", why(d)))
	g.decidedAnew(ctx, app, d, before.uid != app.UID)
	g.tell(ctx, told...)
	g.wakeChildren(app)
}

// forget drops what is remembered of an Application that is gone or not protected.
func (g *Gate) forget(app, uid string) {
	g.memory.forget(app)
	g.stalls.ended(app)
	g.operations.forget(uid)
	g.rollouts.forget(app)
	g.contents.forget(app)
	if g.reviews.forget(app) {
		g.metrics.owed(g.Policies(), g.reviews.counts())
	}
	if _, was := g.stalls.clear(app); was {
		g.metrics.stuckNow(g.Policies(), g.stalls.counts())
	}
	g.waits.forget(app)
	g.rendered.forget(app, uid)
}

// sameDecision compares what people can see of two decisions.
func sameDecision(a, b approval.Decision) bool {
	x, errX := history.DigestOf(a)
	y, errY := history.DigestOf(b)
	return errX == nil && errY == nil && x == y
}

// pullsOf are the pull requests that either decision has a word on.
func pullsOf(decisions ...approval.Decision) []Key {
	var keys []Key
	for _, d := range decisions {
		for _, l := range d.Lines {
			for _, landing := range l.Landings {
				k := Key{Repository: l.Repository, Pull: landing.Pull}
				if landing.Pull != 0 && !slices.Contains(keys, k) {
					keys = append(keys, k)
				}
			}
		}
	}
	return keys
}

// why is the first finding that explains a verdict, for logs.
func why(d approval.Decision) string {
	for _, f := range d.Findings {
		if f.Verdict == d.Verdict && (d.Verdict != approval.Allowed || f.Code == approval.CodeLineUpToDate) {
			return f.Text
		}
	}
	return ""
}
