package commands_test

import (
	"context"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/internal/commands"
	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
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
