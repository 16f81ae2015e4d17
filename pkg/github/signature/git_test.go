package signature

import (
	"crypto/ed25519"
	"crypto/rand"
	"path/filepath"
	"strings"
	"testing"

	"github.com/hiddeco/sshsig"
	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/ssh"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
)

// TestGitSigns: what git commit -S itself writes, in repositories of both kinds,
// with gpg and with ssh-keygen.
func TestGitSigns(t *testing.T) {
	g, s := newGnuPG(t), newSSH(t)
	g.key("alice", "ed25519", "sign", "never")
	g.clock(received)
	line := s.key("key", "ed25519", "")
	a, err := NewAllowed([]Signer{
		{Name: "gpg", OpenPGP: []KeyFile{{Content: g.export("alice")}}},
		{Name: "ssh", SSH: []KeyFile{{Content: []byte(line)}}},
	})
	require.NoError(t, err)
	env := append(g.env(), "GIT_AUTHOR_NAME=Alice", "GIT_AUTHOR_EMAIL=alice@example.com", "GIT_COMMITTER_NAME=Alice", "GIT_COMMITTER_EMAIL=alice@example.com")
	for _, format := range []string{"sha1", "sha256"} {
		dir := filepath.Join(t.TempDir(), "work")
		must(t, nil, "", "git", "init", "--quiet", "--object-format="+format, dir)
		for signer, options := range map[string][]string{
			"gpg": {"-c", "user.signingkey=" + g.fingerprint("alice")},
			"ssh": {"-c", "gpg.format=ssh", "-c", "user.signingkey=" + s.path("key")},
		} {
			must(t, env, "", "git", append(append([]string{"-C", dir}, options...), "commit", "--quiet", "--allow-empty", "-S", "-m", "by "+signer)...)
			name := approval.SHA(strings.TrimSpace(must(t, env, "", "git", "-C", dir, "rev-parse", "HEAD")))
			object := must(t, env, "", "git", "-C", dir, "cat-file", "commit", "HEAD")
			v := a.Verify(name, []byte(object), received)
			require.Equal(t, "trusted", v.State.String(), v.Detail)
			require.Equal(t, signer, v.Signer)
			// A commit that another one names as its parent is another commit.
			v = a.Verify(name, []byte(strings.Replace(object, "author Alice", "author Mallory", 1)), received)
			require.Equal(t, Malformed, v.State)
			changed := strings.Replace(object, "author Alice", "author Mallory", 1)
			rename := nameOf
			if format == "sha256" {
				rename = name256
			}
			require.Equal(t, Invalid, a.Verify(rename(changed), []byte(changed), received).State)
		}
	}
}

// TestForgedSSH: what ssh-keygen would not write.
func TestForgedSSH(t *testing.T) {
	_, private, err := ed25519.GenerateKey(rand.Reader)
	require.NoError(t, err)
	signer, err := ssh.NewSignerFromKey(private)
	require.NoError(t, err)
	a, err := NewAllowed([]Signer{{Name: "alice", SSH: []KeyFile{{Content: ssh.MarshalAuthorizedKey(signer.PublicKey())}}}})
	require.NoError(t, err)
	p := payload("forged")
	type blob struct {
		Version                   uint32
		PublicKey                 []byte
		Namespace, Reserved, Hash string
		Signature                 []byte
	}
	pem := func(b []byte) string {
		return strings.ReplaceAll(armorOf(t, sshSignature, append([]byte("SSHSIG"), b...)), "-----\n\n", "-----\n")
	}
	// Without the checksum that OpenPGP has.
	bare := func(s string) string {
		i, j := strings.LastIndex(s, "\n="), strings.Index(s, "\n-----END")
		return s[:i] + s[j:]
	}
	for name, c := range map[string]struct {
		change func(*blob, *ssh.Signature)
		want   State
	}{
		"as it should be":  {func(*blob, *ssh.Signature) {}, Trusted},
		"version 2":        {func(b *blob, _ *ssh.Signature) { b.Version = 2 }, Unsupported},
		"reserved":         {func(b *blob, _ *ssh.Signature) { b.Reserved = "x" }, Unsupported},
		"no namespace":     {func(b *blob, _ *ssh.Signature) { b.Namespace = "" }, Invalid},
		"namespace file":   {func(b *blob, _ *ssh.Signature) { b.Namespace = "file" }, Invalid},
		"namespace GIT":    {func(b *blob, _ *ssh.Signature) { b.Namespace = "GIT" }, Invalid},
		"namespace, NUL":   {func(b *blob, _ *ssh.Signature) { b.Namespace = "git\x00" }, Invalid},
		"SHA-1":            {func(b *blob, _ *ssh.Signature) { b.Hash = "sha1" }, Unsupported},
		"other hash":       {func(b *blob, _ *ssh.Signature) { b.Hash = "sha256" }, Invalid},
		"other format":     {func(_ *blob, s *ssh.Signature) { s.Format = ssh.KeyAlgoRSASHA512 }, Malformed},
		"format ssh-rsa":   {func(_ *blob, s *ssh.Signature) { s.Format = ssh.KeyAlgoRSA }, Weak},
		"flags of a FIDO":  {func(_ *blob, s *ssh.Signature) { s.Rest = []byte{1, 0, 0, 0, 1} }, Malformed},
		"no key":           {func(b *blob, _ *ssh.Signature) { b.PublicKey = nil }, Malformed},
		"bytes in the key": {func(b *blob, _ *ssh.Signature) { b.PublicKey = append(b.PublicKey, 0) }, Malformed},
		"changed":          {func(_ *blob, s *ssh.Signature) { s.Blob[0] ^= 1 }, Invalid},
		"no signature":     {func(_ *blob, s *ssh.Signature) { s.Blob = nil }, Invalid},
	} {
		sig, err := sshsig.Sign(strings.NewReader(p), signer, sshsig.HashSHA512, namespace)
		require.NoError(t, err)
		b := blob{1, signer.PublicKey().Marshal(), "git", "", "sha512", nil}
		c.change(&b, sig.Signature)
		b.Signature = ssh.Marshal(sig.Signature)
		object := withHeader(p, "gpgsig", bare(pem(ssh.Marshal(b))))
		v := a.Verify(nameOf(object), []byte(object), received)
		require.Equal(t, c.want.String(), v.State.String(), "%s: %s", name, v.Detail)
		require.Equal(t, SSH, v.Type)
	}
	good := signWith(t, signer, signer.PublicKey(), p, namespace)
	for name, armored := range map[string]string{
		"header":        strings.Replace(good, "-----\n", "-----\nComment: x\n\n", 1),
		"PGP":           strings.ReplaceAll(good, "SSH SIGNATURE", "PGP SIGNATURE"),
		"two":           good + good,
		"text":          good + "x",
		"end missing":   good[:len(good)-20],
		"cut":           good[:100] + "\n-----END SSH SIGNATURE-----\n",
		"bytes behind":  bare(pem(append(ssh.Marshal(blob{1, signer.PublicKey().Marshal(), "git", "", "sha512", nil}), 0))),
		"nothing in it": "-----BEGIN SSH SIGNATURE-----\n-----END SSH SIGNATURE-----\n",
		"not SSHSIG":    "-----BEGIN SSH SIGNATURE-----\nAAAA\n-----END SSH SIGNATURE-----\n",
	} {
		object := withHeader(p, "gpgsig", armored)
		v := a.Verify(nameOf(object), []byte(object), received)
		require.Equal(t, "malformed", v.State.String(), "%s: %s", name, v.Detail)
	}
}
