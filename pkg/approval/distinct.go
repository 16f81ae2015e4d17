package approval

// assignment gives people to demands so that nobody fills two. It finds as many
// as there can be, by augmenting paths (Kuhn's algorithm); earlier demands are
// filled first.
type assignment struct {
	choices [][]UserID
	taken   map[UserID]int // person to demand
}

// assign says how many people each demand gets of those it can choose from, at
// most as many as it asks for.
func assign(counts []tally, choices [][]UserID) []int {
	a := assignment{choices: choices, taken: map[UserID]int{}}
	given := make([]int, len(counts))
	for i := range counts {
		for given[i] < counts[i].requirement.Approvals && a.augment(i, map[UserID]bool{}) {
			given[i]++
		}
	}
	return given
}

// augment finds one more person for a demand, if need be by giving another
// demand somebody else.
func (a *assignment) augment(demand int, tried map[UserID]bool) bool {
	for _, id := range a.choices[demand] {
		if tried[id] {
			continue
		}
		tried[id] = true
		owner, taken := a.taken[id]
		if !taken || (owner != demand && a.augment(owner, tried)) {
			a.taken[id] = demand
			return true
		}
	}
	return false
}

// distinguish lets nobody fill two demands.
func distinguish(b *ballot, counts []tally) {
	now, possible := make([][]UserID, len(counts)), make([][]UserID, len(counts))
	for i := range counts {
		for n := range b.opinions {
			if o := &b.opinions[n]; o.fits(counts[i].demand) == objCounted {
				now[i] = append(now[i], o.user.ID)
			}
		}
		possible[i] = append(possible[i], now[i]...)
		for _, u := range counts[i].able {
			possible[i] = append(possible[i], u.ID)
		}
	}
	filled, reached := assign(counts, now), assign(counts, possible)
	for i := range counts {
		counts[i].filled = filled[i]
		counts[i].reach = max(reached[i]-filled[i], 0)
	}
}
