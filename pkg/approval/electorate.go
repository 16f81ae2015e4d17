package approval

import (
	"cmp"
	"slices"
	"strings"
)

// electorate are the people that something names, looked up in the directory.
type electorate struct {
	members []User // by ID
	ordered []User // by login, when they are to be named
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
	_, ok := slices.BinarySearchFunc(e.members, id, func(u User, id UserID) int { return cmp.Compare(u.ID, id) })
	return ok
}

// newElectorate looks up teams and users. A team or a login that the directory
// does not have, or has twice, is missing.
func newElectorate(d *Directory, teams []TeamName, users []string, explain bool) *electorate {
	e := &electorate{}
	size := len(users)
	for _, name := range teams {
		t, ok := teamOf(d, name)
		switch {
		case !ok:
			e.missing = append(e.missing, "team "+string(name))
		case t.Gone:
			e.gone = append(e.gone, "team "+string(name))
		default:
			size += len(t.Members)
		}
	}
	e.members = make([]User, 0, size)
	for _, name := range teams {
		if t, ok := teamOf(d, name); ok && !t.Gone {
			e.members = append(e.members, t.Members...)
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
	slices.SortFunc(e.members, func(a, b User) int { return cmp.Compare(a.ID, b.ID) })
	e.members = slices.CompactFunc(e.members, func(a, b User) bool { return a.ID == b.ID })
	if explain {
		e.ordered = slices.SortedFunc(slices.Values(e.members), func(a, b User) int { return strings.Compare(a.Login, b.Login) })
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
func accountOf(d *Directory, login string) (User, bool) {
	var found User
	for _, u := range d.Users {
		if !strings.EqualFold(u.Login, login) {
			continue
		}
		if u.ID <= 0 || (found.ID != 0 && found.ID != u.ID) {
			return User{}, false
		}
		found = u
	}
	return found, found.ID != 0
}

func namesOf(teams []TeamName, users []string) string {
	names := make([]string, 0, len(teams)+len(users))
	for _, t := range teams {
		names = append(names, string(t))
	}
	return strings.Join(append(names, users...), ", ")
}

// roleOf is what a user may do in a repository. It is not known when the facts
// do not say it, or say two things.
type roleKey struct {
	repository int64
	user       UserID
}

// contradictory is the role of somebody about whom the facts say two things.
const contradictory = "?"

func newRoles(d *Directory) map[roleKey]string {
	roles := make(map[roleKey]string, len(d.Roles))
	for _, role := range d.Roles {
		key := roleKey{role.RepositoryID, role.User}
		if before, ok := roles[key]; ok && before != role.Role {
			role.Role = contradictory
		}
		roles[key] = role.Role
	}
	return roles
}
