package config

import "time"

// Window is a stretch of time in which syncs are allowed or denied. It recurs
// (rrule, duration) or does not (from, until).
type Window struct {
	// Name is what people are told, for example office-hours. Required.
	Name string `yaml:"name"`
	// Kind is allow or deny. Deny wins. With an allow window, syncs are allowed inside
	// of one alone; without any, they are allowed whenever nothing denies them. Required.
	Kind string `yaml:"kind" enum:"allow,deny"`
	// Timezone is a name of the IANA database such as Europe/Berlin, in which all times
	// of the window are. Required.
	Timezone string `yaml:"timezone"`
	// RRule is when it begins, as an RRULE of RFC 5545 with FREQ=DAILY, WEEKLY, MONTHLY
	// or YEARLY and BYHOUR, for example "FREQ=WEEKLY;BYDAY=MO,TU,WE,TH;BYHOUR=9".
	RRule string `yaml:"rrule"`
	// Duration is how long each occurrence is by the clock on the wall, at most 744h.
	// Required with rrule.
	Duration time.Duration `yaml:"duration"`
	// From is when the window begins, for example 2026-12-20T00:00. With rrule it is
	// the first moment at which an occurrence may begin, and what INTERVAL counts from.
	From string `yaml:"from"`
	// Until is when the window ends, for example 2027-01-06T00:00. With rrule,
	// occurrences end then at the latest.
	Until string `yaml:"until"`
}

// BreakGlass says who may have one exact candidate synced without its quorum, through
// holds and outside of windows.
type BreakGlass struct {
	// Groups by name. At least one group, team or user.
	Groups []string `yaml:"groups"`
	// Teams, as org/slug.
	Teams []string `yaml:"teams"`
	// Users, by login.
	Users []string `yaml:"users"`
	// ReviewBy is within what time somebody else has to review it. Default 24h.
	ReviewBy time.Duration `yaml:"reviewBy"`
	// ValidFor is how long it can be used; an order may ask for less. Default 1h, at
	// most 24h.
	ValidFor time.Duration `yaml:"validFor"`
}
