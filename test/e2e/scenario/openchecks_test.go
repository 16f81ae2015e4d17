package scenario

import (
	"os"
	"path"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/test/e2e/payments"
)

// openChecks: the check of an open pull request follows who is in a team, and the policy,
// although nothing happens to the pull request.
func openChecks(t *testing.T, s *story) {
	gatekeeper := s.run()
	pull := s.propose(payments.Alice, payments.Ledger, "2000")
	s.approve(payments.Bob, pull.Number)
	s.approve(payments.Carol, pull.Number)
	s.check(pull.Head, "config approved")
	require.NoError(t, s.Quiet(s.ctx))

	team := path.Base(payments.Team)
	require.NoError(t, s.GitHub.RemoveTeamMember(payments.Organization, team, payments.Carol))
	s.check(pull.Head, "1 of 2")
	require.NoError(t, s.GitHub.AddTeamMember(payments.Organization, team, payments.Carol))
	s.check(pull.Head, "config approved")
	require.NoError(t, s.Quiet(s.ctx))

	// What nobody was there to do is done after a restart, by the policy of then.
	require.NoError(t, gatekeeper.Stop(s.ctx))
	text, err := os.ReadFile(s.Config)
	require.NoError(t, err)
	stricter := strings.Replace(string(text), "approvals: 2", "approvals: 3", 1)
	require.NotEqual(t, string(text), stricter)
	require.NoError(t, os.WriteFile(s.Config, []byte(stricter), 0o600))
	s.run()
	s.check(pull.Head, "2 of 3")
}
