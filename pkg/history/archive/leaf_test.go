package archive_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/pkg/history"
	"github.com/argo-gatekeeper/gatekeeper/pkg/history/archive"
)

// changed is a record of which somebody changed the hash of a stub.
type changed struct{ history.Reader }

func (c changed) Entries(ctx context.Context, from uint64, limit int) ([]history.Entry, error) {
	entries, err := c.Reader.Entries(ctx, from, limit)
	for i := range entries {
		if entries[i].Archived() {
			entries[i].Leaf = history.LeafOf([]byte("another"))
		}
	}
	return entries, err
}

// TestLeafThatWasChanged: an entry whose hash in the record is not that of the archive is
// an error, and not one that is still archived.
func TestLeafThatWasChanged(t *testing.T) {
	t.Parallel()
	w := grown(t)
	file, err := archive.OpenFile(t.Context(), w.files[0], w.signer.Verifier())
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, file.Close()) })
	over, err := archive.Over(t.Context(), changed{w.store}, file)
	require.NoError(t, err)
	_, err = over.Entries(t.Context(), 1, 100)
	require.ErrorContains(t, err, "is not the one that was archived")
}
