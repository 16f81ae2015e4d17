package approval

import (
	"maps"
	"slices"
	"strings"
)

// roll is the list of those who may vote, looked up once for all landings.
type roll struct {
	quorum Quorum
	// By requirement: its people, the same in the order of their logins, and
	// what is not known about them.
	eligible []map[UserID]User
	ordered  [][]User
	missing  [][]string
	roles    map[roleKey]string
}

type roleKey struct {
	repository int64
	user       UserID
}

// contradictory is the role of somebody about whom the facts say two things.
const contradictory = "?"

func newRoll(q Quorum, d Directory) roll {
	r := roll{quorum: q, roles: make(map[roleKey]string, len(d.Roles))}
	for _, role := range d.Roles {
		key := roleKey{role.RepositoryID, role.User}
		if before, ok := r.roles[key]; ok && before != role.Role {
			role.Role = contradictory
		}
		r.roles[key] = role.Role
	}
	for _, requirement := range q.Requirements {
		set := map[UserID]User{}
		var missing []string
		for _, name := range requirement.Teams {
			members, ok := membersOf(d, name)
			if !ok {
				missing = append(missing, "team "+string(name))
			}
			for _, u := range members {
				set[u.ID] = u
			}
		}
		for _, login := range requirement.Users {
			u, ok := accountOf(d, login)
			if !ok {
				missing = append(missing, "user "+login)
				continue
			}
			set[u.ID] = u
		}
		r.eligible = append(r.eligible, set)
		r.ordered = append(r.ordered, slices.SortedFunc(maps.Values(set), func(a, b User) int { return strings.Compare(a.Login, b.Login) }))
		r.missing = append(r.missing, missing)
	}
	return r
}

// membersOf finds a team. It must be there once, and every member with an ID.
func membersOf(d Directory, name TeamName) ([]User, bool) {
	var found *Team
	for i := range d.Teams {
		if strings.EqualFold(string(d.Teams[i].Name), string(name)) {
			if found != nil {
				return nil, false
			}
			found = &d.Teams[i]
		}
	}
	if found == nil || slices.ContainsFunc(found.Members, func(u User) bool { return u.ID <= 0 }) {
		return nil, false
	}
	return found.Members, true
}

// accountOf finds the one account with a login.
func accountOf(d Directory, login string) (User, bool) {
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

func (r roll) mayVote(id UserID) bool {
	return slices.ContainsFunc(r.eligible, func(set map[UserID]User) bool { _, ok := set[id]; return ok })
}

// stillAble are those who could fulfil the requirement but have not.
func (r roll) stillAble(i int, pr PullRequest, counted []User, parts map[UserID]Code) []User {
	var out []User
	for _, u := range r.ordered[i] {
		if _, part := parts[u.ID]; part || u.Type != UserTypePerson {
			continue
		}
		if role, known := r.roles[roleKey{pr.BaseRepositoryID, u.ID}]; known && !mayWrite(role) {
			continue
		}
		if slices.ContainsFunc(counted, func(c User) bool { return c.ID == u.ID }) {
			continue
		}
		out = append(out, u)
	}
	return out
}
