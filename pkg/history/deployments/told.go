package deployments

import (
	"context"
	"fmt"
	"slices"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
	"github.com/argo-gatekeeper/gatekeeper/pkg/history"
)

// deployment fills in what one operation tells by itself, with its health until the entry of
// the one that followed, 0 for none.
func (m *Model) deployment(ctx context.Context, o *operation, orders orderBook, followed uint64) (Deployment, error) {
	d := Deployment{
		Number: o.number, UID: o.entry.Application, Sequence: o.entry.Sequence, Recorded: o.entry.Time,
		Result: o.result(), SpecDigest: o.specDigest(),
	}
	for _, r := range o.revisions() {
		d.Revisions = append(d.Revisions, Revision{Revision: r})
	}
	health := ""
	if seen := o.observed; seen != nil {
		d.Application, d.Gate, d.Phase, d.Message = seen.Application, seen.Gate, seen.Phase, seen.Message
		d.StartedAt, d.FinishedAt, health, d.Resources = seen.StartedAt, seen.FinishedAt, seen.Health, seen.Resources
		d.Ungated, d.Approved, d.Before, d.Late = !seen.Before, seen.Covers, seen.Before, seen.Late
		d.SyncedBy = SyncedBy{Kind: ByPerson, Text: seen.InitiatedBy}
		if seen.InitiatedBy == automatedSync {
			d.SyncedBy.Kind = ByArgoCD
		}
		if d.Ungated {
			if err := m.brought(ctx, &d, seen.Decision); err != nil {
				return Deployment{}, err
			}
		}
		d.AskedBy = nil // its authors may not have wanted it
		if seen.InitiatedBy != "" && d.SyncedBy.Kind == ByPerson {
			d.AskedBy = []string{seen.InitiatedBy}
		}
	} else {
		i := o.intent
		d.Application, d.Gate, d.Intent, d.Phase, d.Message = i.Application, i.Gate, i.ID, o.outcome.Phase, o.outcome.Message
		d.StartedAt, d.FinishedAt, health = o.outcome.StartedAt, o.outcome.FinishedAt, o.outcome.Health
		d.Resources = o.outcome.Resources
		d.Decision, d.PolicyDigest, d.FactsDigest = i.DecisionSequence, i.PolicyDigest, i.FactsDigest
		for n, r := range i.Candidate.Revisions {
			if n < len(d.Revisions) {
				d.Revisions[n].Repository = r.Repository
			}
		}
		d.SyncedBy = SyncedBy{Kind: ByGatekeeper, Text: i.InitiatedBy}
		if i.Admitted != nil {
			d.SyncedBy.Kind = ByPerson
			if i.Admitted.Automated {
				d.SyncedBy.Kind = ByArgoCD
			}
		}
		p, err := m.decision(ctx, i.DecisionSequence)
		if err == nil {
			err = tell(&d, p, i.Candidate.Revisions)
		}
		if err != nil {
			return Deployment{}, fmt.Errorf("read what intent %q rests on: %w", i.ID, err)
		}
		if order, ok := orders[i.Act]; ok && i.Act != "" {
			d.Order = order.told()
			d.AskedBy = []string{order.act.Person.Name}
		} else if d.SyncedBy.Kind == ByPerson {
			d.AskedBy = []string{i.InitiatedBy}
		}
		if order, ok := orders[i.Asked]; ok && i.Asked != "" {
			d.Word = order.told()
		}
	}
	d.Marks = orders.marksOf(d.Sequence)
	d.Failure = failure(d)
	d.Late = d.Late || (!d.Before && !d.FinishedAt.IsZero() && d.Recorded.Sub(d.FinishedAt) > unwatched)
	return d, m.health(ctx, &d, health, followed)
}

// automatedSync is what initiates an automatic sync, as package argo reads it.
const automatedSync = "automated sync policy"

func failure(d Deployment) string {
	text := ""
	switch d.Result {
	case history.ResultSucceeded:
		return ""
	case history.ResultFailed:
		text = "the sync ended as " + d.Phase
	case history.ResultMismatch:
		text = "something else was deployed than what was let through"
	case history.ResultPartial:
		return "some resources were synced alone"
	}
	if d.Message != "" {
		text += ": " + d.Message
	}
	return text
}

// people are names, each once.
func people(lists ...[]approval.User) []string {
	var out []string
	for _, users := range lists {
		for _, u := range users {
			if !slices.Contains(out, u.Login) {
				out = append(out, u.Login)
			}
		}
	}
	return out
}
