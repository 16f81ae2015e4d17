package merkle_test

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
	"github.com/argo-gatekeeper/gatekeeper/pkg/history"
	"github.com/argo-gatekeeper/gatekeeper/pkg/history/historytest"
	"github.com/argo-gatekeeper/gatekeeper/pkg/history/merkle"
)

func options(t testing.TB, entries merkle.Entries, signer merkle.Signer) merkle.Options {
	return merkle.Options{Entries: entries, Signer: signer, Folder: t.TempDir(), Logger: slog.New(slog.NewTextHandler(t.Output(), nil))}
}

// sign opens a notary, has it sign, and closes it.
func sign(t testing.TB, o merkle.Options) (merkle.Signed, error) {
	t.Helper()
	notary, err := merkle.OpenNotary(t.Context(), o)
	if err != nil {
		return merkle.Signed{}, err
	}
	defer func() { require.NoError(t, notary.Close()) }()
	return notary.Checkpoint(t.Context())
}

func TestNotary(t *testing.T) {
	t.Parallel()
	all := entries(t, 1300)
	o := options(t, all[:600], newSigner(t, origin))
	first, err := sign(t, o)
	require.NoError(t, err)
	require.Equal(t, tlog.Hash(root(all[:600])), first.Root)
	again, err := sign(t, o)
	require.NoError(t, err)
	require.Equal(t, first, again)

	// It grows while it is open, and after it was closed.
	growing := slices.Clone(all[:601])
	grower := pointer{&growing}
	o.Entries = grower
	notary, err := merkle.OpenNotary(t.Context(), o)
	require.NoError(t, err)
	for size := 601; size < 640; size++ {
		growing = slices.Clone(all[:size])
		signed, err := notary.Checkpoint(t.Context())
		require.NoError(t, err)
		require.EqualValues(t, size, signed.Size)
		require.Equal(t, tlog.Hash(root(all[:size])), signed.Root)
	}
	require.NoError(t, notary.Close())
	o.Entries = all
	last, err := sign(t, o)
	require.NoError(t, err)
	require.Equal(t, tlog.Hash(root(all)), last.Root)

	// The cache of hashes has them all, and proofs come from it.
	blind := merkle.Prover{Entries: only{all, 700}, Folder: o.Folder}
	_, proof, err := blind.Inclusion(t.Context(), 700, last)
	require.NoError(t, err)
	require.NoError(t, proof.Check(all[699]))
	_, err = blind.Consistency(t.Context(), first.Checkpoint, last)
	require.NoError(t, err)

	// It is not trusted: whatever is in it, the checkpoint is the same.
	cache := filepath.Join(o.Folder, "record.tree")
	good, err := os.ReadFile(cache)
	require.NoError(t, err)
	for name, bad := range map[string][]byte{
		"missing": nil, "empty": {}, "short": good[:len(good)-1], "zero": make([]byte, len(good)), "long": append(slices.Clone(good), 1, 2, 3),
		"last leaf": flipped(good, tlog.StoredHashIndex(0, 1299)), "subtree": flipped(good, tlog.StoredHashIndex(10, 0)),
		"inside": flipped(good, tlog.StoredHashIndex(3, 5)),
	} {
		require.NoError(t, os.Remove(cache))
		if bad != nil {
			require.NoError(t, os.WriteFile(cache, bad, 0o600))
		}
		signed, err := sign(t, o)
		require.NoError(t, err, name)
		require.Equal(t, last, signed, name)
		_, proof, err := merkle.Prover{Entries: all, Folder: o.Folder}.Inclusion(t.Context(), 42, last)
		require.NoError(t, err, name)
		require.NoError(t, proof.Check(all[41]), name)
	}
}

func flipped(b []byte, index int64) []byte {
	b = slices.Clone(b)
	b[index*32] ^= 1
	return b
}

// pointer reads a list that grows.
type pointer struct{ list *list }

func (p pointer) Entries(ctx context.Context, from uint64, limit int) ([]history.Entry, error) {
	return p.list.Entries(ctx, from, limit)
}

// only has one entry, so that a prover cannot compute hashes.
type only struct {
	list
	sequence uint64
}

func (o only) Entries(ctx context.Context, from uint64, limit int) ([]history.Entry, error) {
	if from != o.sequence || limit != 1 {
		return nil, fmt.Errorf("entry %d is not to be read", from)
	}
	return o.list.Entries(ctx, from, limit)
}

// TestNotaryRefuses: once a checkpoint was signed, no other history is.
func TestNotaryRefuses(t *testing.T) {
	t.Parallel()
	all := entries(t, 40)
	other, err := history.Seal(all[29].Head(), historytest.Decision(t, "x", "prod", approval.Blocked), historytest.Decision(t, "y", "prod", approval.Blocked))
	require.NoError(t, err)
	changed := slices.Clone(all)
	changed[35].Application = "other"
	for name, record := range map[string]list{
		"empty": {}, "truncated": all[:39], "changed": changed, "written anew": slices.Concat(all[:30], other),
		"written anew and longer": entriesOf(t, slices.Concat(all[:30], other), 20), "dropped": slices.Delete(slices.Clone(all), 20, 21),
	} {
		for _, keep := range []bool{true, false} {
			o := options(t, all, newSigner(t, origin))
			_, err := sign(t, o)
			require.NoError(t, err)
			if !keep {
				require.NoError(t, os.Remove(filepath.Join(o.Folder, "record.tree")))
			}
			o.Entries = record
			_, err = sign(t, o)
			if keep && (name == "dropped" || name == "changed") {
				// The last entry is the one of the checkpoint, and what is signed of those
				// before it is what was signed before. Finding them is for Verify.
				require.NoError(t, err)
				continue
			}
			require.ErrorIs(t, err, merkle.ErrContradicts, name)
		}
	}
	// Also while it is open.
	growing := slices.Clone(all[:30])
	o := options(t, pointer{&growing}, newSigner(t, origin))
	notary, err := merkle.OpenNotary(t.Context(), o)
	require.NoError(t, err)
	defer func() { require.NoError(t, notary.Close()) }()
	growing = changed
	_, err = notary.Checkpoint(t.Context())
	require.ErrorIs(t, err, merkle.ErrContradicts)
	astray, err := history.Seal(history.Head{Sequence: 30, Digest: all[5].Digest}, historytest.Decision(t, "x", "prod", approval.Blocked))
	require.NoError(t, err)
	growing = slices.Concat(all[:30], astray)
	_, err = notary.Checkpoint(t.Context())
	require.ErrorIs(t, err, merkle.ErrContradicts)
	growing = all
	_, err = notary.Checkpoint(t.Context())
	require.NoError(t, err)
}

// entriesOf continues a record by n entries.
func entriesOf(t testing.TB, before list, n int) list {
	t.Helper()
	for range n {
		more, err := history.Seal(before[len(before)-1].Head(), historytest.Decision(t, "z", "prod", approval.Blocked))
		require.NoError(t, err)
		before = append(before, more...)
	}
	return before
}

func TestNotaryKeepsItsKey(t *testing.T) {
	t.Parallel()
	o := options(t, entries(t, 3), newSigner(t, origin))
	_, err := sign(t, o)
	require.NoError(t, err)
	o.Signer = newSigner(t, origin)
	_, err = sign(t, o)
	require.ErrorIs(t, err, merkle.ErrSignature)
	require.ErrorContains(t, err, "if the key was replaced")
}

// TestNotaryObserves: beside the process that serves, nothing is written.
func TestNotaryObserves(t *testing.T) {
	t.Parallel()
	all := entries(t, 10)
	o := options(t, all[:7], newSigner(t, origin))
	o.Observe = true
	_, err := sign(t, o)
	require.NoError(t, err)
	files, err := os.ReadDir(o.Folder)
	require.NoError(t, err)
	require.Empty(t, files)

	o.Observe = false
	_, err = sign(t, o)
	require.NoError(t, err)
	o.Observe, o.Entries = true, all
	before, err := os.ReadFile(filepath.Join(o.Folder, "record.checkpoint"))
	require.NoError(t, err)
	signed, err := sign(t, o)
	require.NoError(t, err)
	require.EqualValues(t, 10, signed.Size)
	after, err := os.ReadFile(filepath.Join(o.Folder, "record.checkpoint"))
	require.NoError(t, err)
	require.Equal(t, string(before), string(after))
}
