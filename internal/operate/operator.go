package operate

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/argo-gatekeeper/gatekeeper/internal/console"
	"github.com/argo-gatekeeper/gatekeeper/internal/orders"
	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
	"github.com/argo-gatekeeper/gatekeeper/pkg/history"
)

// Applications reads Applications anew.
type Applications interface {
	// Get reads one. The error wraps approval.ErrNotFound when there is none.
	Get(ctx context.Context, namespace, name string) (approval.Application, error)
}

// People says who is in which team, read anew.
type People interface {
	Teams(ctx context.Context, teams []approval.TeamName) (approval.Directory, error)
}

// Judge says what a gate would decide if a use of break-glass were in force, with
// everything read anew. It records nothing.
type Judge interface {
	Try(ctx context.Context, application string, o approval.Override) (approval.Decision, error)
}

// Options make an Operator.
type Options struct {
	// Policies are those of now.
	Policies     func() []approval.Policy
	Applications Applications
	Desk         *orders.Desk
	// History is what can be gone back to.
	History Deployments
	// Numbers finds what can be gone back to by its number; nil where nobody does.
	Numbers Numbers
	// People is nil where people cannot be asked for: then orders that depend on who
	// gives them are refused.
	People People
	// Judge is nil where nothing is decided: then nobody breaks the glass.
	Judge Judge
	// Waiting is nil where nothing is synced: then nobody says that something is to be.
	Waiting Waiting
	// Wake asks for a new decision on one Application, WakeAll on all. Nil does nothing.
	Wake    func(ctx context.Context, application string)
	WakeAll func()
	Logger  *slog.Logger
}

// Operator takes orders. It is safe for concurrent use.
type Operator struct {
	o Options
	// origin is zero at the console.
	origin Origin
}

// New makes an Operator.
func New(o Options) *Operator {
	if o.Wake == nil {
		o.Wake = func(context.Context, string) {}
	}
	if o.WakeAll == nil {
		o.WakeAll = func() {}
	}
	return &Operator{o: o}
}

// Target is what an order is about: one Application, or a whole gate.
type Target struct {
	// Application is "namespace/name".
	Application string `json:"application,omitempty"`
	Gate        string `json:"gate,omitempty"`
}

// place is a target that was found.
type place struct {
	policy approval.Policy
	// app is the zero Application for a whole gate.
	app approval.Application
}

// about is what an order about the place is called.
func (p place) about() string {
	if p.app.UID == "" {
		return "gate " + p.policy.Gate
	}
	return p.app.Key()
}

func (p place) order(verb history.Verb, who history.Person, reason string) orders.Order {
	act := history.ActPayload{Verb: verb, Gate: p.policy.Gate, Person: who, Reason: reason}
	if p.app.UID != "" {
		act.Application = p.app.Key()
	}
	return orders.Order{UID: p.app.UID, Act: act}
}

func (o *Operator) find(ctx context.Context, t Target) (place, error) {
	if (t.Application == "") == (t.Gate == "") {
		return place{}, &console.Error{Code: console.CodeInvalid, Text: "the order is about no Application and no gate, or about both", Remedy: "name an Application as NAMESPACE/NAME, or a gate with --gate"}
	}
	if t.Gate != "" {
		return o.gate(t.Gate)
	}
	namespace, name, ok := strings.Cut(t.Application, "/")
	if !ok || namespace == "" || name == "" || strings.Contains(name, "/") {
		return place{}, &console.Error{Code: console.CodeInvalid, Text: fmt.Sprintf("%q is not NAMESPACE/NAME", t.Application), Remedy: "name it like argocd/shop-prod"}
	}
	app, err := o.o.Applications.Get(ctx, namespace, name)
	if errors.Is(err, approval.ErrNotFound) {
		return place{}, &console.Error{Code: console.CodeNotFound, Text: "there is no Application " + t.Application, Remedy: "name one as NAMESPACE/NAME"}
	}
	if err != nil {
		return place{}, fmt.Errorf("read application %s: %w", t.Application, err)
	}
	var found []approval.Policy
	for _, p := range o.o.Policies() {
		if p.Protects(app) {
			found = append(found, p)
		}
	}
	switch len(found) {
	case 0:
		return place{}, &console.Error{Code: console.CodeRefused, Text: "no gate protects " + t.Application, Remedy: "a gate selects Applications by project and destination, in the configuration"}
	case 1:
		return place{found[0], app}, nil
	default:
		return place{}, &console.Error{Code: console.CodeRefused, Text: t.Application + " is protected by several gates, so it is blocked anyway", Remedy: "change the gates' application selectors so that one gate protects it"}
	}
}

func (o *Operator) gate(name string) (place, error) {
	policies := o.o.Policies()
	i := slices.IndexFunc(policies, func(p approval.Policy) bool { return p.Gate == name })
	if i < 0 {
		return place{}, &console.Error{Code: console.CodeNotFound, Text: fmt.Sprintf("there is no gate %q", name), Remedy: "gatekeeper config check names the gates"}
	}
	return place{policy: policies[i]}, nil
}

// give records an order and wakes who it is about.
func (o *Operator) give(ctx context.Context, check func(orders.Standing) error, given ...orders.Order) ([]history.ActPayload, error) {
	check = o.mark(check, given)
	acts, err := o.o.Desk.Give(ctx, check, given...)
	if errors.Is(err, orders.ErrInvalid) {
		return nil, &console.Error{Code: console.CodeInvalid, Text: err.Error()}
	}
	if err != nil {
		return nil, err
	}
	for _, act := range acts {
		o.o.Logger.LogAttrs(ctx, slog.LevelInfo, "order_given",
			slog.String("verb", string(act.Verb)), slog.String("order", act.ID), slog.String("gate", act.Gate),
			slog.String("application", act.Application), slog.String("by", act.Person.Name), slog.String("via", string(act.Person.Via)),
			slog.String("reason", act.Reason), slog.String("of", act.Of))
		if act.Application == "" {
			o.o.WakeAll()
		} else {
			o.o.Wake(ctx, act.Application)
		}
	}
	return acts, nil
}

// mayHold refuses somebody whose identity is proven and who is not one of those who may
// hold. At the console, whoever may run the command may.
func (o *Operator) mayHold(ctx context.Context, p approval.Policy, who history.Person) error {
	if who.Via == history.ViaConsole {
		return nil
	}
	holders := p.Holders
	if holders.Empty() {
		holders = approvers(p)
	}
	ok, err := o.isOneOf(ctx, holders, who)
	if err != nil {
		return err
	}
	if !ok {
		remedy := "ask one of " + names(holders)
		if holders.Empty() {
			remedy = "nobody is named who may; name people under holds in the gate's configuration, or use the command line"
		}
		return &console.Error{Code: console.CodeRefused, Text: who.Name + " may not hold gate " + p.Gate, Remedy: remedy}
	}
	return nil
}

// isOneOf says whether somebody whose account GitHub has proven is one of those, by the
// teams of now.
func (o *Operator) isOneOf(ctx context.Context, n approval.Named, who history.Person) (bool, error) {
	if who.ID <= 0 {
		return false, nil
	}
	if slices.ContainsFunc(n.Users, func(login string) bool { return strings.EqualFold(login, who.Name) }) {
		return true, nil
	}
	if len(n.Teams) == 0 {
		return false, nil
	}
	if o.o.People == nil {
		return false, &console.Error{Code: console.CodeRefused, Text: "it cannot be asked here who is in which team", Remedy: "start gatekeeper serve, which can"}
	}
	d, err := o.o.People.Teams(ctx, n.Teams)
	if err != nil {
		return false, fmt.Errorf("read who is in which team: %w", err)
	}
	return approval.Named{Teams: n.Teams}.IncludesID(&d, who.ID), nil
}

// approvers are those whom a gate's requirements name.
func approvers(p approval.Policy) approval.Named {
	requirements := p.Config.Requirements
	if p.Image != nil {
		requirements = slices.Concat(requirements, p.Image.Requirements)
	}
	var n approval.Named
	for _, r := range requirements {
		n.Teams, n.Users = approval.AlsoNamed(n.Teams, n.Users, approval.Named{Teams: r.Teams, Users: r.Users})
	}
	return n
}

func names(n approval.Named) string {
	var out []string
	for _, t := range n.Teams {
		out = append(out, string(t))
	}
	return strings.Join(append(out, n.Users...), ", ")
}

// until is when an order ends, from the time it is given: after a while, at a time, or
// never.
func (o *Operator) until(d time.Duration, t time.Time, most time.Duration) (time.Time, error) {
	now := o.o.Desk.Now()
	switch {
	case d != 0 && !t.IsZero():
		return time.Time{}, &console.Error{Code: console.CodeInvalid, Text: "the order ends after a while and at a time", Remedy: "give one of both"}
	case d != 0:
		t = now.Add(d)
	case t.IsZero():
		return time.Time{}, nil
	}
	if !t.After(now) {
		return time.Time{}, &console.Error{Code: console.CodeInvalid, Text: "the order would have ended already", Remedy: "give a time that is to come"}
	}
	if t.Sub(now) > most {
		return time.Time{}, &console.Error{Code: console.CodeInvalid, Text: "the order would hold longer than " + most.String(), Remedy: "give less"}
	}
	return t.UTC().Truncate(time.Second), nil
}
