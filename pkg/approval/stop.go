package approval

import (
	"slices"
	"strings"
	"time"
)

// Stops are the holds and closed windows among the facts, as Decide finds them. For
// what is not about one Application, its facts have the holds of the whole gate alone.
func Stops(p Policy, f Facts) []Finding { return judgeStops(&p, &f) }

// judgeStops are the stops that break-glass overrides: holds and closed windows.
func judgeStops(p *Policy, f *Facts) []Finding {
	if len(f.Holds) == 0 && len(p.Windows) == 0 && len(f.Calendar) == 0 {
		return nil
	}
	return append(judgeHolds(p, f), judgeWindows(p, f)...)
}

func judgeHolds(p *Policy, f *Facts) []Finding {
	var out []Finding
	for i := range f.Holds {
		h := &f.Holds[i]
		if h.ID == "" || h.Person == "" || h.Since.IsZero() {
			out = append(out, Finding{Code: CodeHoldUnknown, Verdict: Unknown, Text: "a hold is incomplete in the facts"})
			continue
		}
		what := f.Application.Key()
		if h.WholeGate {
			what = "gate " + p.Gate
		}
		text := oneLine(h.Person) + " holds " + what + " since " + minuteDown(h.Since)
		ends := ""
		if !h.Expires.IsZero() {
			text += " until " + minuteUp(h.Expires)
			ends = ", or wait until it ends by itself at " + minuteUp(h.Expires)
		}
		out = append(out, Finding{
			Code: CodeHoldActive, Verdict: Blocked, Text: text + ": " + oneLine(h.Reason),
			Remedy: oneLine(h.Person) + " or " + holders(p) + " can release it: gatekeeper release " + oneLine(h.ID) + " --by NAME --reason TEXT" + ends,
		})
	}
	return out
}

// holders names who may release a hold.
func holders(p *Policy) string {
	if !p.Holders.Empty() {
		return "somebody of " + oneLine(namesOf(p.Holders.Teams, p.Holders.Users))
	}
	return "whoever may approve"
}

// judgeWindows: deny wins, and where an allow window is configured, one has to be
// open.
func judgeWindows(p *Policy, f *Facts) []Finding {
	unknown := func(text string) []Finding {
		return []Finding{{
			Code: CodeWindowUnknown, Verdict: Unknown, Text: text,
			Remedy: "nothing to do if this passes; Gatekeeper tries again by itself",
		}}
	}
	if len(p.Windows) != len(f.Calendar) {
		return unknown("it is not known whether all windows of gate " + p.Gate + " are open")
	}
	var denying, shut []string
	limited, allowed := false, false
	for i, w := range p.Windows {
		s := f.Calendar[i]
		if w.Name == "" || s.Name != w.Name || slices.ContainsFunc(p.Windows[:i], func(o Window) bool { return o.Name == w.Name }) {
			return unknown("it is not known whether window " + oneLine(w.Name) + " of gate " + p.Gate + " is open")
		}
		switch {
		case w.Kind == WindowDeny && s.Open:
			until := ""
			if !s.Next.IsZero() {
				until = " until " + minuteUp(s.Next)
			}
			denying = append(denying, "window "+oneLine(w.Name)+" denies them"+until)
		case w.Kind == WindowDeny:
		case w.Kind == WindowAllow:
			limited, allowed = true, allowed || s.Open
			if !s.Open {
				shut = append(shut, oneLine(w.Name))
			}
		default:
			return unknown("window " + oneLine(w.Name) + " of gate " + p.Gate + " is of no known kind")
		}
	}
	why := denying
	if limited && !allowed {
		noun := "window "
		if len(shut) > 1 {
			noun = "windows "
		}
		why = append(why, noun+strings.Join(shut, ", ")+" that would allow them is closed")
		if len(shut) > 1 {
			why[len(why)-1] = noun + strings.Join(shut, ", ") + " that would allow them are closed"
		}
	}
	if len(why) == 0 {
		return nil
	}
	out := Finding{
		Code: CodeWindowClosed, Verdict: Blocked, Text: "gate " + p.Gate + " allows no syncs now: " + strings.Join(why, "; "),
		Remedy: "no next opening is known; look at the windows with gatekeeper windows",
	}
	if f.Opens != nil && !f.Opens.At.IsZero() {
		when := minuteUp(f.Opens.At)
		if f.Opens.Text != "" {
			when = oneLine(f.Opens.Text)
		}
		out.Remedy = "wait; the next opening is " + when
	}
	return []Finding{out}
}

// judged is the decision on a candidate, which depends on what that is rendered from.
func (d Decision) judged(p *Policy, f *Facts, c Candidate) (Decision, Candidate) {
	outside := judgeClosure(p, f, c)
	d.Findings = append(d.Findings, outside...)
	if d.Verdict = worst(outside); d.Verdict != Allowed {
		d.Advances, d.Override = false, ""
		return d, c
	}
	d.Candidate = c
	return d, c
}

// Moments are told to people in UTC and to the minute. To which side the seconds go depends
// on what is told, for nobody is to rely on more than there is: a hold begins no later than
// is said, and a permission or the time for a review ends no sooner, so these are rounded
// down; what is closed does not open sooner, so that is rounded up.

func minuteDown(t time.Time) string {
	return t.UTC().Truncate(time.Minute).Format("2006-01-02 15:04") + " UTC"
}

func minuteUp(t time.Time) string {
	if down := t.Truncate(time.Minute); down.Before(t) {
		t = down.Add(time.Minute)
	}
	return minuteDown(t)
}
