package scenario

import (
	"context"
	"os"
	"path"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/test/e2e/payments"
)

// openChecks: the check of an open pull request follows who is in a team, and the policy,
// although nothing happens to the pull request. Whoever asks for it again is answered with
// another check run, also after a restart.
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
	s.rerun(pull.Head, "config approved")

	// What nobody was there to do is done after a restart, by the policy of then.
	require.NoError(t, gatekeeper.Stop(s.ctx))
	text, err := os.ReadFile(s.Config)
	require.NoError(t, err)
	stricter := strings.Replace(string(text), "approvals: 2", "approvals: 3", 1)
	require.NotEqual(t, string(text), stricter)
	require.NoError(t, os.WriteFile(s.Config, []byte(stricter), 0o600))
	s.run()
	s.check(pull.Head, "2 of 3")
	require.NoError(t, s.Quiet(s.ctx))
	s.rerun(pull.Head, "2 of 3")
}

// rerun presses "Re-run all checks" of a head, where nothing is under way, and waits for
// one more check run, with the title.
func (s *story) rerun(head, title string) {
	s.t.Helper()
	before, err := s.Checks(head)
	require.NoError(s.t, err)
	require.NoError(s.t, s.RerunChecks(payments.Bob, head))
	err = payments.Await(s.ctx, "another check run that says "+title, func(context.Context) (bool, string, error) {
		runs, err := s.Checks(head)
		if err != nil || len(runs) == len(before) {
			return false, "there is none", err
		}
		newest := runs[len(runs)-1]
		return newest.Status == "completed" && strings.Contains(newest.Title, title), newest.Status + ": " + newest.Title, nil
	})
	require.NoError(s.t, err)
	require.NoError(s.t, s.Quiet(s.ctx))
	after, err := s.Checks(head)
	require.NoError(s.t, err)
	require.Len(s.t, after, len(before)+1, "one for each time that somebody asks")
}
