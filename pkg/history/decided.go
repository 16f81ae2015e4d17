package history

import (
	"context"
	"encoding/json"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
)

// Decided is what an intent that names a decision is compared with. The fields are those of the
// DecisionPayload and of its approval.Decision.
type Decided struct {
	Application               string // its UID
	Gate                      string
	PolicyDigest, FactsDigest Digest
	Allowed                   bool
	Candidate, Baseline       approval.Candidate
	Override, Asked           string
	Waits                     bool
}

// DecidedBy is what an entry decided; false when it is not a decision. One that was archived is
// ErrArchived.
func DecidedBy(e Entry) (Decided, bool, error) {
	if e.Kind != KindDecision {
		return Decided{}, false, nil
	}
	if e.Archived() {
		return Decided{}, false, &ArchivedError{e.Sequence}
	}
	// What the decision rests on, most of the payload, is left unread.
	var p struct {
		Gate         string            `json:"gate"`
		PolicyDigest Digest            `json:"policyDigest"`
		Policy       json.RawMessage   `json:"policy"`
		FactsDigest  Digest            `json:"factsDigest"`
		Facts        json.RawMessage   `json:"facts"`
		Decision     approval.Decision `json:"decision"`
	}
	if err := decodeAs(e, &p); err != nil {
		return Decided{}, false, err
	}
	d := p.Decision
	return Decided{
		Application: e.Application, Gate: p.Gate, PolicyDigest: p.PolicyDigest, FactsDigest: p.FactsDigest,
		Allowed: d.Allowed(), Candidate: d.Candidate, Baseline: d.Baseline, Override: d.Override, Asked: d.Asked, Waits: d.Waits,
	}, true, nil
}

// DecidedAt reads what the entry with that number decided; false when there is none, or it is not a
// decision.
func DecidedAt(ctx context.Context, record entryReader, sequence uint64) (Decided, bool, error) {
	entry, ok, err := at(ctx, record, sequence)
	if err != nil || !ok {
		return Decided{}, false, err
	}
	return DecidedBy(entry)
}
