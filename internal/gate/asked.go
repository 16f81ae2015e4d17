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
	if in.asked != nil {
		in.asked()
	}
	return nil
}

// Configured is the name by which the gates know a repository that an event names; false
// if none protects it.
func (g *Gate) Configured(id int64, name approval.RepositoryName) (approval.RepositoryName, bool) {
	name = g.names.configured(approval.Hint{RepositoryID: id, Repository: name})
	return name, g.protectsRepository(name)
}

// LookAt reads a pull request anew and says how it stands with each gate that protects
// its base branch, those that it does not concern included. Nothing is recorded or told.
// The error wraps approval.ErrNotFound when there is no such pull request.
func (g *Gate) LookAt(ctx context.Context, repository approval.RepositoryName, number int) (approval.PullReport, approval.PullAnswer, error) {
	key := Key{Repository: repository, Pull: number}
	var concerned []approval.Policy
	var q approval.Query
	for _, p := range g.policies {
		if _, ok := p.Repository(repository); !ok {
			continue
		}
		concerned = append(concerned, p)
		teams, users := p.People()
		q.Teams, q.Users = append(q.Teams, teams...), append(q.Users, users...)
		q.Needs = q.Needs.Merge(p.Needs())
	}
	answer, err := g.collector.CollectPull(ctx, repository, number, q)
	if err != nil {
		return approval.PullReport{}, approval.PullAnswer{}, fmt.Errorf("collect facts of %s: %w", key, err)
	}
	ordered, err := g.book.Standing(ctx)
	if err != nil {
		return approval.PullReport{}, approval.PullAnswer{}, fmt.Errorf("read what people have ordered: %w", err)
	}
	report := approval.PullReport{Repository: repository, Number: number, Head: answer.Pull.Head, Merged: answer.Pull.Merged}
	for _, p := range concerned {
		protected, _ := p.Repository(repository)
		if protected.Branch != answer.Pull.Base {
			continue
		}
		class, quorum, _, err := g.judgePull(ctx, p, protected, answer)
		if err != nil {
			return approval.PullReport{}, approval.PullAnswer{}, fmt.Errorf("judge %s: %w", key, err)
		}
		one := approval.GateReport{Gate: p.Gate, Class: class}
		if class != approval.ClassNone {
			one.Quorum, one.Met, one.Needed, one.Images = quorum.Finding, quorum.Met, quorum.Needed, quorum.Images
			one.Stops, one.Applications = g.stops(p, ordered), g.applicationReports(p, key)
		}
		report.Gates = append(report.Gates, one)
	}
	return report, answer, nil
}

// Protected are the Applications that a gate of the repository protects and that read
// from it, by name.
func (g *Gate) Protected(repository approval.RepositoryName) []approval.Application {
	var out []approval.Application
	for _, a := range g.apps.List() {
		if readsFrom(a, repository) && slices.ContainsFunc(g.policies, func(p approval.Policy) bool {
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
func (g *Gate) WakePull(repository approval.RepositoryName, number int) {
	for _, a := range g.Protected(repository) {
		g.waits.hurry(a.Key())
		g.queue.Add(Key{Application: a.Key()})
	}
	g.queue.Add(Key{Repository: repository, Pull: number})
}
