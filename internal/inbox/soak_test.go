package inbox_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/internal/inbox"
)

func TestSoaks(t *testing.T) {
	everywhere(t, func(t *testing.T, in kind) {
		t.Parallel()
		path := in.place(t)
		store, err := path(t.Context())
		require.NoError(t, err)
		found, err := store.Soaks(t.Context())
		require.NoError(t, err)
		require.Empty(t, found)
		require.NoError(t, store.SaveSoaks(t.Context(), nil))
		require.NoError(t, store.SaveSoaks(t.Context(), map[string][]byte{"argocd/a": []byte("1"), "argocd/b": []byte("2")}))
		require.NoError(t, store.SaveSoaks(t.Context(), map[string][]byte{"argocd/a": []byte("3"), "argocd/b": nil, "argocd/c": nil}))
		require.NoError(t, store.Close())

		store, err = path(t.Context())
		require.NoError(t, err)
		defer func() { require.NoError(t, store.Close()) }()
		found, err = store.Soaks(t.Context())
		require.NoError(t, err)
		require.Equal(t, map[string][]byte{"argocd/a": []byte("3")}, found)

		// All or nothing.
		require.ErrorIs(t, store.SaveSoaks(t.Context(), map[string][]byte{"argocd/a": nil, "": []byte("1")}), inbox.ErrInvalid)
		require.ErrorIs(t, store.SaveSoaks(t.Context(), map[string][]byte{"argocd/a": make([]byte, 256<<10+1)}), inbox.ErrInvalid)
		ended, cancel := context.WithCancel(t.Context())
		cancel()
		require.ErrorIs(t, store.SaveSoaks(ended, map[string][]byte{"argocd/a": nil}), context.Canceled)
		_, err = store.Soaks(ended)
		require.ErrorIs(t, err, context.Canceled)
		again, err := store.Soaks(t.Context())
		require.NoError(t, err)
		require.Equal(t, found, again)
	})
}
