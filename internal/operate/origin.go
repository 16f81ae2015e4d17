package operate

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"time"

	"github.com/argo-gatekeeper/gatekeeper/internal/console"
	"github.com/argo-gatekeeper/gatekeeper/internal/orders"
	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
	"github.com/argo-gatekeeper/gatekeeper/pkg/history"
)

// ErrGiven says that the order was given already, under the same ID.
var ErrGiven = errors.New("the order was given before")

// Origin is where an order comes from, if not from the console.
type Origin struct {
	// ID becomes that of the order. Under one ID an order is given once: whoever gives it
	// again, after a crash or at the same time, gets ErrGiven.
	ID string
	// Pull is the pull request on which it was given.
	Pull int
	// Asked is when the person asked for it, and Request is how the IDs of all orders
	// begin that were asked for along with it, this one's included.
	Asked   time.Time
	Request string
}

// later says whether an order was given after this one was asked for, so that whoever
// asked cannot have meant it. What the same comment asked for before is no surprise. The
// time of a comment has whole seconds (GitHub REST, "created_at"), so what was given in
// the same second is taken for later.
func (f Origin) later(g orders.Given) bool {
	if f.Request != "" && strings.HasPrefix(g.ID, f.Request) {
		return false
	}
	return g.At.After(f.Asked)
}

// From is an Operator for the one order that comes from there.
func (o *Operator) From(origin Origin) *Operator {
	c := *o
	c.origin = origin
	return &c
}

// part is the ID of another order that is given along with the one.
func (o *Operator) part(name string) string {
	if o.origin.ID == "" {
		return o.o.Desk.NewID()
	}
	return o.origin.ID + "." + name
}

// mark gives the orders the ID and the pull request of where they come from, and adds to
// the check that they are the first to have them.
func (o *Operator) mark(check func(orders.Standing) error, given []orders.Order) func(orders.Standing) error {
	if o.origin.ID == "" {
		return check
	}
	n := 0
	for i := range given {
		act := &given[i].Act
		act.Pull = o.origin.Pull
		if act.ID != "" {
			continue
		}
		if act.ID = o.origin.ID; n > 0 {
			act.ID += "." + strconv.Itoa(n)
		}
		n++
	}
	return func(s orders.Standing) error {
		if _, before := s.ByID(o.origin.ID); before {
			return ErrGiven
		}
		if check == nil {
			return nil
		}
		return check(s)
	}
}

// Given are the orders that are on record from an origin, the one with its ID first.
func Given(s orders.Standing, id string) []orders.Given {
	first, ok := s.ByID(id)
	if !ok {
		return nil
	}
	out := []orders.Given{first}
	if hold, ok := s.ByID(id + ".hold"); ok {
		out = append(out, hold)
	}
	for n := 1; n < orders.MaxBatch; n++ {
		more, ok := s.ByID(id + "." + strconv.Itoa(n))
		if !ok {
			break
		}
		out = append(out, more)
	}
	return out
}

// Entitled are those who may give an order for a gate where GitHub proves who they are.
// Nobody is Named without anybody.
func Entitled(p approval.Policy, verb history.Verb) approval.Named {
	switch verb {
	case history.VerbHold, history.VerbRelease, history.VerbRollback, history.VerbPermit, history.VerbReview:
		if p.Holders.Empty() {
			return approvers(p)
		}
		return p.Holders
	case history.VerbBreakGlass:
		if p.BreakGlass == nil {
			return approval.Named{}
		}
		return p.BreakGlass.Named
	case history.VerbAdopt:
		return p.Adopters
	default:
		return approval.Named{}
	}
}

// May says whether somebody may give an order for a gate, by the teams of now.
func (o *Operator) May(ctx context.Context, gate string, verb history.Verb, who history.Person) (bool, error) {
	at, err := o.gate(gate)
	if err != nil {
		return false, err
	}
	return o.isOneOf(ctx, Entitled(at.policy, verb), who)
}

// IsOneOf says whether somebody is one of those, by the teams of now.
func (o *Operator) IsOneOf(ctx context.Context, n approval.Named, who history.Person) (bool, error) {
	return o.isOneOf(ctx, n, who)
}

// MayAdopt refuses somebody who may not adopt specs of the gate by a comment.
func (o *Operator) MayAdopt(ctx context.Context, gate string, who history.Person) error {
	at, err := o.gate(gate)
	if err != nil {
		return err
	}
	if at.policy.Adopters.Empty() {
		return &console.Error{Code: console.CodeRefused, Text: "nobody adopts for gate " + gate + " by a comment", Remedy: "adopt with the command gatekeeper adopt, or name people under adopts in the gate's configuration"}
	}
	ok, err := o.isOneOf(ctx, at.policy.Adopters, who)
	if err == nil && !ok {
		err = &console.Error{Code: console.CodeRefused, Text: who.Name + " may not adopt for gate " + gate, Remedy: "ask one of " + names(at.policy.Adopters)}
	}
	return err
}
