package commands_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/internal/commands"
	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
	"github.com/argo-gatekeeper/gatekeeper/pkg/github/reviewrequest"
)

// TestCancelRequests: whoever may write takes back the requests for reviews that were made
// on somebody's word, and whoever approved by comment that as well. What people asked for
// on GitHub stays.
func TestCancelRequests(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	require.Contains(t, w.says("mallory", "/gk cancel"), "mallory has approved nothing here by a comment, and Gatekeeper waits for no review")
	require.Contains(t, w.says("eve", "/gk cancel"), "the role write")
	require.NoError(t, w.gh.As("alice").RequestReview(repository, w.pull.Number, "carol"))
	require.Contains(t, w.says("alice", "/gk request @bob @Carol @acme/sre"),
		"Asked for a review: `bob`, `acme/sre`. `/gk cancel` takes that back. Asked before, and still waited for: `Carol`.")
	require.ElementsMatch(t, []string{"bob", "carol", "sre"}, w.asked())
	require.Contains(t, w.says("alice", "/gk request @carol"), "✅ Asked before, and still waited for: `carol`.")
	reply := w.says("mallory", "/gk cancel")
	require.Contains(t, reply, "Not asked for a review any more: `bob`, `acme/sre`. Gatekeeper asks nobody here until somebody says `/gk request`, or new commits come.")
	require.NotContains(t, reply, "Taken back")
	require.Equal(t, []string{"carol"}, w.asked())
	require.Contains(t, w.says("mallory", "/gk cancel"), "Not asked for a review any more: `bob`", "it says the same again")

	bob := w.user("bob")
	w.report.Gates[0].Quorum.Children = []approval.Finding{{User: &bob, Verdict: approval.Allowed, Text: "bob approved"}}
	require.Contains(t, w.says("bob", "/gk approve"), "Approved")
	require.Contains(t, w.says("alice", "/gk request @acme/sre"), "Asked for a review: `acme/sre`.")
	reply = w.says("bob", "/gk cancel")
	require.Contains(t, reply, "Taken back. The approval by comment")
	require.Contains(t, reply, "Not asked for a review any more: `acme/sre`.")
	require.Equal(t, []string{"carol"}, w.asked())
	require.Contains(t, w.says("eve", "/gk help"), "| `/gk cancel` |")
}

// asked are those whose review GitHub waits for.
func (w *world) asked() []string {
	w.t.Helper()
	pull, err := w.gh.Pull(repository, w.pull.Number)
	require.NoError(w.t, err)
	return append(pull.Reviewers, pull.Teams...)
}

// asker stands in for one that GitHub does not answer.
type asker struct{ *reviewrequest.Publisher }

func (asker) Cancel(context.Context, approval.RepositoryName, int, approval.SHA) ([]string, error) {
	return nil, errors.New("GitHub is down")
}

// TestCancelRequestsFails: as long as GitHub does not answer it is tried again; what was
// approved is taken back all the same, and is said so.
func TestCancelRequestsFails(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	bob := w.user("bob")
	w.report.Gates[0].Quorum.Children = []approval.Finding{{User: &bob, Verdict: approval.Allowed, Text: "bob approved"}}
	require.Contains(t, w.says("bob", "/gk approve"), "Approved")
	w.options.Asker = asker{}
	id := w.comment("bob", "/gk cancel")
	require.NoError(t, w.processor().Drain(t.Context()))
	require.Empty(t, w.replyTo(id))
	w.ahead = 11 * time.Minute
	w.drain(w.processor(func(o *commands.Options) { o.Asker = asker{} }))
	require.Contains(t, w.replyTo(id), "could not be found out")
	for _, a := range w.approvals() {
		require.False(t, a.Withdrawn.IsZero())
	}
}
