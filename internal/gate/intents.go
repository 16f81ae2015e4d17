package gate

import (
	"context"
	"fmt"
	"time"

	"github.com/argo-gatekeeper/gatekeeper/pkg/history"
)

// shippedBy are the pull requests that the decision behind an intent has a word
// on.
func (g *Gate) shippedBy(ctx context.Context, id string) ([]Key, error) {
	intent, found, err := g.intent(ctx, id)
	if err != nil || !found {
		return nil, err
	}
	decided, _, err := g.decisionOf(ctx, intent)
	return pullsOf(decided.Decision), err
}

// decisionOf reads the decision that an intent rests on.
func (g *Gate) decisionOf(ctx context.Context, intent history.IntentPayload) (history.DecisionPayload, bool, error) {
	entries, err := g.record.Entries(ctx, intent.DecisionSequence, 1)
	if err != nil || len(entries) == 0 {
		return history.DecisionPayload{}, false, err
	}
	decided, err := history.Decode[history.DecisionPayload](entries[0])
	if err != nil {
		return history.DecisionPayload{}, false, fmt.Errorf("read the decision of intent %s: %w", intent.ID, err)
	}
	return decided, true, nil
}

// openIntent is an intent with the time at which it was recorded.
type openIntent struct {
	history.IntentPayload
	at time.Time
}

func (g *Gate) openIntents(ctx context.Context, uid string) ([]openIntent, error) {
	entries, err := g.record.OpenIntentsOf(ctx, uid)
	if err != nil {
		return nil, fmt.Errorf("read open intents: %w", err)
	}
	var out []openIntent
	for _, e := range entries {
		payload, err := history.Decode[history.IntentPayload](e)
		if err != nil {
			return nil, fmt.Errorf("read an open intent: %w", err)
		}
		out = append(out, openIntent{IntentPayload: payload, at: e.Time})
	}
	return out, nil
}

func (g *Gate) intent(ctx context.Context, id string) (history.IntentPayload, bool, error) {
	entries, err := g.record.Intent(ctx, id)
	if err != nil || len(entries) == 0 {
		return history.IntentPayload{}, false, err
	}
	payload, err := history.Decode[history.IntentPayload](entries[0])
	if err != nil {
		return history.IntentPayload{}, false, fmt.Errorf("read intent %s: %w", id, err)
	}
	return payload, true, nil
}
