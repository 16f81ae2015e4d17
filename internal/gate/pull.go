package gate

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/argo-gatekeeper/gatekeeper/internal/orders"
	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
)

// reconcilePull brings what a pull request says up to date.
func (g *Gate) reconcilePull(ctx context.Context, key Key) (again time.Duration, err error) {
	if !g.protectsRepository(key.Repository) {
		return 0, nil
	}
	if err := g.tooEarly(key); err != nil {
		return 0, err
	}
	now, began := g.rules(), g.open.begin(ctx)
	report, answer, again, err := g.look(ctx, key)
	switch {
	case errors.Is(err, approval.ErrNotFound):
		g.gone(ctx, key)
		return 0, nil
	case err != nil:
		return 0, err
	}
	g.names.learn(answer.Pull.BaseRepositoryID, key.Repository)
	if err := g.current(now); err != nil {
		return 0, err
	}
	if !answer.Open && !answer.Pull.Merged || len(report.Gates) == 0 {
		g.gone(ctx, key)
		return 0, nil
	}
	if !answer.Open {
		g.open.closed(ctx, key)
	}
	g.preview(ctx, key, answer, &report)
	// First those that write later by themselves: a comment that may not be written now
	// keeps no Deployment from being shown.
	g.followed(report)
	if err := g.reporter.Publish(ctx, report); err != nil {
		return 0, fmt.Errorf("report on %s: %w", key, err)
	}
	g.log.LogAttrs(ctx, slog.LevelInfo, "pull_reported", key.attrs()...)
	if answer.Open {
		g.judgedOpen(ctx, key, now, report, answer, began)
	}
	// Another process would not know that it is to be looked at again.
	g.oweMore(ctx, key, again > 0 || unfinished(report))
	return again, nil
}

// look reads a pull request and judges it for each gate that protects its base branch,
// and says when to look again, 0 for never. One that was closed without being merged is
// not judged; its gates alone are named.
func (g *Gate) look(ctx context.Context, key Key) (report approval.PullReport, answer approval.PullAnswer, again time.Duration, err error) {
	concerned, q := g.queryOf(key.Repository)
	answer, err = g.collector.CollectPull(ctx, key.Repository, key.Pull, q)
	if err != nil {
		return approval.PullReport{}, approval.PullAnswer{}, 0, fmt.Errorf("collect facts of %s: %w", key, err)
	}
	report = approval.PullReport{
		Repository: key.Repository, Number: key.Pull, Head: answer.Pull.Head, Merged: answer.Pull.Merged, Landed: answer.MergeCommit,
		Draft: answer.Draft, Asked: answer.Asked, Reviewed: reviewers(answer.Pull), Labels: answer.Labels,
	}
	ordered, err := g.book.Standing(ctx)
	if err != nil {
		return approval.PullReport{}, approval.PullAnswer{}, 0, fmt.Errorf("read what people have ordered: %w", err)
	}
	for _, p := range concerned {
		protected, _ := p.Repository(key.Repository)
		if protected.Branch != answer.Pull.Base {
			continue
		}
		if !answer.Open && !answer.Pull.Merged {
			report.Gates = append(report.Gates, approval.GateReport{Gate: p.Gate})
			continue
		}
		r, soon, err := g.gateReport(ctx, key, p, protected, answer, ordered)
		if err != nil {
			return approval.PullReport{}, approval.PullAnswer{}, 0, fmt.Errorf("judge %s: %w", key, err)
		}
		again = sooner(again, soon)
		report.Gates = append(report.Gates, r)
	}
	return report, answer, again, nil
}

// unfinished says whether a report tells of something that is on its way.
func unfinished(r approval.PullReport) bool {
	return slices.ContainsFunc(r.Gates, func(g approval.GateReport) bool {
		return slices.ContainsFunc(g.Previews, func(p approval.Preview) bool { return p.State == approval.PreviewPending })
	})
}

// queryOf are the gates that have a repository, and what they need to know of people.
func (g *Gate) queryOf(repository approval.RepositoryName) (concerned []approval.Policy, q approval.Query) {
	for _, p := range g.Policies() {
		if _, ok := p.Repository(repository); !ok {
			continue
		}
		concerned = append(concerned, p)
		teams, users := p.People()
		q.Teams, q.Users = append(q.Teams, teams...), append(q.Users, users...)
		q.Needs = q.Needs.Merge(p.Needs())
	}
	return concerned, q
}

// gateReport judges a pull request for one gate, and says when to look again, 0 for
// never. One that does not concern the gate has a report all the same: whoever makes
// the check run a required one needs it on every pull request.
func (g *Gate) gateReport(ctx context.Context, key Key, p approval.Policy, protected approval.ProtectedRepository, answer approval.PullAnswer, ordered orders.Standing) (approval.GateReport, time.Duration, error) {
	judged, err := g.judgePull(ctx, p, protected, answer)
	if err != nil {
		return approval.GateReport{}, 0, err
	}
	if judged.class == approval.ClassNone {
		return approval.GateReport{Gate: p.Gate, Class: judged.class}, 0, nil
	}
	quorum := judged.quorum
	r := approval.GateReport{
		Gate: p.Gate, Class: judged.class, Notes: judged.notes, Quorum: quorum.Finding, Met: quorum.Met, Needed: quorum.Needed, Images: quorum.Images,
		Requirements: quorum.Requirements, Vacancies: quorum.Vacancies, CommentsCount: p.Needs().Comments, Stops: g.stops(p, ordered),
		SyncsOnCommand: p.Sync.OnCommand,
	}
	affected := g.affected(p, protected, answer.Changes)
	for _, a := range affected {
		r.Affected = append(r.Affected, a.Key())
	}
	r.Applications = g.applicationReports(affected, key)
	return r, judged.again, nil
}

// applicationReports tells for each of the Applications what has become of the change
// there.
func (g *Gate) applicationReports(apps []approval.Application, key Key) []approval.ApplicationReport {
	var out []approval.ApplicationReport
	for _, a := range apps {
		known, ok := g.memory.get(a.Key())
		stuck, hangs := g.stalls.get(a.Key())
		switch {
		case hangs && !ok:
			known.decision.Verdict, known.state = approval.Unknown, stuck.state
		case hangs:
			known.state = stuck.state
		case !ok:
			continue
		}
		r := approval.ApplicationReport{
			Application: a.Key(), Verdict: known.decision.Verdict, State: known.state, Range: rangeOf(known.decision, g.contents.of(a).titles),
			Live:    strings.HasPrefix(known.state, stateSynced) && !strings.Contains(known.state, ";"), // no failure since
			Rollout: g.rollouts.of(a.Key(), known, key), Awaits: strings.HasPrefix(known.state, stateAwaits),
		}
		if known.decision.Allowed() {
			r.Candidate = revisions(known.decision.Candidate)
		}
		for _, f := range known.decision.Findings {
			if f.Verdict != approval.Allowed || f.Code == approval.CodeBreakGlassUsed {
				r.Findings = append(r.Findings, f)
			}
		}
		out = append(out, r)
	}
	return out
}
