package evidence

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/argo-gatekeeper/gatekeeper/pkg/history"
)

// orders lists what people ordered in the time, and the exceptions among it.
func (g *gathering) orders() {
	for _, a := range g.acts {
		g.glass(a)
		if !a.within {
			continue
		}
		g.spans(a.entry)
		of := a.Of
		if a.Verb == history.VerbMark {
			of = fmt.Sprintf("the deployment of entry %d: %s", a.Deployment, a.Mark)
		}
		g.report.Orders = append(g.report.Orders, Order{
			At: a.entry.Time, Verb: string(a.Verb), ID: a.ID, Of: of, Application: a.Application, Who: a.Person.Name, Via: string(a.Person.Via),
			Reason: a.Reason, Proof: proofOf(a.entry),
		})
		switch a.Verb {
		case history.VerbPermit:
			text := "it may be deleted until "
			if a.Permit == history.PermitLeave {
				text = "it may leave the gate's protection until "
			}
			g.except(ordered(a, ExceptionPermit, text+stamp(a.Expires)))
		case history.VerbAdopt:
			g.except(ordered(a, ExceptionAdopted, "the spec with the digest "+a.SpecDigest+" is approved by this order"))
		case history.VerbHold, history.VerbRelease, history.VerbBreakGlass, history.VerbReview, history.VerbRollback, history.VerbSync, history.VerbMark:
		}
	}
	for _, code := range slices.Sorted(maps.Keys(g.refusals)) {
		g.report.Refusals = append(g.report.Refusals, Refusal{Code: code, Count: g.refusals[code]})
	}
}

// glass tells of a use of break-glass, and of its review that is missing or was missed in
// the time, also when the use itself was before.
func (g *gathering) glass(a given) {
	if a.Verb != history.VerbBreakGlass {
		return
	}
	review, reviewed := g.reviews[a.ID]
	// Who broke the glass does not review it, whatever is on record.
	own := reviewed && samePerson(review.Person, a.Person)
	said := ""
	if reviewed {
		said = fmt.Sprintf("reviewed by %s at %s (entry %d): %s", review.Person.Name, stamp(review.entry.Time), review.entry.Sequence, review.Reason)
		if own {
			said = "not " + said + ", who broke the glass"
		}
	}
	if a.within {
		text := "to be reviewed until " + stamp(a.ReviewBy)
		if reviewed {
			text = said
		}
		g.except(ordered(a, ExceptionBreakGlass, g.used(a)+"; "+text))
	}
	if g.within(a.ReviewBy) && (!reviewed || own || review.entry.Time.After(a.ReviewBy)) {
		text := "not reviewed by somebody else until " + stamp(a.ReviewBy)
		if reviewed {
			text += "; " + said
		}
		g.except(ordered(a, ExceptionMissedReview, text))
		g.report.Summary.NotReviewed++
	}
}

// samePerson compares like package orders does: by the account where GitHub proved it, else
// by the name.
func samePerson(a, b history.Person) bool {
	return a.ID != 0 && a.ID == b.ID || strings.EqualFold(strings.TrimPrefix(a.Name, "@"), strings.TrimPrefix(b.Name, "@"))
}

// used says which syncs an order let through.
func (g *gathering) used(a given) string {
	var out []string
	for _, i := range g.uses[a.ID] {
		switch {
		case i.outcome > 0:
			out = append(out, fmt.Sprintf("entry %d", i.outcome))
		case !i.abandoned:
			out = append(out, fmt.Sprintf("entry %d, without an outcome", i.sequence))
		}
	}
	if len(out) == 0 {
		return "not used"
	}
	return "used: " + strings.Join(out, ", ")
}

func ordered(a given, kind, text string) Exception {
	return Exception{
		Kind: kind, At: a.entry.Time, Application: a.Application, UID: a.entry.Application, Who: a.Person.Name, Text: text, Reason: a.Reason,
		Proof: proofOf(a.entry),
	}
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
		if err != nil {
			return fmt.Errorf("read decision %d: %w", d.Decision, err)
		}
		if len(found) == 0 {
			return fmt.Errorf("decision %d is not on record", d.Decision)
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

// summarise puts the exceptions in the order of the record, and counts.
func (g *gathering) summarise() {
	slices.SortStableFunc(g.report.Exceptions, func(a, b Exception) int { return cmp.Compare(a.Proof.Entry, b.Proof.Entry) })
	s := &g.report.Summary
	s.Deployments, s.Exceptions = len(g.report.Deployments), len(g.report.Exceptions)
	apps := map[string]bool{}
	for _, d := range g.report.Deployments {
		apps[d.UID] = true
		if d.LetThrough == ByRollback {
			s.Rollbacks++
		}
		switch d.Result {
		case history.ResultFailed:
			s.Failed++
		case history.ResultPartial:
			s.Partial++
		case history.ResultMismatch:
			s.Mismatched++
		case history.ResultSucceeded:
		}
	}
	s.Applications = len(apps)
	approved := map[string]bool{}
	for _, c := range g.report.Changes {
		if c.Kind == "" && c.Pull == 0 {
			continue // a revision, not a change
		}
		key := c.Repository + " " + c.Commit
		before, seen := approved[key]
		approved[key] = c.LetThrough == ByQuorum && (before || !seen)
	}
	s.Changes = len(approved)
	for _, all := range approved {
		if all {
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
	for _, r := range g.report.Refusals {
		s.Refused += r.Count
	}
}
