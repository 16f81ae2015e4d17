package calendar

import (
	"fmt"
	"slices"
	"time"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
)

// Horizon is how far ahead openings and closings are looked for.
const Horizon = 2 * 366 * 24 * time.Hour

// chunk is how far is looked at first; the next look is twice as far.
const chunk = 35 * 24 * time.Hour

// Window is one window of a gate. Safe for concurrent use.
type Window struct {
	name     string
	kind     approval.WindowKind
	schedule parsed
}

// span is a stretch of time: from is in it, to is not.
type span struct{ from, to time.Time }

// NewWindow makes a window. The error is a *Mistake when the schedule is refused.
func NewWindow(name string, kind approval.WindowKind, s Schedule) (*Window, error) {
	if kind != approval.WindowAllow && kind != approval.WindowDeny {
		return nil, mistake("kind", "kind %q is none of allow, deny", kind)
	}
	p, err := s.parse()
	if err != nil {
		return nil, err
	}
	return &Window{name: name, kind: kind, schedule: p}, nil
}

// Name is what the configuration calls it.
func (w *Window) Name() string { return w.name }

// Kind says whether syncs are allowed or denied while it is open.
func (w *Window) Kind() approval.WindowKind { return w.kind }

// Zone is where its clock hangs.
func (w *Window) Zone() *time.Location { return w.schedule.zone }

// State says whether the window is open at a moment, and when that changes next.
func (w *Window) State(at time.Time) approval.WindowState {
	s := approval.WindowState{Name: w.name}
	edges, open := look(at, 1, w.spans)
	s.Open = open
	if len(edges) > 0 {
		s.Next = edges[0].At
	}
	return s
}

// spans are those that end after lo and begin before hi, in order, without gaps of
// no length between them.
func (w *Window) spans(lo, hi time.Time) []span {
	p := w.schedule
	if p.rule == nil {
		return within(lo, hi, []span{w.span(p.from, p.until)})
	}
	// What the clock shows is at most a day from UTC, twice over.
	const slack = 2 * 26 * time.Hour
	var out []span
	for _, start := range p.rule.starts(wallOf(lo, p.zone).Add(-p.rule.duration-slack), wallOf(hi, p.zone).Add(slack)) {
		end := start.Add(p.rule.duration)
		switch {
		case !p.from.IsZero() && start.Before(p.from), !p.until.IsZero() && !start.Before(p.until):
			continue
		case !p.until.IsZero() && end.After(p.until):
			end = p.until
		}
		out = append(out, w.span(start, end))
	}
	return within(lo, hi, out)
}

// span is what lies between two wall times; see the package's comment.
func (w *Window) span(start, end time.Time) span {
	from, _ := moments(start, w.schedule.zone)
	to, last := moments(end, w.schedule.zone)
	if w.kind == approval.WindowDeny {
		to = last
	}
	return span{from, to}
}

// within sorts spans, joins those that touch, and drops those that are not between
// lo and hi.
func within(lo, hi time.Time, spans []span) []span {
	slices.SortFunc(spans, func(a, b span) int { return a.from.Compare(b.from) })
	var out []span
	for _, s := range spans {
		switch {
		case !s.from.Before(s.to) || !s.to.After(lo) || !s.from.Before(hi):
		case len(out) > 0 && !s.from.After(out[len(out)-1].to):
			if last := &out[len(out)-1]; s.to.After(last.to) {
				last.to = s.to
			}
		default:
			out = append(out, s)
		}
	}
	return out
}

// Edge is a moment at which something opens or closes.
type Edge struct {
	At    time.Time `json:"at"`
	Opens bool      `json:"opens"`
}

// look finds up to n edges after a moment, and says what is at the moment itself.
// It looks further and further, until the horizon.
func look(at time.Time, n int, spans func(lo, hi time.Time) []span) (edges []Edge, open bool) {
	if y := at.UTC().Year(); y < firstYear || y > lastYear {
		return nil, false
	}
	for far := chunk; ; far *= 2 {
		far = min(far, Horizon)
		edges, open = edges[:0], false
		for _, s := range spans(at, at.Add(far)) {
			if s.from.After(at) {
				edges = append(edges, Edge{At: s.from, Opens: true})
			} else {
				open = true
			}
			if s.to.Before(at.Add(far)) {
				edges = append(edges, Edge{At: s.to})
			}
		}
		if len(edges) >= n || far == Horizon {
			return edges[:min(n, len(edges))], open
		}
	}
}

// Calendar is all windows of a gate together. The nil Calendar has none and is
// always open. Safe for concurrent use.
type Calendar struct{ windows []*Window }

// MaxWindows is how many windows a gate can have.
const MaxWindows = 20

// New makes the calendar of a policy from the schedules that it names.
func New(windows []approval.Window) (*Calendar, error) {
	if len(windows) > MaxWindows {
		return nil, fmt.Errorf("there are %d windows, and %d are the most", len(windows), MaxWindows)
	}
	c := &Calendar{}
	for _, w := range windows {
		s, err := ParseSchedule(w.Schedule)
		if err != nil {
			return nil, fmt.Errorf("window %s: %w", w.Name, err)
		}
		window, err := NewWindow(w.Name, w.Kind, s)
		if err != nil {
			return nil, fmt.Errorf("window %s: %w", w.Name, err)
		}
		c.windows = append(c.windows, window)
	}
	return c, nil
}

// Windows are those of the calendar, in the policy's order.
func (c *Calendar) Windows() []*Window {
	if c == nil {
		return nil
	}
	return c.windows
}

// States are those of all windows at a moment.
func (c *Calendar) States(at time.Time) []approval.WindowState {
	var out []approval.WindowState
	for _, w := range c.Windows() {
		out = append(out, w.State(at))
	}
	return out
}

// Open says whether the windows together are open at a moment.
func (c *Calendar) Open(at time.Time) bool {
	allow, allowed := false, false
	for _, w := range c.Windows() {
		open := w.State(at).Open
		switch {
		case w.kind == approval.WindowDeny && open:
			return false
		case w.kind == approval.WindowAllow:
			allow, allowed = true, allowed || open
		}
	}
	return allowed || !allow
}

// Edges are the next n moments at which the windows together open or close; fewer
// when there are no more before the horizon.
func (c *Calendar) Edges(at time.Time, n int) []Edge {
	if n < 1 || len(c.Windows()) == 0 {
		return nil
	}
	edges, _ := look(at, n, c.open)
	return edges
}

// NextOpening is when the windows together open next; false when they do not
// before the horizon.
func (c *Calendar) NextOpening(at time.Time) (time.Time, bool) {
	for _, e := range c.Edges(at, 2) {
		if e.Opens {
			return e.At, true
		}
	}
	return time.Time{}, false
}

// open are the spans in which the windows together are open.
func (c *Calendar) open(lo, hi time.Time) []span {
	var allow, deny []span
	limited := false
	for _, w := range c.windows {
		if w.kind == approval.WindowDeny {
			deny = append(deny, w.spans(lo, hi)...)
			continue
		}
		limited = true
		allow = append(allow, w.spans(lo, hi)...)
	}
	if !limited {
		allow = []span{{lo, hi}}
	}
	return within(lo, hi, without(within(lo, hi, allow), within(lo, hi, deny)))
}

// without takes spans away from others; both are in order and do not touch.
func without(spans, away []span) []span {
	var out []span
	for _, s := range spans {
		for _, a := range away {
			if !a.to.After(s.from) || !a.from.Before(s.to) {
				continue
			}
			if a.from.After(s.from) {
				out = append(out, span{s.from, a.from})
			}
			s.from = a.to
			if !s.from.Before(s.to) {
				break
			}
		}
		if s.from.Before(s.to) {
			out = append(out, s)
		}
	}
	return out
}
