package approval

import (
	"cmp"
	"slices"
	"strings"
)

// electorate are the people that something names, looked up in the directory.
type electorate struct {
	// teams and users are those of the directory that are named, size how many people
	// they are at most: somebody may be in several.
	teams []*Team
	users []*User
	size  int
	// sorted and ordered are these people, each once, by ID and by login; nil before
	// they were asked for.
	sorted, ordered []*User
	// missing names what is not known about them, gone what does not exist.
	missing, gone []string
	// everybody is true when a role alone makes somebody a member.
	everybody bool
	// text names them for people.
	text string
}

// has says whether somebody is a member. Among few people it looks at each, which is
// faster than to sort them.
func (e *electorate) has(id UserID) bool {
	if e.everybody {
		return true
	}
	if e.size > 64 {
		_, ok := slices.BinarySearchFunc(e.members(), id, func(u *User, id UserID) int { return cmp.Compare(u.ID, id) })
		return ok
	}
	for _, t := range e.teams {
		for i := range t.Members {
			if t.Members[i].ID == id {
				return true
			}
		}
	}
	for _, u := range e.users {
		if u.ID == id {
			return true
		}
	}
	return false
}

// members are the people by ID.
func (e *electorate) members() []*User {
	if e.sorted == nil {
		e.sort()
	}
	return e.sorted
}

func (e *electorate) sort() {
	e.sorted = make([]*User, 0, e.size)
	for _, t := range e.teams {
		for i := range t.Members {
			e.sorted = append(e.sorted, &t.Members[i])
		}
	}
	e.sorted = append(e.sorted, e.users...)
	slices.SortFunc(e.sorted, func(a, b *User) int { return cmp.Compare(a.ID, b.ID) })
	e.sorted = slices.CompactFunc(e.sorted, func(a, b *User) bool { return a.ID == b.ID })
}

// byLogin are the people by login, in which order they are named.
func (e *electorate) byLogin() []*User {
	if e.ordered == nil {
		e.ordered = slices.SortedFunc(slices.Values(e.members()), func(a, b *User) int { return strings.Compare(a.Login, b.Login) })
	}
	return e.ordered
}

// newElectorate looks up teams and users. A team or a login that the directory
// does not have, or has twice, is missing.
func newElectorate(d *Directory, teams []TeamName, users []string) *electorate {
	e := &electorate{}
	e.lookUp(d, teams, users)
	return e
}

func (e *electorate) lookUp(d *Directory, teams []TeamName, users []string) {
	e.teams = make([]*Team, 0, len(teams))
	for _, name := range teams {
		t, ok := teamOf(d, name)
		switch {
		case !ok:
			e.missing = append(e.missing, "team "+string(name))
		case t.Gone:
			e.gone = append(e.gone, "team "+string(name))
		default:
			e.teams = append(e.teams, t)
			e.size += len(t.Members)
		}
	}
	for _, login := range users {
		switch u, known := accountOf(d, login); {
		case known:
			e.users = append(e.users, u)
			e.size++
		case slices.ContainsFunc(d.NoSuchUsers, func(s string) bool { return strings.EqualFold(s, login) }):
			e.gone = append(e.gone, "user "+login)
		default:
			e.missing = append(e.missing, "user "+login)
		}
	}
}

// teamOf finds a team. It must be there once, and every member with an ID.
func teamOf(d *Directory, name TeamName) (*Team, bool) {
	var found *Team
	for i := range d.Teams {
		if strings.EqualFold(string(d.Teams[i].Name), string(name)) {
			if found != nil {
				return nil, false
			}
			found = &d.Teams[i]
		}
	}
	if found == nil || (found.Gone && len(found.Members) > 0) {
		return nil, false
	}
	for i := range found.Members {
		if found.Members[i].ID <= 0 {
			return nil, false
		}
	}
	return found, true
}

// accountOf finds the one account with a login.
func accountOf(d *Directory, login string) (*User, bool) {
	var found *User
	for i := range d.Users {
		u := &d.Users[i]
		if !strings.EqualFold(u.Login, login) {
			continue
		}
		if u.ID <= 0 || (found != nil && found.ID != u.ID) {
			return nil, false
		}
		found = u
	}
	return found, found != nil
}

func namesOf(teams []TeamName, users []string) string {
	names := make([]string, 0, len(teams)+len(users))
	for _, t := range teams {
		names = append(names, string(t))
	}
	return strings.Join(append(names, users...), ", ")
}

// contradictory is the role of somebody about whom the facts say two things.
const contradictory = "?"

// newRoles are what users may do in a repository. It is not known when the facts
// do not say it, or say two things.
func newRoles(d *Directory, repository int64) map[UserID]string {
	roles := make(map[UserID]string, len(d.Roles))
	for i := range d.Roles {
		r := &d.Roles[i]
		if r.RepositoryID != repository {
			continue
		}
		role := r.Role
		if before, ok := roles[r.User]; ok && before != role {
			role = contradictory
		}
		roles[r.User] = role
	}
	return roles
}
