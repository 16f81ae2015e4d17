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
	// PolicyChanges are when the gate began to judge by another policy, or by other keys, in
	// the order of the record.
	PolicyChanges []PolicyChange `json:"policyChanges"`
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
	// Failed, Partial and Mismatched are those that did not end as they should.
	Failed     int `json:"failed"`
	Partial    int `json:"partial"`
	Mismatched int `json:"mismatched"`
	// Changes are those that were brought, each once however often it went out.
	Changes int `json:"changes"`
	// Approved are the changes that had their quorum each time that they went out.
	Approved int `json:"approved"`
	// BreakGlass are the orders to break the glass, NotReviewed those whose time for a
	// review ended without one.
	BreakGlass  int `json:"breakGlass"`
	NotReviewed int `json:"notReviewed"`
	Ungated     int `json:"ungated"`
	Rollbacks   int `json:"rollbacks"`
	Exceptions  int `json:"exceptions"`
	Refused     int `json:"refused"`
}

// Policy is one by which something was decided.
type Policy struct {
	Digest history.Digest `json:"digest"`
	// Entry is the first decision of the report that was made by it.
	Entry  uint64          `json:"entry"`
	Policy json.RawMessage `json:"policy"`
}

// PolicyChange is an entry of the record that says by what is judged from there on.
type PolicyChange struct {
	At time.Time `json:"at"`
	// Before and After are digests of policies; Before is empty for the first one on record,
	// After when the configuration had no such gate any more.
	Before history.Digest `json:"before,omitempty"`
	After  history.Digest `json:"after,omitempty"`
	// Keys is the digest of the public keys that the gate trusts; empty when it trusts none.
	Keys history.Digest `json:"keys,omitempty"`
	// File is that of the configuration file.
	File history.Digest `json:"file"`
	// Cause is start or reload.
	Cause history.Cause `json:"cause"`
	Proof Proof         `json:"proof"`
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
	// LetThrough says on what grounds.
	LetThrough string `json:"letThrough"`
	// Ended proves how it ended, Decided what let it through; nil for an ungated one.
	Ended   Proof  `json:"ended"`
	Decided *Proof `json:"decided,omitempty"`
}

// The grounds on which a deployment or a change was let through.
const (
	// ByQuorum: every change had its quorum.
	ByQuorum = "quorum"
	// ByTrust: it was the baseline already, and somebody had it synced once more.
	ByTrust = "trusted before"
	// ByUndoing: the change has no quorum, and nothing of it was left at what was deployed.
	ByUndoing    = "undone"
	ByBreakGlass = "break-glass"
	ByRollback   = "rollback"
	// ByNobody: the gate was not asked.
	ByNobody = "ungated"
	// ByFirstSight: it was live when the gate saw the Application for the first time.
	ByFirstSight = "before the gate"
	// ByUnknown: the record does not say on what grounds.
	ByUnknown = "unknown"
)

// Change is one change in one deployment. For a deployment that brought none on grounds of
// its own, such as an ungated one, there is one for each revision.
type Change struct {
	// Deployed is when the operation ended, Recorded when that was written.
	Deployed    time.Time `json:"deployed,omitzero"`
	Recorded    time.Time `json:"recorded"`
	Application string    `json:"application"`
	UID         string    `json:"uid"`
	Number      int       `json:"deployment"`
	Result      string    `json:"result"`
	Repository  string    `json:"repository,omitempty"`
	// Pull is 0 for a commit that reached the branch without a pull request, and for a
	// revision.
	Pull   int    `json:"pull,omitempty"`
	Title  string `json:"title,omitempty"`
	URL    string `json:"url,omitempty"`
	Commit string `json:"commit"`
	Class  string `json:"class,omitempty"`
	// Kind is how it landed on the branch, Landed the result of the proof that what landed
	// is what was reviewed; empty for a revision.
	Kind   string `json:"kind,omitempty"`
	Landed string `json:"landed,omitempty"`
	Author string `json:"author,omitempty"`
	// ConfigApprovers and ImageApprovers are those whose approvals were counted.
	ConfigApprovers []string `json:"configApprovers,omitempty"`
	ImageApprovers  []string `json:"imageApprovers,omitempty"`
	// Opened, Quorum and Merged are zero where the record does not tell.
	Opened time.Time `json:"opened,omitzero"`
	Quorum time.Time `json:"quorum,omitzero"`
	Merged time.Time `json:"merged,omitzero"`
	// LetThrough says on what grounds.
	LetThrough string `json:"letThrough"`
	SyncedBy   string `json:"syncedBy"`
	// SyncSaidBy said sync, where the gate waits for somebody to say so.
	SyncSaidBy string `json:"syncSaidBy,omitempty"`
	Ended      Proof  `json:"ended"`
	Decided    *Proof `json:"decided,omitempty"`
}

// The kinds of exceptions.
const (
	// ExceptionBreakGlass: somebody ordered that a candidate be synced without its quorum.
	ExceptionBreakGlass = "break-glass"
	// ExceptionOverridden: a deployment was let through by such an order.
	ExceptionOverridden = "deployed by break-glass"
	// ExceptionMissedReview: nobody else looked at it in time.
	ExceptionMissedReview = "missed review"
	// ExceptionUngated: the gate was not asked about a sync.
	ExceptionUngated = "ungated sync"
	// ExceptionUnapproved: a deployment brought something without its quorum, and no order
	// says why.
	ExceptionUnapproved = "unapproved change"
	// ExceptionMismatch: something else was deployed than what was let through.
	ExceptionMismatch = "mismatch"
	// ExceptionRollback: an earlier deployment was made live again.
	ExceptionRollback = "rollback"
	// ExceptionFirstSight: something was live when the gate saw an Application for the first
	// time, so that no approval was asked for.
	ExceptionFirstSight = "before the gate"
	// ExceptionUnsettled: a sync was about to be requested, and nothing tells what became
	// of it.
	ExceptionUnsettled = "no outcome"
	// ExceptionAdopted: somebody approved an Application's spec by an order.
	ExceptionAdopted = "adopted spec"
	// ExceptionWarned: a request that should have been refused was let through.
	ExceptionWarned = "not enforced"
	// ExceptionPermit: an Application could be deleted, or leave the gate.
	ExceptionPermit = "permit"
	// ExceptionClock: an entry says that it is older than one before it.
	ExceptionClock = "clock set back"
	// ExceptionArchived: what entries of the time tell is archived, and was not read.
	ExceptionArchived = "archived"
)

// Meanings of the kinds of exceptions, for people, in the order of their weight.
func Meanings() []Meaning {
	return []Meaning{
		{ExceptionArchived, "What entries of the time tell was archived, and the archive was not read: the report is not complete."},
		{ExceptionUngated, "A sync that Argo CD carried out without the gate being asked."},
		{ExceptionUnapproved, "A deployment that brought a change without its quorum, and no order on record says why."},
		{ExceptionMismatch, "Argo CD reported other revisions than those that were let through."},
		{ExceptionBreakGlass, "A named person ordered that exactly one candidate may be synced without what the gate asks for."},
		{ExceptionOverridden, "A deployment that was let through by such an order."},
		{ExceptionMissedReview, "The time for reviewing a use of break-glass ended without a review by somebody else."},
		{ExceptionWarned, "A request that would have been refused was let through, because the gate was set to warn only."},
		{ExceptionUnsettled, "A sync was about to be requested, and the record does not tell what became of it."},
		{ExceptionRollback, "An earlier deployment was made live again. It rests on what was approved for that one."},
		{ExceptionFirstSight, "What was live when the gate saw an Application for the first time. No approval was asked for."},
		{ExceptionAdopted, "A person approved the spec of an Application by an order, without a review on GitHub."},
		{ExceptionPermit, "A person permitted that an Application be deleted, or leave the gate, for a while."},
		{ExceptionClock, "An entry has an earlier time than one before it. It is reported where it would be missing else."},
	}
}

// Meaning says what a kind of exception is.
type Meaning struct{ Kind, Text string }

// Exception is something that an auditor wants explained.
type Exception struct {
	Kind string `json:"kind"`
	// At is when the entry was written.
	At          time.Time `json:"at"`
	Application string    `json:"application,omitempty"`
	UID         string    `json:"uid,omitempty"`
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
