package scenario

import (
	"context"
	"fmt"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/test/e2e/payments"
	"github.com/argo-gatekeeper/gatekeeper/test/e2e/standin"
)

// waitsFor waits until a pull request waits for so many reviews, and returns whose.
func (s *story) waitsFor(number, n int) []string {
	s.t.Helper()
	var names []string
	err := payments.Await(s.ctx, fmt.Sprintf("#%d to wait for %d reviews", number, n), func(ctx context.Context) (bool, string, error) {
		r, err := s.Requested(ctx, number)
		names = r.Names()
		slices.Sort(names)
		return len(names) == n, fmt.Sprint(names), err
	})
	require.NoError(s.t, err)
	return names
}

// asksForReviews: as many people are asked as approvals are missing, and nobody twice.
func asksForReviews(t *testing.T, s *story) {
	require.NoError(t, s.ConfigureGate("    reviewRequests: people\n    labels: true\n"))
	gatekeeper := s.run()
	pull := s.propose(payments.Alice, payments.Ledger, "2000")
	first := s.waitsFor(pull.Number, 2)
	sre := []string{payments.Bob, payments.Carol, payments.Dave, payments.Erin}
	require.Subset(t, sre, first)

	s.labelled(pull.Number, "gatekeeper/prod: waiting")
	require.NoError(t, s.GitHub.As(payments.Mallory).Label(payments.Repository, pull.Number, "gatekeeper/prod: approved"))
	require.NoError(t, s.Quiet(s.ctx))
	s.check(pull.Head, "0 of 2")

	// A push changes nothing, and neither does a restart.
	_, err := s.Push(payments.Alice, pull, payments.Ledger, "3000")
	require.NoError(t, err)
	require.NoError(t, s.Quiet(s.ctx))
	require.NoError(t, gatekeeper.Stop(s.ctx))
	s.run()
	_, err = s.Push(payments.Alice, pull, payments.Ledger, "4000")
	require.NoError(t, err)
	require.NoError(t, s.Quiet(s.ctx))
	require.Equal(t, first, s.waitsFor(pull.Number, 2))

	// One of them approves; nobody takes the place.
	s.approve(first[0], pull.Number)
	s.says(pull.Number, "1 of 2")
	require.NoError(t, s.Quiet(s.ctx))
	require.Equal(t, first[1:], s.waitsFor(pull.Number, 1))

	s.approve(first[1], pull.Number)
	s.says(pull.Number, "2 of 2")
	s.labelled(pull.Number, "gatekeeper/prod: approved")
	require.NoError(t, s.Quiet(s.ctx))
	require.Empty(t, s.waitsFor(pull.Number, 0))

	// The next pull request is for those who have the least to do.
	next := s.propose(payments.Alice, payments.Ledger, "5000")
	second := s.waitsFor(next.Number, 2)
	third := s.propose(payments.Alice, payments.Ledger, "5500")
	for _, busy := range second {
		require.NotContains(t, s.waitsFor(third.Number, 2), busy)
	}

	// A draft is left alone until it is ready; a request that the author made counts.
	draft, err := s.GitHub.As(payments.Alice).OpenPull(payments.Repository, standin.PullOptions{
		Title: "Not yet", Draft: true, Change: standin.Change{
			Files: map[string]string{payments.ValuesFile("prod", payments.Ledger): payments.Values("prod", payments.Ledger, "6000")}, Message: "Not yet",
		},
	})
	require.NoError(t, err)
	require.NoError(t, s.Quiet(s.ctx))
	require.Empty(t, s.waitsFor(draft.Number, 0))
	require.NoError(t, s.GitHub.As(payments.Alice).RequestReview(payments.Repository, draft.Number, payments.Erin))
	require.NoError(t, s.Quiet(s.ctx))
	require.Equal(t, []string{payments.Erin}, s.waitsFor(draft.Number, 1))

	// Whoever may write takes the requests back, and commits bring them again.
	s.asks(payments.Mallory, third.Number, true, "/gk cancel", "Not asked for a review any more")
	require.Empty(t, s.waitsFor(third.Number, 0))
	require.NoError(t, s.Quiet(s.ctx))
	require.Empty(t, s.waitsFor(third.Number, 0))
	_, err = s.Push(payments.Alice, third, payments.Ledger, "5600")
	require.NoError(t, err)
	s.waitsFor(third.Number, 2)

	require.NoError(t, s.Quiet(s.ctx)) // a call is counted when it has ended
	writes := s.Writes()
	require.Equal(t, 1, writes["/repos/{owner}/{repo}/pulls/{number}/requested_reviewers DELETE"], "%v", writes)
	require.Equal(t, 4, writes["/repos/{owner}/{repo}/pulls/{number}/requested_reviewers POST"], "%v", writes)
	t.Log(writes)
}

// labelled waits until a pull request has exactly the labels.
func (s *story) labelled(number int, want ...string) {
	s.t.Helper()
	err := payments.Await(s.ctx, fmt.Sprintf("#%d to have the labels %q", number, want), func(ctx context.Context) (bool, string, error) {
		labels, err := s.Labels(ctx, number)
		return slices.Equal(labels, want), fmt.Sprint(labels), err
	})
	require.NoError(s.t, err)
}
