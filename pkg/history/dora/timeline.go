package dora

import (
	"cmp"
	"iter"
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
	return out.punch(gaps)
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

// punch makes the time of the gaps unobserved.
func (t timeline) punch(gaps []Interval) timeline {
	holes := slices.Clone(gaps)
	slices.SortFunc(holes, func(a, b Interval) int { return cmp.Or(a.From.Compare(b.From), a.To.Compare(b.To)) })
	var out timeline
	for _, s := range t {
		for len(holes) > 0 && s.from.Before(s.to) && holes[0].From.Before(s.to) {
			hole := holes[0]
			if out = out.add(span{s.from, hole.From, s.status}); hole.From.After(s.from) {
				s.from = hole.From
			}
			end := earlier(hole.To, s.to)
			out = out.add(span{s.from, end, unobserved})
			s.from = later(s.from, end)
			if hole.To.After(s.to) {
				break // it goes on in the next span
			}
			holes = holes[1:]
		}
		out = out.add(s)
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
// is an unobserved span. Neighbours may have the same status.
func (t timeline) spans(from, to time.Time) iter.Seq[span] {
	return func(yield func(span) bool) {
		at := from
		for i := t.index(from); i < len(t) && at.Before(to); i++ {
			for _, s := range []span{{at, earlier(t[i].from, to), unobserved}, {later(at, t[i].from), earlier(t[i].to, to), t[i].status}} {
				if !s.from.Before(s.to) {
					continue
				}
				if !yield(s) {
					return
				}
				at = s.to
			}
		}
		if at.Before(to) {
			yield(span{at, to, unobserved})
		}
	}
}

// run is the first stretch of [from, to) of at least that length in which every status
// holds what is asked; false when there is none.
func (t timeline) run(from, to time.Time, length time.Duration, holds func(Health) bool) (Interval, bool) {
	var current Interval
	for s := range t.spans(from, to) {
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
