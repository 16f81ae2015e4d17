package report_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
	"github.com/argo-gatekeeper/gatekeeper/pkg/github/command"
	"github.com/argo-gatekeeper/gatekeeper/pkg/github/conversation"
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

// TestReplyIsNoStatus: an answer to a command is a comment of ours as well, and is never
// taken for the status, whichever was written first.
func TestReplyIsNoStatus(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	answer := command.ReplyPrefix + "comment-7 -->\nIt is so."
	_, err := conversation.New(w.client).Reply(t.Context(), repoName, w.pull.Number, answer)
	require.NoError(t, err)
	w.publish(w.report(approval.Blocked, 1))
	now := w.comments()
	require.Len(t, now, 2)
	require.Equal(t, answer, now[0].Body)
	require.Contains(t, now[1].Body, "1 of 2")
}
