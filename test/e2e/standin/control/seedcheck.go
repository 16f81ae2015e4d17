package control

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
)

// seedNames are the names that a seed may use: of what exists, and of what it makes.
type seedNames struct {
	people, organizations, repositories, apps map[string]bool // lower case
	teams                                     map[string]bool // org/slug
	exist                                     []string        // of the seed's own, in both
	unknown                                   []string
}

// checkSeed refuses a seed that makes something a second time or names something unknown.
func (a *API) checkSeed(seed Seed) error {
	n := a.namesNow()
	for _, u := range seed.Users {
		n.add(n.people, "user", u.Login)
		if n.organizations[fold(u.Login)] {
			n.exist = append(n.exist, "organization "+u.Login)
		}
	}
	for _, o := range seed.Organizations {
		n.add(n.organizations, "organization", o.Login)
		if n.people[fold(o.Login)] {
			n.exist = append(n.exist, "user "+o.Login)
		}
		n.needPeople("owner of "+o.Login, o.Owners)
		for _, t := range o.Teams {
			n.add(n.teams, "team", o.Login+"/"+ownSlug(t.Slug))
			n.needPeople("member of "+o.Login+"/"+t.Slug, t.Members)
			n.needPeople("invited to "+o.Login+"/"+t.Slug, t.Invited)
		}
	}
	n.checkRepositories(seed)
	for _, app := range seed.Apps {
		n.add(n.apps, "app", app.Slug)
		if !slugForm.MatchString(app.Slug) {
			n.unknown = append(n.unknown, fmt.Sprintf("the slug %q is not small letters, digits and hyphens, 34 at most", app.Slug))
		}
		n.needAccount("owner of app "+app.Slug, app.Owner)
		for _, i := range app.Installations {
			n.needAccount("account of app "+app.Slug, i.Account)
			for _, repo := range i.Repositories {
				n.need(n.repositories, "repository", i.Account+"/"+repo, "of app "+app.Slug)
			}
		}
	}
	n.checkPulls(seed)
	switch {
	case len(n.exist) > 0:
		return problemf(http.StatusConflict, "nothing was done: exists already, or is named twice: %s; leave it out, or start a fresh stand-in", list(n.exist))
	case len(n.unknown) > 0:
		return problemf(http.StatusUnprocessableEntity, "nothing was done: %s", list(n.unknown))
	}
	return nil
}

func fold(s string) string { return strings.ToLower(s) }

func (a *API) namesNow() *seedNames {
	n := &seedNames{people: map[string]bool{}, organizations: map[string]bool{}, repositories: map[string]bool{}, apps: map[string]bool{}, teams: map[string]bool{}}
	for _, u := range a.s.UserStates() {
		n.people[fold(u.Login)] = true
	}
	for _, o := range a.s.OrganizationStates() {
		n.organizations[fold(o.Login)] = true
		for _, t := range o.Teams {
			n.teams[fold(o.Login+"/"+t.Slug)] = true
		}
	}
	for _, r := range a.s.RepositoryStates() {
		n.repositories[fold(r.Name)] = true
	}
	for _, app := range a.s.AppStates() {
		n.apps[fold(app.Slug)] = true
	}
	return n
}

func (n *seedNames) add(to map[string]bool, what, name string) {
	if to[fold(name)] {
		n.exist = append(n.exist, what+" "+name)
	}
	to[fold(name)] = true
}

func (n *seedNames) need(in map[string]bool, what, name, where string) {
	if !in[fold(name)] {
		n.unknown = append(n.unknown, fmt.Sprintf("no %s %q, %s", what, name, where))
	}
}

func (n *seedNames) needPeople(where string, logins []string) {
	for _, login := range logins {
		n.need(n.people, "user", login, where)
	}
}

func (n *seedNames) needAccount(where, login string) {
	if !n.organizations[fold(login)] {
		n.need(n.people, "account", login, where)
	}
}

func (n *seedNames) checkRepositories(seed Seed) {
	for _, r := range seed.Repositories {
		n.add(n.repositories, "repository", r.Name)
		owner, name, ok := strings.Cut(r.Name, "/")
		if !ok || name == "" {
			n.unknown = append(n.unknown, fmt.Sprintf("repository %q is not named owner/name", r.Name))
			continue
		}
		n.needAccount("owner of "+r.Name, owner)
		if r.Author != "" {
			n.needPeople("author of "+r.Name, []string{r.Author})
		}
		for login, role := range r.Collaborators {
			n.needPeople("collaborator of "+r.Name, []string{login})
			n.needRole(role, "of "+login+" on "+r.Name)
		}
	}
	for _, o := range seed.Organizations {
		for _, t := range o.Teams {
			for repo, role := range t.Grants {
				n.need(n.repositories, "repository", repo, "granted to "+o.Login+"/"+t.Slug)
				n.needRole(role, "of "+o.Login+"/"+t.Slug+" on "+repo)
			}
		}
	}
}

func (n *seedNames) needRole(role, where string) {
	if !slices.Contains([]string{"read", "triage", "write", "maintain", "admin"}, role) {
		n.unknown = append(n.unknown, fmt.Sprintf("no role %q, %s: read, triage, write, maintain or admin", role, where))
	}
}

func (n *seedNames) checkPulls(seed Seed) {
	for i, pr := range seed.Pulls {
		where := fmt.Sprintf("pulls[%d]", i)
		n.need(n.repositories, "repository", pr.Repository, where)
		n.needPeople("author of "+where, []string{pr.Author})
		for _, from := range pr.Reviewers {
			if strings.Contains(from, "/") {
				n.need(n.teams, "team", from, "reviewer of "+where)
				continue
			}
			n.needPeople("reviewer of "+where, []string{from})
		}
		for _, v := range pr.Reviews {
			n.needPeople("review of "+where, []string{v.As})
			if !slices.Contains([]string{"APPROVE", "REQUEST_CHANGES", "COMMENT"}, v.Event) {
				n.unknown = append(n.unknown, fmt.Sprintf("no event %q, review of %s: APPROVE, REQUEST_CHANGES or COMMENT", v.Event, where))
			}
		}
		for _, c := range pr.Comments {
			n.needPeople("comment on "+where, []string{c.As})
		}
	}
}
