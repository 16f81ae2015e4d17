package merkle_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/argo-gatekeeper/gatekeeper/pkg/history"
	"github.com/argo-gatekeeper/gatekeeper/pkg/history/merkle"
)

// TestProofs: each proof leads to the root by the algorithm of the RFC, and to no other.
func TestProofs(t *testing.T) {
	t.Parallel()
	const n = 20
	all := entries(t, n)
	signer := newSigner(t, origin)
	prover := merkle.Prover{Entries: all, Folder: t.TempDir()}
	checkpoints := make([]merkle.Signed, n+1)
	for size := range n + 1 {
		var err error
		checkpoints[size], err = signer.Sign(merkle.Checkpoint{Size: int64(size), Root: root(all[:size])})
		require.NoError(t, err)
	}
	for size := 1; size <= n; size++ {
		under := checkpoints[size]
		for sequence := 1; sequence <= size; sequence++ {
			entry, proof, err := prover.Inclusion(t.Context(), uint64(sequence), under)
			require.NoError(t, err)
			require.Equal(t, all[sequence-1], entry)
			reached, ends := climb(int64(sequence-1), int64(size), merkle.Leaf(entry), proof.Hashes)
			require.True(t, ends)
			require.Equal(t, under.Root, tlog.Hash(reached))
			read, err := merkle.ParseInclusion(proof.Format(), signer.Verifier())
			require.NoError(t, err)
			require.Equal(t, proof.Format(), read.Format())
			require.NoError(t, read.Check(entry))
			require.ErrorIs(t, read.Check(all[sequence%n]), merkle.ErrProof)
			entry.Kind = history.KindAct
			require.ErrorIs(t, read.Check(entry), merkle.ErrProof)
			if len(proof.Hashes) > 0 {
				read.Hashes[0][0] ^= 1
				require.ErrorIs(t, read.Check(all[sequence-1]), merkle.ErrProof)
				read.Hashes = read.Hashes[1:]
				require.ErrorIs(t, read.Check(all[sequence-1]), merkle.ErrProof)
			}
		}
		for from := 0; from <= size; from++ {
			proof, err := prover.Consistency(t.Context(), checkpoints[from].Checkpoint, under)
			require.NoError(t, err)
			read, err := merkle.ParseConsistency(proof.Format(), signer.Verifier())
			require.NoError(t, err)
			require.Equal(t, proof.Format(), read.Format())
			require.NoError(t, read.Check(checkpoints[from].Checkpoint))
			other := checkpoints[from].Checkpoint
			other.Root[3] ^= 4
			require.ErrorIs(t, read.Check(other), merkle.ErrProof)
			_, err = prover.Consistency(t.Context(), other, under)
			require.ErrorIs(t, err, merkle.ErrProof)
			other = checkpoints[from].Checkpoint
			other.Origin = "gatekeeper.example.com/stage"
			require.ErrorIs(t, read.Check(other), merkle.ErrProof)
		}
	}
	_, _, err := prover.Inclusion(t.Context(), n+1, checkpoints[n])
	require.Error(t, err)
	_, _, err = prover.Inclusion(t.Context(), 0, checkpoints[n])
	require.Error(t, err)
	_, err = prover.Consistency(t.Context(), checkpoints[3].Checkpoint, checkpoints[2])
	require.Error(t, err)
	// A record that is not the one of the checkpoint proves nothing.
	all[4] = all[3]
	_, _, err = prover.Inclusion(t.Context(), 2, checkpoints[n])
	require.ErrorIs(t, err, merkle.ErrContradicts)
}

func TestProofsRefused(t *testing.T) {
	t.Parallel()
	all := entries(t, 5)
	signer := newSigner(t, origin)
	under, err := signer.Sign(merkle.Checkpoint{Size: 5, Root: root(all)})
	require.NoError(t, err)
	_, proof, err := merkle.Prover{Entries: all, Folder: t.TempDir()}.Inclusion(t.Context(), 2, under)
	require.NoError(t, err)
	text := proof.Format()
	for name, bad := range map[string]string{
		"empty":          "",
		"no checkpoint":  strings.SplitAfter(text, "\n\n")[0],
		"header":         strings.Replace(text, "@v1", "@v2", 1),
		"index":          strings.Replace(text, "index 1", "index 01", 1),
		"index too high": strings.Replace(text, "index 1", "index 5", 1),
		"no index":       strings.Replace(text, "index 1\n", "", 1),
		"hash":           strings.Replace(text, proof.Hashes[0].String(), "AAAA", 1),
		"long":           text + strings.Repeat("x", 1<<20),
		"many":           strings.Replace(text, "index 1\n", "index 1\n"+strings.Repeat(proof.Hashes[0].String()+"\n", 64), 1),
		"root":           strings.Replace(text, under.Root.String(), proof.Hashes[0].String(), 1),
	} {
		_, err := merkle.ParseInclusion(bad, signer.Verifier())
		require.Error(t, err, name)
	}
	read, err := merkle.ParseInclusion(strings.Replace(text, "index 1", "extra aGVsbG8=\nindex 1", 1), signer.Verifier())
	require.NoError(t, err)
	require.NoError(t, read.Check(all[1]))
	for name, bad := range map[string]string{"empty": "", "inclusion": text, "old": "old -1\n\n" + under.Note, "older": "old 6\n\n" + under.Note} {
		_, err := merkle.ParseConsistency(bad, signer.Verifier())
		require.Error(t, err, name)
	}
}

func FuzzProof(f *testing.F) {
	all := entries(f, 5)
	signer := newSigner(f, origin)
	under, err := signer.Sign(merkle.Checkpoint{Size: 5, Root: root(all)})
	require.NoError(f, err)
	_, inclusion, err := merkle.Prover{Entries: all, Folder: f.TempDir()}.Inclusion(f.Context(), 2, under)
	require.NoError(f, err)
	f.Add(strings.TrimSuffix(inclusion.Format(), under.Note))
	f.Add("old 2\n" + inclusion.Hashes[0].String() + "\n\n")
	f.Fuzz(func(t *testing.T, proof string) {
		if read, err := merkle.ParseInclusion(proof+under.Note, signer.Verifier()); err == nil {
			for _, e := range all {
				if read.Check(e) == nil {
					require.Equal(t, inclusion.Sequence, e.Sequence)
					require.Equal(t, inclusion.Hashes, read.Hashes)
				}
			}
		}
		if read, err := merkle.ParseConsistency(proof+under.Note, signer.Verifier()); err == nil {
			require.Equal(t, proof, strings.TrimSuffix(read.Format(), under.Note))
		}
	})
}
