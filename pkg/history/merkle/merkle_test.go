package merkle_test

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"fmt"
	"io"
	"math/bits"
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
