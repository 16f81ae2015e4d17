package gate

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
)

// TestContentOfWhatIsStopped: what an Application is rendered from is known although
// something stopped it when it was judged first, so that reports do not name it for what it
// does not read.
func TestContentOfWhatIsStopped(t *testing.T) {
	t.Parallel()
	s := newSetup(t)
	p := gatePolicy("prod")
	p.Repositories[0].Paths = []string{"**"}
	s.policies = []approval.Policy{p}
	s.gate = s.newGate()
	s.deploy(1)
	answer := s.openPull(7)
	answer.Changes[0].Path = "docs/prod.yaml"
	s.hub.pullOf[7] = answer
	report, _ := s.reported(7)
	require.Empty(t, report.Gates[0].Affected, "its closure was read for the sync")

	s.hub.land(2) // nobody approves it
	s.restart()
	s.hub.closureErr = errDown
	s.reconciled()
	report, _ = s.reported(7)
	require.Equal(t, []string{payments}, report.Gates[0].Affected, "nobody knows")
	require.Equal(t, approval.Blocked, s.decisions()[len(s.decisions())-1].Decision.Verdict, "and nothing depends on it")

	s.hub.closureErr = nil
	s.reconciled()
	report, _ = s.reported(7)
	require.Empty(t, report.Gates[0].Affected)
}
