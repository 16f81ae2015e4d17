package reviewrequest

import (
	"cmp"
	"hash/fnv"
	"slices"
	"strconv"
	"strings"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
)

// Mode says who is asked for a requirement.
type Mode string

// The modes. The zero Mode asks nobody.
const (
	// People asks as many as are missing, the least loaded first.
	People Mode = "people"
	// Team asks the teams that the requirement names.
	Team Mode = "team"
)

// question is what is known of one pull request.
type question struct {
	pull      int
	vacancies []vacancy
	// asked are those whose review is waited for, reviewed all who ever gave one.
	asked      []approval.UserID
	askedTeams []approval.TeamName
	reviewed   []approval.UserID
	// known are those who were ever seen to be asked, refused those whom GitHub does not
	// let be asked.
	known        []approval.UserID
	knownTeams   []approval.TeamName
	refused      []approval.UserID
	refusedTeams []approval.TeamName
	// load is how many other pull requests wait for somebody.
	load map[approval.UserID]int
}

// vacancy is a requirement of a gate that asks.
type vacancy struct {
	approval.Vacancy
	gate string
	mode Mode
}

// answer is who is to be asked.
type answer struct {
	users []approval.User
	teams []approval.TeamName
}

func (a answer) none() bool { return len(a.users)+len(a.teams) == 0 }

// choose says who is to be asked. It does not depend on the order of anything.
func (q question) choose() answer {
	var out answer
	asked := slices.Concat(q.asked, q.waited())
	var people []vacancy
	for _, v := range q.vacancies {
		switch {
		case q.teamAsked(v):
		case v.mode == People:
			people = append(people, v) // they are looked at together
		case v.mode != Team, short([]vacancy{v}, asked) == 0:
		case len(v.Teams) > 0:
			for _, t := range v.Teams {
				if !hasTeam(q.refusedTeams, t) && !hasTeam(out.teams, t) {
					out.teams = append(out.teams, t)
				}
			}
		default: // a requirement that names people: all of them
			for _, u := range q.eligible([]vacancy{v}, asked) {
				out.users = append(out.users, u)
				asked = append(asked, u.ID)
			}
		}
	}
	return answer{append(out.users, q.fewest(people, asked)...), out.teams}
}

// fewest are people who together fill as much as can be filled, of whom nobody can be left
// out. Whoever fills the most comes first, then whoever has the least to do.
func (q question) fewest(vacancies []vacancy, asked []approval.UserID) []approval.User {
	candidates := q.eligible(vacancies, asked)
	var chosen []approval.User
	with := func(users []approval.User) int {
		all := slices.Clone(asked)
		for _, u := range users {
			all = append(all, u.ID)
		}
		return short(vacancies, all)
	}
	for left := with(nil); left > 0; {
		best, most := -1, 0
		for i, u := range candidates {
			if gain := left - with(append(slices.Clip(chosen), u)); gain > most {
				best, most = i, gain
			}
		}
		if best < 0 {
			break // nobody else can help
		}
		chosen, left = append(chosen, candidates[best]), left-most
		candidates = slices.Delete(candidates, best, best+1)
	}
	for i := 0; i < len(chosen); {
		// Somebody who came later may fill the same.
		if without := slices.Delete(slices.Clone(chosen), i, i+1); with(without) == with(chosen) {
			chosen = without
			continue
		}
		i++
	}
	return chosen
}

// waited are those who were asked and gave a review.
func (q question) waited() []approval.UserID {
	var out []approval.UserID
	for _, id := range q.known {
		if slices.Contains(q.reviewed, id) && !slices.Contains(q.asked, id) {
			out = append(out, id)
		}
	}
	return out
}

// teamAsked says whether a team of the requirement was asked, now or before: GitHub takes
// the team off the list with the first review of a member.
func (q question) teamAsked(v vacancy) bool {
	return slices.ContainsFunc(v.Teams, func(t approval.TeamName) bool { return hasTeam(q.askedTeams, t) || hasTeam(q.knownTeams, t) })
}

// eligible are those who may be asked for some of the vacancies, the least loaded first.
func (q question) eligible(vacancies []vacancy, asked []approval.UserID) []approval.User {
	var out []approval.User
	for _, v := range vacancies {
		for _, u := range v.Able {
			// Known but not asked any more, and without a review: taken off the list.
			gone := slices.Contains(q.known, u.ID) || slices.Contains(q.refused, u.ID)
			known := slices.ContainsFunc(out, func(o approval.User) bool { return o.ID == u.ID })
			if u.Type == approval.UserTypePerson && !gone && !known && !slices.Contains(asked, u.ID) {
				out = append(out, u)
			}
		}
	}
	slices.SortFunc(out, func(a, b approval.User) int {
		return cmp.Or(cmp.Compare(q.load[a.ID], q.load[b.ID]), cmp.Compare(q.lot(a.ID), q.lot(b.ID)), cmp.Compare(a.ID, b.ID))
	})
	return out
}

// lot is a number by chance, but always the same of one person and pull request, so that
// it is not always the same people who come first.
func (q question) lot(id approval.UserID) uint32 {
	h := fnv.New32a()
	_, _ = h.Write([]byte(strconv.Itoa(q.pull) + "/" + strconv.FormatInt(int64(id), 10))) // a hash never fails
	return h.Sum32()
}

// short is how many approvals nobody is asked for. Where one approval fills one
// requirement alone, it is the best that can be had.
func short(vacancies []vacancy, asked []approval.UserID) int {
	asked = slices.Compact(slices.Sorted(slices.Values(asked)))
	missing := 0
	seats := map[string][]vacancy{} // by gate, one for each approval that wants somebody for itself
	for _, v := range vacancies {
		if v.Distinct {
			for range v.Missing {
				seats[v.gate] = append(seats[v.gate], v)
			}
			continue
		}
		n := 0
		for _, id := range asked {
			if able(v, id) {
				n++
			}
		}
		missing += max(0, v.Missing-n)
	}
	for _, of := range seats {
		missing += len(of) - match(of, asked)
	}
	return missing
}

// match is how many seats can be filled by different people (augmenting paths).
func match(seats []vacancy, people []approval.UserID) int {
	sits := map[approval.UserID]int{} // by seat, counted from 1
	var seat func(i int, tried map[approval.UserID]bool) bool
	seat = func(i int, tried map[approval.UserID]bool) bool {
		for _, id := range people {
			if tried[id] || !able(seats[i], id) {
				continue
			}
			tried[id] = true
			if sits[id] == 0 || seat(sits[id]-1, tried) {
				sits[id] = i + 1
				return true
			}
		}
		return false
	}
	n := 0
	for i := range seats {
		if seat(i, map[approval.UserID]bool{}) {
			n++
		}
	}
	return n
}

func able(v vacancy, id approval.UserID) bool {
	return slices.ContainsFunc(v.Able, func(u approval.User) bool { return u.ID == id })
}

func hasTeam(teams []approval.TeamName, t approval.TeamName) bool {
	return slices.ContainsFunc(teams, func(o approval.TeamName) bool { return strings.EqualFold(string(o), string(t)) })
}
