package control

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"reflect"
	"slices"
	"strings"

	"github.com/argo-gatekeeper/gatekeeper/test/e2e/standin"
	"github.com/argo-gatekeeper/gatekeeper/test/e2e/standin/control/wire"
)

// problem is a refusal as it is sent.
type problem struct {
	Text   string
	Status int
	GitHub bool // GitHub would refuse it as well
}

func (p *problem) Error() string { return p.Text }

func problemf(status int, format string, args ...any) *problem {
	return &problem{Text: fmt.Sprintf(format, args...), Status: status}
}

func (a *API) refuse(w http.ResponseWriter, p *problem) {
	if p.GitHub {
		a.write(w, p.Status, struct {
			Error  string
			Status int
			Github bool
		}{p.Text, p.Status, true})
		return
	}
	a.write(w, p.Status, struct {
		Error  string
		Status int
	}{p.Text, p.Status})
}

// explain turns the error of an operation into an answer. What the address or the fields name, but what
// does not exist, is looked for afterwards: the control calls themselves say only that it is missing.
func (a *API) explain(in reflect.Value, err error) *problem {
	if p, ok := errors.AsType[*problem](err); ok {
		return p
	}
	if e, ok := errors.AsType[*wire.Error](err); ok {
		return problemf(http.StatusBadRequest, "%v", e)
	}
	if e, ok := errors.AsType[*standin.APIError](err); ok {
		return &problem{Text: github(e), Status: e.Status, GitHub: true}
	}
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return problemf(http.StatusGatewayTimeout, "not finished in time: %v", err)
	}
	if p := a.missing(in); p != nil {
		return p
	}
	return problemf(http.StatusUnprocessableEntity, "%v", err)
}

// github is a refusal in GitHub's words.
func github(e *standin.APIError) string {
	text := []string{e.Message}
	for _, f := range e.Errors {
		text = append(text, strings.Join(strings.Fields(f.Resource+" "+f.Field+" "+f.Code+" "+f.Message), " "))
	}
	return strings.Join(text, ": ")
}

// field is the value of an input's field, by its Go name; nil when the input has none, or it is empty.
func field(in reflect.Value, name string) any {
	f := in.FieldByName(name)
	if !f.IsValid() || f.IsZero() {
		return nil
	}
	return f.Interface()
}

// missing finds the first thing an input names that does not exist.
func (a *API) missing(in reflect.Value) *problem {
	if in.Kind() != reflect.Struct {
		return nil
	}
	for _, name := range []string{"As", "Login"} {
		if login, ok := field(in, name).(string); ok {
			if p := a.missingUser(login); p != nil {
				return p
			}
		}
	}
	if org, ok := field(in, "Org").(string); ok {
		if p := a.missingOrganization(org, field(in, "Slug")); p != nil {
			return p
		}
	}
	if repo, ok := field(in, "Repo").(string); ok {
		if owner, ok := field(in, "Owner").(string); ok {
			repo = owner + "/" + repo
		}
		if p := a.missingRepository(repo, field(in, "Number")); p != nil {
			return p
		}
	}
	if app, ok := field(in, "App").(int64); ok {
		var ids []string
		for _, one := range a.s.AppStates() {
			if one.ID == app {
				return nil
			}
			ids = append(ids, fmt.Sprintf("%d (%s)", one.ID, one.Slug))
		}
		return problemf(http.StatusNotFound, "no app %d; there are: %s", app, list(ids))
	}
	return nil
}

// list joins names, or says that there are none.
func list(names []string) string {
	if len(names) == 0 {
		return "none"
	}
	if more := len(names) - 20; more > 0 {
		return strings.Join(names[:20], ", ") + fmt.Sprintf(" and %d more", more)
	}
	return strings.Join(names, ", ")
}

func (a *API) missingUser(login string) *problem {
	var names []string
	for _, u := range a.s.UserStates() {
		if strings.EqualFold(u.Login, login) {
			return nil
		}
		if !u.Bot {
			names = append(names, u.Login)
		}
	}
	return problemf(http.StatusNotFound, "no user %q; there are: %s (add one with POST %susers)", login, list(names), Prefix)
}

func (a *API) missingOrganization(org string, slug any) *problem {
	var names []string
	for _, o := range a.s.OrganizationStates() {
		names = append(names, o.Login)
		if !strings.EqualFold(o.Login, org) {
			continue
		}
		var teams []string
		for _, t := range o.Teams {
			teams = append(teams, t.Slug)
		}
		if want, ok := slug.(string); ok && !slices.ContainsFunc(teams, func(t string) bool { return strings.EqualFold(t, want) }) && !strings.Contains(want, "/") {
			return problemf(http.StatusNotFound, "no team %q in %s; there are: %s", want, o.Login, list(teams))
		}
		return nil
	}
	return problemf(http.StatusNotFound, "no organization %q; there are: %s (add one with POST %sorganizations)", org, list(names), Prefix)
}

func (a *API) missingRepository(repo string, number any) *problem {
	_, err := a.s.Branch(repo, "") // knows former names too
	var names []string
	for _, r := range a.s.RepositoryStates() {
		names = append(names, r.Name)
		n, ok := number.(int)
		if err != nil || !ok || !strings.EqualFold(r.Name, repo) || slices.Contains(r.Pulls, n) {
			continue
		}
		var have []string
		for _, other := range r.Pulls {
			have = append(have, fmt.Sprintf("#%d", other))
		}
		return problemf(http.StatusNotFound, "no pull request #%d in %s; there are: %s", n, r.Name, list(have))
	}
	if err == nil {
		return nil
	}
	return problemf(http.StatusNotFound, "no repository %q; there are: %s (add one with POST %srepositories)", repo, list(names), Prefix)
}
