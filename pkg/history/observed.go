package history

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
)

// ObservedPayload is a sync that Argo CD carried out and for which no intent is on
// record: nobody asked the gate. It is what the Application's status tells, in which
// whoever may write the Application could forge the text of who asked.
type ObservedPayload struct {
	Gate string `json:"gate"`
	// Application is "namespace/name".
	Application string `json:"application"`
	// Phase and Message are those of Argo CD's operation.
	Phase   string `json:"phase"`
	Message string `json:"message,omitempty"`
	// Revisions are what was synced, in the order of the sources; empty when a failed
	// operation does not say.
	Revisions []string `json:"revisions"`
	// StartedAt tells the operation from others of the Application, of which there is one
	// at a time. For entries of Argo CD's history without one it is the time of the end.
	StartedAt   time.Time `json:"startedAt"`
	FinishedAt  time.Time `json:"finishedAt,omitzero"`
	InitiatedBy string    `json:"initiatedBy,omitempty"`
	// Partial is true when some of the resources were synced alone.
	Partial bool `json:"partial,omitempty"`
	// Late is true when it ended before the process that writes this had begun: nobody
	// watched, and it was found in the Application's status.
	Late bool `json:"late,omitempty"`
	// Before is true for what was there when the gate saw the Application for the first
	// time. Such a sync owed nobody an approval.
	Before bool `json:"before,omitempty"`
	// Covers is the entry, of a decision or an intent, that allows these revisions or has
	// them as its baseline; 0 when nothing on record does. The gate was not asked all the
	// same, and the operation may have had other sources.
	Covers uint64 `json:"covers,omitempty"`
	// Decision is the newest entry of a decision on the Application when it was seen, which
	// may tell what it brought; 0 for none.
	Decision uint64 `json:"decision,omitempty"`
	// Health is Argo CD's health status when it was seen; empty when something else was
	// synced since.
	Health string `json:"health,omitempty"`
	// Resources are like those of an outcome.
	Resources *approval.ResourceResults `json:"resources,omitempty"`
}

func (ObservedPayload) kind() Kind     { return KindObserved }
func (ObservedPayload) intent() string { return "" }

func (p ObservedPayload) check(_ string, sequence uint64) error {
	switch {
	case p.Gate == "" || p.Application == "" || p.Phase == "":
		return errors.New("gate, Application and phase must all be named")
	case p.StartedAt.IsZero():
		return errors.New("a sync that was seen has a time")
	case p.Covers >= sequence, p.Decision >= sequence:
		return fmt.Errorf("the entries %d and %d are not both before entry %d", p.Covers, p.Decision, sequence)
	}
	return checkResources(p.Resources)
}

// HealthPayload says that the health of an Application changed after a deployment, or
// that it is not watched any more. The first health is in the entry of the deployment.
type HealthPayload struct {
	// Of is the entry of the outcome or the observed sync that it is about.
	Of uint64 `json:"of"`
	// Health is Argo CD's health status from At on, as far as is known.
	Health string    `json:"health"`
	At     time.Time `json:"at"`
	// Late is true when nobody watched since the entry before, so that the health in
	// between is not known.
	Late bool `json:"late,omitempty"`
	// End is true for the last entry about a deployment: the time for which it is watched
	// is over, or its health changed too often to go on.
	End bool `json:"end,omitempty"`
}

func (HealthPayload) kind() Kind     { return KindHealth }
func (HealthPayload) intent() string { return "" }

func (p HealthPayload) check(_ string, sequence uint64) error {
	switch {
	case p.Health == "" || p.At.IsZero():
		return errors.New("the health and its time must be given")
	case p.Of == 0 || p.Of >= sequence:
		return fmt.Errorf("the deployment %d is not before entry %d", p.Of, sequence)
	}
	return nil
}

// Selection is what Select reads.
type Selection struct {
	// Kinds are those of the entries, one at least. KindDecision is not among them: the
	// decisions are by far the most of a record.
	Kinds []Kind
	// Application is the UID; empty for all.
	Application string
	// Named is the "namespace/name" that intents and observed syncs have; empty for all.
	// With it, Kinds are KindIntent and KindObserved, and none else.
	Named string
	// From and Before bound the sequence numbers: From is the first, Before the first that
	// is not read any more; 0 for no bound.
	From, Before uint64
	// Newest turns the order around, so that the last entries come first.
	Newest bool
	// Skip leaves out that many at the beginning.
	Skip int
}

// Check says what is wrong with a selection, with ErrInvalid.
func (s Selection) Check() error {
	if len(s.Kinds) == 0 || s.Skip < 0 {
		return fmt.Errorf("a selection without kinds, or that skips %d: %w", s.Skip, ErrInvalid)
	}
	for _, kind := range s.Kinds {
		known := slices.Contains([]Kind{KindIntent, KindOutcome, KindAbandoned, KindAct, KindDenied, KindObserved, KindHealth, KindArchived, KindPolicy}, kind)
		if !known || (s.Named != "" && kind != KindIntent && kind != KindObserved) {
			return fmt.Errorf("entries of kind %q are not selected by this: %w", kind, ErrInvalid)
		}
	}
	return nil
}

// Deployed are the kinds of entries that tell of a completed operation.
func Deployed() []Kind { return []Kind{KindOutcome, KindObserved} }
