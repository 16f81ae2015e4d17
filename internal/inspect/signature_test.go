package inspect

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/hex"
	"encoding/pem"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp/armor"
	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
	"github.com/argo-gatekeeper/gatekeeper/pkg/github/mirror"
)

// signedRepository is a work tree, and a function that commits and reads the
// signature of what it committed.
func signedRepository(t *testing.T) (dir string, commit func(env []string, options ...string) Signature) {
	t.Helper()
	dir = filepath.Join(t.TempDir(), "work")
	git(t, "", "init", "--quiet", "--initial-branch=main", dir)
	return dir, func(env []string, options ...string) Signature {
		cmd := exec.CommandContext(t.Context(), "git", append(options, "commit", "--quiet", "--allow-empty", "-S", "-m", "signed")...)
		cmd.Dir, cmd.Env = dir, append(environment(t), env...)
		out, err := cmd.CombinedOutput()
		require.NoError(t, err, "%s", out)
		repo := openLocal(t, dir)
		at, err := repo.Resolve(t.Context(), "HEAD")
		require.NoError(t, err)
		var s Signature
		require.NoError(t, repo.Read(t.Context(), []approval.SHA{at}, func(c mirror.Commit, data []byte) error {
			s = ReadSignature(c.SHA, data)
			return nil
		}))
		return s
	}
}

func TestSSHSignature(t *testing.T) {
	keygen, err := exec.LookPath("ssh-keygen")
	if err != nil {
		t.Skip("ssh-keygen is not installed")
	}
	_, commit := signedRepository(t)
	for _, kind := range []string{"ed25519", "rsa", "ecdsa"} {
		key := filepath.Join(t.TempDir(), "key")
		require.NoError(t, exec.CommandContext(t.Context(), keygen, "-q", "-t", kind, "-N", "", "-f", key).Run())
		out, err := exec.CommandContext(t.Context(), keygen, "-l", "-f", key+".pub").Output()
		require.NoError(t, err)
		s := commit(nil, "-c", "gpg.format=ssh", "-c", "user.signingkey="+key)
		require.Equal(t, "ssh", s.Type, kind)
		require.Equal(t, StateUnverified, s.State, kind)
		require.Equal(t, strings.Fields(string(out))[1], s.Key, kind)
	}
	// A signature for another purpose than git's.
	key := filepath.Join(t.TempDir(), "key")
	require.NoError(t, exec.CommandContext(t.Context(), keygen, "-q", "-t", "ed25519", "-N", "", "-f", key).Run())
	cmd := exec.CommandContext(t.Context(), keygen, "-Y", "sign", "-n", "file", "-f", key)
	cmd.Stdin = strings.NewReader("x")
	armored, err := cmd.Output()
	require.NoError(t, err)
	kind, _, err := parseSignature(armored)
	require.Equal(t, "ssh", kind)
	require.Error(t, err)
}

func TestGPGSignature(t *testing.T) {
	gpg, err := exec.LookPath("gpg")
	if err != nil {
		t.Skip("gpg is not installed")
	}
	home, err := os.MkdirTemp("", "gk") //nolint:usetesting // the path of gpg's socket must be short
	require.NoError(t, err)
	run := func(args ...string) string {
		cmd := exec.CommandContext(t.Context(), gpg, append([]string{"--homedir", home, "--batch", "--quiet", "--pinentry-mode", "loopback", "--passphrase", ""}, args...)...)
		out, err := cmd.Output()
		require.NoError(t, err, "gpg %v", args)
		return string(out)
	}
	defer func() {
		if agent, err := exec.LookPath("gpgconf"); err == nil {
			_ = exec.Command(agent, "--homedir", home, "--kill", "gpg-agent").Run()
		}
		_ = os.RemoveAll(home)
	}()
	run("--quick-gen-key", "Dev <dev@example.com>", "ed25519", "sign", "never")
	fingerprint := ""
	for line := range strings.Lines(run("--list-keys", "--with-colons")) {
		if fields := strings.Split(line, ":"); fields[0] == "fpr" && fingerprint == "" {
			fingerprint = fields[9]
		}
	}
	_, commit := signedRepository(t)
	s := commit([]string{"GNUPGHOME=" + home}, "-c", "user.signingkey="+fingerprint)
	require.Equal(t, Signature{Commit: s.Commit, Type: "gpg", Key: fingerprint, State: StateUnverified}, s)
}

// armoredCMS is a CMS signature as far as it is read here.
func armoredCMS(t testing.TB, template *x509.Certificate) []byte {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template.SerialNumber, template.NotAfter = big.NewInt(7), time.Now().Add(time.Hour)
	certificate, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	require.NoError(t, err)
	empty := asn1.RawValue{Class: asn1.ClassUniversal, Tag: asn1.TagSet, IsCompound: true}
	signed, err := asn1.Marshal(struct {
		Version      int
		Digests      asn1.RawValue
		Encapsulated struct{ Type asn1.ObjectIdentifier }
		Certificates asn1.RawValue
		Signers      asn1.RawValue
	}{1, empty, struct{ Type asn1.ObjectIdentifier }{asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 7, 1}},
		asn1.RawValue{Class: asn1.ClassContextSpecific, Tag: 0, IsCompound: true, Bytes: certificate}, empty})
	require.NoError(t, err)
	content, err := asn1.Marshal(struct {
		Type    asn1.ObjectIdentifier
		Content asn1.RawValue
	}{signedDataOID, asn1.RawValue{Class: asn1.ClassContextSpecific, Tag: 0, IsCompound: true, Bytes: signed}})
	require.NoError(t, err)
	return pem.EncodeToMemory(&pem.Block{Type: "SIGNED MESSAGE", Bytes: content})
}

func TestX509Signature(t *testing.T) {
	for want, template := range map[string]*x509.Certificate{
		"CN=Dev,O=Acme":   {Subject: pkix.Name{CommonName: "Dev", Organization: []string{"Acme"}}},
		"dev@example.com": {EmailAddresses: []string{"dev@example.com"}},
		"serial 7":        {},
	} {
		kind, key, err := parseSignature(armoredCMS(t, template))
		require.NoError(t, err)
		require.Equal(t, "x509", kind)
		require.Equal(t, want, key)
	}
}

// brokenGPG is armor around a packet that is no signature.
const brokenGPG = "-----BEGIN PGP SIGNATURE-----\n\nwhkEABMIAAoWIQRCQUFBQUFBQUFBAAAAAAA=\n-----END PGP SIGNATURE-----\n"

func object(signature string) []byte {
	header := ""
	if signature != "" {
		header = "gpgsig " + strings.ReplaceAll(strings.TrimSuffix(signature, "\n"), "\n", "\n ") + "\n"
	}
	return []byte("tree 4b825dc642cb6eb9a060e54bf8d69288fbee4904\nauthor A <a@x> 1 +0000\ncommitter A <a@x> 1 +0000\n" + header + "\nm\n")
}

// TestWebFlow: GitHub's own keys are recognised by the ID that the signature names,
// in a signature that has nothing else.
func TestWebFlow(t *testing.T) {
	for id, names := range map[string]string{"B5690EEEBB952194": "github", "4AEE18F83AFDEB23": "github", "0123456789ABCDEF": ""} {
		issuer, err := hex.DecodeString(id)
		require.NoError(t, err)
		// Version 4, a binary document, EdDSA, SHA-256; made at 1; the issuer; two numbers.
		body := append([]byte{4, 0, 22, 8, 0, 6, 5, 2, 0, 0, 0, 1, 0, 10, 9, 16}, issuer...)
		body = append(body, 0xab, 0xcd, 0, 1, 1, 0, 1, 1)
		var b bytes.Buffer
		w, err := armor.Encode(&b, "PGP SIGNATURE", nil)
		require.NoError(t, err)
		_, err = w.Write(append([]byte{0xc2, byte(len(body))}, body...))
		require.NoError(t, err)
		require.NoError(t, w.Close())
		require.Equal(t, Signature{Commit: "1", Type: "gpg", Key: id, State: StateUnverified, Names: names}, ReadSignature("1", object(b.String())))
	}
}

func TestReadSignature(t *testing.T) {
	twice := object("a")
	twice = append(twice[:len(twice)-4], []byte("\ngpgsig b\n\nm\n")...)
	for name, c := range map[string]struct {
		object      []byte
		kind, state string
	}{
		"none":             {object(""), "none", StateNone},
		"other":            {object("-----BEGIN SOMETHING-----"), "unknown", StateMalformed},
		"broken gpg":       {object(brokenGPG), "gpg", StateMalformed},
		"empty gpg":        {object("-----BEGIN PGP SIGNATURE-----\n\n-----END PGP SIGNATURE-----\n"), "gpg", StateMalformed},
		"broken ssh":       {object("-----BEGIN SSH SIGNATURE-----\nU1NIU0lH\n-----END SSH SIGNATURE-----\n"), "ssh", StateMalformed},
		"broken x509":      {object("-----BEGIN SIGNED MESSAGE-----\nMAA=\n-----END SIGNED MESSAGE-----\n"), "x509", StateMalformed},
		"twice":            {twice, "unknown", StateMalformed},
		"far too long one": {object("-----BEGIN PGP SIGNATURE-----\n" + strings.Repeat("A", maxSignature)), "unknown", StateMalformed},
	} {
		s := ReadSignature("1", c.object)
		require.Equal(t, c.kind, s.Type, name)
		require.Equal(t, c.state, s.State, name)
		require.Empty(t, s.Key, name)
	}
}

func FuzzParseSignature(f *testing.F) {
	f.Add([]byte(brokenGPG))
	f.Add([]byte("-----BEGIN SSH SIGNATURE-----\nU1NIU0lHAAAAAQ==\n-----END SSH SIGNATURE-----\n"))
	f.Add(armoredCMS(f, &x509.Certificate{Subject: pkix.Name{CommonName: "Dev"}}))
	f.Fuzz(func(t *testing.T, data []byte) {
		kind, key, err := parseSignature(data)
		require.NotEmpty(t, kind)
		require.Equal(t, err != nil, key == "")
	})
}
