package gate

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/argo-gatekeeper/gatekeeper/internal/inbox"
	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
)

// WhenAsked has somebody told that something was asked for and kept. It is for before
// Run.
func (in *Intake) WhenAsked(wake func()) { in.asked = wake }

// ask keeps what somebody asks for on a pull request, if a gate protects the repository.
// From then on it is the other's: the delivery may be done.
func (in *Intake) ask(ctx context.Context, d inbox.Delivery, a approval.Asked) error {
	if _, ok := in.gate.Configured(a.RepositoryID, a.Repository); !ok {
		return nil
	}
	// The event of a press has nothing that tells it from another one.
	id := "press-" + approval.TextDigest(d.GUID)[:16]
	if a.Comment != 0 {
		id = "comment-" + strconv.FormatInt(a.Comment, 10)
	}
	if _, err := in.inbox.Ask(ctx, id, a, d.Received); err != nil {
		return fmt.Errorf("keep what was asked for: %w", err)
	}
	in.gate.tracer.Keep(ctx, id)
	if in.asked != nil {
		in.asked()
	}
	return nil
}

// Configured is the name by which the gates know a repository that an event names; false
// if none protects it.
func (g *Gate) Configured(id int64, name approval.RepositoryName) (approval.RepositoryName, bool) {
	name = g.configured(approval.Hint{RepositoryID: id, Repository: name})
	return name, g.protectsRepository(name)
}

// LookAt reads a pull request anew and says how it stands with each gate that protects
// its base branch, those that it does not concern included. Nothing is recorded or told.
// The error wraps approval.ErrNotFound when there is no such pull request.
func (g *Gate) LookAt(ctx context.Context, repository approval.RepositoryName, number int) (approval.PullReport, approval.PullAnswer, error) {
	report, answer, _, err := g.look(ctx, Key{Repository: repository, Pull: number})
	return report, answer, err
}

// Protected are the Applications that a gate of the repository protects and that read
// from it, by name.
func (g *Gate) Protected(repository approval.RepositoryName) []approval.Application {
	var out []approval.Application
	for _, a := range g.apps.List() {
		if readsFrom(a, repository) && slices.ContainsFunc(g.Policies(), func(p approval.Policy) bool {
			_, ok := p.Repository(repository)
			return ok && p.Protects(a)
		}) {
			out = append(out, a)
		}
	}
	slices.SortFunc(out, func(a, b approval.Application) int { return strings.Compare(a.Key(), b.Key()) })
	return out
}

// WakePull judges a pull request again, and the Applications that read from its
// repository.
func (g *Gate) WakePull(ctx context.Context, repository approval.RepositoryName, number int) {
	for _, a := range g.Protected(repository) {
		g.waits.hurry(a.Key())
		g.sharing.mayNot(Key{Application: a.Key()})
		g.causes.Add(ctx, Key{Application: a.Key()})
		g.queue.Add(Key{Application: a.Key()})
	}
	g.causes.Add(ctx, Key{Repository: repository, Pull: number})
	g.queue.Add(Key{Repository: repository, Pull: number})
}
