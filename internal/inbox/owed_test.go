package inbox_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/internal/inbox"
	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
)

// TestOwed: what is to be told is there after a restart, until it was told.
func TestOwed(t *testing.T) {
	everywhere(t, func(t *testing.T, in kind) {
		ctx := t.Context()
		path := in.place(t)
		s, err := path(ctx)
		require.NoError(t, err)
		all, err := s.Owed(ctx)
		require.NoError(t, err)
		require.Empty(t, all)
		require.NoError(t, s.Owe(ctx, "acme/env", 7))
		require.NoError(t, s.Owe(ctx, "Acme/Env", 7))
		require.NoError(t, s.Owe(ctx, "acme/env", 8))
		require.NoError(t, s.Owe(ctx, "acme/other", 7))
		require.NoError(t, s.Paid(ctx, "acme/env", 8))
		require.ErrorIs(t, s.Owe(ctx, "acme/env", 0), inbox.ErrInvalid)
		require.NoError(t, s.Close())

		s, err = path(ctx)
		require.NoError(t, err)
		all, err = s.Owed(ctx)
		require.NoError(t, err)
		require.Equal(t, map[approval.RepositoryName][]int{"acme/env": {7}, "acme/other": {7}}, all)
		require.NoError(t, s.Close())
		_, err = s.Owed(ctx)
		require.Error(t, err)
	})
}
