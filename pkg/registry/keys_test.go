package registry

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestRotation: a keyring has the keys that it was made of, whatever becomes of the files, and
// one that is made of what they have now has those.
func TestRotation(t *testing.T) {
	w := newWorld(t, true)
	old, next := newSigner(), newSigner()
	byOld, byNext := w.image("1"), w.image("2")
	w.signTag(byOld, old)
	w.attach(byNext, dsseBundle(next, signStatement(byNext)))
	ring := func(content []byte) *Keyring {
		return must(NewKeyring(KeyFiles{Name: "release", Files: []KeyFile{{"release.pub", content}}}, KeyFiles{Name: "hotfix", Files: []KeyFile{{"hotfix.pub", old.pem()}}}))
	}
	check := func(r *Keyring, d Digest) Reason {
		keys, err := r.Load("release")
		require.NoError(t, err)
		return w.client.Verify(t.Context(), w.repo(), d, keys).Reason
	}

	content := old.pem()
	first := ring(content)
	clear(content)
	require.Equal(t, ReasonVerified, check(first, byOld), "what it was made of is gone")
	require.Equal(t, ReasonOtherKey, check(first, byNext))
	both := ring(slices.Concat([]byte("# both for now\n"), old.pem(), next.pem()))
	require.Equal(t, ReasonVerified, check(both, byOld))
	require.Equal(t, ReasonVerified, check(both, byNext))
	last := ring(next.pem())
	require.Equal(t, ReasonOtherKey, check(last, byOld), "although it was seen to be good a moment ago")
	require.Equal(t, ReasonVerified, check(last, byNext))
	require.Equal(t, ReasonOtherKey, check(first, byNext), "as it was")

	keys, err := last.Load("release", "hotfix")
	require.NoError(t, err)
	require.Equal(t, 2, keys.Len())
	keys, err = last.Load("release", "nobody")
	require.Equal(t, ReasonKeys, reasonOf(t, err))
	require.Zero(t, keys.Len())
	keys, err = last.Load()
	require.NoError(t, err)
	require.Equal(t, ReasonNoKeys, w.client.Verify(t.Context(), w.repo(), byNext, keys).Reason)
}

func TestKeyringRefused(t *testing.T) {
	file := func(content []byte) []KeyFile { return []KeyFile{{"x", content}} }
	good := newSigner().pem()
	for name, files := range map[string][]KeyFiles{
		"no name": {{Name: "", Files: file(good)}}, "no file": {{Name: "a"}}, "twice": {{Name: "a", Files: file(good)}, {Name: "a", Files: file(good)}},
		"one of two files": {{Name: "a", Files: []KeyFile{{"x", good}, {"y", []byte("none")}}}},
		"too many":         {{Name: "a", Files: file([]byte(strings.Repeat(string(good), keysLimit+1)))}},
	} {
		_, err := NewKeyring(files...)
		require.Error(t, err, name)
	}
	half := file([]byte(strings.Repeat(string(good), keysLimit/2+1)))
	ring, err := NewKeyring(KeyFiles{Name: "a", Files: half}, KeyFiles{Name: "b", Files: half})
	require.NoError(t, err)
	_, err = ring.Load("a", "b")
	require.Equal(t, ReasonKeys, reasonOf(t, err))
}

func TestParseKeysRefused(t *testing.T) {
	good := newSigner()
	private := must(x509.MarshalPKCS8PrivateKey(must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))))
	weak := must(x509.MarshalPKIXPublicKey(&must(ecdsa.GenerateKey(elliptic.P224(), rand.Reader)).PublicKey))
	encode := func(kind string, der []byte) []byte { return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}) }
	for name, c := range map[string]struct {
		data []byte
		want string
	}{
		"empty":         {nil, "0 PEM blocks"},
		"no PEM":        {[]byte("hello"), "0 PEM blocks"},
		"private key":   {encode("PRIVATE KEY", private), "private key"},
		"cosign.key":    {encode("ENCRYPTED SIGSTORE PRIVATE KEY", private), "private key"},
		"certificate":   {encode("CERTIFICATE", private), "CERTIFICATE"},
		"P-224":         {encode("PUBLIC KEY", weak), "P-256"},
		"RSA 1024":      {rsaSigner(1024, false).pem(), "1024 bits"},
		"broken DER":    {encode("PUBLIC KEY", []byte("x")), "cannot be read"},
		"cut off":       {append(good.pem(), newSigner().pem()[:60]...), "2 PEM blocks, of which 1"},
		"first damaged": {append([]byte("-----BEGIN PUBLIC KEY-----\n!!!\n-----END PUBLIC KEY-----\n"), good.pem()...), "2 PEM blocks, of which 1"},
	} {
		keys, err := ParseKeys("x", c.data)
		require.ErrorContains(t, err, c.want, name)
		require.Zero(t, keys.Len())
	}
}
