package dora

import (
	"encoding/json"
	"time"
)

// Failure is a failed deployment, with those that failed after it before anything had
// recovered: there is one clock, and it runs from the first.
type Failure struct {
	Application string `json:"application"`
	// Operation is the ID of the first failed deployment.
	Operation string `json:"operation"`
	// Further are those that failed before it had recovered.
	Further []string `json:"further,omitempty"`
	// FinishedAt is when the sync of the first ended.
	FinishedAt time.Time `json:"finishedAt"`
	// DetectedAt is when the failure was known first.
	DetectedAt time.Time `json:"detectedAt"`
	Reasons    []Reason  `json:"reasons"`
	// RecoveredAt is when the Application was Healthy and stayed so; zero as long as it
	// was not seen to. When Unobserved, it may have been earlier.
	RecoveredAt time.Time `json:"recoveredAt,omitzero"`
	// Recovery is RecoveredAt − FinishedAt; nil when it has not recovered, or when that
	// is not known.
	Recovery *time.Duration `json:"-"`
	// Unobserved: when it recovered, or whether, depends on a time that nobody watched.
	Unobserved bool `json:"unobserved,omitempty"`
}

// MarshalJSON writes the recovery in seconds, and null when there is none.
func (f Failure) MarshalJSON() ([]byte, error) {
	type plain Failure
	return json.Marshal(struct {
		plain
		Seconds *float64 `json:"recoverySeconds"`
	}{plain(f), seconds(f.Recovery)})
}

func seconds(d *time.Duration) *float64 {
	if d == nil {
		return nil
	}
	s := d.Seconds()
	return &s
}

// failures takes the failed deployments together that recovered at one moment, or have
// not recovered.
func (a *Assessed) failures(policy Policy) []Failure {
	var out []Failure
	for i, d := range a.Deployments {
		if d.Outcome != OutcomeFailed {
			continue
		}
		f := Failure{
			Application: a.Name, Operation: d.ID, FinishedAt: d.FinishedAt, DetectedAt: d.Reasons[0].At, Reasons: d.Reasons,
		}
		f.RecoveredAt, f.Unobserved = a.recovered(i, policy)
		if last := len(out) - 1; last >= 0 && out[last].with(f) {
			out[last].Further = append(out[last].Further, d.ID)
			continue
		}
		if !f.RecoveredAt.IsZero() && !f.Unobserved {
			took := f.RecoveredAt.Sub(f.FinishedAt)
			f.Recovery = &took
		}
		out = append(out, f)
	}
	return out
}

// with says whether a later failure is taken together with this one: it has the same
// recovery, or none either. When this one may have recovered while nobody watched and the
// later one certainly has not, the later one is listed by itself.
func (f Failure) with(later Failure) bool {
	return f.RecoveredAt.Equal(later.RecoveredAt) && (!f.RecoveredAt.IsZero() || f.Unobserved == later.Unobserved)
}

// recovered is when the Application was Healthy first, and stayed so, after a deployment
// failed: after its illness began, or, when its health showed nothing, on a later
// deployment. The moment is the latest that it can have been.
func (a *Assessed) recovered(i int, policy Policy) (at time.Time, unobserved bool) {
	from := a.Deployments[i].onset
	if from.IsZero() {
		for _, d := range a.Deployments[i+1:] {
			if d.Counted && d.Phase == Succeeded {
				from = d.FinishedAt
				break
			}
		}
	}
	if from.IsZero() {
		return time.Time{}, false
	}
	latest, seen := a.health.run(from, a.until, policy.Stable, func(h Health) bool { return h == Healthy })
	earliest, possible := a.health.run(from, a.until, policy.Stable, maybeHealthy)
	return latest.From, seen != possible || !latest.From.Equal(earliest.From)
}

func maybeHealthy(h Health) bool { return h == Healthy || h == unobserved }
