package standin_test

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp"
	"github.com/ProtonMail/go-crypto/openpgp/armor"
	"github.com/ProtonMail/go-crypto/openpgp/packet"
	"github.com/google/go-github/v60/github"
	"github.com/hiddeco/sshsig"
	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/ssh"

	"github.com/argo-gatekeeper/gatekeeper/test/e2e/standin"
)

// reason reads commit.verification: the reason, with + when it counts as verified.
func (w *world) reason(sha string) string {
	w.t.Helper()
	c, _, err := w.as(w.alice).Repositories.GetCommit(w.t.Context(), "acme", "env", sha, nil)
	require.NoError(w.t, err)
	v := c.GetCommit().GetVerification()
	if v.GetVerified() {
		return v.GetReason() + "+"
	}
	return v.GetReason()
}

// command runs a program with an environment of its own.
func command(t *testing.T, dir string, env []string, name string, args ...string) (string, error) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), name, args...)
	cmd.Dir = dir
	cmd.Env = append([]string{"PATH=" + os.Getenv("PATH"), "HOME=" + dir, "GIT_CONFIG_NOSYSTEM=1", "GIT_CONFIG_GLOBAL=/dev/null"}, env...)
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// gnupg is a folder for gpg; its name is short, as sockets in it need.
func gnupg(t *testing.T) string {
	t.Helper()
	if _, err := exec.LookPath("gpg"); err != nil {
		t.Skip("gpg is not installed, so git cannot judge OpenPGP signatures")
	}
	home, err := os.MkdirTemp("", "gpg") //nolint:usetesting // gpg-agent's socket needs a short path, and the agent has to end before its folder
	require.NoError(t, err)
	t.Cleanup(func() {
		cmd := exec.Command("gpgconf", "--homedir", home, "--kill", "all")
		require.NoError(t, cmd.Run())
		require.NoError(t, os.RemoveAll(home))
	})
	return home
}

func TestGitHubSignsWhatItCommits(t *testing.T) {
	w := newWorld(t)
	str := github.String
	merged := map[string]string{}
	for _, method := range []string{"merge", "squash", "rebase"} {
		opened := must(w.s.As("alice").OpenPull("acme/env", standin.PullOptions{Title: method, Change: standin.Change{Files: map[string]string{method: "x\n"}}}))(t)
		merged[method] = must(w.s.As("bob").Merge("acme/env", opened.Number, method))(t)
		merged["head of "+method] = opened.Head
	}
	behind := w.openPull("replicas: 2\n")
	must(w.s.As("bob").PushBranch("acme/env", "main", standin.Change{Files: map[string]string{"moved": "on"}}))(t)
	merged["update"] = must(w.s.As("alice").UpdateBranch("acme/env", behind.Number))(t)
	person, bot := w.as(w.alice), w.writer()
	file := func(name string) *github.RepositoryContentFileOptions {
		return &github.RepositoryContentFileOptions{Message: str(name), Content: []byte("x")}
	}
	written, _, err := person.Repositories.CreateFile(t.Context(), "acme", "env", "by-alice", file("By alice"))
	require.NoError(t, err)
	merged["contents of a person"] = written.GetSHA()
	written, _, err = bot.Repositories.CreateFile(t.Context(), "acme", "env", "by-bot", file("By the bot"))
	require.NoError(t, err)
	merged["contents of an App"] = written.GetSHA()
	data := &github.Commit{Message: str("Data"), Tree: &github.Tree{SHA: str(w.git("rev-parse", "main^{tree}"))}, Parents: []*github.Commit{{SHA: str(w.git("rev-parse", "main"))}}}
	c, _, err := bot.Git.CreateCommit(t.Context(), "acme", "env", data, nil)
	require.NoError(t, err)
	merged["data of an App"] = c.GetSHA()
	require.Regexp(t, `^promoter\|\d+\+promoter\[bot\]@users.noreply.github.com\|GitHub$`, w.field(c.GetSHA(), "%an|%ae|%cn"))
	data.Author = &github.CommitAuthor{Name: str("Promoter"), Email: str("alice@example.com")}
	c, _, err = bot.Git.CreateCommit(t.Context(), "acme", "env", data, nil)
	require.NoError(t, err)
	merged["data of an App with an author"] = c.GetSHA()

	home := gnupg(t)
	public := must(w.s.WebFlowKey())(t)
	write(t, home, "web-flow.gpg", public)
	out, err := command(t, home, []string{"GNUPGHOME=" + home}, "gpg", "--batch", "--quiet", "--import", "web-flow.gpg")
	require.NoError(t, err, out)
	for what, sha := range merged {
		signs := !strings.Contains(what, "head of") && what != "rebase" && !strings.Contains(what, "author")
		out, err := command(t, w.repo.GitDir, []string{"GNUPGHOME=" + home}, "git", "verify-commit", "--verbose", sha)
		want := "unsigned"
		if signs {
			require.NoError(t, err, "%s: %s", what, out)
			require.Contains(t, out, `Good signature from "GitHub <noreply@github.com>"`, what)
			require.Contains(t, w.git("cat-file", "commit", sha), "-----END PGP SIGNATURE-----\n \n\n", "%s: as GitHub ends the header", what)
			want = "valid+"
		} else {
			require.Error(t, err, what)
		}
		require.Equal(t, want, w.reason(sha), what)
	}
	status, header, served := w.send("GET", "/web-flow.gpg", "", "")
	require.Equal(t, 200, status)
	require.Equal(t, public, served)
	require.Equal(t, "text/plain; charset=utf-8", header.Get("Content-Type"))
}

// pgpKey makes a key; change may alter what it is made with.
func pgpKey(t *testing.T, email string, change ...func(*packet.Config)) *openpgp.Entity {
	t.Helper()
	config := &packet.Config{Algorithm: packet.PubKeyAlgoEdDSA}
	for _, f := range change {
		f(config)
	}
	e, err := openpgp.NewEntity("Alice", "", email, config)
	require.NoError(t, err)
	return e
}

func public(t *testing.T, e *openpgp.Entity) string {
	t.Helper()
	var out bytes.Buffer
	a, err := armor.Encode(&out, openpgp.PublicKeyType, nil)
	require.NoError(t, err)
	require.NoError(t, e.Serialize(a))
	require.NoError(t, a.Close())
	return out.String()
}

func signPGP(e *openpgp.Entity, config *packet.Config) func([]byte) (string, error) {
	return func(payload []byte) (string, error) {
		var out bytes.Buffer
		err := openpgp.ArmoredDetachSign(&out, e, bytes.NewReader(payload), config)
		return out.String(), err
	}
}

func signSSH(signer ssh.Signer, namespace string) func([]byte) (string, error) {
	return func(payload []byte) (string, error) {
		sig, err := sshsig.Sign(bytes.NewReader(payload), signer, sshsig.HashSHA512, namespace)
		if err != nil {
			return "", err
		}
		return string(sshsig.Armor(sig)), nil
	}
}

func sshKey(t *testing.T) (ssh.Signer, string) {
	t.Helper()
	_, private, err := ed25519.GenerateKey(rand.Reader)
	require.NoError(t, err)
	signer, err := ssh.NewSignerFromKey(private)
	require.NoError(t, err)
	return signer, string(ssh.MarshalAuthorizedKey(signer.PublicKey()))
}

func TestSignaturesArePutToTheTest(t *testing.T) {
	// The keys and signatures are made by the real clock, in the course of the
	// test: they must not seem to come from the future.
	now := time.Now().Add(time.Minute)
	w := newWorld(t, func(o *standin.Options) { o.Now = func() time.Time { return now } })
	good, other, stranger := pgpKey(t, "alice@example.com"), pgpKey(t, "else@example.com"), pgpKey(t, "alice@example.com")
	bobs := pgpKey(t, "alice@example.com")
	old := pgpKey(t, "alice@example.com", func(c *packet.Config) {
		c.Time = func() time.Time { return now.Add(-48 * time.Hour) }
		c.KeyLifetimeSecs = 3600
	})
	certify := pgpKey(t, "alice@example.com")
	for _, id := range certify.Identities {
		id.SelfSignature.FlagSign = false
		require.NoError(t, id.SelfSignature.SignUserId(id.UserId.Id, certify.PrimaryKey, certify.PrivateKey, nil))
	}
	ssh1, line := sshKey(t)
	ssh2, line2 := sshKey(t)
	for _, k := range []string{public(t, good), public(t, other), public(t, old), public(t, certify), line} {
		require.NoError(t, w.s.AddSigningKey("alice", k))
	}
	require.NoError(t, w.s.AddSigningKey("bob", public(t, bobs)))
	require.NoError(t, w.s.AddSigningKey("bob", line2))
	require.Error(t, w.s.AddSigningKey("nobody", line))
	require.Error(t, w.s.AddSigningKey("alice", "ssh-ed25519 AAAA"))
	require.Error(t, w.s.AddSigningKey("alice", "-----BEGIN PGP PUBLIC KEY BLOCK-----\n\n-----END PGP PUBLIC KEY BLOCK-----\n"))
	w.s.ConfirmEmail("alice+new@example.com", false)
	must(w.s.CreateUser("dora", "Dora", "alice+new@example.com"))(t)

	text := func(s string) func([]byte) (string, error) { return func([]byte) (string, error) { return s, nil } }
	sign := func(e *openpgp.Entity) func([]byte) (string, error) { return signPGP(e, nil) }
	then := func() time.Time { return now.Add(-47*time.Hour - 30*time.Minute) }
	elsewhere := func(f func([]byte) (string, error)) func([]byte) (string, error) {
		return func([]byte) (string, error) { return f([]byte("something else")) }
	}
	certifyBy := func(payload []byte) (string, error) {
		for _, id := range certify.Identities { // the library refuses to sign with such a key
			id.SelfSignature.FlagSign = true
			defer func() { id.SelfSignature.FlagSign = false }()
		}
		return sign(certify)(payload)
	}
	double, err := sign(good)([]byte("x"))
	require.NoError(t, err)
	for _, c := range []struct {
		name  string
		sign  func([]byte) (string, error)
		email string
		want  string
	}{
		{"nothing", nil, "", "unsigned"},
		{"her key", sign(good), "", "valid+"},
		{"her SSH key", signSSH(ssh1, "git"), "", "valid+"},
		{"for something else", elsewhere(sign(good)), "", "invalid"},
		{"SSH for something else", elsewhere(signSSH(ssh1, "git")), "", "invalid"},
		{"SSH for files", signSSH(ssh1, "file"), "", "invalid"},
		{"key of nobody", sign(stranger), "", "unknown_key"},
		{"SSH key of bob", signSSH(ssh2, "git"), "", "unknown_key"},
		{"key with another e-mail", sign(other), "", "bad_email"},
		{"key of bob with her e-mail", sign(bobs), "", "bad_email"},
		{"her key, committer bob", sign(good), "bob@example.com", "bad_email"},
		{"committer nobody", sign(good), "nobody@example.com", "no_user"},
		{"committer of an unconfirmed e-mail", sign(good), "alice+new@example.com", "unverified_email"},
		{"expired key", signPGP(old, &packet.Config{Time: then}), "", "expired_key"},
		{"key that may not sign", certifyBy, "", "not_signing_key"},
		{"rubbish", text("-----BEGIN PGP SIGNATURE-----\n\nAAAA\n-----END PGP SIGNATURE-----\n"), "", "malformed_signature"},
		{"SSH rubbish", text("-----BEGIN SSH SIGNATURE-----\nAAAA\n-----END SSH SIGNATURE-----\n"), "", "malformed_signature"},
		{"two signatures", text(double + "\n" + double), "", "malformed_signature"},
		{"another kind", text("-----BEGIN SIGNED MESSAGE-----\nAAAA\n-----END SIGNED MESSAGE-----\n"), "", "unknown_signature_type"},
	} {
		change := standin.Change{Message: c.name, Sign: c.sign, Files: map[string]string{"f": c.name}}
		if c.email != "" {
			change.Committer = &standin.Identity{Name: "Somebody", Email: c.email}
		}
		sha := must(w.s.As("alice").PushBranch("acme/env", "signed", change))(t)
		require.Equal(t, c.want, w.reason(sha), c.name)
	}
}

func TestVerificationIsPersistent(t *testing.T) {
	w := newWorld(t)
	signer, line := sshKey(t)
	change := standin.Change{Files: map[string]string{"f": "1"}, Sign: signSSH(signer, "git")}
	early := must(w.s.As("alice").PushBranch("acme/env", "signed", change))(t)
	require.Equal(t, "unknown_key", w.reason(early))
	require.NoError(t, w.s.AddSigningKey("alice", line))
	require.Equal(t, "valid+", w.reason(early), "a key may come later")
	change.Files = map[string]string{"f": "2"}
	pushed := must(w.s.As("alice").PushBranch("acme/env", "signed", change))(t) // nobody looks at it while the key is there
	require.NoError(t, w.s.RemoveSigningKeys("alice"))
	change.Files = map[string]string{"f": "3"}
	late := must(w.s.As("alice").PushBranch("acme/env", "signed", change))(t)
	require.Equal(t, "valid+ valid+ unknown_key", w.reason(early)+" "+w.reason(pushed)+" "+w.reason(late))
	w.s.SetVerification(early, false, "gpgverify_unavailable")
	require.Equal(t, "gpgverify_unavailable", w.reason(early))
}

// TestGitSigns lets git itself sign, with keys that gpg and ssh-keygen made.
func TestGitSigns(t *testing.T) {
	w := newWorld(t)
	t.Run("ssh", func(t *testing.T) {
		if _, err := exec.LookPath("ssh-keygen"); err != nil {
			t.Skip("ssh-keygen is not installed, so git cannot sign with SSH keys")
		}
		dir := w.clone(w.alice)
		file := filepath.Join(t.TempDir(), "key")
		out, err := command(t, dir, nil, "ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", file)
		require.NoError(t, err, out)
		line, err := os.ReadFile(file + ".pub")
		require.NoError(t, err)
		require.NoError(t, w.s.AddSigningKey("alice", string(line)))
		runGit(t, dir, "-c", "gpg.format=ssh", "-c", "user.signingkey="+file, "commit", "--quiet", "--allow-empty", "-S", "-m", "Signed")
		runGit(t, dir, "-c", "gpg.format=ssh", "-c", "user.signingkey="+file, "tag", "-s", "-m", "Signed tag", "v1")
		runGit(t, dir, "push", "--quiet", "origin", "HEAD:refs/heads/ssh", "v1")
		require.Equal(t, "valid+", w.reason(runGit(t, dir, "rev-parse", "HEAD")))
		tag, _, err := w.client().Git.GetTag(t.Context(), "acme", "env", runGit(t, dir, "rev-parse", "v1"))
		require.NoError(t, err)
		require.Equal(t, "Signed tag valid", tag.GetMessage()+" "+tag.GetVerification().GetReason())
	})
	t.Run("gpg", func(t *testing.T) {
		home := gnupg(t)
		env := []string{"GNUPGHOME=" + home, "GIT_AUTHOR_NAME=Alice", "GIT_AUTHOR_EMAIL=alice@example.com", "GIT_COMMITTER_NAME=Alice", "GIT_COMMITTER_EMAIL=alice@example.com"}
		out, err := command(t, home, env, "gpg", "--batch", "--quiet", "--passphrase", "", "--quick-generate-key", "Alice <alice@example.com>", "ed25519", "sign", "1d")
		require.NoError(t, err, out)
		key, err := command(t, home, env, "gpg", "--batch", "--armor", "--export", "alice@example.com")
		require.NoError(t, err, key)
		require.NoError(t, w.s.AddSigningKey("alice", key))
		dir := w.clone(w.alice)
		out, err = command(t, dir, env, "git", "commit", "--quiet", "--allow-empty", "-Salice@example.com", "-m", "Signed")
		require.NoError(t, err, out)
		runGit(t, dir, "push", "--quiet", "origin", "HEAD:refs/heads/gpg")
		require.Equal(t, "valid+", w.reason(runGit(t, dir, "rev-parse", "HEAD")))
	})
	// The signature that the API is given is what git would have stored.
	t.Run("api", func(t *testing.T) {
		signer, line := sshKey(t)
		require.NoError(t, w.s.AddSigningKey("alice", line))
		tree := w.git("rev-parse", "main^{tree}")
		payload := fmt.Sprintf("tree %s\nauthor Alice <alice@example.com> 1772366400 +0000\ncommitter Alice <alice@example.com> 1772366400 +0000\n\nBy hand", tree)
		armoured, err := signSSH(signer, "git")([]byte(payload))
		require.NoError(t, err)
		at := github.Timestamp{Time: time.Unix(1772366400, 0)}
		c, _, err := w.as(w.alice).Git.CreateCommit(t.Context(), "acme", "env", &github.Commit{Message: new("By hand"), Tree: &github.Tree{SHA: &tree},
			Author:       &github.CommitAuthor{Name: new("Alice"), Email: new("alice@example.com"), Date: &at},
			Verification: &github.SignatureVerification{Signature: &armoured}}, nil)
		require.NoError(t, err)
		require.Equal(t, "valid", c.GetVerification().GetReason())
		require.Equal(t, payload, c.GetVerification().GetPayload())
	})
}

// FuzzVerification judges any signature over any payload: only one that the registered keys made is valid.
func FuzzVerification(f *testing.F) {
	s, err := standin.Start(f.Context(), standin.Options{Dir: f.TempDir()})
	require.NoError(f, err)
	f.Cleanup(func() { require.NoError(f, s.Close()) })
	_, err = s.CreateUser("alice", "Alice", "alice@example.com")
	require.NoError(f, err)
	_, private, err := ed25519.GenerateKey(rand.Reader)
	require.NoError(f, err)
	signer, err := ssh.NewSignerFromKey(private)
	require.NoError(f, err)
	require.NoError(f, s.AddSigningKey("alice", string(ssh.MarshalAuthorizedKey(signer.PublicKey()))))
	good, err := signSSH(signer, "git")([]byte("payload"))
	require.NoError(f, err)
	web, err := s.SignAsGitHub([]byte("payload"))
	require.NoError(f, err)
	require.Equal(f, "valid", s.SignatureReason(good, "payload", "alice@example.com"))
	require.Equal(f, "valid", s.SignatureReason(web, "payload", "noreply@github.com"))
	for _, seed := range []string{good, web, "", "-----BEGIN PGP SIGNATURE-----\n\nwsBc\n-----END PGP SIGNATURE-----", "-----BEGIN SSH SIGNATURE-----"} {
		f.Add(seed, "payload", "alice@example.com")
		f.Add(seed, "other", "noreply@github.com")
	}
	f.Fuzz(func(t *testing.T, signature, payload, email string) {
		if s.SignatureReason(signature, payload, email) == "valid" {
			require.Equal(t, "payload", payload)
		}
	})
}
