package archive_test

import (
	"crypto/rand"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/pkg/history/archive"
	"github.com/argo-gatekeeper/gatekeeper/pkg/history/merkle"
)

// TestSameEntriesOtherFile: a file of the very entries that were archived, intact and signed
// by somebody else, is not the one that the record names.
func TestSameEntriesOtherFile(t *testing.T) {
	t.Parallel()
	w := newWorld(t, random(t))
	for range 80 {
		w.grow()
	}
	before := w.day - 1
	plan, err := archive.Keeping(t.Context(), w.store, w.at(before), w.now(), kept)
	require.NoError(t, err)
	private, _, err := merkle.GenerateKey(rand.Reader, "somebody.example.com/else")
	require.NoError(t, err)
	somebody, err := merkle.NewSigner(private)
	require.NoError(t, err)
	path := filepath.Join(w.folder, "other.archive")
	file, _, err := archive.Write(t.Context(), w.store, plan, somebody, path)
	require.NoError(t, err)
	require.NoError(t, file.Close())
	require.True(t, w.archive(before))

	other, err := archive.OpenFile(t.Context(), path, somebody.Verifier())
	require.NoError(t, err)
	defer func() { require.NoError(t, other.Close()) }()
	require.Equal(t, []uint64{plan.From, plan.To}, []uint64{other.From, other.To})
	_, err = archive.Over(t.Context(), w.store, other)
	require.ErrorIs(t, err, archive.ErrOther)
}
