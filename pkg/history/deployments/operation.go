package deployments

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/argo-gatekeeper/gatekeeper/pkg/history"
)

// operation is what the record says of one in few words: what its neighbours need.
type operation struct {
	number int
	entry  history.Entry
	// intent and outcome are nil for one that was observed, and the other way round. All are
	// nil for one that is archived.
	intent   *history.IntentPayload
	outcome  *history.OutcomePayload
	observed *history.ObservedPayload
}

// operations reads those with the numbers first to last.
func (m *Model) operations(ctx context.Context, scope history.Selection, total, first, last int) ([]operation, error) {
	if first > last {
		return nil, nil
	}
	entries, err := m.entries(ctx, scope, total, first, last)
	if err != nil {
		return nil, err
	}
	out := make([]operation, len(entries))
	for i, entry := range entries {
		out[i] = operation{number: first + i, entry: entry}
		if entry.Archived() {
			continue
		}
		if entry.Kind == history.KindObserved {
			o, err := history.Decode[history.ObservedPayload](entry)
			if err != nil {
				return nil, err
			}
			out[i].observed = &o
			continue
		}
		o, err := history.Decode[history.OutcomePayload](entry)
		if err != nil {
			return nil, err
		}
		related, err := m.record.Intent(ctx, o.Intent)
		if err != nil {
			return nil, fmt.Errorf("read intent %q: %w", o.Intent, err)
		}
		if len(related) == 0 {
			return nil, fmt.Errorf("entry %d has no intent", entry.Sequence)
		}
		intent, err := history.Decode[history.IntentPayload](related[0])
		if errors.Is(err, history.ErrArchived) {
			continue // the outcome says nothing without it
		}
		if err != nil {
			return nil, err
		}
		out[i].outcome, out[i].intent = &o, &intent
	}
	return out, nil
}

// result says how it ended.
func (o *operation) result() history.Result {
	switch {
	case o.archived():
		return ""
	case o.outcome != nil:
		return o.outcome.Result
	case o.observed.Phase != phaseSucceeded:
		return history.ResultFailed
	case o.observed.Partial:
		return history.ResultPartial
	default:
		return history.ResultSucceeded
	}
}

// archived says whether what it tells is not at hand. Nothing rests on it then: it counts,
// and is neither live nor what somebody went back to.
func (o *operation) archived() bool { return o.outcome == nil && o.observed == nil }

// stub is what is left of an archived one.
func (o *operation) stub() Deployment {
	return Deployment{Number: o.number, UID: o.entry.Application, Sequence: o.entry.Sequence, Recorded: o.entry.Time, Archived: true}
}

const phaseSucceeded = "Succeeded"

// live says whether it became what is live.
func (o *operation) live() bool {
	r := o.result()
	return r == history.ResultSucceeded || r == history.ResultMismatch
}

// revisions are what was synced.
func (o *operation) revisions() []string {
	switch {
	case o.archived():
		return nil
	case o.observed != nil:
		return o.observed.Revisions
	case len(o.outcome.Revisions) > 0:
		return o.outcome.Revisions
	}
	var out []string // of a sync that failed before it said so
	for _, r := range o.intent.Candidate.Revisions {
		out = append(out, string(r.SHA))
	}
	return out
}

// specDigest is empty for what was observed.
func (o *operation) specDigest() string {
	if o.intent == nil {
		return ""
	}
	return o.intent.Candidate.SpecDigest
}

// alike says whether two of them deploy the same, as far as is known.
func (o *operation) alike(other *operation) bool {
	return slices.Equal(o.revisions(), other.revisions()) &&
		(o.specDigest() == "" || other.specDigest() == "" || o.specDigest() == other.specDigest())
}
