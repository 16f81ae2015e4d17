package gate

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/internal/inbox"
	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
)

func (b *boxed) Ask(ctx context.Context, id string, a approval.Asked, received time.Time) (bool, error) {
	if err := b.enter("ask"); err != nil {
		return false, err
	}
	return b.Store.Ask(ctx, id, a, received)
}

// TestAskedIsKeptFirst: a delivery that asks for something is done only when that is kept,
// and what is kept is kept once.
func TestAskedIsKeptFirst(t *testing.T) {
	m := newMailroom(t)
	woken := 0
	m.intake.WhenAsked(func() { woken++ })
	asked := approval.Asked{RepositoryID: 42, Repository: m.gate.Policies()[0].Repositories[0].Name, Pull: 12, Person: approval.User{ID: 7, Login: "alice", Type: "User"}, Comment: 31, At: start}
	kept := func() []inbox.Request {
		got, err := m.box.Requests(t.Context(), 10)
		require.NoError(t, err)
		return got
	}
	pending := func() int {
		got, err := m.box.Pending(t.Context(), 10)
		require.NoError(t, err)
		return len(got)
	}
	m.box.hook(func(call string) error {
		if call == "ask" {
			return errors.New("the disk is full")
		}
		return nil
	})
	m.deliver("issue_comment", approval.Hint{RepositoryID: 42, Repository: asked.Repository, Asked: &asked})
	require.NoError(t, m.intake.drain(t.Context()))
	require.Empty(t, kept())
	require.Equal(t, 1, pending(), "tried again later")
	require.Zero(t, woken)

	m.box.hook(nil)
	m.deliver("issue_comment", approval.Hint{RepositoryID: 42, Repository: asked.Repository, Asked: &asked})
	m.deliver("issue_comment", approval.Hint{RepositoryID: 42, Repository: asked.Repository, Asked: &asked}) // redelivered
	require.NoError(t, m.intake.drain(t.Context()))
	require.Len(t, kept(), 1)
	require.Equal(t, "comment-31", kept()[0].ID)
	require.Equal(t, asked, kept()[0].Asked)
	require.NotZero(t, woken)
	require.Equal(t, 1, pending())

	// Two presses are two, whatever their content; one that is delivered again is one.
	press := asked
	press.Comment, press.At, press.Button = 0, time.Time{}, "hold"
	m.deliver("check_run", approval.Hint{RepositoryID: 42, Repository: asked.Repository, Asked: &press})
	m.deliver("check_run", approval.Hint{RepositoryID: 42, Repository: asked.Repository, Asked: &press})
	require.NoError(t, m.intake.drain(t.Context()))
	require.Len(t, kept(), 3)

	// Nobody's business.
	foreign := asked
	foreign.Repository, foreign.Comment = "acme/unprotected", 32
	m.deliver("issue_comment", approval.Hint{RepositoryID: 43, Repository: foreign.Repository, Asked: &foreign})
	require.NoError(t, m.intake.drain(t.Context()))
	require.Len(t, kept(), 3)
}
