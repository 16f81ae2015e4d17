package gate

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// TestNudge: an operation that Argo CD's controller lost is brought back to its mind,
// and no other is.
func TestNudge(t *testing.T) {
	s := newSetup(t)
	s.hub.land(1)
	s.hub.approve(1, alice)
	s.reconciled()
	require.Equal(t, nudgeAfter, s.reconciled())
	require.Zero(t, s.argo.nudges)
	s.clock.advance(nudgeAfter)
	require.Equal(t, againSyncing, s.reconciled())
	require.Equal(t, 1, s.argo.nudges)
	s.argo.pick(payments)
	s.clock.advance(time.Minute)
	require.Equal(t, againSyncing, s.reconciled())
	require.Equal(t, 1, s.argo.nudges, "it is at work")
}
