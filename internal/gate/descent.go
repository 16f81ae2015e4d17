package gate

import (
	"context"
	"fmt"
	"slices"

	"github.com/argo-gatekeeper/gatekeeper/internal/orders"
	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
)

// maxDeployers bounds how many Applications are rendered to find one that deploys the
// ApplicationSet of a child. There is one; more mean that somebody forged a status, or
// that two fight over it.
const maxDeployers = 3

// origin is where an Application may come from: a parent whose mark it carries, or one
// that deploys the ApplicationSet that owns it.
type origin struct {
	// parent and set are "namespace/name"; set is empty for a mark.
	parent, set string
}

func (o origin) says() string {
	if o.set == "" {
		return "it carries the mark of " + o.parent
	}
	return "the ApplicationSet " + o.set + " writes it, which comes from " + o.parent
}

// differs says why an Application is not among what its parent is rendered to.
func (o origin) differs(found *brood, at string) string {
	unfollowed, rendered := found.sets[o.set]
	switch {
	case o.set == "":
		return o.says() + ", but is not what that renders at " + at
	case !rendered:
		return o.says() + ", but that does not render the set at " + at
	case unfollowed != "":
		return o.says() + "; what that generates at " + at + " is not followed: " + unfollowed
	default:
		return o.says() + ", but is not what the set generates at " + at
	}
}

// byCommit names the commit that says what an Application's spec is.
func byCommit(c approval.Candidate, parent string, spec approval.RenderedSpec) string {
	by := revisions(c) + " of " + repositoriesOf(c) + ", which " + parent + " renders"
	if spec.Set != "" {
		by += " to the ApplicationSet " + spec.Set
	}
	return by
}

// descended looks for an approved commit that says what the Application's spec is. The
// evidence is without an approval when there is none, and says what was looked at.
func (g *Gate) descended(ctx context.Context, p approval.Policy, app approval.Application, live approval.LiveSpec, standing orders.Standing) (approval.SpecEvidence, error) {
	origins, note, err := g.origins(ctx, live)
	if err != nil {
		return approval.SpecEvidence{}, err
	}
	var parents []string
	for _, o := range origins {
		parents = append(parents, o.parent)
	}
	g.rendered.child(app.Key(), parents)
	evidence := approval.SpecEvidence{}
	for _, o := range origins {
		by, not, err := g.committed(ctx, p, app, o, standing)
		if err != nil {
			return approval.SpecEvidence{}, err
		}
		if by != "" {
			return approval.SpecEvidence{Approved: approval.SpecCommitted, By: by}, nil
		}
		if evidence.Parent == "" {
			evidence.Parent = o.parent
		}
		evidence.Origin = join(evidence.Origin, not)
	}
	evidence.Origin = join(evidence.Origin, note)
	return evidence, nil
}

// origins are where an Application may come from. The note is for people.
func (g *Gate) origins(ctx context.Context, live approval.LiveSpec) (found []origin, note string, err error) {
	if live.Parent != "" {
		found = append(found, origin{parent: live.Parent})
	}
	if live.Set == "" {
		return found, "", nil
	}
	deployers, err := g.specs.Deployers(ctx, live.Set)
	if err != nil {
		return nil, "", fmt.Errorf("which Application deploys the ApplicationSet %s: %w", live.Set, err)
	}
	switch {
	case len(deployers) == 0:
		return found, "the ApplicationSet " + live.Set + " writes it, and no Application deploys that", nil
	case len(deployers) > maxDeployers:
		return found, fmt.Sprintf("the ApplicationSet %s writes it, and %d Applications deploy that", live.Set, len(deployers)), nil
	}
	for _, parent := range deployers {
		if !slices.ContainsFunc(found, func(o origin) bool { return o.parent == parent && o.set != "" }) {
			found = append(found, origin{parent: parent, set: live.Set})
		}
	}
	return found, "", nil
}

// WakeDescendants judges those again that may come from an Application which deploys
// other ApplicationSets than before.
func (g *Gate) WakeDescendants(parent string) {
	for _, child := range g.rendered.children(parent) {
		g.queue.Add(Key{Application: child})
	}
	for _, app := range g.memory.waitingForSpec() {
		if app != parent {
			g.queue.Add(Key{Application: app})
		}
	}
}
