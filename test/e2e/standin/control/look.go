package control

import (
	"context"
	"errors"
	"reflect"

	"github.com/argo-gatekeeper/gatekeeper/test/e2e/standin"
	"github.com/argo-gatekeeper/gatekeeper/test/e2e/standin/control/wire"
)

func (a *API) lookOperations() []operation {
	return []operation{
		op("GET", "{$}", "list the operations with their fields", "", a.index),
		op("GET", "state", "everything there is now, without secrets; each part is consistent by itself",
			"Server.URL Server.APIURL Server.UserStates Server.OrganizationStates Server.RepositoryStates Server.Pull Server.Reviews Server.Comments Server.CheckRuns Server.AppStates Server.Faults Server.Knobs Server.Calls", a.state),
		op("POST", "seed", "apply a document, YAML or JSON, of users, organizations, repositories, apps and pulls; nothing is done when something of it exists",
			"", a.seed),
	}
}

// Operation describes an operation to people.
type Operation struct {
	Method, Path string
	Summary      string
	Go           string // the control methods it reaches
	Fields       []InputField
}

// InputField is one field of an operation's input, or of an object in it.
type InputField struct {
	Name     string
	In       string // path, query, body
	Type     string
	Required bool
	Doc      string
	Fields   []InputField
}

// Index is the answer of GET Prefix.
type Index struct {
	Operations   []Operation
	KeepsSecrets bool // tokens and keys are also saved in files, which the answers name
}

func (a *API) index(context.Context, struct{}) (Index, error) {
	return Index{a.Operations(), a.save != nil}, nil
}

// Operations describes all operations, in the order of the table.
func (a *API) Operations() []Operation {
	var out []Operation
	for _, o := range a.ops {
		one := Operation{Method: o.method, Path: Prefix + o.path, Summary: o.summary, Go: o.calls}
		if o.path == "{$}" {
			one.Path = Prefix
		}
		for _, f := range reflect.VisibleFields(o.in) {
			if name := f.Tag.Get("path"); name != "" {
				one.Fields = append(one.Fields, InputField{Name: name, In: "path", Type: wire.TypeName(f.Type), Required: true, Doc: f.Tag.Get("doc")})
			}
		}
		in, t := "body", o.in
		if inQuery(o.method) {
			in = "query"
		}
		if t == reflect.TypeFor[document]() {
			t = reflect.TypeFor[Seed]()
		}
		one.Fields = append(one.Fields, inputFields(t, in)...)
		out = append(out, one)
	}
	return out
}

func inputFields(t reflect.Type, in string) []InputField {
	var out []InputField
	for _, f := range wire.Fields(t) {
		one := InputField{Name: f.Name, In: in, Type: wire.TypeName(f.Type), Required: f.Required, Doc: f.Doc}
		inner := f.Type
		for inner.Kind() == reflect.Slice || inner.Kind() == reflect.Map || inner.Kind() == reflect.Pointer {
			inner = inner.Elem()
		}
		if inner.Kind() == reflect.Struct && wire.TypeName(inner) == "object" {
			one.Fields = inputFields(inner, in)
		}
		out = append(out, one)
	}
	return out
}

// State is everything that can be seen.
type State struct {
	URL, APIURL   string
	Users         []standin.UserState
	Organizations []standin.OrganizationState
	Repositories  []RepositoryState
	Apps          []standin.AppState
	Faults        []standin.ActiveFault
	Knobs         standin.Knobs
	Calls         int // answered requests since the start or the last reset
}

// RepositoryState is a repository with its pull requests.
type RepositoryState struct {
	standin.RepositoryState
	Pulls []PullState
}

// PullState is a pull request with what people and Apps said about it.
type PullState struct {
	standin.Pull
	Reviews  []ReviewState
	Checks   []standin.CheckRun // of the head
	Comments []standin.Comment
}

// ReviewState is a review, and whether it is about the head.
type ReviewState struct {
	standin.Review
	Current bool
}

func (a *API) state(context.Context, struct{}) (State, error) {
	out := State{URL: a.s.URL(), APIURL: a.s.APIURL(), Users: a.s.UserStates(), Organizations: a.s.OrganizationStates(), Apps: a.s.AppStates(),
		Faults: a.s.Faults(), Knobs: a.s.Knobs(), Calls: len(a.s.Calls())}
	for _, r := range a.s.RepositoryStates() {
		one := RepositoryState{RepositoryState: r}
		for _, number := range r.Pulls {
			pr, err := a.pullState(r.Name, number)
			if err != nil {
				return State{}, err
			}
			one.Pulls = append(one.Pulls, pr)
		}
		out.Repositories = append(out.Repositories, one)
	}
	return out, nil
}

func (a *API) pullState(repo string, number int) (PullState, error) {
	pr, err := a.s.Pull(repo, number)
	if err != nil {
		return PullState{}, err
	}
	reviews, errReviews := a.reviews(repo, number, pr.Head)
	checks, errChecks := a.s.CheckRuns(repo, pr.Head)
	comments, errComments := a.s.Comments(repo, number)
	return PullState{Pull: pr, Reviews: reviews, Checks: checks, Comments: comments}, errors.Join(errReviews, errChecks, errComments)
}

func (a *API) reviews(repo string, number int, head string) ([]ReviewState, error) {
	reviews, err := a.s.Reviews(repo, number)
	if err != nil {
		return nil, err
	}
	var out []ReviewState
	for _, v := range reviews {
		out = append(out, ReviewState{v, v.Commit == head})
	}
	return out, nil
}
