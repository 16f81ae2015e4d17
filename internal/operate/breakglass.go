package operate

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/argo-gatekeeper/gatekeeper/internal/console"
	"github.com/argo-gatekeeper/gatekeeper/internal/orders"
	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
	"github.com/argo-gatekeeper/gatekeeper/pkg/history"
)

// BreakGlassRequest asks for one candidate.
type BreakGlassRequest struct {
	// Application is "namespace/name".
	Application string `json:"application"`
	// Revisions are full commit SHAs, one for each source in the order of the spec, or
	// one for all.
	Revisions []string `json:"revisions"`
	By        string   `json:"by"`
	Reason    string   `json:"reason"`
	// For is how long it can be used, at most as long as the gate says. Zero is that.
	For time.Duration `json:"for,omitempty"`
}

// Broken says what was ordered, and what it overrides.
type Broken struct {
	Glass
	// Overrides are the findings that would have kept the candidate from being synced.
	Overrides []approval.Finding `json:"overrides"`
}

// BreakGlass has one candidate synced without its quorum. The gate itself judges the
// order before it is recorded, with everything read anew, so that one which would be
// void is refused.
func (o *Operator) BreakGlass(ctx context.Context, who history.Person, r BreakGlassRequest) (Broken, error) {
	at, err := o.find(ctx, Target{Application: r.Application})
	if err != nil {
		return Broken{}, err
	}
	rules := at.policy.BreakGlass
	if rules == nil {
		return Broken{}, &console.Error{Code: console.CodeRefused, Text: "gate " + at.policy.Gate + " has no break-glass", Remedy: "breakGlass in the gate's configuration says who may"}
	}
	if who.Via != history.ViaConsole { // at the console, the judgement below asks for the login
		switch ok, err := o.isOneOf(ctx, rules.Named, who); {
		case err != nil:
			return Broken{}, err
		case !ok:
			return Broken{}, &console.Error{
				Code: console.CodeRefused, Text: who.Name + " may not break the glass of gate " + at.policy.Gate, Remedy: "one of " + names(rules.Named) + " gives the order",
			}
		}
	}
	candidate, err := candidateOf(at.app, r.Revisions)
	if err != nil {
		return Broken{}, err
	}
	if o.o.Judge == nil {
		return Broken{}, &console.Error{Code: console.CodeRefused, Text: "nothing is synced here", Remedy: "start gatekeeper serve, and give the order then"}
	}
	valid := r.For
	if valid == 0 {
		valid = rules.ValidFor
	}
	order := at.order(history.VerbBreakGlass, who, r.Reason)
	if order.Act, err = orders.Tidy(order.Act); err != nil {
		return Broken{}, &console.Error{Code: console.CodeInvalid, Text: err.Error()}
	}
	if order.Act.Expires, err = o.until(valid, time.Time{}, rules.ValidFor); err != nil {
		return Broken{}, err
	}
	order.Act.ReviewBy = o.o.Desk.Now().Add(rules.ReviewBy).Truncate(time.Second)
	order.Act.Candidate = &candidate
	decision, err := o.o.Judge.Try(ctx, at.app.Key(), approval.Override{
		ID: "this order", Candidate: candidate, Person: order.Act.Person.Name, Reason: order.Act.Reason,
		Expires: order.Act.Expires, ReviewBy: order.Act.ReviewBy,
	})
	if err != nil {
		return Broken{}, fmt.Errorf("judge the order: %w", err)
	}
	if !decision.Allowed() || decision.Override == "" || !decision.Candidate.Equal(candidate) {
		return Broken{}, refusal(decision)
	}
	acts, err := o.give(ctx, nil, order)
	if err != nil {
		return Broken{}, err
	}
	out := Broken{Glass: glass(acts[0], o.o.Desk.Now(), o.o.Desk.Now()), Overrides: []approval.Finding{}}
	for _, f := range decision.Findings {
		if f.Code == approval.CodeBreakGlassUsed {
			out.Overrides = append(out.Overrides, f.Children...)
		}
	}
	return out, nil
}

// candidateOf pins the sources of an Application.
func candidateOf(app approval.Application, revisions []string) (approval.Candidate, error) {
	c := approval.Candidate{UID: app.UID, SpecDigest: app.SpecDigest}
	if len(revisions) != 1 && len(revisions) != len(app.Sources) {
		return c, &console.Error{
			Code: console.CodeInvalid, Text: fmt.Sprintf("%d revisions are given for %d sources", len(revisions), len(app.Sources)),
			Remedy: "give one commit for each source in the order of the spec, or one for all",
		}
	}
	for i, s := range app.Sources {
		sha, err := approval.ParseSHA(strings.ToLower(revisions[min(i, len(revisions)-1)]))
		if err != nil {
			return c, &console.Error{Code: console.CodeInvalid, Text: err.Error(), Remedy: "give full commit SHAs: git rev-parse COMMIT"}
		}
		c.Revisions = append(c.Revisions, approval.Revision{Repository: s.Repository, SHA: sha})
	}
	return c, nil
}

// refusal says what break-glass does not override.
func refusal(d approval.Decision) error {
	e := &console.Error{Code: console.CodeRefused, Text: "break-glass does not help here"}
	for _, f := range d.Findings {
		if f.Code == approval.CodeBreakGlassVoid {
			e.Text = strings.Replace(f.Text, "break-glass this order of ", "break-glass by ", 1)
			return e
		}
	}
	overridable := map[approval.Code]bool{
		approval.CodeHoldActive: true, approval.CodeWindowClosed: true, approval.CodeBreakGlassUnreviewed: true, approval.CodeBreakGlassOverdue: true,
		approval.CodeSpecChanged: true, approval.CodeSpecNotAdopted: true, approval.CodeSpecUnknown: true, approval.CodeLandingWaiting: true,
	}
	for _, f := range d.Findings {
		if f.Verdict != approval.Allowed && f.Commit == "" && !overridable[f.Code] {
			e.Text, e.Remedy = "break-glass does not override this: "+f.Text, f.Remedy
			return e
		}
	}
	return e
}

// ReviewRequest says that somebody has looked at a use of break-glass.
type ReviewRequest struct {
	BreakGlass string `json:"breakGlass"`
	By         string `json:"by"`
	Reason     string `json:"reason"`
}

// Review records that somebody other than who broke the glass has looked at it. One
// that comes before the use was carried out ends it.
func (o *Operator) Review(ctx context.Context, who history.Person, r ReviewRequest) (Glass, error) {
	s, err := o.o.Desk.Book().Standing(ctx)
	if err != nil {
		return Glass{}, err
	}
	g, ok := s.ByID(r.BreakGlass)
	switch {
	case !ok || g.Verb != history.VerbBreakGlass:
		return Glass{}, &console.Error{Code: console.CodeNotFound, Text: fmt.Sprintf("there is no use of break-glass %q", r.BreakGlass), Remedy: "look at those that wait for a review: gatekeeper holds"}
	case orders.SamePerson(who, g.Person):
		return Glass{}, &console.Error{Code: console.CodeRefused, Text: g.Person.Name + " broke the glass and cannot review that", Remedy: "somebody else has to"}
	}
	_, err = o.give(ctx, func(s orders.Standing) error {
		if answer, done := s.Answer(g.ID); done {
			return &console.Error{Code: console.CodeChanged, Text: g.ID + " was reviewed by " + answer.Person.Name}
		}
		return nil
	}, orders.Order{UID: g.UID, Act: history.ActPayload{
		Verb: history.VerbReview, Gate: g.Gate, Application: g.Application, Person: who, Reason: r.Reason, Of: g.ID,
	}})
	return glass(g.ActPayload, g.At, o.o.Desk.Now()), err
}

// maxPermit bounds a permission: who needs it later asks again.
const maxPermit = 24 * time.Hour

// PermitRequest asks that an Application may be deleted, or leave its gate.
type PermitRequest struct {
	// Application is "namespace/name".
	Application string `json:"application"`
	// Permit is "delete" or "leave".
	Permit string        `json:"permit"`
	By     string        `json:"by"`
	Reason string        `json:"reason"`
	For    time.Duration `json:"for"`
}

// Permitted is a permission that was given.
type Permitted struct {
	ID          string    `json:"id"`
	Gate        string    `json:"gate"`
	Application string    `json:"application"`
	Permit      string    `json:"permit"`
	Expires     time.Time `json:"expires"`
}

// Permit records a permission. Who may hold may give it.
func (o *Operator) Permit(ctx context.Context, who history.Person, r PermitRequest) (Permitted, error) {
	if r.Permit != history.PermitDelete && r.Permit != history.PermitLeave {
		return Permitted{}, &console.Error{Code: console.CodeInvalid, Text: fmt.Sprintf("%q is none of delete, leave", r.Permit)}
	}
	at, err := o.find(ctx, Target{Application: r.Application})
	if err != nil {
		return Permitted{}, err
	}
	if err := o.mayHold(ctx, at.policy, who); err != nil {
		return Permitted{}, err
	}
	order := at.order(history.VerbPermit, who, r.Reason)
	order.Act.Permit = r.Permit
	if r.For == 0 {
		return Permitted{}, &console.Error{Code: console.CodeInvalid, Text: "the permission has no end", Remedy: "say for how long, for example --for 1h"}
	}
	if order.Act.Expires, err = o.until(r.For, time.Time{}, maxPermit); err != nil {
		return Permitted{}, err
	}
	acts, err := o.give(ctx, nil, order)
	if err != nil {
		return Permitted{}, err
	}
	return Permitted{ID: acts[0].ID, Gate: acts[0].Gate, Application: acts[0].Application, Permit: acts[0].Permit, Expires: acts[0].Expires}, nil
}
