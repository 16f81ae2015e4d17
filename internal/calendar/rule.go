package calendar

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/teambition/rrule-go"
)

// Bounds of a rule, so that what is computed from it is bounded too.
const (
	maxRule     = 300 // characters
	maxPerDay   = 8
	maxInterval = 52
)

// rule is a recurrence that certainly has occurrences.
type rule struct {
	options  rrule.ROption
	duration time.Duration
	// from is the wall time that INTERVAL counts from; zero when that is 1.
	from time.Time
}

// parseRule takes the part of RFC 5545 that makes sense for windows. Every rule
// that it accepts has occurrences for ever: the library would look for one until
// the year 9999.
func parseRule(text string, from time.Time, duration time.Duration) (*rule, error) {
	no := func(format string, args ...any) (*rule, error) { return nil, mistake("rrule", format, args...) }
	if len(text) > maxRule {
		return no("the rrule is longer than %d characters; write several windows", maxRule)
	}
	seen := map[string]bool{}
	for part := range strings.SplitSeq(text, ";") {
		key, value, ok := strings.Cut(part, "=")
		switch {
		case !ok || value == "" || strings.Contains(value, "="):
			return no("%q in the rrule is not of the form KEY=value; write for example FREQ=WEEKLY;BYDAY=MO,TU;BYHOUR=9", part)
		case seen[key]:
			return no("%s is in the rrule twice; keep one of them", key)
		}
		seen[key] = true
		switch key {
		case "FREQ", "INTERVAL", "BYDAY", "BYMONTH", "BYMONTHDAY", "BYSETPOS", "BYHOUR", "BYMINUTE", "WKST":
		case "COUNT", "UNTIL", "DTSTART":
			return no("%s in an rrule is not supported; write from and until beside the rrule", key)
		default:
			return no("%s in an rrule is not supported; possible are FREQ, INTERVAL, BYDAY, BYMONTH, BYMONTHDAY, BYSETPOS, BYHOUR, BYMINUTE, WKST", key)
		}
	}
	o, err := rrule.StrToROption(text)
	if err != nil {
		return no("this is not an rrule: %s; write for example FREQ=WEEKLY;BYDAY=MO,TU;BYHOUR=9", err)
	}
	if o.Freq > rrule.DAILY {
		return no("FREQ=%s is too often for a window; write FREQ=DAILY, WEEKLY, MONTHLY or YEARLY, with BYHOUR for the hours", o.Freq)
	}
	if !seen["BYHOUR"] {
		return no("the rrule says no hour; write for example BYHOUR=9")
	}
	if !seen["BYMINUTE"] {
		o.Byminute = []int{0}
	}
	if len(o.Byhour)*len(o.Byminute) > maxPerDay {
		return no("the rrule begins %d times a day, and %d times are the most; write a longer duration", len(o.Byhour)*len(o.Byminute), maxPerDay)
	}
	if why := occurs(o, seen); why != "" {
		return no("%s", why)
	}
	r := &rule{duration: duration}
	switch {
	case o.Interval == 0 && !seen["INTERVAL"]:
		o.Interval = 1
	case o.Interval < 1 || o.Interval > maxInterval:
		return no("INTERVAL must be between 1 and %d", maxInterval)
	}
	if o.Interval > 1 {
		if from.IsZero() {
			return nil, mistake("from", "INTERVAL=%d counts from a day; write it as from, for example from: 2026-01-05T00:00", o.Interval)
		}
		if why := occursAtInterval(o, seen); why != "" {
			return no("%s", why)
		}
		r.from = from
	}
	o.Bysecond = []int{0}
	if _, err := rrule.NewRRule(*o); err != nil {
		return no("this is not an rrule: %s", err)
	}
	r.options = *o
	return r, nil
}

// occurs says why a rule may have no occurrence; empty when it certainly has.
func occurs(o *rrule.ROption, seen map[string]bool) string {
	ordinal := slices.ContainsFunc(o.Byweekday, func(d rrule.Weekday) bool { return d.N() != 0 })
	ordinals := 5
	if o.Freq == rrule.YEARLY && !seen["BYMONTH"] {
		ordinals = 53
	}
	days := map[int]bool{}
	for _, d := range o.Byweekday {
		days[d.Day()] = true
	}
	switch {
	case o.Freq != rrule.DAILY && !seen["BYDAY"] && !seen["BYMONTHDAY"]:
		return "the rrule says no day; write for example BYDAY=MO,TU,WE,TH,FR"
	case o.Freq == rrule.WEEKLY && seen["BYMONTHDAY"]:
		return "BYMONTHDAY is not for FREQ=WEEKLY; write FREQ=MONTHLY"
	case ordinal && o.Freq > rrule.MONTHLY:
		return "a day such as 1MO is the first Monday of a month or a year; write FREQ=MONTHLY"
	case ordinal && seen["BYMONTHDAY"]:
		return "a day such as 1MO and BYMONTHDAY together may never be; keep one of them"
	case slices.ContainsFunc(o.Byweekday, func(d rrule.Weekday) bool { return d.N() > ordinals || d.N() < -ordinals }):
		return "no month has more than 5 of one weekday; write 5 or less, or -1 for the last"
	case seen["BYMONTHDAY"] && !someDay(o.Bymonth, o.Bymonthday):
		return "no such month has such a day, so the window would never open"
	case !seen["BYSETPOS"]:
		return ""
	case o.Freq > rrule.MONTHLY || ordinal || !seen["BYDAY"] || seen["BYMONTHDAY"] || len(o.Byhour)*len(o.Byminute) > 1:
		return "BYSETPOS chooses among the weekdays of a month or a year; write it with BYDAY such as MO,TU, without BYMONTHDAY and with one hour and minute"
	case slices.ContainsFunc(o.Bysetpos, func(p int) bool { return p == 0 || max(p, -p) > 4*len(days) }):
		return "BYSETPOS must be between 1 and " + strconv.Itoa(4*len(days)) + ", or as much from the end, so that every month has it"
	}
	return ""
}

// someDay says whether one of the months has one of the days in leap years.
func someDay(months, days []int) bool {
	length := [...]int{31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31}
	if len(months) == 0 {
		months = []int{1}
	}
	return slices.ContainsFunc(months, func(m int) bool {
		return m >= 1 && m <= len(length) &&
			slices.ContainsFunc(days, func(d int) bool { return d != 0 && max(d, -d) <= length[m-1] })
	})
}

// occursAtInterval says why a rule that skips periods may have no occurrence.
func occursAtInterval(o *rrule.ROption, seen map[string]bool) string {
	switch {
	case o.Freq == rrule.DAILY && (seen["BYDAY"] || seen["BYMONTH"] || seen["BYMONTHDAY"]):
		return "FREQ=DAILY with an INTERVAL and chosen days may never be; leave INTERVAL out, or write FREQ=WEEKLY"
	case o.Freq != rrule.YEARLY && seen["BYMONTH"]:
		return "an INTERVAL and BYMONTH together may never be; keep one of them"
	case slices.ContainsFunc(o.Bymonthday, func(d int) bool { return max(d, -d) > 28 }),
		slices.ContainsFunc(o.Byweekday, func(d rrule.Weekday) bool { return d.N() > 4 || d.N() < -4 }):
		return "not every month has that day, so with an INTERVAL it may never be; write a day that every month has, -1 for the last"
	}
	return ""
}

// starts are the wall times at which occurrences begin, from lo to hi, in order.
func (r *rule) starts(lo, hi time.Time) []time.Time {
	o := r.options
	o.Dtstart, o.Until = r.anchor(lo), hi
	engine, err := rrule.NewRRule(o)
	if err != nil {
		return nil // checked when it was parsed
	}
	var out []time.Time
	next := engine.Iterator()
	for t, ok := next(); ok && !t.After(hi); t, ok = next() {
		if !t.Before(lo) {
			out = append(out, t)
		}
	}
	return out
}

// anchor is the first moment of a period that the rule does not skip and that is
// not after lo: to count from where the rule began would take longer every year.
func (r *rule) anchor(lo time.Time) time.Time {
	base := r.from
	if base.IsZero() {
		base = time.Date(firstYear, time.January, 1, 0, 0, 0, 0, time.UTC)
	}
	base = base.Truncate(24 * time.Hour)
	n := r.options.Interval
	back := func(elapsed, each int) int { // whole intervals, at least one before lo
		k := elapsed / (each * n)
		if elapsed < 0 || k > 0 {
			k--
		}
		return k * each * n
	}
	switch r.options.Freq {
	case rrule.YEARLY:
		base = time.Date(base.Year(), time.January, 1, 0, 0, 0, 0, time.UTC)
		return base.AddDate(back(lo.Year()-base.Year(), 1), 0, 0)
	case rrule.MONTHLY:
		base = time.Date(base.Year(), base.Month(), 1, 0, 0, 0, 0, time.UTC)
		months := (lo.Year()-base.Year())*12 + int(lo.Month()) - int(base.Month())
		return base.AddDate(0, back(months, 1), 0)
	case rrule.WEEKLY:
		// The library finds the week that the day is in, by WKST.
		return base.AddDate(0, 0, back(int(lo.Sub(base).Hours()/24), 7))
	default:
		return base.AddDate(0, 0, back(int(lo.Sub(base).Hours()/24), 1))
	}
}
