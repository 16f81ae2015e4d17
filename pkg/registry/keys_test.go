package registry

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestRotation: a key added to a file counts, a key removed does not, both from the
// next question on, and a file that cannot be read allows nothing.
func TestRotation(t *testing.T) {
	w := newWorld(t, true)
	old, next := newSigner(), newSigner()
	byOld, byNext := w.image("1"), w.image("2")
	w.signTag(byOld, old)
	w.attach(byNext, dsseBundle(next, signStatement(byNext)))
	dir := t.TempDir()
	file := filepath.Join(dir, "release.pub")
	ring, err := NewKeyring(KeyFiles{Name: "release", Paths: []string{file}}, KeyFiles{Name: "hotfix", Paths: []string{filepath.Join(dir, "hotfix.pub")}})
	require.NoError(t, err)
	check := func(d Digest) Reason {
		keys, err := ring.Load("release")
		require.NoError(t, err)
		return w.client.Verify(t.Context(), w.repo(), d, keys).Reason
	}
	write := func(b []byte) { require.NoError(t, os.WriteFile(file, b, 0o600)) }

	write(old.pem())
	require.Equal(t, ReasonVerified, check(byOld))
	require.Equal(t, ReasonOtherKey, check(byNext))
	write(slices.Concat([]byte("# both for now\n"), old.pem(), next.pem()))
	require.Equal(t, ReasonVerified, check(byOld))
	require.Equal(t, ReasonVerified, check(byNext))
	write(next.pem())
	require.Equal(t, ReasonOtherKey, check(byOld), "although it was seen to be good a moment ago")
	require.Equal(t, ReasonVerified, check(byNext))

	require.NoError(t, os.Remove(file))
	keys, err := ring.Load("release")
	require.Equal(t, ReasonKeys, reasonOf(t, err))
	require.Zero(t, keys.Len())
	write(next.pem())
	keys, err = ring.Load("release", "hotfix")
	require.Equal(t, ReasonKeys, reasonOf(t, err), "one of two files")
	require.Zero(t, keys.Len())
	_, err = ring.Load("nobody")
	require.Equal(t, ReasonKeys, reasonOf(t, err))
	keys, err = ring.Load()
	require.NoError(t, err)
	require.Equal(t, ReasonNoKeys, w.client.Verify(t.Context(), w.repo(), byNext, keys).Reason)
}

func TestKeyringRefused(t *testing.T) {
	for _, files := range [][]KeyFiles{
		{{Name: "", Paths: []string{"x"}}}, {{Name: "a"}}, {{Name: "a", Paths: []string{"x"}}, {Name: "a", Paths: []string{"y"}}},
	} {
		_, err := NewKeyring(files...)
		require.Error(t, err)
	}
	many := fileIn(t, "many.pub")
	require.NoError(t, os.WriteFile(many, []byte(strings.Repeat(string(newSigner().pem()), keysLimit+1)), 0o600))
	ring, err := NewKeyring(KeyFiles{Name: "a", Paths: []string{many}})
	require.NoError(t, err)
	_, err = ring.Load("a")
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
