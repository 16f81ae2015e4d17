package commands_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/internal/commands"
	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
	"github.com/argo-gatekeeper/gatekeeper/test/e2e/standin"
)

// unfriendlyHub is a GitHub that takes no reactions, and replies as it likes.
type unfriendlyHub struct {
	commands.Hub
	reply func(pull int, body string) error
}

var errDown = errors.New("GitHub is down")

func (h unfriendlyHub) React(context.Context, approval.RepositoryName, int64, string) error {
	return errDown
}

func (h unfriendlyHub) Reply(ctx context.Context, r approval.RepositoryName, pull int, body string) (int64, error) {
	if h.reply != nil {
		if err := h.reply(pull, body); err != nil {
			return 0, err
		}
	}
	return h.Hub.Reply(ctx, r, pull, body)
}

// TestReactionFails: a hold does not wait for a reaction.
func TestReactionFails(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id := w.comment("bob", "/gk hold shop --reason x")
	w.drain(w.processor(func(o *commands.Options) { o.Hub = unfriendlyHub{Hub: o.Hub} }))
	require.Contains(t, w.replyTo(id), "**Held:**")
	require.Len(t, w.acts(), 1)
	require.Empty(t, w.reactions(id))
}

// TestReplyFails: what was asked for after it is done all the same, and the reply comes
// when it can.
func TestReplyFails(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	first := w.comment("bob", "/gk hold shop --reason one")
	second := w.comment("bob", "/gk hold pay --reason two")
	p := w.processor(func(o *commands.Options) {
		o.Hub = unfriendlyHub{Hub: o.Hub, reply: func(int, string) error { return errDown }}
	})
	require.NoError(t, p.Drain(t.Context()))
	require.Len(t, w.acts(), 2)
	require.Empty(t, w.replies())
	w.drain(w.processor())
	require.Contains(t, w.replyTo(first), "**Held:**")
	require.Contains(t, w.replyTo(second), "**Held:**")
	require.Len(t, w.acts(), 2)
}

// TestSlowElsewhere: a hold does not wait for what another pull request asks for, neither
// when that was there before nor when the hold comes while it is at work.
func TestSlowElsewhere(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	slow, err := w.gh.As("alice").OpenPull(repository, standin.PullOptions{
		Branch: "slow", Title: "Slow", Change: standin.Change{Files: map[string]string{"prod/other.yaml": "replicas: 3\n"}, Message: "Slow"},
	})
	require.NoError(t, err)
	_, err = w.gh.As("bob").Comment(repository, slow.Number, "/gk status")
	require.NoError(t, err)
	require.NoError(t, w.gh.WaitDelivered(t.Context()))
	begun, release := make(chan struct{}), make(chan struct{})
	p := w.processor(func(o *commands.Options) {
		o.Gates = slowGates{Gates: o.Gates, pull: slow.Number, begun: begun, release: release}
	})
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- p.Run(ctx) }()
	<-begun
	id := w.comment("bob", "/gk hold shop --reason x")
	p.Wake()
	require.Eventually(t, func() bool { return w.replyTo(id) != "" }, time.Minute, 10*time.Millisecond)
	require.Len(t, w.acts(), 1)
	close(release)
	stop()
	require.NoError(t, <-done)
}

// slowGates take long to look at one pull request.
type slowGates struct {
	commands.Gates
	pull           int
	begun, release chan struct{}
}

func (g slowGates) LookAt(ctx context.Context, r approval.RepositoryName, number int) (approval.PullReport, approval.PullAnswer, error) {
	if number == g.pull {
		close(g.begun)
		<-g.release
	}
	return g.Gates.LookAt(ctx, r, number)
}

// TestFloodOfCommands: it is commands that are counted, not comments.
func TestFloodOfCommands(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	p := w.processor()
	var ids []int64
	for range 4 {
		ids = append(ids, w.comment("eve", strings.Repeat("/gk status\n", 10)))
	}
	w.drain(p)
	require.NotEmpty(t, w.replyTo(ids[2]))
	require.Empty(t, w.replyTo(ids[3]))
}
