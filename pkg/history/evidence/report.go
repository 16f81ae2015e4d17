package evidence

import (
	"encoding/json"
	"time"

	"github.com/argo-gatekeeper/gatekeeper/pkg/history"
	"github.com/argo-gatekeeper/gatekeeper/pkg/history/deployments"
)

// Report is what happened at a gate in a time.
type Report struct {
	Gate string `json:"gate"`
	// From is the beginning, To the end, which does not belong to it any more.
	From time.Time `json:"from"`
	To   time.Time `json:"to"`
	// Made is when the report was.
	Made    time.Time `json:"made"`
	Record  Record    `json:"record"`
	Summary Summary   `json:"summary"`
	// Policies are those by which something was let through, in the order of their first
	// use.
	Policies []Policy `json:"policies"`
	// Deployments are all operations, in the order of the record.
	Deployments []Deployment `json:"deployments"`
	// Changes are the pull requests and direct commits that they brought, one line for
	// each deployment that brought it.
	Changes    []Change    `json:"changes"`
	Exceptions []Exception `json:"exceptions"`
	// Orders are what people ordered.
	Orders []Order `json:"orders"`
	// Refusals count what the API server was told to refuse, by code.
	Refusals []Refusal `json:"refusals"`
}

// Record is the record that a report was made of.
type Record struct {
	// Head is the last entry; the record was verified up to it, every digest again.
	Head history.Head `json:"head"`
	// First and Last are the entries of the time that are in the report; 0 for none.
	First uint64 `json:"first,omitempty"`
	Last  uint64 `json:"last,omitempty"`
	// Checkpoint is the signed one for the head; empty when no key is configured.
	Checkpoint string `json:"checkpoint,omitempty"`
}

// Summary counts.
type Summary struct {
	Applications int `json:"applications"`
	Deployments  int `json:"deployments"`
	Failed       int `json:"failed"`
	Changes      int `json:"changes"`
	// Approved are the changes whose quorum was met.
	Approved    int `json:"approved"`
	BreakGlass  int `json:"breakGlass"`
	NotReviewed int `json:"notReviewed"`
	Ungated     int `json:"ungated"`
	Rollbacks   int `json:"rollbacks"`
	Refused     int `json:"refused"`
}

// Policy is one by which something was decided.
type Policy struct {
	Digest history.Digest `json:"digest"`
	// Entry is the first decision of the report that was made by it.
	Entry  uint64          `json:"entry"`
	Policy json.RawMessage `json:"policy"`
}

// Proof names what a line rests on.
type Proof struct {
	// Entry is the number of the entry, Digest its digest.
	Entry  uint64         `json:"entry"`
	Digest history.Digest `json:"digest"`
}

// Deployment is one with its proofs.
type Deployment struct {
	deployments.Deployment
	// Ended proves how it ended, Decided what let it through; nil for an ungated one.
	Ended   Proof  `json:"ended"`
	Decided *Proof `json:"decided,omitempty"`
}

// The ways in which a change was let through.
const (
	ByQuorum     = "quorum"
	ByBreakGlass = "break-glass"
	ByNobody     = "ungated"
	ByRollback   = "rollback"
)

// Change is one change in one deployment.
type Change struct {
	// Deployed is when the operation ended.
	Deployed    time.Time `json:"deployed"`
	Application string    `json:"application"`
	Number      int       `json:"deployment"`
	Result      string    `json:"result"`
	Repository  string    `json:"repository,omitempty"`
	// Pull is 0 for a commit that reached the branch without a pull request.
	Pull   int    `json:"pull,omitempty"`
	Title  string `json:"title,omitempty"`
	URL    string `json:"url,omitempty"`
	Commit string `json:"commit"`
	Class  string `json:"class,omitempty"`
	Author string `json:"author,omitempty"`
	// ConfigApprovers and ImageApprovers are those whose approvals were counted.
	ConfigApprovers []string `json:"configApprovers,omitempty"`
	ImageApprovers  []string `json:"imageApprovers,omitempty"`
	// Opened, Quorum and Merged are zero where the record does not tell.
	Opened time.Time `json:"opened,omitzero"`
	Quorum time.Time `json:"quorum,omitzero"`
	Merged time.Time `json:"merged,omitzero"`
	// LetThrough says how: by its quorum, by break-glass, by a rollback, or by nobody.
	LetThrough string `json:"letThrough"`
	SyncedBy   string `json:"syncedBy"`
	Ended      Proof  `json:"ended"`
	Decided    *Proof `json:"decided,omitempty"`
}

// The kinds of exceptions.
const (
	ExceptionBreakGlass   = "break-glass"
	ExceptionMissedReview = "missed review"
	ExceptionUngated      = "ungated sync"
	ExceptionUnapproved   = "unapproved change"
	ExceptionLate         = "observed late"
	ExceptionWarned       = "not enforced"
	ExceptionPermit       = "permit"
)

// Exception is something that an auditor wants explained.
type Exception struct {
	Kind        string    `json:"kind"`
	At          time.Time `json:"at"`
	Application string    `json:"application,omitempty"`
	// Number is that of the deployment, 0 when it is about none.
	Number int    `json:"deployment,omitempty"`
	Who    string `json:"who,omitempty"`
	// Text says what happened, Reason what was given as one.
	Text   string `json:"text"`
	Reason string `json:"reason,omitempty"`
	Proof  Proof  `json:"proof"`
}

// Order is what a person ordered.
type Order struct {
	At          time.Time `json:"at"`
	Verb        string    `json:"verb"`
	ID          string    `json:"id"`
	Of          string    `json:"of,omitempty"`
	Application string    `json:"application,omitempty"`
	Who         string    `json:"who"`
	Via         string    `json:"via"`
	Reason      string    `json:"reason"`
	Proof       Proof     `json:"proof"`
}

// Refusal counts requests that were refused for one reason.
type Refusal struct {
	Code  string `json:"code"`
	Count int    `json:"count"`
}
