package approval

import (
	"cmp"
	"slices"
	"strings"
)

// electorate are the people that something names, looked up in the directory.
type electorate struct {
	members []*User // by ID
	ordered []*User // by login, when they are to be named
	// missing names what is not known about them, gone what does not exist.
	missing, gone []string
	// everybody is true when a role alone makes somebody a member.
	everybody bool
	// text names them for people.
	text string
}

func (e *electorate) has(id UserID) bool {
	if e.everybody {
		return true
	}
	_, ok := slices.BinarySearchFunc(e.members, id, func(u *User, id UserID) int { return cmp.Compare(u.ID, id) })
	return ok
}

// newElectorate looks up teams and users. A team or a login that the directory
// does not have, or has twice, is missing.
func newElectorate(d *Directory, teams []TeamName, users []string, explain bool) *electorate {
	e := &electorate{}
	for _, name := range teams {
		t, ok := teamOf(d, name)
		switch {
		case !ok:
			e.missing = append(e.missing, "team "+string(name))
		case t.Gone:
			e.gone = append(e.gone, "team "+string(name))
		default:
			e.members = slices.Grow(e.members, len(t.Members))
			for i := range t.Members {
				e.members = append(e.members, &t.Members[i])
			}
		}
	}
	for _, login := range users {
		switch u, known := accountOf(d, login); {
		case known:
			e.members = append(e.members, u)
		case slices.ContainsFunc(d.NoSuchUsers, func(s string) bool { return strings.EqualFold(s, login) }):
			e.gone = append(e.gone, "user "+login)
		default:
			e.missing = append(e.missing, "user "+login)
		}
	}
	slices.SortFunc(e.members, func(a, b *User) int { return cmp.Compare(a.ID, b.ID) })
	e.members = slices.CompactFunc(e.members, func(a, b *User) bool { return a.ID == b.ID })
	if explain {
		e.ordered = slices.SortedFunc(slices.Values(e.members), func(a, b *User) int { return strings.Compare(a.Login, b.Login) })
	}
	return e
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
	if found == nil || (found.Gone && len(found.Members) > 0) || slices.ContainsFunc(found.Members, func(u User) bool { return u.ID <= 0 }) {
		return nil, false
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
