package scenario

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/test/e2e/payments"
	"github.com/argo-gatekeeper/gatekeeper/test/e2e/sandbox"
	"github.com/argo-gatekeeper/gatekeeper/test/e2e/standin"
)

// badDay: webhooks come twice and are lost, GitHub moves an approval to a head that
// nobody looked at, the App is suspended and loses a permission, and what answers
// at all breaks off. Nothing is synced meanwhile, everybody is told what to do, and
// when it was done exactly the approved change is synced, once.
func badDay(t *testing.T, s *story) {
	gatekeeper := s.run()
	s.GitHub.ReanchorReviews(true)
	s.GitHub.DuplicateDeliveries(1000)
	pull := s.propose(payments.Alice, payments.Ledger, "5000")
	s.approve(payments.Bob, pull.Number)
	s.says(pull.Number, "1 of 2")

	// The same change in another commit: GitHub says now that bob approved that one.
	head, err := s.GitHub.As(payments.Alice).ForcePushPull(payments.Repository, pull.Number, standin.Change{
		Files:   map[string]string{payments.ValuesFile("prod", payments.Ledger): payments.Values("prod", payments.Ledger, "5000")},
		Message: "Say it better",
	})
	require.NoError(t, err)
	moved, err := s.GitHub.Reviews(payments.Repository, pull.Number)
	require.NoError(t, err)
	require.Equal(t, head, moved[0].Commit)
	s.says(pull.Number, "bob approved "+pull.Head[:7]+", but the head is "+head[:7], "0 of 2")

	s.approve(payments.Bob, pull.Number)
	s.says(pull.Number, "1 of 2")
	sha := s.merge(pull.Number, "merge")
	s.verdict(payments.Ledger, "blocked", "quorum.missing")

	// Suspended: the approval that is missing is given, and no webhook tells.
	require.NoError(t, s.Suspend(true))
	s.nextSecond()
	s.approve(payments.Carol, pull.Number)
	s.verdict(payments.Ledger, "unknown", "facts.missing")
	d, err := s.Decision(s.ctx, payments.Ledger)
	require.NoError(t, err)
	require.Contains(t, fmt.Sprint(d), "an owner of acme can unsuspend the GitHub App")
	s.untouched(payments.Ledger)

	// Unsuspended, but without a permission: still nothing can be known.
	require.NoError(t, s.Without("pull_requests"))
	require.NoError(t, s.Suspend(false))
	s.logs(gatekeeper, "give the GitHub App the permission pull_requests: read, which an owner of acme then has to accept")
	s.untouched(payments.Ledger)

	// Given back, the first answers break off.
	_, err = s.GitHub.Fail(standin.Fault{Match: "^GET /repos/.*/reviews$", Reset: true, Times: 2})
	require.NoError(t, err)
	_, err = s.GitHub.Fail(standin.Fault{Match: "^GET /repos/.*/reviews$", Status: 200, Body: "[", Cut: true, Times: 2})
	require.NoError(t, err)
	require.NoError(t, s.Without())
	s.runs(payments.Ledger, sha, "5000", 2)
	s.says(pull.Number, "2 of 2", "synced")
	s.carriedOut(payments.Ledger, 0)
	s.stays(payments.Ledger, sha, "5000", 2)
}

// nextSecond waits for the next second by the clock, since GitHub's times have no
// more: what nobody witnessed counts only when it is from a later second.
func (s *story) nextSecond() {
	s.t.Helper()
	now := time.Now()
	select {
	case <-time.After(now.Truncate(time.Second).Add(time.Second).Sub(now)):
	case <-s.ctx.Done():
		require.NoError(s.t, s.ctx.Err())
	}
}

// logs waits until gatekeeper's log holds a text.
func (s *story) logs(gatekeeper *sandbox.Process, text string) {
	s.t.Helper()
	err := payments.Await(s.ctx, fmt.Sprintf("gatekeeper to log %q", text), func(context.Context) (bool, string, error) {
		return strings.Contains(gatekeeper.Logs(), text), gatekeeper.Logs(), nil
	})
	require.NoError(s.t, err)
}
