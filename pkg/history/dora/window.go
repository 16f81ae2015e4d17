package dora

import (
	"errors"
	"fmt"
	"strconv"
	"time"
)

// Window is [From, To).
type Window struct {
	From time.Time `json:"from"`
	To   time.Time `json:"to"`
}

// Contains says whether a moment is in the window.
func (w Window) Contains(at time.Time) bool { return !at.Before(w.From) && at.Before(w.To) }

// Days is the length of the window in days of 24 hours.
func (w Window) Days() float64 { return w.To.Sub(w.From).Hours() / 24 }

// Bounds of windows: longer ones are a mistake, and no time.Duration holds them.
const (
	maxSpan    = 100 * 366 * 24 * time.Hour
	maxSpanDay = 100 * 366
)

var errSpan = errors.New("is not a length of time such as 90d, 12w or 36h")

// ParseSpan reads a length of time: a whole number with the unit h, d (24 hours) or w (7
// days). It is greater than 0 and at most 36600 days.
func ParseSpan(text string) (time.Duration, error) {
	units := map[byte]time.Duration{'h': time.Hour, 'd': 24 * time.Hour, 'w': 7 * 24 * time.Hour}
	if len(text) < 2 || len(text) > 8 {
		return 0, fmt.Errorf("%.20q %w", text, errSpan)
	}
	unit, known := units[text[len(text)-1]]
	n, err := strconv.Atoi(text[:len(text)-1])
	if err != nil || !known || n <= 0 || text[0] == '+' {
		return 0, fmt.Errorf("%q %w", text, errSpan)
	}
	if time.Duration(n) > maxSpan/unit {
		return 0, fmt.Errorf("%q is longer than %d days", text, maxSpanDay)
	}
	return time.Duration(n) * unit, nil
}

// ParseMoment reads a time as RFC 3339 has it, or a date, which is its first moment in
// the zone.
func ParseMoment(text string, zone *time.Location) (time.Time, error) {
	if zone == nil {
		zone = time.UTC
	}
	at, err := time.ParseInLocation(time.RFC3339, text, zone)
	if err != nil {
		if at, err = time.Parse(time.DateOnly, text); err == nil {
			at = firstMoment(at.Year(), at.Month(), at.Day(), zone)
		}
	}
	if err == nil && at.Year() >= 1970 && at.Year() < 2262 {
		return at, nil
	}
	return time.Time{}, fmt.Errorf("%.40q is not a time such as 2026-11-01 or 2026-11-01T12:00:00Z", text)
}

// firstMoment is when a day begins in a zone: the first midnight where clocks go back to it,
// and later than midnight where they go forward over it. time.Date may give the last hour of
// the day before, or the second midnight. As there, the day may be out of the month's range.
func firstMoment(year int, month time.Month, day int, zone *time.Location) time.Time {
	date := time.Date(year, month, day, 0, 0, 0, 0, time.UTC)
	year, month, day = date.Date()
	at := time.Date(year, month, day, 0, 0, 0, 0, zone)
	if at.Day() != day {
		_, at = at.ZoneBounds()
		return at
	}
	changed, _ := at.ZoneBounds()
	_, now := at.Zone()
	_, before := changed.Add(-1).Zone()
	if first := at.Add(time.Duration(now-before) * time.Second); !changed.IsZero() && first.Before(changed) && first.Day() == day {
		return first
	}
	return at
}

// defaultSpan is how far a window goes back when nothing says so.
const defaultSpan = 90 * 24 * time.Hour

// ParseWindow is the window of three texts, each of which may be empty: it ends at to, or
// now, and begins at from, or the length of last before its end, or 90 days before.
func ParseWindow(from, to, last string, now time.Time, zone *time.Location) (Window, error) {
	w := Window{To: now}
	var err error
	if to != "" {
		if w.To, err = ParseMoment(to, zone); err != nil {
			return Window{}, err
		}
	}
	switch {
	case from != "" && last != "":
		return Window{}, errors.New("a window has a beginning or a length, not both")
	case from != "":
		if w.From, err = ParseMoment(from, zone); err != nil {
			return Window{}, err
		}
	default:
		length := defaultSpan
		if last != "" {
			if length, err = ParseSpan(last); err != nil {
				return Window{}, err
			}
		}
		w.From = w.To.Add(-length)
	}
	switch {
	case !w.From.Before(w.To):
		return Window{}, fmt.Errorf("the window would end (%s) before it begins (%s)", w.To.Format(time.RFC3339), w.From.Format(time.RFC3339))
	case w.To.After(now):
		return Window{}, fmt.Errorf("the window ends in the future: %s", w.To.Format(time.RFC3339))
	case w.To.Sub(w.From) > maxSpan:
		return Window{}, fmt.Errorf("the window is longer than %d days", maxSpanDay)
	}
	return w, nil
}
