package gate

import (
	"context"
	"fmt"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
)

// Try says what would be decided on the Application "namespace/name" if that use of
// break-glass were in force. Everything is read anew, people included. Nothing is
// recorded, synced or told. An error says that the facts could not be read.
func (g *Gate) Try(ctx context.Context, application string, o approval.Override) (approval.Decision, error) {
	namespace, name := splitKey(application)
	app, err := g.apps.Get(ctx, namespace, name)
	if err != nil {
		return approval.Decision{}, fmt.Errorf("read application %s: %w", application, err)
	}
	policies := g.policiesFor(app)
	if len(policies) != 1 {
		return approval.Decision{}, fmt.Errorf("%s is protected by %d gates: %w", application, len(policies), ErrNotProtected)
	}
	ordered, err := g.readStanding(ctx, app)
	if err != nil {
		return approval.Decision{}, err
	}
	last, err := g.lastDeployed(ctx, app, ordered)
	if err != nil {
		return approval.Decision{}, err
	}
	g.collector.Forget()
	ordered.tried = &o
	facts, err := g.collect(ctx, policies[0], app, last, ordered, false)
	if err != nil {
		return approval.Decision{}, fmt.Errorf("collect facts of %s: %w", application, err)
	}
	return approval.Explain(policies[0], facts), nil
}

// Teams reads anew who is in teams.
func (g *Gate) Teams(ctx context.Context, teams []approval.TeamName) (approval.Directory, error) {
	g.collector.Forget()
	answer, err := g.collector.Collect(ctx, approval.Query{Teams: teams})
	if err != nil {
		return approval.Directory{}, fmt.Errorf("read people: %w", err)
	}
	return answer.Directory, nil
}
