package control

import (
	"context"

	"github.com/argo-gatekeeper/gatekeeper/test/e2e/standin"
)

func (a *API) peopleOperations() []operation {
	return []operation{
		op("GET", "users", "list people and the bots of Apps", "Server.UserStates",
			func(context.Context, struct{}) ([]standin.UserState, error) { return a.s.UserStates(), nil }),
		op("POST", "users", "add a person; the answer alone has the token, which works for the API and for git", "Server.CreateUser", a.createUser),
		op("GET", "organizations", "list organizations with their teams", "Server.OrganizationStates",
			func(context.Context, struct{}) ([]standin.OrganizationState, error) {
				return a.s.OrganizationStates(), nil
			}),
		op("POST", "organizations", "add an organization", "Server.CreateOrganization", a.createOrganization),
		op("POST", "organizations/{org}/teams", "add a team", "Server.CreateTeam", a.createTeam),
		op("PUT", "organizations/{org}/teams/{slug}/members/{login}", "make a person an active member", "Server.AddTeamMember",
			func(_ context.Context, in inTeam) (done, error) {
				return nothing(a.s.AddTeamMember(in.Org, in.Slug, in.Login))
			}),
		op("PUT", "organizations/{org}/teams/{slug}/invitations/{login}", "make a person a pending member, who does not count", "Server.InviteTeamMember",
			func(_ context.Context, in inTeam) (done, error) {
				return nothing(a.s.InviteTeamMember(in.Org, in.Slug, in.Login))
			}),
		op("DELETE", "organizations/{org}/teams/{slug}/members/{login}", "take a person out of a team", "Server.RemoveTeamMember",
			func(_ context.Context, in inTeam) (done, error) {
				return nothing(a.s.RemoveTeamMember(in.Org, in.Slug, in.Login))
			}),
		op("PUT", "organizations/{org}/teams/{slug}/grants", "give a team a role on a repository", "Server.GrantTeam",
			func(_ context.Context, in inGrant) (done, error) {
				return nothing(a.s.GrantTeam(in.Org, in.Slug, in.Repo, in.Role))
			}),
	}
}

type inTeam struct {
	Org   string `path:"org"`
	Slug  string `path:"slug"`
	Login string `path:"login"`
}

type inGrant struct {
	Org  string `path:"org"`
	Slug string `path:"slug"`
	Repo string `wire:"required" doc:"owner/name"`
	Role string `wire:"required" doc:"read, triage, write, maintain or admin"`
}

type inUser struct {
	Login  string `wire:"required" doc:"of the person"`
	Name   string `doc:"of the commits; the login when empty"`
	Emails []string
}

// NewUser is the answer of POST users.
type NewUser struct {
	standin.User
	TokenFile string // where the stand-in saved the token, if it does
}

func (a *API) createUser(_ context.Context, in inUser) (NewUser, error) {
	u, err := a.s.CreateUser(in.Login, in.Name, in.Emails...)
	if err != nil {
		return NewUser{}, problemf(422, "%v", err) // not explained: that there is no such login is as it should be
	}
	path, err := a.keep("tokens/"+u.Login, []byte(u.Token+"\n"))
	return NewUser{u, path}, err
}

// keep saves a secret, if the stand-in saves any.
func (a *API) keep(name string, secret []byte) (string, error) {
	if a.save == nil {
		return "", nil
	}
	path, err := a.save(name, secret)
	if err != nil {
		return "", problemf(500, "it was created, but its secret cannot be saved: %v", err)
	}
	return path, nil
}

type inOrganization struct {
	Organization string   `wire:"required" doc:"login of the organization"`
	Owners       []string `doc:"logins; owners are admins of all its repositories"`
}

// NewID is the answer of operations that make one thing.
type NewID struct{ ID int64 }

func newID(id int64, err error) (NewID, error) { return NewID{id}, err }

func (a *API) createOrganization(_ context.Context, in inOrganization) (NewID, error) {
	return newID(a.s.CreateOrganization(in.Organization, in.Owners...))
}

type inNewTeam struct {
	Org     string   `path:"org"`
	Team    string   `wire:"required" doc:"slug, or parent/slug below another team"`
	Members []string `doc:"logins"`
}

func (a *API) createTeam(_ context.Context, in inNewTeam) (NewID, error) {
	return newID(a.s.CreateTeam(in.Org, in.Team, in.Members...))
}
