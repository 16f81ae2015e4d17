package dora

import "time"

// Report is the five metrics of a scope over a window. What is nil is not defined.
type Report struct {
	Scope  Scope  `json:"scope"`
	Window Window `json:"window"`
	// Applications are how many the scope has.
	Applications int `json:"applications"`
	// ObservedFrom is when the first of them was seen first; zero when none was. Before
	// it, nothing is known: a window that begins earlier has days without deployments
	// that only look so.
	ObservedFrom time.Time `json:"observedFrom,omitzero"`
	// ArchivedUntil is when the newest operation was recorded that is archived and not in
	// these figures; zero for none.
	ArchivedUntil time.Time `json:"archivedUntil,omitzero"`

	Frequency      Frequency      `json:"deploymentFrequency"`
	LeadTime       LeadTime       `json:"changeLeadTime"`
	ChangeFailRate ChangeFailRate `json:"changeFailRate"`
	Recovery       Recovery       `json:"failedDeploymentRecoveryTime"`
	Rework         ReworkRate     `json:"reworkRate"`
	// NotCounted are operations that are no deployments, by outcome.
	NotCounted map[Outcome]int `json:"notCounted"`
}

// Frequency is how often something is deployed.
type Frequency struct {
	// Deployments are those whose sync succeeded and that are not known to have failed.
	Deployments int      `json:"deployments"`
	PerDay      *float64 `json:"perDay"`
	// ActiveDaysPerWeek is the median number of days with a deployment, over the Weeks
	// from Monday to Sunday that are in the window as a whole.
	ActiveDaysPerWeek *float64 `json:"activeDaysPerWeek"`
	Weeks             int      `json:"weeks"`
	// Interval is between one deployment and the next.
	Interval Distribution `json:"interval"`
}

// LeadTime is how long changes take from the commit until they are Healthy.
type LeadTime struct {
	// Changes are those that became Healthy in the window.
	Changes int `json:"changes"`
	Times
	Segments []SegmentTimes `json:"segments"`
	// Bases are how many commit times come from where.
	Bases map[Basis]int `json:"bases"`
}

// Times are the lengths that are known, and how many are not.
type Times struct {
	Length Distribution `json:"length"`
	// Negative have an end before their beginning.
	Negative int `json:"negative"`
	// Unknown lack one of the two times.
	Unknown int `json:"unknown"`
}

// SegmentTimes are those of one segment.
type SegmentTimes struct {
	Segment Segment `json:"segment"`
	Times
}

// ChangeFailRate is how many deployments fail, of those whose watch has ended.
type ChangeFailRate struct {
	Rate       *float64 `json:"rate"`
	Failed     int      `json:"failed"`
	Successful int      `json:"successful"`
	// Open are still being watched; of Undetermined it is not known. Neither is in the
	// rate.
	Open         int `json:"open"`
	Undetermined int `json:"undetermined"`
	// Signals are how many of the failed ones have each signal; several may have one.
	Signals map[Signal]int `json:"signals"`
}

// Recovery is how long it takes to recover from failed deployments.
type Recovery struct {
	Length Distribution `json:"length"`
	// Unrecovered are the failures that nothing has recovered from yet.
	Unrecovered []Failure `json:"unrecovered"`
	// Unobserved are those of which it is not known when they recovered, or whether.
	Unobserved int `json:"unobserved"`
	// Detection is from the end of the sync until the failure was known.
	Detection Distribution `json:"detection"`
}

// ReworkRate is how many deployments are made because of an earlier one.
type ReworkRate struct {
	Rate        *float64 `json:"rate"`
	Rework      int      `json:"rework"`
	Deployments int      `json:"deployments"`
	// Kinds are how many have each kind; several may have one.
	Kinds map[Rework]int `json:"kinds"`
}

// ScopeKind says what a report is about.
type ScopeKind string

// The kinds of scopes.
const (
	ScopeAll         ScopeKind = "all"
	ScopeApplication ScopeKind = "application"
	ScopeGate        ScopeKind = "gate"
	ScopeTeam        ScopeKind = "team"
)

// Scope is what a report is about. DORA means its metrics for one service each; a gate
// or a team blends those of its Applications.
type Scope struct {
	Kind ScopeKind `json:"kind"`
	// Name is that of the Application, the gate or the team; empty for all.
	Name string `json:"name,omitempty"`
}
