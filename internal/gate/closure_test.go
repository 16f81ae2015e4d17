package gate

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
)

// TestClosureUnreadable: what cannot be read is not synced, and is tried again.
func TestClosureUnreadable(t *testing.T) {
	t.Parallel()
	s := newSetup(t)
	s.hub.land(1)
	s.hub.approve(1, alice)
	s.hub.closureErr = errDown
	_, err := s.reconcile()
	require.ErrorIs(t, err, errDown)
	require.Empty(t, s.argo.stored())
	require.Equal(t, approval.Unknown, s.decisions()[0].Decision.Verdict)
	require.Contains(t, s.decisions()[0].Decision.Findings[0].Text, "what the Application is rendered from could not be read")

	s.hub.closureErr = nil
	s.reconciled()
	require.Len(t, s.argo.stored(), 1)
}
