package calendar

import "time"

// A wall time is a time.Time in UTC whose fields are what a clock on the wall
// shows. Such times can be compared and added to without thinking of zones.

// wallLayout is how wall times are written in a configuration.
const wallLayout = "2006-01-02T15:04"

// wallOf is what the clock shows in a zone.
func wallOf(t time.Time, zone *time.Location) time.Time {
	_, offset := t.In(zone).Zone()
	return t.Add(time.Duration(offset) * time.Second).UTC()
}

// moments are the first and the last moment at which the clock shows a time. They
// differ when the clock is set back. When the time is skipped both are the moment
// of the skip.
//
// No zone is further from UTC than 15 hours, so the stretches of one offset that
// can matter are those around the time as if it were one of UTC.
func moments(wall time.Time, zone *time.Location) (first, last time.Time) {
	const furthest = 26 * time.Hour
	limit := wall.Add(furthest)
	skip := time.Time{}
	for at := wall.Add(-furthest); ; {
		_, offset := at.In(zone).Zone()
		begin, end := at.In(zone).ZoneBounds()
		shift := time.Duration(offset) * time.Second
		t := wall.Add(-shift)
		switch {
		case (begin.IsZero() || !t.Before(begin)) && (end.IsZero() || t.Before(end)):
			if first.IsZero() {
				first = t
			}
			last = t
		case !end.IsZero() && !t.Before(end):
			skip = end // the time comes after this stretch: in the next, or it is skipped
		}
		if end.IsZero() || end.After(limit) {
			break
		}
		at = end
	}
	if first.IsZero() {
		first, last = skip, skip
	}
	return first.UTC(), last.UTC()
}

// Written is a moment as people write it: in the zone with its name, and in UTC.
func Written(t time.Time, zone *time.Location) string {
	const minute = "Mon 2006-01-02 15:04"
	text := t.UTC().Format(minute) + " UTC"
	if zone == nil || zone == time.UTC || zone.String() == "UTC" {
		return text
	}
	return t.In(zone).Format(minute) + " " + zone.String() + " (" + text + ")"
}
