package commands_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/internal/commands"
	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
)

// asker stands in for who asks for reviews, which has tests of its own.
type asker struct {
	w    *world
	fail error
}

func (a asker) Cancel(_ context.Context, _ approval.RepositoryName, pull int, head approval.SHA) ([]string, error) {
	if string(head) != a.w.pull.Head || pull != a.w.pull.Number {
		return nil, errors.New("another head")
	}
	return a.w.requests, a.fail
}

func (a asker) Resume(context.Context, approval.RepositoryName, int) error {
	a.w.resumed++
	return a.fail
}

// TestCancelRequests: whoever may write takes back the requests for reviews, and whoever
// approved by comment that as well.
func TestCancelRequests(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.options.Asker = asker{w: w}
	require.Contains(t, w.says("mallory", "/gk cancel"), "mallory has approved nothing here by a comment, and Gatekeeper waits for no review")
	require.Contains(t, w.says("eve", "/gk cancel"), "the role write")
	w.requests = []string{"carol", "acme/sre"}
	reply := w.says("mallory", "/gk cancel")
	require.Contains(t, reply, "Not asked for a review any more: `carol`, `acme/sre`. Gatekeeper asks nobody here until somebody says `/gk request`, or new commits come.")
	require.NotContains(t, reply, "Taken back")
	bob := w.user("bob")
	w.report.Gates[0].Quorum.Children = []approval.Finding{{User: &bob, Verdict: approval.Allowed, Text: "bob approved"}}
	require.Contains(t, w.says("bob", "/gk approve"), "Approved")
	reply = w.says("bob", "/gk cancel")
	require.Contains(t, reply, "Taken back. The approval by comment")
	require.Contains(t, reply, "Not asked for a review any more")
	require.Zero(t, w.resumed)
	require.Contains(t, w.says("alice", "/gk request @bob"), "Asked for a review")
	require.Equal(t, 1, w.resumed)
	require.Contains(t, w.says("eve", "/gk help"), "| `/gk cancel` |")
}

// TestCancelRequestsFails: as long as GitHub does not answer it is tried again; what was
// approved is taken back all the same, and is said so.
func TestCancelRequestsFails(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	bob := w.user("bob")
	w.report.Gates[0].Quorum.Children = []approval.Finding{{User: &bob, Verdict: approval.Allowed, Text: "bob approved"}}
	require.Contains(t, w.says("bob", "/gk approve"), "Approved")
	w.options.Asker = asker{w, errors.New("GitHub is down")}
	id := w.comment("bob", "/gk cancel")
	require.NoError(t, w.processor().Drain(t.Context()))
	require.Empty(t, w.replyTo(id))
	w.ahead = 11 * time.Minute
	w.drain(w.processor(func(o *commands.Options) { o.Asker = asker{w, errors.New("GitHub is down")} }))
	require.Contains(t, w.replyTo(id), "could not be found out")
	for _, a := range w.approvals() {
		require.False(t, a.Withdrawn.IsZero())
	}
}
