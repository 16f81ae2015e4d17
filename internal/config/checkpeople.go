package config

import (
	"slices"
	"strings"

	"go.yaml.in/yaml/v4"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
)

// named are people as the core knows them.
type named struct {
	teams []approval.TeamName
	users []string
}

// groups checks the groups, so that people can be looked up by name.
func (c *checker) groups(groups []Group, root *yaml.Node) {
	c.people = map[string]named{}
	for i, g := range groups {
		n := at(root, "groups", i)
		switch _, twice := c.people[g.Name]; {
		case !gateName.MatchString(g.Name):
			c.add(at(n, "name"), "the group's name %q must consist of at most 40 lower-case letters, digits and dashes, for example dba", g.Name)
		case twice:
			c.add(at(n, "name"), "group %q exists twice; give each group a name of its own", g.Name)
		case len(g.Teams)+len(g.Users) == 0:
			c.add(n, "group %q is empty, so nobody in it could approve; write teams: [org/team] or users: [login]", g.Name)
		}
		c.people[g.Name] = c.named(People{Teams: g.Teams, Users: g.Users}, n)
	}
}

// named checks the names of people and puts groups' people in place of their
// names.
func (c *checker) named(p People, n *yaml.Node) named {
	var out named
	for i, g := range p.Groups {
		people, ok := c.people[g]
		if !ok {
			c.add(at(n, "groups", i), "there is no group %q; write it under groups at the top of the file", g)
			continue
		}
		out.add(people.teams, people.users)
	}
	var teams []approval.TeamName
	for i, t := range p.Teams {
		team, err := approval.ParseTeamName(t)
		if err != nil {
			c.add(at(n, "teams", i), "the team %q must be org/slug, for example acme/sre", t)
			continue
		}
		teams = append(teams, team)
	}
	for i, u := range p.Users {
		if u == "" || strings.ContainsAny(u, "/@ ") {
			c.add(at(n, "users", i), "the user %q must be a GitHub login such as alice", u)
		}
	}
	out.add(teams, p.Users)
	return out
}

// add adds people who are not there yet.
func (p *named) add(teams []approval.TeamName, users []string) {
	for _, t := range teams {
		if !slices.ContainsFunc(p.teams, func(o approval.TeamName) bool { return strings.EqualFold(string(o), string(t)) }) {
			p.teams = append(p.teams, t)
		}
	}
	for _, u := range users {
		if !slices.ContainsFunc(p.users, func(o string) bool { return strings.EqualFold(o, u) }) {
			p.users = append(p.users, u)
		}
	}
}

// requirement checks one requirement: that it can be fulfilled, and not by just
// anybody.
func (c *checker) requirement(r Requirement, n *yaml.Node) approval.Requirement {
	people := c.named(People{r.Groups, r.Teams, r.Users}, n)
	out := approval.Requirement{
		Name: r.Name, Approvals: r.Approvals, Teams: people.teams, Users: people.users,
		MinimumRole: r.MinimumRole, CodeOwners: r.CodeOwners, Paths: r.Paths,
	}
	names := len(r.Groups) + len(r.Teams) + len(r.Users)
	switch {
	case r.Approvals < 1:
		c.add(at(n, "approvals"), "a requirement of %d approvals would let everything through; write approvals: 1 or more", r.Approvals)
	case names == 0 && !r.CodeOwners && r.MinimumRole == "":
		c.add(n, "this requirement names nobody, so anybody or nobody could approve; write teams: [org/team], users: [login], groups: [name], codeOwners: true or minimumRole: maintain")
	case len(people.teams) == 0 && len(people.users) > 0 && r.Approvals > len(people.users):
		c.add(at(n, "approvals"), "%d approvals of %d people can never be reached; name more people or ask for fewer", r.Approvals, len(people.users))
	}
	switch r.MinimumRole {
	case "", "write", "maintain", "admin":
	case "read", "triage":
		c.add(at(n, "minimumRole"), "minimumRole %s would let people approve who may not change the repository; write write, maintain or admin", r.MinimumRole)
	default:
		c.add(at(n, "minimumRole"), "minimumRole %q is none of write, maintain, admin", r.MinimumRole)
	}
	c.patterns(r.Paths, n)
	for i, m := range r.Methods {
		switch approval.Method(m) {
		case approval.MethodReview, approval.MethodComment:
			out.Methods = append(out.Methods, approval.Method(m))
		default:
			c.add(at(n, "methods", i), "the method %q is none of review, comment", m)
		}
	}
	return out
}

func (c *checker) patterns(paths []string, n *yaml.Node) {
	for i, p := range paths {
		if !approval.ValidPattern(p) {
			c.add(at(n, "paths", i), "the path %q is not a pattern such as envs/prod/** (no leading or trailing slash, ** only as a whole name)", p)
		}
	}
}
