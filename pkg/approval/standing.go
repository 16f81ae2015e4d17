package approval

import "time"

// SpecEvidence is what is known about the spec that an Application has now.
type SpecEvidence struct {
	// Approved says how this very spec was approved; empty when it was not.
	Approved SpecApproval `json:"approved,omitempty"`
	// By says who or what approved it, for people: a name, a pull request, a commit. Of
	// a spec that is not approved it says who approved the one that it differs from.
	By string `json:"by,omitempty"`
	// Changed names the fields that differ from the newest approved spec, for
	// example "destination.namespace"; empty when there is none, or none is known.
	Changed []string `json:"changed,omitempty"`
	// Origin says where the spec seems to come from, for people: "it was edited by
	// kubectl-edit on ...".
	Origin string `json:"origin,omitempty"`
	// Parent is the Application, "namespace/name", that seems to write this one's spec;
	// empty for none. It is a hint for people: whoever edits the Application chooses it.
	Parent string `json:"parent,omitempty"`
}

// SpecApproval is how a spec was approved. The zero value is not at all.
type SpecApproval string

// The ways in which a spec is approved.
const (
	// SpecAdopted: a person adopted it.
	SpecAdopted SpecApproval = "adopted"
	// SpecCommitted: it is what an approved commit of a parent Application says.
	SpecCommitted SpecApproval = "committed"
)

// Hold is a person's stop that is in force.
type Hold struct {
	ID string `json:"id"`
	// WholeGate is true for a hold of all Applications of the gate.
	WholeGate bool      `json:"wholeGate,omitempty"`
	Person    string    `json:"person"`
	Reason    string    `json:"reason"`
	Since     time.Time `json:"since"`
	// Expires is zero for a hold that does not end by itself.
	Expires time.Time `json:"expires,omitzero"`
}

// WindowKind says what a window does while it is open. The zero kind blocks.
type WindowKind string

// The kinds of windows. Deny wins.
const (
	WindowAllow WindowKind = "allow"
	WindowDeny  WindowKind = "deny"
)

// Window names a window of a policy. When it is open is worked out from the
// configuration by who collects the facts.
type Window struct {
	Name string     `json:"name"`
	Kind WindowKind `json:"kind"`
	// Schedule is the configuration's text, so that it is part of the policy's digest.
	Schedule string `json:"schedule"`
}

// WindowState is how a window is when the facts are collected.
type WindowState struct {
	Name string `json:"name"`
	Open bool   `json:"open"`
	// Next is when it opens or closes next; zero when it never does.
	Next time.Time `json:"next,omitzero"`
}

// Opening is when all windows together let something through next.
type Opening struct {
	At time.Time `json:"at"`
	// Text is that moment as people write it, in the zone of a window and in UTC.
	// What a moment is in a zone changes with the zone's rules, so it is a fact.
	Text string `json:"text"`
}

// Named are people by the names of their teams and their logins.
type Named struct {
	Teams []TeamName `json:"teams,omitempty"`
	Users []string   `json:"users,omitempty"`
}

// Empty is true when nobody is named.
func (n Named) Empty() bool { return len(n.Teams)+len(n.Users) == 0 }

// BreakGlass says who may deploy a candidate without its quorum.
type BreakGlass struct {
	Named
	// ReviewBy is within what time somebody else has to review it, ValidFor how long
	// it may be used.
	ReviewBy time.Duration `json:"reviewBy"`
	ValidFor time.Duration `json:"validFor"`
}

// Override is a use of break-glass that is in force.
type Override struct {
	ID        string    `json:"id"`
	Candidate Candidate `json:"candidate"`
	Person    string    `json:"person"`
	Reason    string    `json:"reason"`
	Expires   time.Time `json:"expires"`
	ReviewBy  time.Time `json:"reviewBy"`
}

// BrokenGlass is a use of break-glass that was carried out, at least in part, and
// that nobody has reviewed.
type BrokenGlass struct {
	ID        string    `json:"id"`
	Candidate Candidate `json:"candidate"`
	Person    string    `json:"person"`
	Reason    string    `json:"reason"`
	ReviewBy  time.Time `json:"reviewBy"`
	// Overdue is true once ReviewBy has passed by the clock of who collects.
	Overdue bool `json:"overdue,omitempty"`
	// Passed is true when a candidate that the gate approved was deployed after it.
	Passed bool `json:"passed,omitempty"`
}
