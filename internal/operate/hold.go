package operate

import (
	"context"
	"time"

	"github.com/argo-gatekeeper/gatekeeper/internal/console"
	"github.com/argo-gatekeeper/gatekeeper/internal/orders"
	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
	"github.com/argo-gatekeeper/gatekeeper/pkg/history"
)

// maxHold bounds a hold that ends by itself; without an end it stays until released.
const maxHold = 366 * 24 * time.Hour

// HoldRequest asks for a hold.
type HoldRequest struct {
	Target
	By     string `json:"by"`
	Reason string `json:"reason"`
	// For and Until, of which at most one is given, say when it ends by itself.
	For   time.Duration `json:"for,omitempty"`
	Until time.Time     `json:"until,omitzero"`
}

// Held is a hold that is in force.
type Held struct {
	ID          string    `json:"id"`
	Gate        string    `json:"gate"`
	Application string    `json:"application,omitempty"`
	By          string    `json:"by"`
	Reason      string    `json:"reason"`
	Since       time.Time `json:"since"`
	Expires     time.Time `json:"expires,omitzero"`
}

// Hold stops an Application or a whole gate.
func (o *Operator) Hold(ctx context.Context, who history.Person, r HoldRequest) (Held, error) {
	at, err := o.find(ctx, r.Target)
	if err != nil {
		return Held{}, err
	}
	if err := o.mayHold(ctx, at.policy, who); err != nil {
		return Held{}, err
	}
	order := at.order(history.VerbHold, who, r.Reason)
	if order.Act.Expires, err = o.until(r.For, r.Until, maxHold); err != nil {
		return Held{}, err
	}
	acts, err := o.give(ctx, nil, order)
	if err != nil {
		return Held{}, err
	}
	return held(acts[0], o.o.Desk.Now()), nil
}

func held(a history.ActPayload, since time.Time) Held {
	return Held{ID: a.ID, Gate: a.Gate, Application: a.Application, By: a.Person.Name, Reason: a.Reason, Since: since, Expires: a.Expires}
}

// ReleaseRequest ends a hold: one by its ID, or all of an Application or of a gate.
type ReleaseRequest struct {
	Target
	Hold   string `json:"hold,omitempty"`
	By     string `json:"by"`
	Reason string `json:"reason"`
}

// Released are the holds that ended.
type Released struct {
	Released []Held `json:"released"`
}

// Release ends holds. Holds of a whole gate are not those of an Application.
func (o *Operator) Release(ctx context.Context, who history.Person, r ReleaseRequest) (Released, error) {
	standing, err := o.o.Desk.Book().Standing(ctx)
	if err != nil {
		return Released{}, err
	}
	now := o.o.Desk.Now()
	found, err := o.toRelease(ctx, standing, r, now)
	if err != nil {
		return Released{}, err
	}
	var given []orders.Order
	var out Released
	for _, h := range found {
		// At the console there is no time between the order and the act.
		if who.Via != history.ViaConsole && o.origin.later(h) {
			return Released{}, &console.Error{
				Code:   console.CodeChanged,
				Text:   "hold " + h.ID + " by " + h.Person.Name + " was placed after the release was asked for, so nothing was released",
				Remedy: "look at that hold; if it is to end as well, ask again",
			}
		}
		at, err := o.gate(h.Gate)
		if err != nil {
			at = place{policy: approval.Policy{Gate: h.Gate}} // its gate is gone; the hold may go, too
		}
		if err := o.mayHold(ctx, at.policy, who); err != nil {
			return Released{}, err
		}
		given = append(given, orders.Order{UID: h.UID, Act: history.ActPayload{
			Verb: history.VerbRelease, Gate: h.Gate, Application: h.Application, Person: who, Reason: r.Reason, Of: h.ID,
		}})
		out.Released = append(out.Released, held(h.ActPayload, h.At))
	}
	_, err = o.give(ctx, func(s orders.Standing) error {
		for _, h := range found {
			if answer, done := s.Answer(h.ID); done {
				return &console.Error{Code: console.CodeChanged, Text: "hold " + h.ID + " was released by " + answer.Person.Name, Remedy: "look again: gatekeeper holds"}
			}
		}
		return nil
	}, given...)
	return out, err
}

func (o *Operator) toRelease(ctx context.Context, s orders.Standing, r ReleaseRequest, now time.Time) ([]orders.Given, error) {
	var found []orders.Given
	if r.Hold != "" {
		if r.Target != (Target{}) {
			return nil, &console.Error{Code: console.CodeInvalid, Text: "the order names a hold and what it is about", Remedy: "give one of both"}
		}
		for _, h := range s.AllHolds(now) {
			if h.ID == r.Hold {
				return []orders.Given{h}, nil
			}
		}
		return nil, &console.Error{Code: console.CodeNotFound, Text: "no hold " + r.Hold + " is in force", Remedy: "look at those that are: gatekeeper holds"}
	}
	at, err := o.find(ctx, r.Target)
	if err != nil {
		return nil, err
	}
	whole := false
	for _, h := range s.AllHolds(now) {
		switch {
		case h.Gate != at.policy.Gate:
		case h.UID == at.app.UID:
			found = append(found, h)
		case h.UID == "":
			whole = true
		}
	}
	switch {
	case len(found) > orders.MaxBatch:
		found = found[:orders.MaxBatch]
	case len(found) == 0 && whole:
		return nil, &console.Error{
			Code: console.CodeNotFound, Text: at.about() + " has no hold of its own; the whole gate " + at.policy.Gate + " is held",
			Remedy: "release that: gatekeeper release --gate " + at.policy.Gate,
		}
	case len(found) == 0:
		return nil, &console.Error{Code: console.CodeNotFound, Text: at.about() + " is not held", Remedy: "look at the holds that are in force: gatekeeper holds"}
	}
	return found, nil
}

// Overview is everything that is in force or owed.
type Overview struct {
	Holds []Held `json:"holds"`
	// BreakGlass are the uses of break-glass that are in force or not reviewed.
	BreakGlass []Glass `json:"breakGlass"`
}

// Glass is a use of break-glass.
type Glass struct {
	ID          string             `json:"id"`
	Gate        string             `json:"gate"`
	Application string             `json:"application"`
	Candidate   approval.Candidate `json:"candidate"`
	By          string             `json:"by"`
	Reason      string             `json:"reason"`
	Since       time.Time          `json:"since"`
	Expires     time.Time          `json:"expires"`
	ReviewBy    time.Time          `json:"reviewBy"`
	// Overdue is true when the review is.
	Overdue bool `json:"overdue,omitempty"`
}

// Overview reads what is in force.
func (o *Operator) Overview(ctx context.Context) (Overview, error) {
	s, err := o.o.Desk.Book().Standing(ctx)
	if err != nil {
		return Overview{}, err
	}
	now := o.o.Desk.Now()
	out := Overview{Holds: []Held{}, BreakGlass: []Glass{}}
	for _, h := range s.AllHolds(now) {
		out.Holds = append(out.Holds, held(h.ActPayload, h.At))
	}
	for _, g := range s.AllUnreviewed() {
		out.BreakGlass = append(out.BreakGlass, glass(g.ActPayload, g.At, now))
	}
	return out, nil
}

func glass(a history.ActPayload, since, now time.Time) Glass {
	return Glass{
		ID: a.ID, Gate: a.Gate, Application: a.Application, Candidate: *a.Candidate, By: a.Person.Name, Reason: a.Reason,
		Since: since, Expires: a.Expires, ReviewBy: a.ReviewBy, Overdue: !now.Before(a.ReviewBy),
	}
}
