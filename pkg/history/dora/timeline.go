package dora

import (
	"cmp"
	"slices"
	"time"
)

// unobserved is the status of a time that nobody watched.
const unobserved Health = "unobserved"

// span is a status that holds in [from, to).
type span struct {
	from, to time.Time
	status   Health
}

// timeline is the health of an Application: spans in order, without holes, of which
// neighbours differ. Before its first span, and from its end on, nothing was observed.
type timeline []span

// newTimeline lays the transitions out until the end of the observation. Of several at
// one moment the worst holds.
func newTimeline(transitions []Transition, gaps []Interval, until time.Time) timeline {
	ts := slices.Clone(transitions)
	slices.SortFunc(ts, func(a, b Transition) int {
		return cmp.Or(a.At.Compare(b.At), cmp.Compare(severity(a.Status), severity(b.Status)), cmp.Compare(a.Status, b.Status))
	})
	var out timeline
	for i, t := range ts {
		to := until
		if i+1 < len(ts) && ts[i+1].At.Before(until) {
			to = ts[i+1].At
		}
		out = out.add(span{t.At, to, t.Status})
	}
	holes := slices.Clone(gaps)
	slices.SortFunc(holes, func(a, b Interval) int { return cmp.Or(a.From.Compare(b.From), a.To.Compare(b.To)) })
	for _, hole := range holes {
		out = out.punch(hole)
	}
	return out
}

func severity(s Health) int {
	return slices.Index([]Health{Healthy, Unknown, "", Suspended, Progressing, Missing, Degraded}, s)
}

// add appends a span, and joins it with one of the same status before it.
func (t timeline) add(s span) timeline {
	if !s.from.Before(s.to) {
		return t
	}
	if n := len(t); n > 0 && t[n-1].status == s.status && t[n-1].to.Equal(s.from) {
		t[n-1].to = s.to
		return t
	}
	return append(t, s)
}

// punch makes the time of a gap unobserved.
func (t timeline) punch(hole Interval) timeline {
	if !hole.From.Before(hole.To) {
		return t
	}
	var out timeline
	for _, s := range t {
		from, to := later(s.from, hole.From), earlier(s.to, hole.To)
		if !from.Before(to) {
			out = out.add(s)
			continue
		}
		out = out.add(span{s.from, from, s.status})
		out = out.add(span{from, to, unobserved})
		out = out.add(span{to, s.to, s.status})
	}
	return out
}

// at is the status at a moment.
func (t timeline) at(moment time.Time) Health {
	i := t.index(moment)
	if i == len(t) || moment.Before(t[i].from) {
		return unobserved
	}
	return t[i].status
}

// index is that of the first span that ends after a moment.
func (t timeline) index(moment time.Time) int {
	i, _ := slices.BinarySearchFunc(t, moment, func(s span, m time.Time) int {
		if s.to.After(m) {
			return 1
		}
		return -1
	})
	return i
}

// spans are those of [from, to), cut at its ends. What comes before the first observation
// is an unobserved span.
func (t timeline) spans(from, to time.Time) []span {
	var out timeline
	at := from
	for i := t.index(from); i < len(t) && t[i].from.Before(to); i++ {
		if at.Before(t[i].from) {
			out = out.add(span{at, t[i].from, unobserved})
			at = t[i].from
		}
		end := earlier(t[i].to, to)
		out = out.add(span{at, end, t[i].status})
		at = end
	}
	if at.Before(to) {
		out = out.add(span{at, to, unobserved})
	}
	return out
}

// run is the first stretch of [from, to) of at least that length in which every status
// holds what is asked; false when there is none.
func (t timeline) run(from, to time.Time, length time.Duration, holds func(Health) bool) (Interval, bool) {
	var current Interval
	for _, s := range t.spans(from, to) {
		if !holds(s.status) {
			current = Interval{}
			continue
		}
		if current.From.IsZero() {
			current.From = s.from
		}
		current.To = s.to
		if current.To.Sub(current.From) >= length {
			return current, true
		}
	}
	return Interval{}, false
}

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}
