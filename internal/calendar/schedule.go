package calendar

import (
	"fmt"
	"strings"
	"time"
	"unicode"
)

// Schedule is when a window is open, as a configuration says it.
type Schedule struct {
	// Timezone is a name of the IANA database, for example Europe/Berlin.
	Timezone string
	// RRule is an RRULE of RFC 5545 for a window that recurs; empty for one that
	// does not.
	RRule string
	// Duration is how long each occurrence of RRule is, by the clock on the wall.
	Duration time.Duration
	// From and Until are times such as 2026-12-20T00:00. They are the window if there
	// is no RRule, else they bound it, and From is what INTERVAL counts from.
	From, Until string
}

// String is the schedule as one line. ParseSchedule reads it.
func (s Schedule) String() string {
	parts := []string{"timezone=" + s.Timezone}
	if s.RRule != "" {
		parts = append(parts, "rrule="+s.RRule, "duration="+s.Duration.String())
	}
	if s.From != "" {
		parts = append(parts, "from="+s.From)
	}
	if s.Until != "" {
		parts = append(parts, "until="+s.Until)
	}
	return strings.Join(parts, " ")
}

// ParseSchedule reads what String writes.
func ParseSchedule(text string) (Schedule, error) {
	var s Schedule
	seen := map[string]bool{}
	for _, part := range strings.Fields(text) {
		key, value, ok := strings.Cut(part, "=")
		if !ok || value == "" || seen[key] {
			return Schedule{}, fmt.Errorf("the schedule has a part %q", part)
		}
		seen[key] = true
		switch key {
		case "timezone":
			s.Timezone = value
		case "rrule":
			s.RRule = value
		case "duration":
			d, err := time.ParseDuration(value)
			if err != nil {
				return Schedule{}, fmt.Errorf("the schedule's duration: %w", err)
			}
			s.Duration = d
		case "from":
			s.From = value
		case "until":
			s.Until = value
		default:
			return Schedule{}, fmt.Errorf("the schedule has a part %q", part)
		}
	}
	return s, nil
}

// Mistake says what about a schedule cannot be, and what to write instead.
type Mistake struct {
	// Key is that of the configuration: timezone, rrule, duration, from or until.
	Key, Text string
}

func (m *Mistake) Error() string { return m.Text }

func mistake(key, format string, args ...any) error {
	return &Mistake{Key: key, Text: fmt.Sprintf(format, args...)}
}

// Bounds of one occurrence. For what is longer there is from and until.
const (
	minDuration = time.Minute
	maxDuration = 31 * 24 * time.Hour
)

// parsed is a schedule that was checked.
type parsed struct {
	zone *time.Location
	rule *rule // nil for a window that does not recur
	// from and until are wall times; zero for none.
	from, until time.Time
}

func (s Schedule) parse() (p parsed, err error) {
	if s.Timezone == "" || s.Timezone == "Local" || strings.ContainsFunc(s.Timezone, unicode.IsSpace) {
		return p, mistake("timezone", "timezone is missing; write a name such as Europe/Berlin, or UTC")
	}
	if p.zone, err = time.LoadLocation(s.Timezone); err != nil {
		return p, mistake("timezone", "there is no timezone %q; write a name of the IANA database such as Europe/Berlin, or UTC", s.Timezone)
	}
	if p.from, err = wallTime("from", s.From); err != nil {
		return p, err
	}
	if p.until, err = wallTime("until", s.Until); err != nil {
		return p, err
	}
	if s.From != "" && s.Until != "" && !p.from.Before(p.until) {
		return p, mistake("until", "until must be after from")
	}
	if s.RRule == "" {
		switch {
		case s.From == "" || s.Until == "":
			return p, mistake("from", "a window without rrule needs from and until, for example from: 2026-12-20T00:00 and until: 2027-01-06T00:00")
		case s.Duration != 0:
			return p, mistake("duration", "duration is for windows with an rrule; without one, the window ends at until")
		}
		return p, nil
	}
	if s.Duration < minDuration || s.Duration > maxDuration || s.Duration%time.Minute != 0 {
		return p, mistake("duration", "duration must be whole minutes between %s and %s, for example 8h; for longer windows write from and until without rrule", "1m", "744h")
	}
	p.rule, err = parseRule(s.RRule, p.from, s.Duration)
	return p, err
}

// Years that a configuration can mean; git and JSON know no others either.
const (
	firstYear = 1970
	lastYear  = 2260
)

func wallTime(key, text string) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	t, err := time.Parse(wallLayout, text)
	if err != nil || t.Year() < firstYear || t.Year() > lastYear {
		return time.Time{}, mistake(key, "%s must be a time such as 2026-12-20T00:00, without a zone", key)
	}
	return t, nil
}
