package evidence

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/argo-gatekeeper/gatekeeper/pkg/history"
)

// orders lists what people ordered in the time, and the exceptions among it.
func (g *gathering) orders() {
	for _, a := range g.acts {
		g.glass(a)
		if !g.within(a.entry.Time) {
			continue
		}
		g.spans(a.entry)
		g.report.Orders = append(g.report.Orders, Order{
			At: a.entry.Time, Verb: string(a.Verb), ID: a.ID, Of: a.Of, Application: a.Application, Who: a.Person.Name, Via: string(a.Person.Via),
			Reason: a.Reason, Proof: proofOf(a.entry),
		})
		if a.Verb == history.VerbPermit {
			text := "it may be deleted until "
			if a.Permit == history.PermitLeave {
				text = "it may leave the gate's protection until "
			}
			g.except(g.ordered(a, ExceptionPermit, text+stamp(a.Expires)))
		}
	}
	for _, code := range slices.Sorted(maps.Keys(g.refusals)) {
		g.report.Refusals = append(g.report.Refusals, Refusal{Code: code, Count: g.refusals[code]})
	}
	slices.SortStableFunc(g.report.Exceptions, func(a, b Exception) int { return cmp.Compare(a.Proof.Entry, b.Proof.Entry) })
}

// glass tells of a use of break-glass, and of its review that is missing or was missed in
// the time, also when the use itself was before.
func (g *gathering) glass(a given) {
	if a.Verb != history.VerbBreakGlass {
		return
	}
	review, reviewed := g.reviews[a.ID]
	if g.within(a.entry.Time) {
		text := "to be reviewed until " + stamp(a.ReviewBy)
		if reviewed {
			text = fmt.Sprintf("reviewed by %s at %s (entry %d): %s", review.Person.Name, stamp(review.entry.Time), review.entry.Sequence, review.Reason)
		}
		g.except(g.ordered(a, ExceptionBreakGlass, text))
	}
	missed := !reviewed || review.entry.Time.After(a.ReviewBy)
	if missed && g.within(a.ReviewBy) {
		text := "not reviewed until " + stamp(a.ReviewBy)
		if reviewed {
			text += ", but only at " + stamp(review.entry.Time)
		}
		g.except(g.ordered(a, ExceptionMissedReview, text))
		g.report.Summary.NotReviewed++
	}
}

func (g *gathering) ordered(a given, kind, text string) Exception {
	return Exception{Kind: kind, At: a.entry.Time, Application: a.Application, Who: a.Person.Name, Text: text, Reason: a.Reason, Proof: proofOf(a.entry)}
}

func stamp(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05Z") }

// policies reads those by which the deployments were let through.
func (g *gathering) policies(ctx context.Context) error {
	known := map[history.Digest]bool{}
	for _, d := range g.report.Deployments {
		if d.PolicyDigest == "" || known[d.PolicyDigest] || d.Decision == 0 {
			continue
		}
		known[d.PolicyDigest] = true
		found, err := g.record.Entries(ctx, d.Decision, 1)
		if err != nil || len(found) == 0 {
			return fmt.Errorf("read decision %d: %w", d.Decision, errors.Join(err, ctx.Err()))
		}
		var payload struct {
			Policy json.RawMessage `json:"policy"`
		}
		if err := json.Unmarshal(found[0].Payload, &payload); err != nil {
			return fmt.Errorf("read decision %d: %w", d.Decision, err)
		}
		g.report.Policies = append(g.report.Policies, Policy{Digest: d.PolicyDigest, Entry: d.Decision, Policy: payload.Policy})
	}
	return nil
}

func (g *gathering) summarise() {
	s := &g.report.Summary
	apps := map[string]bool{}
	for _, d := range g.report.Deployments {
		apps[d.UID] = true
		s.Deployments++
		if !d.Succeeded() {
			s.Failed++
		}
	}
	s.Applications = len(apps)
	for _, c := range g.report.Changes {
		s.Changes++
		if c.LetThrough == ByQuorum {
			s.Approved++
		}
	}
	for _, e := range g.report.Exceptions {
		switch e.Kind {
		case ExceptionBreakGlass:
			s.BreakGlass++
		case ExceptionUngated:
			s.Ungated++
		}
	}
	for _, o := range g.report.Orders {
		if o.Verb == string(history.VerbRollback) {
			s.Rollbacks++
		}
	}
	for _, r := range g.report.Refusals {
		s.Refused += r.Count
	}
}
