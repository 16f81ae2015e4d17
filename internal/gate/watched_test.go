package gate

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/pkg/history"
)

// watched is a record with a hook before and after each call, for failures,
// crashes, and what others do meanwhile.
type watched struct {
	history.Record
	before func(call string) error
	after  func(call string) error
}

func (w *watched) enter(call string) error {
	if w.before == nil {
		return nil
	}
	return w.before(call)
}

func (w *watched) Head(ctx context.Context) (history.Head, error) {
	if err := w.enter("head"); err != nil {
		return history.Head{}, err
	}
	return w.Record.Head(ctx)
}

func (w *watched) OpenIntents(ctx context.Context) ([]history.Entry, error) {
	if err := w.enter("all open"); err != nil {
		return nil, err
	}
	return w.Record.OpenIntents(ctx)
}

func (w *watched) OpenIntentsOf(ctx context.Context, uid string) ([]history.Entry, error) {
	if err := w.enter("open"); err != nil {
		return nil, err
	}
	return w.Record.OpenIntentsOf(ctx, uid)
}

func (w *watched) Deployments(ctx context.Context, uid string, limit int) ([]history.Deployment, error) {
	if err := w.enter("deployed"); err != nil {
		return nil, err
	}
	return w.Record.Deployments(ctx, uid, limit)
}

func (w *watched) Append(ctx context.Context, expect history.Head, drafts ...history.Draft) (history.Head, error) {
	if err := w.enter("append"); err != nil {
		return history.Head{}, err
	}
	head, err := w.Record.Append(ctx, expect, drafts...)
	if err == nil && w.after != nil {
		if err := w.after("append"); err != nil {
			return history.Head{}, err
		}
	}
	return head, err
}

// entries are all entries, and kinds their kinds.
func (s *setup) entries() []history.Entry {
	s.t.Helper()
	entries, err := s.store.Entries(s.t.Context(), 1, 100_000)
	require.NoError(s.t, err)
	return entries
}

func (s *setup) kinds() []history.Kind {
	s.t.Helper()
	var kinds []history.Kind
	for _, e := range s.entries() {
		kinds = append(kinds, e.Kind)
	}
	return kinds
}

func payloads[P history.DecisionPayload | history.IntentPayload | history.OutcomePayload | history.AbandonedPayload | history.PolicyPayload](s *setup, kind history.Kind) []P {
	s.t.Helper()
	var out []P
	for _, e := range s.entries() {
		if e.Kind == kind {
			out = append(out, decode[P](s.t, e))
		}
	}
	return out
}

func decode[P history.DecisionPayload | history.IntentPayload | history.OutcomePayload | history.AbandonedPayload | history.PolicyPayload](t testing.TB, e history.Entry) P {
	t.Helper()
	var payload any
	var err error
	switch any(*new(P)).(type) {
	case history.DecisionPayload:
		payload, err = history.Decode[history.DecisionPayload](e)
	case history.IntentPayload:
		payload, err = history.Decode[history.IntentPayload](e)
	case history.OutcomePayload:
		payload, err = history.Decode[history.OutcomePayload](e)
	case history.AbandonedPayload:
		payload, err = history.Decode[history.AbandonedPayload](e)
	case history.PolicyPayload:
		payload, err = history.Decode[history.PolicyPayload](e)
	}
	require.NoError(t, err)
	typed, ok := payload.(P)
	require.True(t, ok)
	return typed
}

func (s *setup) intents() []history.IntentPayload {
	s.t.Helper()
	return payloads[history.IntentPayload](s, history.KindIntent)
}

func (s *setup) outcomes() []history.OutcomePayload {
	s.t.Helper()
	return payloads[history.OutcomePayload](s, history.KindOutcome)
}

func (s *setup) abandoned() []history.AbandonedPayload {
	s.t.Helper()
	return payloads[history.AbandonedPayload](s, history.KindAbandoned)
}

func (s *setup) decisions() []history.DecisionPayload {
	s.t.Helper()
	return payloads[history.DecisionPayload](s, history.KindDecision)
}
