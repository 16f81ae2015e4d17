package gate

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
	"github.com/argo-gatekeeper/gatekeeper/pkg/history"
)

// observer writes down what it is told.
type observer struct{ told []string }

func (o *observer) Decided(_ context.Context, app approval.Application, d approval.Decision, first bool) {
	line := app.Key() + " " + string(d.Verdict)
	if first {
		line += " first"
	}
	o.told = append(o.told, line)
}

func (o *observer) Ended(_ context.Context, _ approval.Application, intent history.IntentPayload, outcome history.OutcomePayload) {
	o.told = append(o.told, string(outcome.Result)+" "+revisions(intent.Candidate))
}

// TestNews: each decision that is new and each outcome once.
func TestNews(t *testing.T) {
	t.Parallel()
	s := newSetup(t)
	o := &observer{}
	s.gate.observers = []Observer{o}
	s.hub.land(1)
	s.reconciled()
	s.reconciled()
	s.hub.approve(1, alice)
	s.reconciled()
	s.argo.run(payments, phaseSucceeded)
	s.reconciled()
	s.reconciled()
	require.Equal(t, []string{
		payments + " blocked first", payments + " allowed", "succeeded " + sha(1).Short(), payments + " allowed",
	}, o.told)
	o.told = nil
	s.gate = s.newGate()
	s.gate.observers = []Observer{o}
	s.reconciled()
	require.Equal(t, []string{payments + " allowed first"}, o.told)
}
