package gate

import "github.com/argo-gatekeeper/gatekeeper/pkg/approval"

// Verb is what a request does to an Application.
type Verb string

// The verbs of requests.
const (
	VerbCreate Verb = "create"
	VerbUpdate Verb = "update"
	VerbDelete Verb = "delete"
)

// AdmissionRequest is a write of an Application that the API server asks about
// before it stores it.
type AdmissionRequest struct {
	Verb Verb
	// Before and After are the facts of the stored and the new object; Before is nil
	// for a creation, After for a deletion.
	Before, After *approval.Application
	// User is who writes, as the API server knows them.
	User string
	// DryRun is true when nothing will be stored.
	DryRun bool
	// Start is what the operation that begins with this write would deploy; nil when
	// none begins.
	Start *Start
	// Prunes is true when the write lets a sync that waits for it prune resources.
	Prunes bool
	// Refused are the rules that the request breaks whatever was approved.
	Refused []Refusal
}

// Start is an operation that somebody asks Argo CD for.
type Start struct {
	// Candidate is what it would deploy. Its spec digest is that of the spec with the
	// operation's own sources in their place.
	Candidate approval.Candidate
	// Intent is the ID of the intent that the operation names. Whoever may write an
	// operation can write that.
	Intent string
	// InitiatedBy is display text that Argo CD's API wrote, or anybody else.
	InitiatedBy string
	// Automated is true for what Argo CD calls automated.
	Automated bool
	// DryRun is true for an operation that applies nothing.
	DryRun bool
	// Partial is true when it names resources.
	Partial bool
	Prune   bool
	Force   bool
	// Options are the sync options that are not in the spec.
	Options []string
}

// Refusal is a rule that a request breaks.
type Refusal struct{ Rule, Text string }

// Admission is the answer to a request. The zero Admission refuses.
type Admission struct {
	Allowed bool
	// Gate is the gate that decided; empty when none protects the Application.
	Gate string
	// Code is that of the rule or of the finding that refuses.
	Code string
	// Text is what the person is told: one line.
	Text string
}

// application is the object that the request is about.
func (r AdmissionRequest) application() approval.Application {
	if r.After != nil {
		return *r.After
	}
	if r.Before != nil {
		return *r.Before
	}
	return approval.Application{}
}

func (r AdmissionRequest) initiatedBy() string {
	if r.Start == nil {
		return ""
	}
	return r.Start.InitiatedBy
}

// asked says in words what is asked for.
func (r AdmissionRequest) asked() string {
	if r.Start != nil {
		return "sync to " + revisions(r.Start.Candidate)
	}
	return string(r.Verb)
}
