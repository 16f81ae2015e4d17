package gate

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
)

// reconcilePull brings what a pull request says up to date.
func (g *Gate) reconcilePull(ctx context.Context, key Key) (again time.Duration, err error) {
	var concerned []approval.Policy
	var q approval.Query
	for _, p := range g.policies {
		if _, ok := p.Repository(key.Repository); !ok {
			continue
		}
		concerned = append(concerned, p)
		teams, users := p.People()
		q.Teams, q.Users = append(q.Teams, teams...), append(q.Users, users...)
		q.Needs = q.Needs.Merge(p.Needs())
	}
	if len(concerned) == 0 {
		return 0, nil
	}
	answer, err := g.collector.CollectPull(ctx, key.Repository, key.Pull, q)
	if errors.Is(err, approval.ErrNotFound) {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("collect facts of %s: %w", key, err)
	}
	g.names.learn(answer.Pull.BaseRepositoryID, key.Repository)
	if !answer.Open && !answer.Pull.Merged {
		return 0, nil // closed without being merged: nothing will land
	}
	ordered, err := g.book.Standing(ctx)
	if err != nil {
		return 0, fmt.Errorf("read what people have ordered: %w", err)
	}
	report := approval.PullReport{Repository: key.Repository, Number: key.Pull, Head: answer.Pull.Head, Merged: answer.Pull.Merged, Landed: answer.MergeCommit}
	report.Draft, report.Asked, report.Reviewed, report.Labels = answer.Draft, answer.Asked, reviewers(answer.Pull), answer.Labels
	for _, p := range concerned {
		protected, _ := p.Repository(key.Repository)
		if protected.Branch != answer.Pull.Base {
			continue
		}
		class, quorum, soon, err := g.judgePull(ctx, p, protected, answer)
		if err != nil {
			return 0, fmt.Errorf("judge %s: %w", key, err)
		}
		if class == approval.ClassNone {
			continue
		}
		again = sooner(again, soon)
		report.Gates = append(report.Gates, approval.GateReport{
			Gate: p.Gate, Class: class, Quorum: quorum.Finding, Met: quorum.Met, Needed: quorum.Needed, Images: quorum.Images, Vacancies: quorum.Vacancies,
			Stops: g.stops(p, ordered), Applications: g.applicationReports(p, key),
		})
	}
	if len(report.Gates) == 0 {
		return 0, nil
	}
	if err := g.reporter.Publish(ctx, report); err != nil {
		return 0, fmt.Errorf("report on %s: %w", key, err)
	}
	g.log.LogAttrs(ctx, slog.LevelInfo, "pull_reported", slog.String("pull", key.String()))
	g.followed(report)
	return again, nil
}

// applicationReports tells for each protected Application that reads from the
// pull request's repository what has become of the change there.
func (g *Gate) applicationReports(p approval.Policy, key Key) []approval.ApplicationReport {
	var out []approval.ApplicationReport
	for _, a := range g.apps.List() {
		if !p.Protects(a) || !readsFrom(a, key.Repository) {
			continue
		}
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
		r := approval.ApplicationReport{Application: a.Key(), Verdict: known.decision.Verdict, State: known.state, Rollout: g.rollouts.of(a.Key(), known, key)}
		for _, f := range known.decision.Findings {
			if f.Verdict != approval.Allowed {
				r.Findings = append(r.Findings, f)
			}
		}
		out = append(out, r)
	}
	slices.SortFunc(out, func(a, b approval.ApplicationReport) int { return strings.Compare(a.Application, b.Application) })
	return out
}
