package history

import (
	"errors"
	"fmt"
	"time"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
)

// Verb says what a person ordered. The zero verb is not valid.
type Verb string

// The verbs of orders.
const (
	// VerbAdopt: the Application's spec, as it is, is approved.
	VerbAdopt Verb = "adopt"
	// VerbHold: nothing is synced, until it is released or expires.
	VerbHold Verb = "hold"
	// VerbRelease: a hold ends.
	VerbRelease Verb = "release"
	// VerbBreakGlass: exactly one candidate may be synced without its quorum.
	VerbBreakGlass Verb = "break-glass"
	// VerbReview: a use of break-glass was looked at afterwards.
	VerbReview Verb = "review"
	// VerbRollback: an earlier deployment is to be live again.
	VerbRollback Verb = "rollback"
	// VerbPermit: the Application may be deleted, or leave the gate's protection.
	VerbPermit Verb = "permit"
	// VerbSync: exactly one approved candidate is to be synced, where the gate waits for
	// somebody to say so.
	VerbSync Verb = "sync"
	// VerbMark: a deployment failed, or did not, whatever its health showed. The newest mark
	// of a deployment holds, and nothing is decided by it.
	VerbMark Verb = "mark"
)

// Via says how Gatekeeper knows who a person is. The zero Via is not valid.
type Via string

// The ways in which orders come.
const (
	// ViaConsole: by a command beside the running process. Who may run one may act;
	// the name is what that person wrote.
	ViaConsole Via = "console"
	// ViaComment: by a comment on a pull request. GitHub says who wrote it.
	ViaComment Via = "comment"
	// ViaArgoCD: by an operation of Argo CD, which says who asked for it.
	ViaArgoCD Via = "argocd"
)

// Person is who ordered something.
type Person struct {
	// Name is a GitHub login if Via is a comment, and else what was given.
	Name string `json:"name"`
	// ID is the numeric GitHub account ID; 0 for a name that GitHub did not prove.
	ID  approval.UserID `json:"id,omitempty"`
	Via Via             `json:"via"`
}

// ActPayload is what a person ordered, with the reason that was given.
type ActPayload struct {
	// ID is unique in the record; later orders refer to it.
	ID   string `json:"id"`
	Verb Verb   `json:"verb"`
	Gate string `json:"gate"`
	// Application is "namespace/name"; empty when the order is about the whole
	// gate, which only a hold and its release can be.
	Application string `json:"application,omitempty"`
	Person      Person `json:"person"`
	Reason      string `json:"reason"`
	// Expires is when a hold, a permit, the use of break-glass or the word to sync ends by
	// itself; zero for a hold that does not.
	Expires time.Time `json:"expires,omitzero"`
	// ReviewBy is until when a use of break-glass has to be reviewed.
	ReviewBy time.Time `json:"reviewBy,omitzero"`
	// Of is the ID of the order that a release or a review is about.
	Of string `json:"of,omitempty"`
	// SpecDigest is what an adoption approves.
	SpecDigest string `json:"specDigest,omitempty"`
	// SpecFields are the fields of that spec, for telling later what differs from it.
	// Nothing is decided by them.
	SpecFields []approval.SpecField `json:"specFields,omitempty"`
	// Candidate is what break-glass, a rollback or a sync names.
	Candidate *approval.Candidate `json:"candidate,omitempty"`
	// Intent is that of the deployment to which a rollback goes back.
	Intent string `json:"intentOf,omitempty"`
	// Hold is the ID of the hold that is ordered along with a rollback, so that nothing
	// newer is synced after it.
	Hold string `json:"hold,omitempty"`
	// Permit says what is permitted: "delete" or "leave".
	Permit string `json:"permit,omitempty"`
	// Pull is the pull request on which the order was given; 0 for none.
	Pull int `json:"pull,omitempty"`
	// Deployment is the entry of the outcome or the observed sync that a mark is about, and
	// Mark what it says.
	Deployment uint64 `json:"deployment,omitempty"`
	Mark       string `json:"mark,omitempty"`
}

func (ActPayload) kind() Kind     { return KindAct }
func (ActPayload) intent() string { return "" }

// PermitDelete and PermitLeave are what can be permitted.
const (
	PermitDelete = "delete"
	PermitLeave  = "leave"
)

// MarkFailed and MarkNotFailed are what a mark says. The latter takes others back.
const (
	MarkFailed    = "failed"
	MarkNotFailed = "not-failed"
)

func (p ActPayload) check(application string, sequence uint64) error {
	switch {
	case p.Deployment >= sequence:
		return fmt.Errorf("the deployment %d is not before entry %d", p.Deployment, sequence)
	case p.ID == "" || len(p.ID) > MaxName || p.Gate == "" || p.Person.Name == "" || p.Reason == "":
		return errors.New("ID, gate, person and reason must all be given")
	case p.Person.Via != ViaConsole && p.Person.Via != ViaComment && p.Person.Via != ViaArgoCD:
		return fmt.Errorf("the person is known by %q", p.Person.Via)
	case (application == "") != (p.Application == ""):
		return errors.New("an order about an Application names it and its UID")
	case application == "" && p.Verb != VerbHold && p.Verb != VerbRelease:
		return fmt.Errorf("%q is not about a whole gate", p.Verb)
	case p.Candidate != nil && p.Candidate.UID != application:
		return fmt.Errorf("the candidate is one of the Application %q", p.Candidate.UID)
	}
	return p.complete()
}

// complete says what a verb lacks, or has too much of.
func (p ActPayload) complete() error {
	has := map[string]bool{
		"of": p.Of != "", "specDigest": p.SpecDigest != "", "candidate": p.Candidate != nil, "intentOf": p.Intent != "", "hold": p.Hold != "",
		"permit": p.Permit == PermitDelete || p.Permit == PermitLeave, "expires": !p.Expires.IsZero(), "reviewBy": !p.ReviewBy.IsZero(),
		"deployment": p.Deployment != 0, "mark": p.Mark == MarkFailed || p.Mark == MarkNotFailed,
	}
	var needs, takes []string
	switch p.Verb {
	case VerbAdopt:
		needs = []string{"specDigest"}
	case VerbHold:
		takes = []string{"expires"}
	case VerbRelease, VerbReview:
		needs = []string{"of"}
	case VerbBreakGlass:
		needs = []string{"candidate", "expires", "reviewBy"}
	case VerbRollback:
		needs = []string{"candidate", "intentOf", "hold"}
	case VerbPermit:
		needs = []string{"permit", "expires"}
	case VerbSync:
		needs = []string{"candidate", "expires"}
	case VerbMark:
		needs = []string{"deployment", "mark"}
	default:
		return fmt.Errorf("unknown verb %q", p.Verb)
	}
	for _, need := range needs {
		if !has[need] {
			return fmt.Errorf("%s without %s", p.Verb, need)
		}
		delete(has, need)
	}
	for _, may := range takes {
		delete(has, may)
	}
	for name, present := range has {
		if present {
			return fmt.Errorf("%s with %s", p.Verb, name)
		}
	}
	if len(p.SpecFields) > 0 && p.Verb != VerbAdopt {
		return fmt.Errorf("%s with specFields", p.Verb)
	}
	if p.Permit != "" && p.Verb != VerbPermit {
		return fmt.Errorf("%s with permit", p.Verb)
	}
	if p.Mark != "" && p.Verb != VerbMark {
		return fmt.Errorf("%s with mark", p.Verb)
	}
	return nil
}

// DeniedPayload says that the API server was told to refuse a request, or to warn of it.
type DeniedPayload struct {
	Gate string `json:"gate"`
	// Application is "namespace/name".
	Application string `json:"application"`
	// User is who asked, as the API server knows them; InitiatedBy is what the
	// operation says, which whoever may write it can choose.
	User        string `json:"user"`
	InitiatedBy string `json:"initiatedBy,omitempty"`
	// Asked says in words what was asked for.
	Asked string `json:"asked"`
	// Code is that of the rule or the finding that refused it.
	Code string `json:"code"`
	// Text is what the person was told.
	Text string `json:"text"`
	// Repeated counts further refusals with the same text since the last entry.
	Repeated int `json:"repeated,omitempty"`
	// Warned is true when enforcement only warns: the request was let through.
	Warned bool `json:"warned,omitempty"`
}

func (DeniedPayload) kind() Kind     { return KindDenied }
func (DeniedPayload) intent() string { return "" }

func (p DeniedPayload) check(string, uint64) error {
	if p.Gate == "" || p.Application == "" || p.User == "" || p.Asked == "" || p.Code == "" || p.Text == "" || p.Repeated < 0 {
		return errors.New("gate, Application, user, what was asked and why it was refused must all be given")
	}
	return nil
}

// Admission says of an intent that the sync is not ours: somebody asked Argo CD
// for it, and the API server was told to let it pass.
type Admission struct {
	// User is who asked, as the API server knows them.
	User string `json:"user"`
	// Partial is true when some of the resources are synced alone. Such a sync is
	// never a deployment of the candidate.
	Partial bool `json:"partial,omitempty"`
	// Rollback is true when the candidate is one that was deployed before.
	Rollback bool `json:"rollback,omitempty"`
	// Automated is true for Argo CD's own automatic sync.
	Automated bool `json:"automated,omitempty"`
}
