package commands_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/internal/operate"
	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
	"github.com/argo-gatekeeper/gatekeeper/pkg/history"
	"github.com/argo-gatekeeper/gatekeeper/test/e2e/standin"
)

// TestReleaseEndsNoNewerHold: whoever releases ends what was there when they asked. A hold
// that was placed since is one that they cannot have meant.
func TestReleaseEndsNoNewerHold(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	require.Contains(t, w.says("bob", "/gk hold shop --reason one"), "**Held:**")
	id := w.comment("bob", "/gk release shop --reason over")
	w.desks = 2 * time.Second // what follows is given after the comment
	o := operate.New(operate.Options{Policies: func() []approval.Policy { return w.policies }, Applications: w, Desk: w.desk(w.record), Logger: w.logger()})
	newer, err := o.Hold(t.Context(), history.Person{Name: "carol", Via: history.ViaConsole}, operate.HoldRequest{Target: operate.Target{Application: "argocd/shop"}, Reason: "two"})
	require.NoError(t, err)
	w.drain(w.processor())
	require.Contains(t, w.replyTo(id), newer.ID+" by carol was placed after the release was asked for, so nothing was released")
	require.Equal(t, []string{"eyes", "-1"}, w.reactions(id))
	require.Len(t, w.acts(), 2)

	byID := w.comment("bob", "/gk release --id "+newer.ID+" --reason over")
	w.drain(w.processor())
	require.Contains(t, w.replyTo(byID), "was placed after the release")
	require.Len(t, w.acts(), 2)
	// What one comment asks for happens in its order.
	both := w.comment("bob", "/gk hold pay --reason one\n/gk release pay --reason two")
	w.drain(w.processor())
	require.Contains(t, w.replyTo(both), "**Released.**")
	require.Len(t, w.acts(), 4)
}

// TestLateOrders: an order that could not be given for ten minutes is not given when it
// could be, unless it stops something.
func TestLateOrders(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	require.Contains(t, w.says("bob", "/gk hold shop --reason one"), "**Held:**")
	lines := []string{
		"/gk release shop --reason x", "/gk rollback shop --reason x", "/gk sync shop", "/gk promote shop --from pay",
		"/gk break-glass shop --revision " + strings.Repeat("1", 40) + " --reason x", "/gk adopt shop --spec " + spec + " --reason x",
	}
	orders := w.comment("bob", strings.Join(lines, "\n"))
	w.peopleBy = errors.New("GitHub is down")
	require.NoError(t, w.processor().Drain(t.Context()))
	w.peopleBy = nil
	w.ahead = 11 * time.Minute
	w.drain(w.processor())
	require.Equal(t, len(lines), strings.Count(w.replyTo(orders), "more than ten minutes ago"), w.replyTo(orders))
	require.Len(t, w.acts(), 1)

	w.ahead = 0
	hold := w.comment("bob", "/gk hold pay --reason x")
	w.ahead = 11 * time.Minute
	w.drain(w.processor())
	require.Contains(t, w.replyTo(hold), "**Held:**")
}

// TestEditedWithinTheSecond: times of comments have whole seconds, so what the event said
// is compared with what is there.
func TestEditedWithinTheSecond(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for { // until both are in one second
		id := w.comment("bob", "/gk status")
		requests, err := w.box.Requests(t.Context(), 1)
		require.NoError(t, err)
		require.NoError(t, w.gh.As("bob").EditComment(repository, id, "/gk hold --reason x"))
		c, err := w.hub.Comment(t.Context(), repository, id)
		require.NoError(t, err)
		require.Equal(t, approval.TextDigest("/gk status"), requests[0].Asked.Text)
		w.drain(w.processor())
		require.Contains(t, w.replyTo(id), "the comment was changed after it was written")
		if !c.Edited() {
			break
		}
	}
	require.Empty(t, w.acts())
}

// TestStalePress: a press that arrives when the button is gone, or the head is another one,
// ends no hold.
func TestStalePress(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	require.Contains(t, w.says("bob", "/gk hold --gate prod --reason audit"), "**Held:**")
	run := w.checkRun("gatekeeper/prod", fmt.Sprintf("gatekeeper/pull/%d", w.pull.Number), "release")
	press := func() string {
		t.Helper()
		before := len(w.replies())
		require.NoError(t, w.gh.As("bob").ClickAction(repository, run, "release"))
		require.NoError(t, w.gh.WaitDelivered(t.Context()))
		w.drain(w.processor())
		require.Len(t, w.replies(), before+1)
		return w.replies()[before]
	}
	require.Contains(t, press(), "does not offer this button any more")
	w.report.Gates[0].Stops = []approval.Finding{{Code: approval.CodeHoldActive, Verdict: approval.Blocked, Text: "held"}}
	_, err := w.gh.As("alice").PushToPull(repository, w.pull.Number, standin.Change{Files: map[string]string{"prod/values.yaml": "replicas: 9\n"}, Message: "Next"})
	require.NoError(t, err)
	require.Contains(t, press(), "not the head of the pull request any more")
	require.Len(t, w.acts(), 1)

	w.pull, err = w.gh.As("alice").OpenPull(repository, standin.PullOptions{
		Branch: "other", Title: "Other", Change: standin.Change{Files: map[string]string{"prod/other.yaml": "a: 1\n"}, Message: "Other"},
	})
	require.NoError(t, err)
	run = w.checkRun("gatekeeper/prod", fmt.Sprintf("gatekeeper/pull/%d", w.pull.Number), "release")
	require.Contains(t, press(), "**Released.**")
}
