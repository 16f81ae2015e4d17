package policytest

import (
	"maps"
	"slices"
	"strings"

	"github.com/argo-gatekeeper/gatekeeper/internal/config"
	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
)

// ghost is GitHub's account that stands for deleted ones.
const ghost = "ghost"

// people makes an account of everybody, so that a name nobody knows is noticed.
func (b *builder) people() {
	b.users = map[string]approval.User{}
	p := b.file.People
	for _, name := range slices.Sorted(maps.Keys(p.Teams)) {
		at := config.At{"people", "teams", name}
		if _, err := approval.ParseTeamName(name); err != nil {
			b.doc.Mistake(at, "the team %q must be org/slug, for example acme/sre", name)
		} else if !b.teamMatters(name) {
			b.doc.Mistake(at, "neither a gate nor codeOwners names the team %s; %s", name, config.Suggest(name, b.teamsThatMatter()))
		}
		for i, login := range p.Teams[name] {
			b.account(login, at.Down(i))
		}
	}
	b.checkSpelling(slices.Collect(maps.Keys(p.Teams)), "teams")
	b.checkSpelling(slices.Collect(maps.Keys(p.Roles)), "roles")
	for i, login := range p.Others {
		b.account(login, config.At{"people", "others", i})
	}
	for _, policy := range b.policies {
		_, logins := policy.People()
		for _, login := range logins {
			if !b.isGone(login) {
				b.account(login, nil)
			}
		}
	}
	for _, login := range slices.Sorted(maps.Keys(p.Roles)) {
		at := config.At{"people", "roles", login}
		b.account(login, at)
		b.one(at, "the role", p.Roles[login], "read", "triage", "write", "maintain", "admin", "none")
	}
	b.checkGone("gone", p.Gone)
	b.checkGone("unread", p.Unread)
}

// checkSpelling refuses names that GitHub would take for one.
func (b *builder) checkSpelling(names []string, key string) {
	slices.Sort(names)
	for i, name := range names {
		for _, before := range names[:i] {
			if strings.EqualFold(name, before) {
				b.doc.Mistake(config.At{"people", key, name}, "%s and %s are one name on GitHub; keep one of them", before, name)
			}
		}
	}
}

func (b *builder) checkGone(key string, names []string) {
	for i, name := range names {
		at := config.At{"people", key, i}
		switch {
		case strings.Contains(name, "/"):
			if !b.teamMatters(name) {
				b.doc.Mistake(at, "neither a gate nor codeOwners names the team %s; %s", name, config.Suggest(name, b.teamsThatMatter()))
			}
			for team := range b.file.People.Teams {
				if strings.EqualFold(team, name) {
					b.doc.Mistake(at, "the team %s is under teams too; keep one of them", name)
				}
			}
		case key == "unread":
			b.doc.Mistake(at, "the team %q must be org/slug, for example acme/sre", name)
		default:
			if _, ok := b.users[strings.ToLower(name)]; ok {
				b.doc.Mistake(at, "%s is among the people too; keep one of them", name)
			}
			if !b.loginMatters(name) {
				b.doc.Mistake(at, "neither a gate nor codeOwners names the login %s, so it does not matter that it is gone", name)
			}
		}
	}
}

func (b *builder) account(login string, at config.At) {
	key := strings.ToLower(login)
	switch _, ok := b.users[key]; {
	case ok:
		return
	case login == "" || key == ghost || strings.ContainsAny(login, "/@ "):
		b.doc.Mistake(at, "%q is not a GitHub login such as alice", login)
		return
	}
	b.logins = append(b.logins, login)
	u := approval.User{ID: approval.UserID(len(b.logins)), Login: login, Type: approval.UserTypePerson}
	if strings.HasSuffix(key, "[bot]") {
		u.Type = "Bot"
	}
	b.users[key] = u
}

// user finds somebody who is known.
func (b *builder) user(login string, at config.At) approval.User {
	u, ok := b.users[strings.ToLower(login)]
	if !ok {
		b.doc.Mistake(at, "nobody knows %q; write it under people, or another name: %s", login, config.Suggest(login, b.logins))
	}
	return u
}

func (b *builder) isGone(name string) bool {
	return slices.ContainsFunc(b.file.People.Gone, func(g string) bool { return strings.EqualFold(g, name) })
}

func (b *builder) isUnread(name string) bool {
	return slices.ContainsFunc(b.file.People.Unread, func(g string) bool { return strings.EqualFold(g, name) })
}

// owners are the code owners that the file names anywhere, spelled as they are.
func (b *builder) owners() []string {
	var out []string
	add := func(c Change) {
		for _, owners := range c.CodeOwners {
			for _, o := range owners {
				out = append(out, strings.TrimPrefix(o, "@"))
			}
		}
	}
	add(b.file.Defaults.Change)
	for _, t := range b.file.Tests {
		add(t.Change)
		for _, l := range t.Landings {
			add(l.Change)
		}
	}
	return out
}

func (b *builder) teamsThatMatter() []string {
	out := slices.DeleteFunc(b.owners(), func(o string) bool { return !strings.Contains(o, "/") })
	for _, p := range b.policies {
		teams, _ := p.People()
		for _, t := range teams {
			out = append(out, string(t))
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

func (b *builder) teamMatters(name string) bool {
	return slices.ContainsFunc(b.teamsThatMatter(), func(t string) bool { return strings.EqualFold(t, name) })
}

func (b *builder) loginMatters(login string) bool {
	same := func(o string) bool { return strings.EqualFold(o, login) }
	return slices.ContainsFunc(b.owners(), same) || slices.ContainsFunc(b.policies, func(p approval.Policy) bool {
		_, logins := p.People()
		return slices.ContainsFunc(logins, same)
	})
}

// team says that a team is known, be it as gone or as unread.
func (b *builder) team(name string, at config.At, why string) {
	known := b.isGone(name) || b.isUnread(name)
	for t := range b.file.People.Teams {
		known = known || strings.EqualFold(t, name)
	}
	if !known {
		b.doc.Mistake(at, "%s the team %s; write who is in it under people.teams, or list it under people.gone", why, name)
	}
}

// directory are the facts about people that a policy and the code owners of a
// history ask for.
func (b *builder) directory(p approval.Policy, h *history) approval.Directory {
	var d approval.Directory
	teams, logins := p.People()
	for _, t := range teams {
		b.team(string(t), config.At{"people", "teams"}, "gate "+p.Gate+" names")
	}
	for _, l := range h.lines {
		for i := range l.Landings {
			if pr := l.Landings[i].Pull; pr != nil {
				for _, o := range pr.Owners {
					teams, logins = append(teams, o.Teams...), append(logins, o.Users...)
				}
			}
		}
	}
	for _, t := range distinct(teams) {
		switch {
		case b.isGone(t):
			d.Teams = append(d.Teams, approval.Team{Name: approval.TeamName(t), Gone: true})
		case b.isUnread(t):
		default:
			d.Teams = append(d.Teams, approval.Team{Name: approval.TeamName(t), Members: b.members(t)})
		}
	}
	for _, login := range distinct(logins) {
		if u, ok := b.users[login]; ok {
			d.Users = append(d.Users, u)
		} else if b.isGone(login) {
			d.NoSuchUsers = append(d.NoSuchUsers, login)
		}
	}
	for i := range p.Repositories {
		for _, login := range b.logins {
			d.Roles = append(d.Roles, approval.RepositoryRole{
				RepositoryID: repositoryID(i), User: b.users[strings.ToLower(login)].ID, Role: b.role(login),
			})
		}
	}
	return d
}

func (b *builder) members(team string) []approval.User {
	members := []approval.User{}
	for name, logins := range b.file.People.Teams {
		if strings.EqualFold(name, team) {
			for _, login := range logins {
				members = append(members, b.users[strings.ToLower(login)])
			}
		}
	}
	slices.SortFunc(members, func(x, y approval.User) int { return int(x.ID - y.ID) })
	return slices.Compact(members)
}

func (b *builder) role(login string) string {
	for l, role := range b.file.People.Roles {
		if strings.EqualFold(l, login) {
			return role
		}
	}
	return "write"
}

// distinct are names in lower case, sorted, each once.
func distinct[S ~string](names []S) []string {
	out := make([]string, 0, len(names))
	for _, n := range names {
		out = append(out, strings.ToLower(string(n)))
	}
	slices.Sort(out)
	return slices.Compact(out)
}
