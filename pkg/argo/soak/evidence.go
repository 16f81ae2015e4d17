package soak

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// State is what is known of an image in an Application.
type State string

// The zero State is that of something that nobody looked at; like all but Proven
// it proves nothing.
const (
	// StateUnknown: nothing can be said, because the Application was not seen, or its
	// status is stale or unreadable.
	StateUnknown State = "unknown"
	// StateAbsent: the image does not run there.
	StateAbsent State = "absent"
	// StateInterrupted: it runs there, and the time does not count now.
	StateInterrupted State = "interrupted"
	// StateRunning: it runs there and its time counts, and there is not enough of it.
	StateRunning State = "running"
	// StateProven: it ran there for long enough.
	StateProven State = "proven"
)

// Demand is what a gate wants to see of an image.
type Demand struct {
	// Image is wanted by its digest, if it has one: then the same repository and
	// digest must have run, whatever the tag. Else the same tag must have run, named by
	// pods without a digest.
	Image Image
	// Soak is how long it must have run. Zero is never met.
	Soak time.Duration
	// Past also takes a run that has ended, unless the image was Degraded there
	// afterwards. Without it the image must still be running.
	Past bool
}

// Evidence is the answer to a demand.
type Evidence struct {
	State State
	// Ran is the length of the run that lasts, or with Demand.Past of the longest one,
	// up to the last observation.
	Ran time.Duration
	// Reason is one sentence without its full stop, which begins with a verb and
	// speaks of the image: "ran Healthy in payments-stage for 12 of 30 minutes".
	Reason string
	// Ready is when the demand is met if nothing happens until then. Zero unless the
	// State is StateRunning.
	Ready time.Time
}

// Proven says whether the demand is met.
func (e Evidence) Proven() bool { return e.State == StateProven }

// Evidence answers a demand at a moment of our own clock. The name is how the
// Application is called in the reason.
func (m Memory) Evidence(name string, demand Demand, now time.Time, rules Rules) Evidence {
	run, remembered := m.run(demand.Image)
	state, why := m.state(demand.Image, run, remembered, now, rules)
	e := Evidence{State: state}
	if state == StateRunning {
		e.Ran, e.Ready = m.Seen.Sub(run.Since), run.Since.Add(demand.Soak)
	}
	ended := time.Time{}
	if past, at := m.longest(run); demand.Past && past > e.Ran {
		e.Ran, ended = past, at
	}
	of := length(e.Ran, demand.Soak)
	switch met := e.Ran >= demand.Soak; {
	case demand.Soak <= 0 || !demand.Image.valid():
		e = Evidence{State: StateUnknown, Reason: "cannot be proven in " + name + ": the demand is incomplete"}
	case met && ended.IsZero():
		e.State, e.Ready = StateProven, time.Time{}
		e.Reason = fmt.Sprintf("ran Healthy in %s for %s", name, of)
	case met:
		e.State, e.Ready = StateProven, time.Time{}
		e.Reason = fmt.Sprintf("ran Healthy in %s for %s, until %s", name, of, ended.UTC().Format("2006-01-02 15:04 MST"))
	case state == StateRunning && ended.IsZero():
		e.Reason = fmt.Sprintf("ran Healthy in %s for %s", name, of)
	case state == StateRunning:
		e.Reason = fmt.Sprintf("ran Healthy in %s for %s and runs there again", name, of)
	case state == StateAbsent:
		e.Reason = fmt.Sprintf("does not run in %s%s; it ran Healthy there for %s", name, why, of)
	default:
		e.Reason = fmt.Sprintf("ran Healthy in %s for %s, and now its time does not count: %s", name, of, why)
	}
	return e
}

func (m Memory) run(image Image) (Run, bool) {
	for _, run := range m.Runs {
		if run.Image == image {
			return run, true
		}
	}
	return Run{}, false
}

// longest is the longest run that was observed, the last one included.
func (m Memory) longest(run Run) (time.Duration, time.Time) {
	if !run.Since.IsZero() {
		if ran := m.Seen.Sub(run.Since); ran > run.Longest {
			return ran, m.Seen
		}
	}
	return run.Longest, run.Ended
}

// state says how the image stands there now, and why it is not running.
func (m Memory) state(image Image, run Run, remembered bool, now time.Time, rules Rules) (State, string) {
	switch m.Standing {
	case standsUnseen:
		return StateUnknown, "it was not seen yet"
	case standsGone:
		return StateAbsent, ": " + m.Why
	case standsUnknown:
		return StateUnknown, m.Why
	case standsCounts, standsBroken:
	default:
		return StateUnknown, "what is remembered of it is damaged"
	}
	switch {
	case now.Before(m.Seen):
		return StateUnknown, "our clock went back"
	case now.After(m.deadline(rules)):
		return StateUnknown, "its status has not been renewed since " + m.Reconciled.UTC().Format(time.RFC3339)
	case !remembered || !run.Running:
		return StateAbsent, m.instead(image)
	case m.Standing == standsBroken:
		return StateInterrupted, m.Why
	case run.Beside != "":
		return StateInterrupted, run.Beside + " runs beside it"
	case run.Since.IsZero():
		return StateUnknown, "what is remembered of it is damaged"
	default:
		return StateRunning, ""
	}
}

// instead names what runs of the image's repository.
func (m Memory) instead(image Image) string {
	var others []string
	untold := ""
	for _, run := range m.Runs {
		if run.Running && run.Image.Repository == image.Repository {
			others = append(others, run.Image.short())
			if image.Digest != "" && run.Image.Digest == "" {
				untold = " without saying by which digest"
			}
		}
	}
	if len(others) == 0 {
		return ""
	}
	const most = 3
	if len(others) > most {
		others = append(others[:most], "others")
	}
	return ", which runs " + strings.Join(others, ", ") + untold
}

// length says "12 of 30 minutes", in whole units, rounded down so that what is
// incomplete never looks complete; or "34 minutes" when it is complete.
func length(ran, of time.Duration) string {
	unit, name := time.Minute, "minutes"
	if of%time.Minute != 0 || of < 2*time.Minute {
		unit, name = time.Second, "seconds"
	} else if of%time.Hour == 0 && of >= 3*time.Hour && ran >= time.Hour {
		unit, name = time.Hour, "hours"
	}
	count := strconv.FormatInt(int64(ran/unit), 10)
	if ran >= of {
		return count + " " + name
	}
	return count + " of " + strconv.FormatInt(int64(of/unit), 10) + " " + name
}
