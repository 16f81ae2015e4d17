package report_test

import (
	"testing"

	gh "github.com/google/go-github/v60/github"
	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
	"github.com/argo-gatekeeper/gatekeeper/pkg/github/report"
)

// TestForgottenCommentIsFound: a process that was killed before it remembered its
// comment, or lost its store, edits the comment that is there. People who write
// the same text are not taken for us.
func TestForgottenCommentIsFound(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r := w.report(approval.Blocked, 1)
	_, err := w.gh.As("alice").Comment(repoName, w.pull.Number, report.Comment(r))
	require.NoError(t, err)
	w.publish(r)
	ours := w.comments()
	require.Len(t, ours, 2, "alice's comment is not ours")

	w.store = newStore()
	w.publisher = report.NewPublisher(w.client, w.store, w.logger(), w.now)
	w.publish(w.report(approval.Allowed, 2))
	now := w.comments()
	require.Len(t, now, 2)
	require.Equal(t, ours[0].Body, now[0].Body, "alice's comment is left alone")
	require.Equal(t, ours[1].ID, now[1].ID)
	require.Contains(t, now[1].Body, "2 of 2")
}

// What our App answers to a command is not taken for the status comment.
func TestAnswersAreNoStatusComment(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	client, err := w.client.Client(t.Context(), repoName)
	require.NoError(t, err)
	body := "<!-- gatekeeper reply to 7 -->\nhelp"
	_, _, err = client.API().Issues.CreateComment(t.Context(), "acme", "env", w.pull.Number, &gh.IssueComment{Body: &body})
	require.NoError(t, err)
	w.publish(w.report(approval.Blocked, 0))
	require.Len(t, w.comments(), 2)
	require.Equal(t, body, w.comments()[0].Body)
}
