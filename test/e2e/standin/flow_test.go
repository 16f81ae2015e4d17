package standin_test

import (
	"testing"

	"github.com/google/go-github/v60/github"
	"github.com/stretchr/testify/require"
)

func TestPullRequestFromOpenToMerge(t *testing.T) {
	w := newWorld(t)
	require.Equal(t, []string{"ping", "installation.created"}, names(w.take()))
	client := w.client()

	opened := w.openPull("replicas: 2\n")
	require.Equal(t, []string{"push", "pull_request.opened"}, names(w.take()))
	pr, _, err := client.PullRequests.Get(t.Context(), "acme", "env", opened.Number)
	require.NoError(t, err)
	require.Equal(t, opened.Head, pr.GetHead().GetSHA())
	require.True(t, pr.GetMergeable())
	require.Equal(t, w.git("rev-parse", "refs/pull/1/head"), opened.Head)
	require.Equal(t, w.git("rev-parse", "refs/pull/1/merge"), pr.GetMergeCommitSHA())

	review, _, err := w.as(w.bob).PullRequests.CreateReview(t.Context(), "acme", "env", opened.Number,
		&github.PullRequestReviewRequest{Event: new("APPROVE")})
	require.NoError(t, err)
	require.Equal(t, "APPROVED", review.GetState())
	require.Equal(t, opened.Head, review.GetCommitID())
	events := w.take()
	require.Equal(t, []string{"pull_request_review.submitted"}, names(events))
	require.Equal(t, "approved", events[0].payload.(*github.PullRequestReviewEvent).GetReview().GetState())

	sha, err := w.s.As("bob").Merge("acme/env", opened.Number, "merge")
	require.NoError(t, err)
	require.Equal(t, []string{"push", "pull_request.closed"}, names(w.take()))
	require.Equal(t, sha, w.git("rev-parse", "refs/heads/main"))
	list, _, err := client.PullRequests.ListPullRequestsWithCommit(t.Context(), "acme", "env", sha, nil)
	require.NoError(t, err)
	require.Len(t, list, 1)
}
