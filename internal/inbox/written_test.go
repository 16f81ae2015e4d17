package inbox_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/internal/inbox"
)

func TestWritten(t *testing.T) {
	everywhere(t, func(t *testing.T, in kind) {
		ctx := t.Context()
		path := in.place(t)
		s, err := path(ctx)
		require.NoError(t, err)
		_, _, ok, err := s.Written(ctx, "acme/env", 7, "comment")
		require.NoError(t, err)
		require.False(t, ok)

		require.NoError(t, s.SaveWritten(ctx, "acme/env", 7, "comment", 100, "old"))
		require.NoError(t, s.SaveWritten(ctx, "Acme/ENV", 7, "comment", 101, "new"))
		require.NoError(t, s.SaveWritten(ctx, "acme/env", 8, "comment", 200, "other"))
		require.ErrorIs(t, s.SaveWritten(ctx, "acme/env", 0, "comment", 1, "x"), inbox.ErrInvalid)
		require.ErrorIs(t, s.SaveWritten(ctx, "acme/env", 1, "", 1, "x"), inbox.ErrInvalid)
		require.NoError(t, s.Close())

		s, err = path(ctx)
		require.NoError(t, err)
		id, digest, ok, err := s.Written(ctx, "acme/env", 7, "comment")
		require.NoError(t, err)
		require.True(t, ok)
		require.Equal(t, int64(101), id)
		require.Equal(t, "new", digest)
		require.NoError(t, s.Close())
	})
}
