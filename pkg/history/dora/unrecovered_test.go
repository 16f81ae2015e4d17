package dora_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/pkg/history/dora"
)

// TestUnrecoveredAfterAGap: the first failure may have recovered while nobody watched. That
// the second one has not is certain, so it is listed.
func TestUnrecoveredAfterAGap(t *testing.T) {
	t.Parallel()
	a := assess(t, dora.Application{
		Health:     health(t, "0 Healthy, 20 Degraded, 60 Healthy, 61 Degraded"),
		Gaps:       []dora.Interval{{From: minute(40), To: minute(60)}},
		Operations: []dora.Operation{operation("1", 10, 12, "a"), operation("2", 58, 60, "b", func(op *dora.Operation) { op.Before = dora.Healthy })},
	}, 1000)
	require.Equal(t, []string{"1 unobserved", "2 unrecovered"}, failures(a))
	r := report([]dora.Assessed{a}, 0, 1000).Recovery
	require.Equal(t, 1, r.Unobserved)
	require.Len(t, r.Unrecovered, 1)
	require.Equal(t, "2", r.Unrecovered[0].Operation)
}
