package adopt

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

// Applications reads Applications anew, with the fields of their specs.
type Applications interface {
	// Spec reads one. The error wraps approval.ErrNotFound when there is none.
	Spec(ctx context.Context, namespace, name string) (approval.Application, []approval.SpecField, error)
	// Specs reads all.
	Specs(ctx context.Context, visit func(approval.Application, []approval.SpecField) error) error
}

// Options make an Adopter.
type Options struct {
	// Policies are those of now.
	Policies     func() []approval.Policy
	Applications Applications
	Desk         *orders.Desk
	// Wake asks for a new decision on an Application, "namespace/name". Nil does
	// nothing.
	Wake   func(ctx context.Context, application string)
	Logger *slog.Logger
}

// Adopter plans and records adoptions. It is safe for concurrent use.
type Adopter struct{ o Options }

// New makes an Adopter.
func New(o Options) *Adopter {
	if o.Wake == nil {
		o.Wake = func(context.Context, string) {}
	}
	return &Adopter{o}
}

// The verbs on the console.
const (
	VerbPlan  = "adopt-plan"
	VerbAdopt = "adopt"
)

// Verbs are the adopter's orders.
func (a *Adopter) Verbs() console.Verbs {
	return console.Verbs{VerbPlan: console.Handle(a.Plan), VerbAdopt: console.Handle(a.Adopt)}
}

// State is how an Application stands with regard to adoption.
type State string

// The states. Only StateNew is adopted without being named.
const (
	// StateNew: no Application of that name was ever adopted.
	StateNew State = "new"
	// StateAdopted: its spec is adopted as it is.
	StateAdopted State = "adopted"
	// StateChanged: its spec differs from the one that was adopted.
	StateChanged State = "changed"
	// StateRecreated: another Application of that name was adopted, which was deleted.
	StateRecreated State = "recreated"
	// StateAmbiguous: more than one gate protects it.
	StateAmbiguous State = "ambiguous"
)

// PlanRequest says which Applications are meant.
type PlanRequest struct {
	// Applications are named, as "namespace/name".
	Applications []string `json:"applications,omitempty"`
	// All means all that a gate protects.
	All bool `json:"all,omitempty"`
}

// Plan is what could be adopted.
type Plan struct {
	// Items are in the order in which they were named, or by name.
	Items []Item `json:"items"`
}

// Item is one Application as it is now.
type Item struct {
	// Application is "namespace/name".
	Application string `json:"application"`
	UID         string `json:"uid"`
	Gate        string `json:"gate"`
	State       State  `json:"state"`
	// SpecDigest is what would be adopted.
	SpecDigest string `json:"specDigest"`
	// Fields tell where the content comes from and where it goes.
	Fields []approval.SpecField `json:"fields"`
	// Changed names what differs from what was adopted before.
	Changed []string `json:"changed,omitempty"`
	// AdoptedBy, AdoptedAt and Reason are those of the adoption before.
	AdoptedBy string    `json:"adoptedBy,omitempty"`
	AdoptedAt time.Time `json:"adoptedAt,omitzero"`
	Reason    string    `json:"reason,omitempty"`
	// Unsupported is what keeps it blocked although it is adopted.
	Unsupported []string `json:"unsupported,omitempty"`
}

// Plan reads Applications and says what their adoption would be.
func (a *Adopter) Plan(ctx context.Context, r PlanRequest) (Plan, error) {
	standing, err := a.o.Desk.Book().Standing(ctx)
	if err != nil {
		return Plan{}, err
	}
	plan := Plan{Items: []Item{}}
	if r.All {
		err := a.o.Applications.Specs(ctx, func(app approval.Application, fields []approval.SpecField) error {
			if policies := a.gates(app); len(policies) > 0 {
				plan.Items = append(plan.Items, item(app, fields, policies, standing))
			}
			return nil
		})
		if err != nil {
			return Plan{}, err
		}
		slices.SortFunc(plan.Items, func(x, y Item) int { return strings.Compare(x.Application, y.Application) })
		return plan, nil
	}
	for i, name := range r.Applications {
		if slices.Contains(r.Applications[:i], name) {
			continue
		}
		app, fields, policies, err := a.read(ctx, name)
		if err != nil {
			return Plan{}, err
		}
		plan.Items = append(plan.Items, item(app, fields, policies, standing))
	}
	return plan, nil
}

// Request adopts Applications exactly as they were planned.
type Request struct {
	// Items are at most orders.MaxBatch.
	Items []Wanted `json:"items"`
	// By is the person's name, as they give it.
	By     string `json:"by"`
	Reason string `json:"reason"`
}

// Wanted is one Application of a plan.
type Wanted struct {
	Application string `json:"application"`
	UID         string `json:"uid"`
	SpecDigest  string `json:"specDigest"`
}

// Answer says what was adopted.
type Answer struct {
	Adopted []Done `json:"adopted"`
}

// Done is one adoption.
type Done struct {
	Application string `json:"application"`
	// ID is that of the order on record.
	ID string `json:"id"`
}

// Adopt records one order for each Application, or for none.
func (a *Adopter) Adopt(ctx context.Context, r Request) (Answer, error) {
	return a.AdoptAs(ctx, Giver{Person: history.Person{Name: r.By, Via: history.ViaConsole}}, r)
}

// AdoptAs is Adopt by somebody whom GitHub has proven. Whether they may is the caller's
// to know.
func (a *Adopter) AdoptAs(ctx context.Context, by Giver, r Request) (Answer, error) {
	var given []orders.Order
	for _, want := range r.Items {
		app, fields, policies, err := a.read(ctx, want.Application)
		switch {
		case err != nil:
			return Answer{}, err
		case len(policies) > 1:
			return Answer{}, ambiguous(app, policies)
		case app.UID != want.UID || app.SpecDigest != want.SpecDigest || want.SpecDigest == "":
			return Answer{}, &console.Error{
				Code: console.CodeChanged, Text: "the spec of " + app.Key() + " has changed since it was shown",
				Remedy: "nothing was adopted in this step; look at it again and adopt what you see then",
			}
		}
		given = append(given, orders.Order{UID: app.UID, Act: history.ActPayload{
			Verb: history.VerbAdopt, Gate: policies[0].Gate, Application: app.Key(),
			Person: by.Person, Reason: r.Reason,
			SpecDigest: app.SpecDigest, SpecFields: fields,
		}})
	}
	acts, err := a.o.Desk.Give(ctx, by.mark(given), given...)
	if errors.Is(err, orders.ErrInvalid) {
		return Answer{}, &console.Error{Code: console.CodeInvalid, Text: err.Error()}
	}
	if err != nil {
		return Answer{}, err
	}
	answer := Answer{}
	for _, act := range acts {
		a.o.Logger.LogAttrs(ctx, slog.LevelInfo, "spec_adopted",
			slog.String("application", act.Application), slog.String("gate", act.Gate), slog.String("order", act.ID),
			slog.String("by", act.Person.Name), slog.String("reason", act.Reason), slog.String("digest", act.SpecDigest))
		answer.Adopted = append(answer.Adopted, Done{Application: act.Application, ID: act.ID})
		a.o.Wake(ctx, act.Application)
	}
	return answer, nil
}

// read reads a protected Application.
func (a *Adopter) read(ctx context.Context, name string) (approval.Application, []approval.SpecField, []approval.Policy, error) {
	fail := func(err error) (approval.Application, []approval.SpecField, []approval.Policy, error) {
		return approval.Application{}, nil, nil, err
	}
	namespace, short, ok := strings.Cut(name, "/")
	if !ok || namespace == "" || short == "" || strings.Contains(short, "/") {
		return fail(&console.Error{Code: console.CodeInvalid, Text: fmt.Sprintf("%q is not NAMESPACE/NAME", name), Remedy: "name it like argocd/shop-prod"})
	}
	app, fields, err := a.o.Applications.Spec(ctx, namespace, short)
	if errors.Is(err, approval.ErrNotFound) {
		return fail(&console.Error{Code: console.CodeNotFound, Text: "there is no Application " + name, Remedy: "name one as NAMESPACE/NAME"})
	}
	if err != nil {
		return fail(err)
	}
	policies := a.gates(app)
	if len(policies) == 0 {
		return fail(&console.Error{
			Code: console.CodeRefused, Text: "no gate protects " + name + ", so there is nothing to adopt",
			Remedy: "a gate selects Applications by project and destination, in the configuration",
		})
	}
	return app, fields, policies, nil
}

func ambiguous(app approval.Application, policies []approval.Policy) error {
	return &console.Error{
		Code: console.CodeRefused, Text: fmt.Sprintf("%s is protected by %d gates, so it is blocked whatever is adopted", app.Key(), len(policies)),
		Remedy: "change the gates' application selectors so that one gate protects it",
	}
}

func (a *Adopter) gates(app approval.Application) []approval.Policy {
	return slices.DeleteFunc(slices.Clone(a.o.Policies()), func(p approval.Policy) bool { return !p.Protects(app) })
}

func item(app approval.Application, fields []approval.SpecField, policies []approval.Policy, standing orders.Standing) Item {
	i := Item{
		Application: app.Key(), UID: app.UID, Gate: policies[0].Gate, State: StateNew,
		SpecDigest: app.SpecDigest, Fields: shown(fields), Unsupported: app.Unsupported,
	}
	before, found := standing.Adopted(app.UID)
	if found {
		i.State = StateChanged
		if before.SpecDigest == app.SpecDigest {
			i.State = StateAdopted
		}
	} else if before, found = standing.AdoptedName(app.Key()); found {
		i.State = StateRecreated
	}
	if found {
		i.AdoptedBy, i.AdoptedAt, i.Reason = before.Person.Name, before.At, before.Reason
		if before.SpecDigest != app.SpecDigest {
			i.Changed = approval.ChangedFields(before.SpecFields, fields)
		}
	}
	if len(policies) > 1 {
		i.State = StateAmbiguous
	}
	return i
}

// shown are the fields whose values are kept.
func shown(fields []approval.SpecField) []approval.SpecField {
	return slices.DeleteFunc(slices.Clone(fields), func(f approval.SpecField) bool { return f.Value == "" })
}
