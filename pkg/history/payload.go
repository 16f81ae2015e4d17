package history

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
)

// Payload is what an entry of a kind tells. The implementations are the
// payload structs of this package.
type Payload interface {
	kind() Kind
	// intent is the ID of the intent that the payload is or belongs to.
	intent() string
	// check says what about the payload makes no sense in an entry about that
	// Application at that place of the record.
	check(application string, sequence uint64) error
}

// DecisionPayload is a decision with everything that it rests on, so that it
// can be made again. NewDecision fills in the digests.
type DecisionPayload struct {
	Gate string `json:"gate"`
	// PolicyDigest and FactsDigest are those of Policy and Facts.
	PolicyDigest Digest            `json:"policyDigest"`
	Policy       approval.Policy   `json:"policy"`
	FactsDigest  Digest            `json:"factsDigest"`
	Facts        approval.Facts    `json:"facts"`
	Decision     approval.Decision `json:"decision"`
}

// NewDecision is the payload for a decision made of that policy and those facts.
func NewDecision(policy approval.Policy, facts approval.Facts, decision approval.Decision) (DecisionPayload, error) {
	policyDigest, err := DigestOf(policy)
	if err != nil {
		return DecisionPayload{}, fmt.Errorf("digest of the policy: %w", err)
	}
	factsDigest, err := DigestOf(facts)
	if err != nil {
		return DecisionPayload{}, fmt.Errorf("digest of the facts: %w", err)
	}
	return DecisionPayload{
		Gate: policy.Gate, PolicyDigest: policyDigest, Policy: policy,
		FactsDigest: factsDigest, Facts: facts, Decision: decision,
	}, nil
}

func (DecisionPayload) kind() Kind     { return KindDecision }
func (DecisionPayload) intent() string { return "" }

func (p DecisionPayload) check(application string, _ uint64) error {
	switch p.Decision.Verdict {
	case approval.Allowed, approval.Blocked, approval.Unknown:
	default:
		return fmt.Errorf("the decision has the verdict %q", p.Decision.Verdict)
	}
	switch {
	case p.Gate == "" || p.Policy.Gate != p.Gate || p.Decision.Gate != p.Gate:
		return fmt.Errorf("gate %q, policy of gate %q, decision of gate %q", p.Gate, p.Policy.Gate, p.Decision.Gate)
	case p.Facts.Application.UID != application:
		return fmt.Errorf("the facts are about the Application %q", p.Facts.Application.UID)
	case p.Decision.Allowed() && p.Decision.Candidate.UID != application:
		return fmt.Errorf("the candidate is one of the Application %q", p.Decision.Candidate.UID)
	}
	want, err := NewDecision(p.Policy, p.Facts, p.Decision)
	if err != nil {
		return err
	}
	if p.PolicyDigest != want.PolicyDigest || p.FactsDigest != want.FactsDigest {
		return errors.New("the digests are not those of the policy and the facts")
	}
	return nil
}

// IntentPayload says which sync is about to be requested, and on what grounds.
type IntentPayload struct {
	// ID is unique in the record, and is put on Argo CD's operation.
	ID   string `json:"id"`
	Gate string `json:"gate"`
	// Application is "namespace/name".
	Application string `json:"application"`
	// ResourceVersion is the version of the Application that the sync is bound to.
	ResourceVersion string             `json:"resourceVersion"`
	Candidate       approval.Candidate `json:"candidate"`
	PolicyDigest    Digest             `json:"policyDigest"`
	FactsDigest     Digest             `json:"factsDigest"`
	// DecisionSequence is the entry of the decision that allows the candidate, or of one
	// that has it as its baseline when a person asks for it.
	DecisionSequence uint64 `json:"decisionSequence"`
	// InitiatedBy is the text that Argo CD shows as the operation's author.
	InitiatedBy string          `json:"initiatedBy"`
	Approvers   []approval.User `json:"approvers"`
	// Admitted is set when somebody else asks Argo CD for the sync.
	Admitted *Admission `json:"admitted,omitempty"`
	// Act is the ID of the order that the sync carries out, a rollback or a use of
	// break-glass; empty when it needs none.
	Act string `json:"act,omitempty"`
	// Asked is the ID of the order to sync that Gatekeeper waited for; empty where a gate
	// waits for none, and for what people sync themselves.
	Asked string `json:"asked,omitempty"`
}

func (IntentPayload) kind() Kind       { return KindIntent }
func (p IntentPayload) intent() string { return p.ID }

func (p IntentPayload) check(application string, sequence uint64) error {
	switch {
	case p.Gate == "" || p.Application == "" || p.ResourceVersion == "" || p.InitiatedBy == "":
		return errors.New("gate, Application, resource version and initiator must all be named")
	case p.Candidate.UID != application:
		return fmt.Errorf("the candidate is one of the Application %q", p.Candidate.UID)
	case p.Candidate.SpecDigest == "" || len(p.Candidate.Revisions) == 0:
		return errors.New("the candidate has no spec digest or no revisions")
	case p.Admitted != nil && p.Asked != "":
		return errors.New("whoever syncs something does not wait for an order")
	case p.Admitted != nil && p.Admitted.User == "":
		return errors.New("who asked for the sync must be named")
	case p.DecisionSequence == 0 || p.DecisionSequence >= sequence:
		return fmt.Errorf("the decision %d is not before entry %d", p.DecisionSequence, sequence)
	}
	for _, revision := range p.Candidate.Revisions {
		if revision.SHA == "" {
			return errors.New("the candidate has a source without a revision")
		}
	}
	_, policyErr := ParseDigest(string(p.PolicyDigest))
	_, factsErr := ParseDigest(string(p.FactsDigest))
	return errors.Join(policyErr, factsErr)
}

// Result says how a sync ended. The zero result is not valid.
type Result string

// The results of a sync.
const (
	ResultSucceeded Result = "succeeded"
	ResultFailed    Result = "failed"
	// ResultPartial: some of the resources were synced alone, as somebody asked.
	ResultPartial Result = "partial"
	// ResultMismatch: something else than the intended candidate was synced.
	ResultMismatch Result = "mismatch"
)

// OutcomePayload says what became of a sync, as Argo CD reports it.
type OutcomePayload struct {
	// Intent is the ID of the intent.
	Intent string `json:"intent"`
	Result Result `json:"result"`
	// Phase and Message are those of Argo CD's operation.
	Phase   string `json:"phase"`
	Message string `json:"message"`
	// Revisions are what was synced, in the order of the sources.
	Revisions  []string  `json:"revisions"`
	StartedAt  time.Time `json:"startedAt,omitzero"`
	FinishedAt time.Time `json:"finishedAt,omitzero"`
	// Health is Argo CD's health status when the operation ended.
	Health string `json:"health"`
	// Resources say what became of the resources; nil when that is not known, as in entries
	// of versions that did not write it down.
	Resources *approval.ResourceResults `json:"resources,omitempty"`
}

func (OutcomePayload) kind() Kind       { return KindOutcome }
func (p OutcomePayload) intent() string { return p.Intent }

// checkResources says what makes no sense.
func checkResources(r *approval.ResourceResults) error {
	if r != nil && (r.Applied < 0 || r.Failed < 0) {
		return fmt.Errorf("%d resources were applied and %d failed", r.Applied, r.Failed)
	}
	return nil
}

func (p OutcomePayload) check(string, uint64) error {
	if err := checkResources(p.Resources); err != nil {
		return err
	}
	switch p.Result {
	case ResultSucceeded:
		if len(p.Revisions) == 0 {
			return errors.New("a sync that succeeded has revisions")
		}
		return nil
	case ResultFailed, ResultMismatch, ResultPartial:
		return nil
	default:
		return fmt.Errorf("unknown result %q", p.Result)
	}
}

// AbandonedPayload says that an intent was not acted on and never will be.
type AbandonedPayload struct {
	// Intent is the ID of the intent.
	Intent string `json:"intent"`
	Reason string `json:"reason"`
}

func (AbandonedPayload) kind() Kind       { return KindAbandoned }
func (p AbandonedPayload) intent() string { return p.Intent }

func (p AbandonedPayload) check(string, uint64) error {
	if p.Reason == "" {
		return errors.New("no reason is given")
	}
	return nil
}

// payloadStruct lists the payloads, so that Decode takes nothing else.
type payloadStruct interface {
	DecisionPayload | IntentPayload | OutcomePayload | AbandonedPayload | ActPayload | DeniedPayload | ObservedPayload | HealthPayload | ArchivedPayload | PolicyPayload
	Payload
}

// Decode reads an entry's payload. One that was archived is ErrArchived. An entry of another kind is an error, and so
// is a field that this version does not know: a newer version gave it a meaning,
// and to leave it out could turn a partial deployment into a complete one.
func Decode[P payloadStruct](e Entry) (P, error) {
	var payload, none P
	if e.Kind != payload.kind() {
		return none, fmt.Errorf("entry %d is of kind %q, not %q", e.Sequence, e.Kind, payload.kind())
	}
	if e.Archived() {
		return none, &ArchivedError{e.Sequence}
	}
	if err := decodeAs(e, &payload); err != nil {
		return none, err
	}
	if payload.intent() != e.Intent {
		return none, fmt.Errorf("decode entry %d: its intent is %q, its payload's %q", e.Sequence, e.Intent, payload.intent())
	}
	return payload, nil
}

// decodeAs reads an entry's payload into a struct that knows all of its fields.
func decodeAs(e Entry, payload any) error {
	decoder := json.NewDecoder(bytes.NewReader(e.Payload))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(payload); err != nil {
		return fmt.Errorf("decode entry %d: %w", e.Sequence, err)
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return fmt.Errorf("decode entry %d: something follows the payload", e.Sequence)
	}
	return nil
}
