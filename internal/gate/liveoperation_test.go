package gate

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
)

// TestUngatedBehindFailures: what is live without the gate stays known however often
// something else is tried in vain after it.
func TestUngatedBehindFailures(t *testing.T) {
	t.Parallel()
	s := newSetup(t)
	s.deploy(1)
	s.hub.land(2)
	s.foreignRun(sha(2), phaseSucceeded)
	s.reconciled()
	require.Contains(t, s.live(), approval.CodeSyncUngated)
	for range 2*liveRead + 1 {
		s.foreignRun(sha(2), "Failed")
		s.reconciled()
	}
	require.Contains(t, s.live(), approval.CodeSyncUngated)
	require.Contains(t, s.state(), "NOT let through by the gate: 0000002")
}
