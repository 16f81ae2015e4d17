package gate

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
)

// followedAwaits is Awaits on a replica that does not lead. It goes by what the leader thinks,
// as for a person's sync: the newest decision on record, which the leader stands by while
// nothing that arrived before the question waits. An order that rests on it approves nothing:
// it is for exactly that candidate, and the leader judges anew when it hears of it.
func (g *Gate) followedAwaits(ctx context.Context, applications []string) []approval.Awaited {
	ctx, cancel := context.WithTimeout(ctx, judgedWait)
	defer cancel()
	apps := g.apps.List()
	out := make([]approval.Awaited, len(applications))
	for i, name := range applications {
		out[i] = approval.Awaited{Application: name}
		at := slices.IndexFunc(apps, func(a approval.Application) bool { return a.Key() == name })
		if at < 0 {
			out[i].State = "this replica has not seen it yet; ask again in a moment"
			continue
		}
		app := apps[at]
		now := g.rules()
		policies := now.protecting(app)
		switch {
		case len(policies) != 1:
			out[i].State = "it is not protected by exactly one gate"
			continue
		case app.Operation != nil && !app.Operation.Finished():
			out[i].State = stateUnderWay
			continue
		}
		known, err := g.followedInTime(ctx, now, policies[0], app)
		switch {
		case errors.Is(err, errUnsettled):
			out[i].State = stateJudging
		case err != nil:
			out[i].State = err.Error()
		case g.now().Sub(known.at) > decisionsKept*g.resync:
			out[i].State = "the replica that leads has not judged it for too long; see its log, or ask again in a moment"
		default:
			out[i] = awaited(name, known)
		}
	}
	return out
}

// awaited says of an Application that was judged whether it waits for somebody's word.
func awaited(application string, known remembered) approval.Awaited {
	return approval.Awaited{
		Application: application, UID: known.uid, Candidate: known.decision.Candidate,
		Waits: known.decision.Allowed() && known.decision.Waits && strings.HasPrefix(known.state, stateAwaits),
		State: join(known.state, firstStop(known.decision)),
	}
}

// followedInTime is followedDecision with the patience of somebody who says sync.
func (g *Gate) followedInTime(ctx context.Context, now *rules, p approval.Policy, app approval.Application) (remembered, error) {
	for {
		known, err := g.followedDecision(ctx, now, p, app)
		if !errors.Is(err, errUnsettled) || ctx.Err() != nil || g.shared == nil {
			return known, err
		}
	}
}
