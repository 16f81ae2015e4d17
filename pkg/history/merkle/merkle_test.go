package merkle_test

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"fmt"
	"io"
	"log/slog"
	"math/bits"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
	"github.com/argo-gatekeeper/gatekeeper/pkg/history"
	"github.com/argo-gatekeeper/gatekeeper/pkg/history/historytest"
	"github.com/argo-gatekeeper/gatekeeper/pkg/history/merkle"
)

const origin = "gatekeeper.example.com/prod"

func newSigner(t testing.TB, name string) merkle.Signer {
	t.Helper()
	private, public, err := merkle.GenerateKey(rand.Reader, name)
	require.NoError(t, err)
	signer, err := merkle.NewSigner(private + "\n")
	require.NoError(t, err)
	require.Equal(t, public, signer.Verifier().String())
	return signer
}

// entries are n entries that follow one another.
func entries(t testing.TB, n int) list {
	t.Helper()
	drafts := make([]history.Draft, n)
	for i := range drafts {
		drafts[i] = historytest.Decision(t, fmt.Sprint("app-", i), "prod", approval.Blocked)
	}
	sealed, err := history.Seal(history.Head{}, drafts...)
	require.NoError(t, err)
	return sealed
}

// list is a record as far as trees need it.
type list []history.Entry

func (l list) Entries(_ context.Context, from uint64, limit int) ([]history.Entry, error) {
	start := slices.IndexFunc(l, func(e history.Entry) bool { return e.Sequence >= from })
	if start < 0 {
		return nil, nil
	}
	return l[start:min(len(l), start+limit)], nil
}

// root is RFC 6962 section 2.1, word by word.
func root(leaves list) [32]byte {
	switch len(leaves) {
	case 0:
		return sha256.Sum256(nil)
	case 1:
		return sha256.Sum256(leaves[0].AppendSealed([]byte{0}))
	}
	k := 1 << (bits.Len(uint(len(leaves)-1)) - 1)
	left, right := root(leaves[:k]), root(leaves[k:])
	return sha256.Sum256(slices.Concat([]byte{1}, left[:], right[:]))
}

// climb is RFC 9162 section 2.1.3.2: the root that an inclusion proof leads to.
func climb(index, size int64, leaf [32]byte, path []tlog.Hash) ([32]byte, bool) {
	fn, sn, r := index, size-1, leaf
	for _, p := range path {
		if sn == 0 {
			return r, false
		}
		if fn&1 == 1 || fn == sn {
			r = sha256.Sum256(slices.Concat([]byte{1}, p[:], r[:]))
			for fn&1 == 0 && fn != 0 {
				fn, sn = fn>>1, sn>>1
			}
		} else {
			r = sha256.Sum256(slices.Concat([]byte{1}, r[:], p[:]))
		}
		fn, sn = fn>>1, sn>>1
	}
	return r, sn == 0
}

func TestTree(t *testing.T) {
	t.Parallel()
	all := entries(t, 70)
	var tree merkle.Tree
	stored := map[int64]tlog.Hash{}
	require.Equal(t, tlog.Hash(root(nil)), tree.Root())
	for i, e := range all {
		at := tlog.StoredHashCount(int64(i))
		for _, hash := range tree.Add(merkle.Leaf(e), nil) {
			stored[at] = hash
			at++
		}
		require.Equal(t, tlog.StoredHashCount(int64(i+1)), at)
		require.Equal(t, tlog.Hash(root(all[:i+1])), tree.Root(), "%d leaves", i+1)
		require.EqualValues(t, i+1, tree.Size())
		want, err := tlog.TreeHash(int64(i+1), tlog.HashReaderFunc(func(indexes []int64) (hashes []tlog.Hash, _ error) {
			for _, index := range indexes {
				hashes = append(hashes, stored[index])
			}
			return hashes, nil
		}))
		require.NoError(t, err)
		require.Equal(t, want, tree.Root())
	}
}

func TestCheckpoint(t *testing.T) {
	t.Parallel()
	signer := newSigner(t, origin)
	signed, err := signer.Sign(merkle.Checkpoint{Size: 118, Root: root(entries(t, 3))})
	require.NoError(t, err)
	lines := strings.Split(signed.Note, "\n")
	require.Equal(t, []string{origin, "118", signed.Root.String(), ""}, lines[:4])
	require.True(t, strings.HasPrefix(lines[4], "— "+origin+" "))
	opened, err := signer.Verifier().Open(signed.Note)
	require.NoError(t, err)
	require.Equal(t, signed, opened)

	// Every bit counts.
	for i := range len(signed.Note) {
		for bit := range 8 {
			text := []byte(signed.Note)
			text[i] ^= 1 << bit
			_, err := signer.Verifier().Open(string(text))
			require.Error(t, err, "byte %d, bit %d: %s", i, bit, text)
		}
	}
	// Also those that base64 leaves over: the next letter would say the same.
	const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
	for _, end := range []int{strings.Index(signed.Note, "=\n"), strings.LastIndex(signed.Note, "=\n")} {
		text := []byte(signed.Note)
		text[end-1] = letters[strings.IndexByte(letters, text[end-1])+1]
		_, err := signer.Verifier().Open(string(text))
		require.Error(t, err, "%s", text)
	}
	for _, text := range []string{"", "\n", lines[0], signed.Note + "\n", signed.Note + "x\n", strings.Repeat("a", merkle.MaxCheckpoint+1)} {
		_, err := signer.Verifier().Open(text)
		require.Error(t, err, text)
	}
	// Another key, of the same name and of another one.
	for _, name := range []string{origin, "gatekeeper.example.com/stage"} {
		_, err = newSigner(t, name).Verifier().Open(signed.Note)
		require.ErrorIs(t, err, merkle.ErrSignature)
	}
	// A witness may have signed it as well.
	witness, err := newSigner(t, "witness.example.com").Sign(signed.Checkpoint)
	require.NoError(t, err)
	_, signature, _ := strings.Cut(witness.Note, "\n\n")
	opened, err = signer.Verifier().Open(signed.Note + signature)
	require.NoError(t, err)
	require.Equal(t, signed.Checkpoint, opened.Checkpoint)
}

func TestKeys(t *testing.T) {
	t.Parallel()
	private, public, err := merkle.GenerateKey(rand.Reader, origin)
	require.NoError(t, err)
	signer, err := merkle.NewSigner(private)
	require.NoError(t, err)
	secret := private[strings.LastIndex(private, "+")+1:]
	for _, format := range []string{"%v", "%+v", "%#v", "%s"} {
		require.NotContains(t, fmt.Sprintf(format, signer), secret)
	}
	for _, bad := range []string{"", "PRIVATE+KEY+", public, private + "A", private[:len(private)-4], strings.Replace(private, "prod", "stage", 1)} {
		_, err := merkle.NewSigner(bad)
		require.Error(t, err)
		if bad != "" {
			require.NotContains(t, err.Error(), bad)
		}
	}
	for _, bad := range []string{"", private, public + "A", strings.Replace(public, "prod", "stage", 1)} {
		_, err := merkle.NewVerifier(bad)
		require.Error(t, err, bad)
	}
	for _, name := range []string{"", "a b", "a+b", "a\nb", "a\u202eb", "\xff", strings.Repeat("a", merkle.MaxKeyName+1)} {
		_, _, err := merkle.GenerateKey(rand.Reader, name)
		require.Error(t, err, "%q", name)
	}
	_, _, err = merkle.GenerateKey(strings.NewReader("short"), origin)
	require.ErrorIs(t, err, io.ErrUnexpectedEOF)
}

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

func FuzzCheckpoint(f *testing.F) {
	signer := newSigner(f, origin)
	signed, err := signer.Sign(merkle.Checkpoint{Size: 3})
	require.NoError(f, err)
	f.Add(signed.Note)
	f.Add(origin + "\n1\n\n\n")
	f.Fuzz(func(t *testing.T, text string) {
		if opened, err := signer.Verifier().Open(text); err == nil {
			require.Equal(t, signed.Checkpoint, opened.Checkpoint, "nothing else was signed")
		}
	})
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
