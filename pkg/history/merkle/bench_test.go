package merkle_test

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/pkg/history"
	"github.com/argo-gatekeeper/gatekeeper/pkg/history/historytest"
	"github.com/argo-gatekeeper/gatekeeper/pkg/history/merkle"
)

// many are entries, numbered without gaps, that are found by their places.
type many []history.Entry

// Entries implements merkle.Entries.
func (m many) Entries(_ context.Context, from uint64, limit int) ([]history.Entry, error) {
	if from > uint64(len(m)) {
		return nil, nil
	}
	return m[from-1 : min(len(m), int(from)-1+limit)], nil
}

// BenchmarkNotary measures what it takes to start, with and without the cache of hashes,
// to sign after one more entry, and to prove.
func BenchmarkNotary(b *testing.B) {
	const n = 100_000
	var all many
	var head history.Head
	for range n / 1000 {
		drafts := make([]history.Draft, 1000)
		for i := range drafts {
			drafts[i] = historytest.Abandoned("a", "i")
		}
		sealed, err := history.Seal(head, drafts...)
		require.NoError(b, err)
		all, head = append(all, sealed...), sealed[len(sealed)-1].Head()
	}
	o := options(b, all, newSigner(b, origin))
	signed, err := sign(b, o)
	require.NoError(b, err)
	b.Run("start without the cache", func(b *testing.B) {
		for b.Loop() {
			require.NoError(b, os.Remove(filepath.Join(o.Folder, "record.tree")))
			_, err := sign(b, o)
			require.NoError(b, err)
		}
		b.ReportMetric(float64(n)*float64(b.N)/b.Elapsed().Seconds(), "entries/s")
	})
	b.Run("start", func(b *testing.B) {
		for b.Loop() {
			_, err := sign(b, o)
			require.NoError(b, err)
		}
	})
	b.Run("prove", func(b *testing.B) {
		prover := merkle.Prover{Entries: all, Folder: o.Folder}
		for b.Loop() {
			_, _, err := prover.Inclusion(b.Context(), 4711, signed)
			require.NoError(b, err)
		}
	})
	b.Run("prove without the cache", func(b *testing.B) {
		prover := merkle.Prover{Entries: all, Folder: b.TempDir()}
		for b.Loop() {
			_, _, err := prover.Inclusion(b.Context(), 4711, signed)
			require.NoError(b, err)
		}
	})
}
