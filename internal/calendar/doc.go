// Package calendar works out when the windows of a gate are open. It reads no
// clock: the moment is given.
//
// A window is one span of time or a recurring one, by the clock on the wall in a
// zone of the IANA database. While an allow window is configured, syncs are allowed
// inside of one; inside of a deny window they never are.
//
//	allow    ├────────┤      ├────────┤      ├────────┤
//	deny                  ├───────┤
//	open     ├────────┤           ├───┤      ├────────┤
//
// Recurrence is RFC 5545's RRULE, computed by github.com/teambition/rrule-go on
// times without a zone, as if all days had 24 hours. What such a time means in the
// zone is decided here alone (see wall.go):
//
//   - a time that is skipped when the clock is set forward is the moment at which
//     that happens;
//   - a time that comes twice when the clock is set back is the first of the two,
//     except for the end of a deny window, which is the second;
//   - a duration is what the clock shows: 62h from Friday 18:00 is Monday 08:00 on
//     every weekend of the year.
//
// The library (v1.8.2, November 2026) is kept away from what it does otherwise: it
// leaves to time.Date which of two moments a time means, and it tests a rule's end
// only at an occurrence, so that for a rule without any it counts to the year 9999.
// Rules that could have none are refused when they are parsed (see rule.go).
//
// How far is looked is bounded (Horizon): a calendar that is shut for longer has no
// next opening.
package calendar
