package main

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
)

func TestOnlyOneApplication(t *testing.T) {
	t.Parallel()
	whole := approval.PullReport{Gates: []approval.GateReport{{Gate: "prod", PreviewsLeftOut: 3, Previews: []approval.Preview{
		{Application: "argocd/shop", State: approval.PreviewReady}, {Application: "argocd/pay", State: approval.PreviewPending},
	}}}}
	all := whole
	all.Gates = append([]approval.GateReport{}, whole.Gates...)
	require.True(t, only(&all, ""))
	require.Len(t, all.Gates[0].Previews, 2)
	require.False(t, only(&all, "argocd/shop"), "the other one is not waited for")
	require.Len(t, all.Gates[0].Previews, 1)
	require.Zero(t, all.Gates[0].PreviewsLeftOut)
	require.Len(t, whole.Gates[0].Previews, 2, "the report is another's as well")
	require.Nil(t, differ(nil))
}
