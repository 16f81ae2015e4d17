package measures_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/internal/measures"
	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
	"github.com/argo-gatekeeper/gatekeeper/pkg/history"
	"github.com/argo-gatekeeper/gatekeeper/pkg/history/dora"
)

// TestLoaderSyncFailed: a sync that failed is a failed deployment if it had applied
// something, and none if it had not.
func TestLoaderSyncFailed(t *testing.T) {
	for name, test := range map[string]struct {
		resources *approval.ResourceResults
		want      dora.Outcome
	}{
		"some applied": {&approval.ResourceResults{Applied: 1, Failed: 2}, dora.OutcomeFailed},
		"none applied": {&approval.ResourceResults{Failed: 2}, dora.OutcomeNotApplied},
		"not known":    {nil, dora.OutcomeAppliedUnknown},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.sync(w.decide("prod", "shop", 7), func(o *history.OutcomePayload) {
				o.Result, o.Phase, o.Message, o.Resources = history.ResultFailed, "Failed", "one or more objects failed to apply", test.resources
			})
			a := w.assessed()
			require.Len(t, a.Deployments, 1)
			require.Equal(t, test.want, a.Deployments[0].Outcome)
			if test.want == dora.OutcomeFailed {
				require.Equal(t, dora.SignalSync, a.Deployments[0].Reasons[0].Signal)
			}
		})
	}
}

// TestLoaderMarks: what people say counts, also about what was read long ago, until they
// take it back.
func TestLoaderMarks(t *testing.T) {
	w := newWorld(t)
	loader := measures.NewLoader(w.store)
	var first uint64
	for i := range 6 {
		if entry := w.sync(w.decide("prod", "shop", 7+i), nil); i == 0 {
			first = entry
		}
	}
	require.Empty(t, load(t, loader)[0].Marks)
	mark := func(id, says string) {
		w.append("uid-shop", history.ActPayload{
			ID: id, Verb: history.VerbMark, Gate: "prod", Application: "argocd/shop", Person: history.Person{Name: "ada", Via: history.ViaConsole},
			Reason: "INC-1", Deployment: first, Mark: says,
		})
		w.at = w.at.Add(time.Minute)
	}
	signals := func() []dora.Reason {
		a, err := dora.Assess(load(t, loader)[0], dora.DefaultPolicy(), w.at)
		require.NoError(t, err)
		return a.Deployments[0].Reasons
	}
	mark("m-1", history.MarkFailed)
	found := signals()
	require.Len(t, found, 1)
	require.Equal(t, dora.SignalMarked, found[0].Signal)
	require.Equal(t, "ada", found[0].By)
	mark("m-2", history.MarkNotFailed)
	require.Empty(t, signals())
	require.Len(t, load(t, loader)[0].Marks, 2, "each once")
	require.Equal(t, load(t, measures.NewLoader(w.store)), load(t, loader))
}
