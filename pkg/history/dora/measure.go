package dora

import (
	"cmp"
	"slices"
	"time"
)

// Has says whether an Application is in the scope.
func (s Scope) Has(a Assessed) bool {
	switch s.Kind {
	case ScopeAll:
		return true
	case ScopeApplication:
		return a.Name == s.Name
	case ScopeGate:
		return a.Gate == s.Name
	case ScopeTeam:
		return slices.Contains(a.Teams, s.Name)
	default:
		return false
	}
}

// Measure computes the metrics of a scope over a window: a deployment and its failure
// belong to the window in which its sync ended, a change to the one in which it became
// Healthy first. All events of all Applications are taken together; no number is a mean
// of others.
func Measure(all []Assessed, scope Scope, window Window, policy Policy) Report {
	r := Report{Scope: scope, Window: window, NotCounted: map[Outcome]int{}}
	var in []Assessed
	for _, a := range all {
		if scope.Has(a) {
			in = append(in, a)
			r.ObservedFrom = firstOf(r.ObservedFrom, a.observedFrom())
			if a.archived.After(r.ArchivedUntil) {
				r.ArchivedUntil = a.archived
			}
		}
	}
	r.Applications = len(in)
	r.ChangeFailRate.Signals, r.Rework.Kinds = map[Signal]int{}, map[Rework]int{}
	var deployed []time.Time
	for _, a := range in {
		for _, d := range a.Deployments {
			if window.Contains(d.moment()) && r.count(d) {
				deployed = append(deployed, d.FinishedAt)
			}
		}
	}
	r.ChangeFailRate.Rate = ratio(r.ChangeFailRate.Failed, r.ChangeFailRate.Failed+r.ChangeFailRate.Successful)
	r.Rework.Rate = ratio(r.Rework.Rework, r.Rework.Deployments)
	r.Frequency = frequency(deployed, window, policy.zone())
	r.LeadTime = leadTime(in, window)
	r.Recovery = recovery(in, window)
	return r
}

// moment is the time by which an operation belongs to a window.
func (d Deployment) moment() time.Time {
	if d.FinishedAt.IsZero() {
		return d.StartedAt
	}
	return d.FinishedAt
}

// observedFrom is when an Application was seen first; zero when it never was.
func (a Assessed) observedFrom() time.Time {
	var at time.Time
	if len(a.Deployments) > 0 {
		at = a.Deployments[0].StartedAt
	}
	for _, s := range a.health {
		if s.status != unobserved {
			return firstOf(at, s.from)
		}
	}
	return at
}

func firstOf(a, b time.Time) time.Time {
	if a.IsZero() || (!b.IsZero() && b.Before(a)) {
		return b
	}
	return a
}

// count adds a deployment to the rates, and says whether it is one for the frequency.
func (r *Report) count(d Deployment) bool {
	if !d.Counted {
		r.NotCounted[d.Outcome]++
		return false
	}
	r.Rework.Deployments++
	if len(d.Rework) > 0 {
		r.Rework.Rework++
	}
	for _, kind := range slices.Compact(slices.Sorted(slices.Values(d.Rework))) {
		r.Rework.Kinds[kind]++
	}
	c := &r.ChangeFailRate
	switch {
	case d.Open:
		c.Open++
	case d.Outcome == OutcomeFailed:
		c.Failed++
		var signals []Signal
		for _, reason := range d.Reasons {
			signals = append(signals, reason.Signal)
		}
		slices.Sort(signals)
		for _, signal := range slices.Compact(signals) {
			c.Signals[signal]++
		}
	case d.Outcome == OutcomeUndetermined:
		c.Undetermined++
	default:
		c.Successful++
	}
	return d.Outcome != OutcomeFailed
}

func frequency(deployed []time.Time, window Window, zone *time.Location) Frequency {
	slices.SortFunc(deployed, time.Time.Compare)
	f := Frequency{Deployments: len(deployed)}
	if days := window.Days(); days > 0 {
		perDay := float64(len(deployed)) / days
		f.PerDay = &perDay
	}
	var intervals []time.Duration
	for i := 1; i < len(deployed); i++ {
		intervals = append(intervals, deployed[i].Sub(deployed[i-1]))
	}
	f.Interval = distribute(intervals)
	active := activeDays(deployed, window, zone)
	f.Weeks, f.ActiveDaysPerWeek = len(active), medianInt(active)
	return f
}

// activeDays has the number of days with a deployment, of each week from Monday to Sunday
// that is in the window as a whole. Days and weeks are those of the zone's calendar, so
// they have 23 or 25 hours when its clocks change.
func activeDays(deployed []time.Time, window Window, zone *time.Location) []int {
	year, month, day := window.From.In(zone).Date()
	day -= (int(window.From.In(zone).Weekday()) + 6) % 7
	monday := func(week int) time.Time { return firstMoment(year, month, day+7*week, zone) }
	week := 0
	if monday(week).Before(window.From) {
		week++
	}
	var out []int
	for ; !monday(week + 1).After(window.To); week++ {
		begin, next := monday(week), monday(week+1)
		days := map[int]bool{}
		first, _ := slices.BinarySearchFunc(deployed, begin, time.Time.Compare)
		for _, at := range deployed[first:] {
			if !at.Before(next) {
				break
			}
			days[at.In(zone).YearDay()] = true
		}
		out = append(out, len(days))
	}
	return out
}

// firstDeliveries takes each change once, where it became Healthy first: one pull request
// that is deployed to many Applications is one change.
func firstDeliveries(in []Assessed) map[string]Delivery {
	first := map[string]Delivery{}
	for _, a := range in {
		for _, d := range a.Deliveries {
			have, found := first[d.ID]
			if !found {
				first[d.ID] = d
				continue
			}
			soonest := d
			if cmp.Or(have.HealthyAt.Compare(d.HealthyAt), cmp.Compare(have.Application, d.Application)) <= 0 {
				soonest = have
			}
			soonest.EarliestHealthyAt = earlier(have.EarliestHealthyAt, d.EarliestHealthyAt)
			first[d.ID] = soonest
		}
	}
	return first
}

func leadTime(in []Assessed, window Window) LeadTime {
	out := LeadTime{Bases: map[Basis]int{}}
	lengths := map[Segment][]time.Duration{}
	counts := map[Segment]*Times{lead: {}}
	for _, s := range Segments() {
		counts[s] = &Times{}
	}
	for _, d := range firstDeliveries(in) {
		if !window.Contains(d.HealthyAt) {
			continue
		}
		out.Changes++
		if !d.Committed.IsZero() {
			out.Bases[d.Basis]++
		}
		for s, times := range counts {
			from, to := d.ends(s)
			switch {
			case from.IsZero() || to.IsZero():
				times.Unknown++
			case to.Before(from):
				times.Negative++
			default:
				lengths[s] = append(lengths[s], to.Sub(from))
			}
		}
	}
	for s, times := range counts {
		times.Length = distribute(lengths[s])
	}
	out.Times = *counts[lead]
	for _, s := range Segments() {
		out.Segments = append(out.Segments, SegmentTimes{s, *counts[s]})
	}
	return out
}

func recovery(in []Assessed, window Window) Recovery {
	out := Recovery{Unrecovered: []Failure{}}
	var lengths, detections []time.Duration
	for _, a := range in {
		for _, f := range a.Failures {
			if !window.Contains(f.FinishedAt) {
				continue
			}
			if took := f.DetectedAt.Sub(f.FinishedAt); took >= 0 {
				detections = append(detections, took)
			}
			switch {
			case f.Recovery != nil:
				lengths = append(lengths, *f.Recovery)
			case f.Unobserved:
				out.Unobserved++
			default:
				out.Unrecovered = append(out.Unrecovered, f)
			}
		}
	}
	slices.SortFunc(out.Unrecovered, func(a, b Failure) int {
		return cmp.Or(a.FinishedAt.Compare(b.FinishedAt), cmp.Compare(a.Operation, b.Operation))
	})
	out.Length, out.Detection = distribute(lengths), distribute(detections)
	return out
}

// Lengths are all lead times, times in quorum and recovery times that are known, each
// sorted, over all time. A change is taken once.
func Lengths(all []Assessed) (leadTimes, quorums, recoveries []time.Duration) {
	for _, d := range firstDeliveries(all) {
		for s, to := range map[Segment]*[]time.Duration{lead: &leadTimes, SegmentQuorum: &quorums} {
			if from, end := d.ends(s); !from.IsZero() && !end.IsZero() && !end.Before(from) {
				*to = append(*to, end.Sub(from))
			}
		}
	}
	for _, a := range all {
		for _, f := range a.Failures {
			if f.Recovery != nil {
				recoveries = append(recoveries, *f.Recovery)
			}
		}
	}
	slices.Sort(leadTimes)
	slices.Sort(quorums)
	slices.Sort(recoveries)
	return leadTimes, quorums, recoveries
}
