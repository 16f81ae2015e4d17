package scenario

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/test/e2e/payments"
)

// rolledBack: an ordered rollback makes the earlier content live, and a pull request
// gives Git the same. Nobody has to approve it, and it leaves nothing to ship. What is
// newer waits until the hold is released.
func rolledBack(t *testing.T, s *story) {
	s.run()
	first := s.approved(payments.Ledger, "2000")
	s.runs(payments.Ledger, first, "2000", 2)
	second := s.approved(payments.Ledger, "3000")
	s.runs(payments.Ledger, second, "3000", 3)
	s.recorded(payments.Ledger, "outcome", 2)

	hold := s.goesBack(first, "2000", 4)
	s.order(payments.Carol, "fixed", "release", hold)
	s.nothingToShip(payments.Ledger)
	s.stays(payments.Ledger, first, "2000", 4)
	third := s.approved(payments.Ledger, "4000")
	s.runs(payments.Ledger, third, "4000", 5)
	s.recorded(payments.Ledger, "outcome", 4)

	// Once more, and this time something newer is approved before the hold is released.
	hold = s.goesBack(first, "2000", 6)
	fourth := s.approved(payments.Ledger, "5000")
	s.on(payments.Ledger, fourth, "landing.approved")
	s.finds(payments.Ledger, "hold.active")
	s.stays(payments.Ledger, first, "2000", 6)
	s.order(payments.Carol, "fixed", "release", hold)
	s.runs(payments.Ledger, fourth, "5000", 7)
}

// goesBack orders a rollback of the ledger as bob, to what was deployed before, merges
// the pull request that comes of it without approvals, and returns the hold.
func (s *story) goesBack(to, limit string, n int) (hold string) {
	s.t.Helper()
	name := "argocd/" + s.Application("prod", payments.Ledger)
	out := s.order(payments.Bob, "logins fail", "rollback", name, "-o", "json")
	var back struct {
		ID, Hold  string
		Revisions []string
	}
	require.NoError(s.t, json.Unmarshal([]byte(out[strings.Index(out, "{"):]), &back))
	require.Equal(s.t, []string{to[:7]}, back.Revisions)
	live := s.runs(payments.Ledger, to, limit, n)
	require.Contains(s.t, live.InitiatedBy, "bob")
	s.t.Log(live.InitiatedBy)

	// The pull request has exactly the Application's files as they were.
	branch, number := "gatekeeper/rollback/"+back.ID, 0
	err := payments.Await(s.ctx, "the pull request from "+branch, func(context.Context) (bool, string, error) {
		pulls, err := s.GitHub.Pulls(payments.Repository)
		var saw []string
		for _, p := range pulls {
			saw = append(saw, p.Branch)
			if p.Branch == branch {
				number = p.Number
			}
		}
		return number != 0, strings.Join(saw, " "), err
	})
	require.NoError(s.t, err)
	file := payments.ValuesFile("prod", payments.Ledger)
	files, err := s.GitHub.PullFiles(payments.Repository, number)
	require.NoError(s.t, err)
	require.Len(s.t, files, 1)
	require.Equal(s.t, file, files[0].Path)
	merged, err := s.Merge(payments.Bob, number, "merge")
	require.NoError(s.t, err)
	content, _, err := s.GitHub.File(payments.Repository, merged, file)
	require.NoError(s.t, err)
	require.Equal(s.t, payments.Values("prod", payments.Ledger, limit), string(content))
	reviews, err := s.GitHub.Reviews(payments.Repository, number)
	require.NoError(s.t, err)
	require.Empty(s.t, reviews)
	s.on(payments.Ledger, merged, "landing.restored")
	s.finds(payments.Ledger, "hold.active", "bob holds "+name)
	s.stays(payments.Ledger, to, limit, n)
	return back.Hold
}

// on waits until the newest decision has a finding with the code about a landing.
func (s *story) on(service, sha, code string) {
	s.t.Helper()
	err := payments.Await(s.ctx, code+" for "+sha, func(ctx context.Context) (bool, string, error) {
		d, err := s.Decision(ctx, service)
		return d.On(sha).Has(code), fmt.Sprintf("%+v", d), err
	})
	require.NoError(s.t, err)
}

// nothingToShip waits until the newest decision allows what is live, without a hold.
func (s *story) nothingToShip(service string) {
	s.t.Helper()
	err := payments.Await(s.ctx, "nothing to ship for "+service, func(ctx context.Context) (bool, string, error) {
		entries, err := s.RecordOf(ctx, service)
		saw := ""
		for _, e := range entries {
			if e.Kind == "decision" {
				saw = string(e.Payload)
			}
		}
		var d struct {
			Decision struct {
				Verdict  string
				Advances bool
			}
		}
		if err == nil && saw != "" {
			err = json.Unmarshal([]byte(saw), &d)
		}
		return d.Decision.Verdict == "allowed" && !d.Decision.Advances && !strings.Contains(saw, "hold.active"), saw, err
	})
	require.NoError(s.t, err)
}
