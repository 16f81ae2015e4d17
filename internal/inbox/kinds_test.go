package inbox_test

import (
	"context"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/internal/inbox"
)

// kind is where an inbox can be kept.
type kind struct {
	name string
	// place is one for an inbox that is not there yet, or that was closed.
	place func(t testing.TB) func(context.Context) (*inbox.Store, error)
}

// fresh is an empty inbox until the test ends.
func (k kind) fresh(t testing.TB) *inbox.Store {
	t.Helper()
	store, err := k.place(t)(t.Context())
	require.NoError(t, err)
	t.Cleanup(func() { _ = store.Close() })
	return store
}

// everywhere runs a test for each kind: they do the same.
func everywhere(t *testing.T, test func(t *testing.T, in kind)) {
	t.Helper()
	for _, in := range kinds() {
		t.Run(in.name, func(t *testing.T) { test(t, in) })
	}
}

func inFile() kind {
	return kind{"file", func(t testing.TB) func(context.Context) (*inbox.Store, error) {
		path := filepath.Join(t.TempDir(), "inbox.db")
		return func(ctx context.Context) (*inbox.Store, error) { return inbox.Open(ctx, path) }
	}}
}
