package dora_test

import (
	"maps"
	"slices"
	"sort"

	"github.com/argo-gatekeeper/gatekeeper/pkg/history/dora"
)

// middle is the median in minutes; −1 of none. It counts how many there are of each length.
func middle(lengths []int) float64 {
	if len(lengths) == 0 {
		return -1
	}
	counts := make([]int, slices.Max(lengths)+1)
	for _, l := range lengths {
		counts[l]++
	}
	at := func(rank int) int {
		for l, n := range counts {
			if rank -= n; rank <= 0 {
				return l
			}
		}
		return -1
	}
	n := len(lengths)
	return float64(at((n+1)/2)+at(n/2+1)) / 2
}

// oracleReport has what both are compared by.
type oracleReport struct {
	Deployments, Failed, Successful, Open, Undetermined, Rework, All int
	NotCounted                                                       map[dora.Outcome]int
	Signals                                                          map[dora.Signal]int
	Kinds                                                            map[dora.Rework]int
	Weeks                                                            int
	ActiveDays                                                       float64
	Intervals                                                        int
	Interval                                                         float64
	Changes                                                          int
	Bases                                                            map[dora.Basis]int
	Lead                                                             [6]oracleTimes // whole, then the segments
	Recovered                                                        int
	Recovery                                                         float64
	Unrecovered                                                      []string
	Unobserved                                                       int
}

type oracleTimes struct {
	Count, Negative, Unknown int
	Median                   float64
}

func (t *oracleTimes) add(lengths *[]int, from, to int, known bool) {
	switch {
	case !known:
		t.Unknown++
	case to < from:
		t.Negative++
	default:
		t.Count++
		*lengths = append(*lengths, to-from)
	}
}

func oracle(apps []*oracleApp, in func(dora.Application) bool, from, to int) oracleReport {
	r := oracleReport{NotCounted: map[dora.Outcome]int{}, Signals: map[dora.Signal]int{}, Kinds: map[dora.Rework]int{}, Bases: map[dora.Basis]int{}}
	inside := func(m int) bool { return m >= from && m < to }
	var deployed, recoveries []int
	changes := map[string]dora.Change{}
	for _, o := range apps {
		if !in(o.app) {
			continue
		}
		for i, op := range o.ops {
			for _, c := range op.Changes {
				changes[c.ID] = c
			}
			end := minuteOf(op.StartedAt)
			if !op.FinishedAt.IsZero() {
				end = minuteOf(op.FinishedAt)
			}
			if !inside(end) {
				continue
			}
			outcome := o.outcome(i)
			if o.class[i] != "deployment" {
				r.NotCounted[outcome]++
				continue
			}
			r.All++
			kinds := map[dora.Rework]bool{}
			for _, k := range op.Rework {
				kinds[k] = true
			}
			for k := range kinds {
				r.Kinds[k]++
			}
			r.Rework += min(1, len(kinds))
			if outcome != dora.OutcomeFailed {
				deployed = append(deployed, end)
			}
			switch {
			case o.open[i]:
				r.Open++
			case outcome == dora.OutcomeFailed:
				r.Failed++
				for s := range o.reasons[i] {
					r.Signals[s]++
				}
			case outcome == dora.OutcomeUndetermined:
				r.Undetermined++
			default:
				r.Successful++
			}
		}
		r.recoveries(o, inside, &recoveries)
	}
	r.Recovered = len(recoveries)
	r.Recovery = middle(recoveries)
	sort.Strings(r.Unrecovered)
	r.frequency(deployed, from, to)
	r.leadTimes(apps, in, changes, inside)
	return r
}

func (r *oracleReport) recoveries(o *oracleApp, inside func(int) bool, lengths *[]int) {
	previous, maybe, any := 0, false, false
	for i, op := range o.ops {
		if o.class[i] != "deployment" || o.outcome(i) != dora.OutcomeFailed {
			continue
		}
		late, soon := o.recovered(i, "unseen"), o.recovered(i, dora.Healthy)
		// Of two that never were seen to recover, the first may have in between.
		further := any && late == previous && (late >= 0 || !maybe || soon >= 0)
		previous, maybe, any = late, soon >= 0, true
		if further || !inside(minuteOf(op.FinishedAt)) {
			continue
		}
		switch {
		case late != soon:
			r.Unobserved++
		case late < 0:
			r.Unrecovered = append(r.Unrecovered, op.ID)
		default:
			*lengths = append(*lengths, late-minuteOf(op.FinishedAt))
		}
	}
}

func (r *oracleReport) frequency(deployed []int, from, to int) {
	sort.Ints(deployed)
	r.Deployments = len(deployed)
	var gaps []int
	for i := range deployed {
		if i > 0 {
			gaps = append(gaps, deployed[i]-deployed[i-1])
		}
	}
	r.Intervals, r.Interval = len(gaps), middle(gaps)
	// Minute 0 is the beginning of a Monday.
	active := map[int]map[int]bool{}
	for week := 0; week*7*day < to; week++ {
		if week*7*day >= from && (week+1)*7*day <= to {
			active[week] = map[int]bool{}
		}
	}
	for _, m := range deployed {
		if days, whole := active[m/(7*day)]; whole {
			days[m/day] = true
		}
	}
	var counts []int
	for _, days := range active {
		counts = append(counts, len(days))
	}
	r.Weeks, r.ActiveDays = len(counts), middle(counts)
}

func (r *oracleReport) leadTimes(apps []*oracleApp, in func(dora.Application) bool, changes map[string]dora.Change, inside func(int) bool) {
	var lengths [6][]int
	for _, id := range slices.Sorted(maps.Keys(changes)) {
		c := changes[id]
		best, soonest, synced, name := -1, -1, -1, ""
		for _, o := range apps {
			if !in(o.app) {
				continue
			}
			healthy, earliest, began, found := o.delivered(id)
			if !found {
				continue
			}
			if soonest < 0 || earliest < soonest {
				soonest = earliest
			}
			if best < 0 || healthy < best || (healthy == best && o.app.Name < name) {
				best, synced, name = healthy, began, o.app.Name
			}
		}
		if best < 0 || !inside(best) {
			continue
		}
		r.Changes++
		if !c.Committed.IsZero() {
			r.Bases[c.Basis]++
		}
		sure := best == soonest
		ct, ot, qt, mt := minuteOf(c.Committed), minuteOf(c.Opened), minuteOf(c.Quorum), minuteOf(c.Merged)
		hc, ho, hq, hm := !c.Committed.IsZero(), !c.Opened.IsZero(), !c.Quorum.IsZero(), !c.Merged.IsZero()
		r.Lead[0].add(&lengths[0], ct, best, hc && sure)
		r.Lead[1].add(&lengths[1], ct, ot, hc && ho)
		r.Lead[2].add(&lengths[2], ot, qt, ho && hq)
		r.Lead[3].add(&lengths[3], qt, mt, hq && hm)
		r.Lead[4].add(&lengths[4], mt, synced, hm)
		r.Lead[5].add(&lengths[5], synced, best, sure)
	}
	for i := range lengths {
		r.Lead[i].Median = middle(lengths[i])
	}
}
