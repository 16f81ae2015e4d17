package approval

import "errors"

// Verdict is the answer of a decision. The zero verdict blocks.
type Verdict string

// The verdicts. Unknown means that facts are missing, Blocked that the facts
// say no; neither opens the gate.
const (
	Allowed Verdict = "allowed"
	Blocked Verdict = "blocked"
	Unknown Verdict = "unknown"
)

// Decision is the answer for one Application: the newest candidate that the
// gate lets through, and why everything after it is not.
type Decision struct {
	Gate        string  `json:"gate"`
	Application string  `json:"application"`
	Verdict     Verdict `json:"verdict"`
	// Candidate is what may be synced when the verdict is Allowed. It is the
	// zero Candidate otherwise.
	Candidate Candidate `json:"candidate,omitzero"`
	// Baseline is the Application as it is at the baselines, which a person may sync
	// again whatever the verdict is on what landed since; the zero Candidate when that
	// is not known, or something else is against it. See AtBaseline.
	Baseline Candidate `json:"baseline,omitzero"`
	// Advances is true when the candidate holds approved changes in scope that
	// are newer than the baseline. An allowed decision that does not advance has
	// nothing to ship.
	Advances bool `json:"advances"`
	// Override is the ID of the use of break-glass that allows the candidate; empty
	// when it is allowed without.
	Override string `json:"override,omitempty"`
	// Rollback is the ID of the order to roll back that allows the candidate; empty
	// when it needs none.
	Rollback string `json:"rollback,omitempty"`
	// Waits is true when the gate syncs on command and nobody has said that the candidate
	// is to be synced: people may sync it, Gatekeeper does not. Asked is the ID of the
	// order of who has; empty when none is needed.
	Waits bool   `json:"waits,omitempty"`
	Asked string `json:"asked,omitempty"`
	// Lines tell for each branch how far the approved part reaches.
	Lines []LineDecision `json:"lines"`
	// Findings explain the decision: first what holds for the Application as a
	// whole, then each landing in order.
	Findings []Finding `json:"findings"`
}

// Allowed is the only way to open the gate.
func (d Decision) Allowed() bool { return d.Verdict == Allowed && len(d.Candidate.Revisions) > 0 }

// Candidate is what a sync would deploy: one Application, one spec, one exact
// revision for each source.
type Candidate struct {
	UID        string     `json:"uid"`
	SpecDigest string     `json:"specDigest"`
	Revisions  []Revision `json:"revisions"`
}

// Revision is the exact commit of one source, in the order of the spec.
type Revision struct {
	Repository RepositoryName `json:"repository"`
	SHA        SHA            `json:"sha"`
}

// Equal says whether both candidates would deploy the same.
func (c Candidate) Equal(o Candidate) bool {
	if c.UID != o.UID || c.SpecDigest != o.SpecDigest || len(c.Revisions) != len(o.Revisions) {
		return false
	}
	for i := range c.Revisions {
		if c.Revisions[i] != o.Revisions[i] {
			return false
		}
	}
	return true
}

// LineDecision says how far a branch is approved.
type LineDecision struct {
	Repository RepositoryName `json:"repository"`
	Branch     string         `json:"branch"`
	Baseline   SHA            `json:"baseline"`
	// Target is the newest commit whose whole range is approved; the baseline
	// when nothing newer is.
	Target SHA `json:"target"`
	Head   SHA `json:"head"`
	// Landings are the landings after the baseline, oldest first.
	Landings []LandingDecision `json:"landings"`
}

// LandingDecision is the judgement of one landing.
type LandingDecision struct {
	Commit SHA         `json:"commit"`
	Kind   LandingKind `json:"kind"`
	Class  ChangeClass `json:"class"`
	// Pull is the number of the pull request, 0 for none.
	Pull    int     `json:"pull,omitempty"`
	Verdict Verdict `json:"verdict"`
	// Undone is true when a landing that is not approved no longer matters at
	// the target, because all it changed was restored.
	Undone bool `json:"undone,omitempty"`
	// Approvers are those whose approvals were counted.
	Approvers []User `json:"approvers,omitempty"`
}

// ChangeClass says what kind of change a landing is for a gate. The zero class
// is not valid.
type ChangeClass string

// The change classes. Whatever is not provably image-only is config, and needs the
// image quorum besides when it touches images.
const (
	ClassNone   ChangeClass = "none"
	ClassConfig ChangeClass = "config"
	ClassImage  ChangeClass = "image"
	ClassMixed  ChangeClass = "mixed"
)

// Finding is one node of the explanation of a decision.
type Finding struct {
	Code    Code    `json:"code"`
	Verdict Verdict `json:"verdict"`
	// Text says what was found, in one line for people.
	Text string `json:"text"`
	// Remedy says who can do what to clear a finding that blocks.
	Remedy string `json:"remedy,omitempty"`
	// Pull, Commit and User tell what the finding is about, when it is about one.
	Pull     int       `json:"pull,omitempty"`
	Commit   SHA       `json:"commit,omitempty"`
	User     *User     `json:"user,omitempty"`
	Children []Finding `json:"children,omitempty"`
}

// Release is the permission to sync one candidate. It can be had from an
// allowed decision alone, so an action cannot be started by mistake.
type Release struct {
	intent      string
	initiatedBy string
	candidate   Candidate
	application Application
}

// ErrNotAllowed is returned when a Release is asked of a decision that does not
// allow its candidate, or that waits until somebody asks for it.
var ErrNotAllowed = errors.New("the decision does not allow a sync")

// Release returns the permission to sync the decision's candidate of the
// application that was decided on. The intent is the ID of the recorded intent,
// initiatedBy the text for Argo CD's history.
func (d Decision) Release(a Application, intent, initiatedBy string) (Release, error) {
	if !d.Allowed() || d.Waits || intent == "" || a.UID != d.Candidate.UID || a.SpecDigest != d.Candidate.SpecDigest ||
		len(a.Sources) != len(d.Candidate.Revisions) {
		return Release{}, ErrNotAllowed
	}
	for i, s := range a.Sources {
		if !s.Repository.Equal(d.Candidate.Revisions[i].Repository) {
			return Release{}, ErrNotAllowed
		}
	}
	return Release{intent: intent, initiatedBy: initiatedBy, candidate: d.Candidate, application: a}, nil
}

// Valid is false for the zero Release, which permits nothing.
func (r Release) Valid() bool { return r.intent != "" }

// Intent is the ID of the recorded intent.
func (r Release) Intent() string { return r.intent }

// InitiatedBy is the text that Argo CD shows as the operation's author.
func (r Release) InitiatedBy() string { return r.initiatedBy }

// Candidate is what may be synced.
func (r Release) Candidate() Candidate { return r.candidate }

// Application holds the facts that were decided on, with the resource version
// to which the sync is bound.
func (r Release) Application() Application { return r.application }
