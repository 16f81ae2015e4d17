package pending

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
)

// TestClosed: what was closed is not remembered, and nothing is ever owed.
func TestClosed(t *testing.T) {
	t.Parallel()
	in := New(Options{})
	for n := 1; n <= 2; n++ {
		in.Follow(approval.PullReport{Repository: "acme/env", Number: n})
	}
	require.False(t, in.Owes("acme/env", 1))
	in.Closed("acme/env", 1)
	require.Len(t, in.reports, 1)
	require.Contains(t, in.reports, Pull{"acme/env", 2})
}
