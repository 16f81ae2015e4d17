package history

import (
	"encoding/json"
	"fmt"
)

// Redraft is the draft of which Seal makes the same entry again, after the same head: for
// records that are copied entry by entry. A payload that does not make sense to this
// version is an error.
func (e Entry) Redraft() (Draft, error) {
	payload, err := decodeAny(e)
	if err != nil {
		return Draft{}, err
	}
	return Draft{Time: e.Time, Application: e.Application, Payload: recorded{Payload: payload, text: e.Payload}}, nil
}

// recorded is a payload that is written as it was: an earlier version may have put fewer
// fields into it than this one would.
type recorded struct {
	Payload
	text json.RawMessage
}

// MarshalJSON gives the text as it is.
func (r recorded) MarshalJSON() ([]byte, error) { return r.text, nil }

func decodeAny(e Entry) (Payload, error) {
	switch e.Kind {
	case KindDecision:
		return Decode[DecisionPayload](e)
	case KindIntent:
		return Decode[IntentPayload](e)
	case KindOutcome:
		return Decode[OutcomePayload](e)
	case KindAbandoned:
		return Decode[AbandonedPayload](e)
	case KindAct:
		return Decode[ActPayload](e)
	case KindDenied:
		return Decode[DeniedPayload](e)
	case KindObserved:
		return Decode[ObservedPayload](e)
	case KindHealth:
		return Decode[HealthPayload](e)
	case KindArchived:
		return Decode[ArchivedPayload](e)
	case KindPolicy:
		return Decode[PolicyPayload](e)
	default:
		return nil, fmt.Errorf("entry %d is of the unknown kind %q", e.Sequence, e.Kind)
	}
}

// Verified is the report of somebody else who read a whole record: up to which head it is
// intact, and the first fault, if any.
func Verified(head Head, fault *Fault) Report {
	return Report{Head: head, Fault: fault, complete: true}
}
