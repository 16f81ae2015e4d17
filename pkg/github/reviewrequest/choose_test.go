package reviewrequest

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
)

func user(id int) approval.User {
	return approval.User{ID: approval.UserID(id), Login: fmt.Sprintf("user%d", id), Type: approval.UserTypePerson}
}

func users(ids ...int) []approval.User {
	var out []approval.User
	for _, id := range ids {
		out = append(out, user(id))
	}
	return out
}

func needs(missing int, of ...int) vacancy {
	return vacancy{Vacancy: approval.Vacancy{Missing: missing, Able: users(of...), Teams: []approval.TeamName{"acme/sre"}}, gate: "prod", mode: People}
}

func ids(list []approval.User) []int {
	out := []int{}
	for _, u := range list {
		out = append(out, int(u.ID))
	}
	slices.Sort(out)
	return out
}

func TestChoose(t *testing.T) {
	t.Parallel()
	team := func(v vacancy) vacancy { v.mode = Team; return v }
	distinct := func(v vacancy) vacancy { v.Distinct = true; return v }
	nameless := func(v vacancy) vacancy { v.Teams = nil; return v }
	elsewhere := func(v vacancy) vacancy { v.gate = "stage"; return v }
	load := map[approval.UserID]int{1: 3, 2: 2, 3: 1, 4: 0}
	for _, test := range []struct {
		name  string
		q     question
		want  []int
		teams []approval.TeamName
	}{
		{name: "nothing is missing", q: question{}, want: []int{}},
		{name: "the least loaded", q: question{vacancies: []vacancy{needs(2, 1, 2, 3, 4)}}, want: []int{3, 4}},
		{name: "who is asked counts", q: question{vacancies: []vacancy{needs(2, 1, 2, 3, 4)}, asked: []approval.UserID{1}}, want: []int{4}},
		{name: "enough are asked", q: question{vacancies: []vacancy{needs(2, 1, 2, 3, 4)}, asked: []approval.UserID{1, 2}}, want: []int{}},
		{name: "who is asked and cannot does not count", q: question{vacancies: []vacancy{needs(1, 1, 2)}, asked: []approval.UserID{9}}, want: []int{2}},
		{name: "who reviewed after being asked counts", q: question{vacancies: []vacancy{needs(1, 1, 2)}, known: []approval.UserID{1}, reviewed: []approval.UserID{1}}, want: []int{}},
		{name: "who reviewed by himself is asked", q: question{vacancies: []vacancy{needs(1, 1)}, reviewed: []approval.UserID{1}}, want: []int{1}},
		{name: "who was taken off is not asked again", q: question{vacancies: []vacancy{needs(1, 3, 4)}, known: []approval.UserID{4}}, want: []int{3}},
		{name: "nobody is left", q: question{vacancies: []vacancy{needs(1, 4)}, known: []approval.UserID{4}}, want: []int{}},
		{name: "who cannot be asked", q: question{vacancies: []vacancy{needs(1, 3, 4)}, refused: []approval.UserID{4}}, want: []int{3}},
		{name: "as many as there are", q: question{vacancies: []vacancy{needs(3, 3, 4)}}, want: []int{3, 4}},
		{name: "a team of the requirement is asked", q: question{vacancies: []vacancy{needs(2, 1, 2)}, askedTeams: []approval.TeamName{"ACME/sre"}}, want: []int{}},
		{name: "a team was asked", q: question{vacancies: []vacancy{needs(1, 1, 2)}, knownTeams: []approval.TeamName{"acme/sre"}}, want: []int{}},
		{name: "the team", q: question{vacancies: []vacancy{team(needs(1, 1, 2))}}, want: []int{}, teams: []approval.TeamName{"acme/sre"}},
		{name: "the team, but enough people are asked", q: question{vacancies: []vacancy{team(needs(1, 1, 2))}, asked: []approval.UserID{2}}, want: []int{}},
		{name: "the team cannot be asked", q: question{vacancies: []vacancy{team(needs(1, 1))}, refusedTeams: []approval.TeamName{"acme/sre"}}, want: []int{}},
		{name: "a team that is only people", q: question{vacancies: []vacancy{nameless(team(needs(1, 1, 2, 3)))}}, want: []int{1, 2, 3}},
		{name: "one for both", q: question{vacancies: []vacancy{needs(1, 1, 4), needs(1, 1)}}, want: []int{1}},
		{name: "one for both, found late", q: question{vacancies: []vacancy{needs(1, 1, 4), needs(1, 1, 2, 3)}}, want: []int{1}},
		{name: "each for one", q: question{vacancies: []vacancy{distinct(needs(1, 1, 4)), distinct(needs(1, 1))}}, want: []int{1, 4}},
		{name: "the same in two gates", q: question{vacancies: []vacancy{distinct(needs(1, 1)), elsewhere(distinct(needs(1, 1)))}}, want: []int{1}},
		{name: "a gate that asks nobody", q: question{vacancies: []vacancy{{Vacancy: needs(1, 1).Vacancy}}}, want: []int{}},
		{name: "a bot", q: question{vacancies: []vacancy{{Vacancy: approval.Vacancy{Missing: 1, Able: []approval.User{{ID: 7, Login: "x[bot]", Type: "Bot"}}}, mode: People}}}, want: []int{}},
	} {
		t.Run(test.name, func(t *testing.T) {
			test.q.load = load
			got := test.q.choose()
			require.Equal(t, test.want, ids(got.users))
			require.Equal(t, test.teams, got.teams)
		})
	}
}

// TestChooseByChance: with the same load it is not always the same people, and of one pull
// request always the same.
func TestChooseByChance(t *testing.T) {
	t.Parallel()
	seen := map[int]bool{}
	for pull := range 40 {
		q := question{pull: pull + 1, vacancies: []vacancy{needs(1, 1, 2, 3, 4)}}
		got := q.choose()
		require.Len(t, got.users, 1)
		slices.Reverse(q.vacancies[0].Able)
		require.Equal(t, got, q.choose())
		seen[int(got.users[0].ID)] = true
	}
	require.Len(t, seen, 4)
}

// TestChooseProperties asks an oracle of its own, which tries every set of people.
func TestChooseProperties(t *testing.T) {
	t.Parallel()
	const people = 6
	r := rand.New(rand.NewPCG(7, 11)) // a test has to repeat itself
	some := func(p float64) []approval.UserID {
		var out []approval.UserID
		for id := 1; id <= people; id++ {
			if r.Float64() < p {
				out = append(out, approval.UserID(id))
			}
		}
		return out
	}
	for range 4_000 {
		q := question{pull: r.IntN(100), asked: some(.15), known: some(.2), reviewed: some(.3), refused: some(.1), load: map[approval.UserID]int{}}
		for id := range people {
			q.load[approval.UserID(id+1)] = r.IntN(3)
		}
		distinct := r.IntN(2) == 0
		for range 1 + r.IntN(3) {
			v := vacancy{mode: People, gate: "prod"}
			v.Missing, v.Distinct = 1+r.IntN(3), distinct
			for _, id := range some(.5) {
				v.Able = append(v.Able, user(int(id)))
			}
			q.vacancies = append(q.vacancies, v)
		}
		got := q.choose()
		require.Empty(t, got.teams)
		chosen := map[approval.UserID]bool{}
		for _, u := range got.users {
			require.False(t, chosen[u.ID], "asked twice")
			chosen[u.ID] = true
			require.NotContains(t, q.asked, u.ID, "asked already")
			require.NotContains(t, q.known, u.ID, "asked before")
			require.NotContains(t, q.refused, u.ID)
		}
		// Who counts without being asked.
		counted := map[approval.UserID]bool{}
		for _, id := range q.asked {
			counted[id] = true
		}
		for _, id := range q.known {
			if slices.Contains(q.reviewed, id) {
				counted[id] = true
			}
		}
		missing := 0
		for _, v := range q.vacancies {
			missing += v.Missing
		}
		require.LessOrEqual(t, len(chosen), missing)
		all := oracle(q, counted, chosen)
		for id := range chosen {
			less := map[approval.UserID]bool{}
			for other := range chosen {
				less[other] = other != id
			}
			require.Less(t, oracle(q, counted, less), all, "%d is not needed: %+v", id, q)
		}
		// Nobody else could help.
		for id := approval.UserID(1); id <= people; id++ {
			if counted[id] || chosen[id] || slices.Contains(q.known, id) || slices.Contains(q.refused, id) {
				continue
			}
			more := map[approval.UserID]bool{id: true}
			for other := range chosen {
				more[other] = true
			}
			require.Equal(t, all, oracle(q, counted, more), "%d was left out: %+v", id, q)
		}
	}
}

// oracle is how many approvals could come of those who are asked, by trying out all ways
// to give people to requirements.
func oracle(q question, counted, chosen map[approval.UserID]bool) int {
	var who []approval.UserID
	for id := approval.UserID(1); id <= 6; id++ {
		if counted[id] || chosen[id] {
			who = append(who, id)
		}
	}
	can := func(v vacancy, id approval.UserID) bool { return slices.Contains(v.Able, user(int(id))) }
	if !q.vacancies[0].Distinct {
		total := 0
		for _, v := range q.vacancies {
			n := 0
			for _, id := range who {
				if can(v, id) {
					n++
				}
			}
			total += min(n, v.Missing)
		}
		return total
	}
	left := make([]int, len(q.vacancies))
	for i, v := range q.vacancies {
		left[i] = v.Missing
	}
	var best func(i int) int
	best = func(i int) int {
		if i == len(who) {
			return 0
		}
		most := best(i + 1)
		for n, v := range q.vacancies {
			if left[n] > 0 && can(v, who[i]) {
				left[n]--
				most = max(most, 1+best(i+1))
				left[n]++
			}
		}
		return most
	}
	return best(0)
}
