package dora

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

// Policy holds the timings. The zero Policy is not valid; DefaultPolicy is.
type Policy struct {
	// Observe is for how long after its sync a deployment's health is watched.
	Observe time.Duration
	// Grace is for how long without a break an Application has to be Degraded or Missing
	// within that time for its deployment to have failed. At most Observe.
	Grace time.Duration
	// ProgressDeadline is for how long a deployment may be Progressing before it is
	// Healthy. Time in Suspended does not count.
	ProgressDeadline time.Duration
	// Stable is for how long without a break an Application has to be Healthy to have
	// recovered.
	Stable time.Duration
	// Attribution is how long after its sync a deployment can be blamed by a rollback, a
	// revert or a hotfix.
	Attribution time.Duration
	// Zone is in which days and weeks are told apart; nil for UTC.
	Zone *time.Location
}

// DefaultPolicy is a proposal: DORA names no figures.
func DefaultPolicy() Policy {
	return Policy{
		Observe: time.Hour, Grace: 5 * time.Minute, ProgressDeadline: 30 * time.Minute,
		Stable: 5 * time.Minute, Attribution: 7 * 24 * time.Hour,
	}
}

// Check says what is wrong with a policy.
func (p Policy) Check() error {
	for _, d := range []struct {
		name  string
		value time.Duration
	}{
		{"observe", p.Observe}, {"grace", p.Grace}, {"progressDeadline", p.ProgressDeadline},
		{"stable", p.Stable}, {"attribution", p.Attribution},
	} {
		if d.value <= 0 {
			return fmt.Errorf("%s must be greater than 0", d.name)
		}
	}
	if p.Grace > p.Observe {
		return errors.New("grace must not be longer than observe, or no deployment could ever be seen to degrade")
	}
	return nil
}

func (p Policy) zone() *time.Location {
	if p.Zone == nil {
		return time.UTC
	}
	return p.Zone
}

// MarshalJSON writes the timings in the notation of Go, such as "1h0m0s".
func (p Policy) MarshalJSON() ([]byte, error) {
	return json.Marshal(map[string]string{
		"observe": p.Observe.String(), "grace": p.Grace.String(), "progressDeadline": p.ProgressDeadline.String(),
		"stable": p.Stable.String(), "attribution": p.Attribution.String(), "timezone": p.zone().String(),
	})
}
