package signature

import (
	"bytes"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
)

var (
	made     = time.Date(2025, 1, 1, 0, 0, 0, 0, time.UTC) // keys
	signed   = time.Date(2025, 6, 1, 0, 0, 0, 0, time.UTC) // commits
	received = time.Date(2025, 6, 2, 0, 0, 0, 0, time.UTC)
)

const emptyTree = "4b825dc642cb6eb9a060e54bf8d69288fbee4904"

// payload is a commit object without a signature. The committer's date is the
// time of receipt, as git judges SSH keys at that date.
func payload(message string) string {
	return fmt.Sprintf("tree %s\nauthor Alice <alice@example.com> %d +0000\ncommitter Alice <alice@example.com> %d +0000\n\n%s\n", emptyTree, received.Unix(), received.Unix(), message)
}

// withHeader puts a header at the end of the headers, folded as git folds it.
func withHeader(object, name, value string) string {
	head, message, _ := strings.Cut(object, "\n\n")
	return head + "\n" + name + " " + strings.ReplaceAll(strings.TrimSuffix(value, "\n"), "\n", "\n ") + "\n\n" + message
}

func nameOf(object string) approval.SHA {
	sum := sha1.Sum(fmt.Appendf(nil, "commit %d\x00%s", len(object), object))
	return approval.SHA(hex.EncodeToString(sum[:]))
}

func name256(object string) approval.SHA {
	sum := sha256.Sum256(fmt.Appendf(nil, "commit %d\x00%s", len(object), object))
	return approval.SHA(hex.EncodeToString(sum[:]))
}

// program runs gpg, ssh-keygen or git with an environment of its own.
func program(t testing.TB, env []string, in string, name string, args ...string) (stdout, stderr string, err error) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), name, args...)
	cmd.Env = append([]string{"PATH=" + os.Getenv("PATH"), "GIT_CONFIG_NOSYSTEM=1", "GIT_CONFIG_GLOBAL=/dev/null", "TZ=UTC", "LC_ALL=C", "HOME=/nonexistent"}, env...)
	cmd.Stdin = strings.NewReader(in)
	var o, e bytes.Buffer
	cmd.Stdout, cmd.Stderr = &o, &e
	err = cmd.Run()
	return o.String(), e.String(), err
}

func must(t testing.TB, env []string, in string, name string, args ...string) string {
	t.Helper()
	out, messages, err := program(t, env, in, name, args...)
	require.NoError(t, err, "%s %v: %s", name, args, messages)
	return out
}

func installed(t testing.TB, name string) {
	t.Helper()
	if _, err := exec.LookPath(name); err != nil {
		t.Skip(name + " is not installed, so that there is nothing to compare with")
	}
}

// gitOracle asks git about commits. Environment and options decide what it trusts.
type gitOracle struct {
	t   testing.TB
	dir string
}

func newGit(t testing.TB, format string) gitOracle {
	dir := filepath.Join(t.TempDir(), "oracle.git")
	must(t, nil, "", "git", "init", "--quiet", "--bare", "--object-format="+format, dir)
	return gitOracle{t, dir}
}

// verify stores any object and says whether git verify-commit is content.
func (g gitOracle) verify(object string, env []string, options ...string) (bool, string) {
	g.t.Helper()
	sha := strings.TrimSpace(must(g.t, nil, object, "git", "--git-dir", g.dir, "hash-object", "-t", "commit", "-w", "--stdin", "--literally"))
	out, messages, err := program(g.t, env, "", "git", append(append([]string{"--git-dir", g.dir}, options...), "verify-commit", sha)...)
	return err == nil, out + messages
}

// gnupg is a folder of gpg. Its path is short, as the sockets in it need.
type gnupg struct {
	t    testing.TB
	home string
}

func newGnuPG(t testing.TB) gnupg {
	t.Helper()
	installed(t, "gpg")
	home, err := os.MkdirTemp("", "gpg") //nolint:usetesting // gpg-agent's socket needs a short path, and the agent has to end before its folder
	require.NoError(t, err)
	t.Cleanup(func() {
		require.NoError(t, exec.Command("gpgconf", "--homedir", home, "--kill", "all").Run())
		require.NoError(t, os.RemoveAll(home))
	})
	return gnupg{t, home}
}

func (g gnupg) env() []string { return []string{"GNUPGHOME=" + g.home} }

func (g gnupg) run(in string, at time.Time, args ...string) string {
	g.t.Helper()
	all := append([]string{"--quiet", "--no-tty", "--yes", "--pinentry-mode", "loopback", "--passphrase", "", "--allow-weak-key-signatures", "--trust-model", "always", "--no-auto-check-trustdb", "--faked-system-time", at.Format("20060102T150405") + "!"}, args...)
	return must(g.t, g.env(), in, "gpg", all...)
}

// clock sets the time at which gpg judges when git calls it.
func (g gnupg) clock(at time.Time) {
	require.NoError(g.t, os.WriteFile(filepath.Join(g.home, "gpg.conf"), []byte("faked-system-time "+at.Format("20060102T150405")+"!\n"), 0o600))
}

// key makes one and gives its fingerprint.
func (g gnupg) key(user, algo, usage, expire string, options ...string) string {
	g.t.Helper()
	g.run("", made, append(append([]string{"--batch"}, options...), "--quick-generate-key", user, algo, usage, expire)...)
	return g.fingerprint(user)
}

func (g gnupg) fingerprint(user string) string {
	g.t.Helper()
	for line := range strings.Lines(g.run("", made, "--batch", "--list-keys", "--with-colons", "="+user)) {
		if f := strings.Split(line, ":"); f[0] == "fpr" {
			return f[9]
		}
	}
	g.t.Fatal("no key of " + user)
	return ""
}

func (g gnupg) sign(key, data string, options ...string) string {
	g.t.Helper()
	return g.run(data, signed, append(append([]string{"--batch", "--armor", "-u", key}, options...), "--detach-sign")...)
}

func (g gnupg) export(key string) []byte {
	g.t.Helper()
	return []byte(g.run("", made, "--batch", "--armor", "--export", key))
}

// revoke takes back a whole key, for a reason of gpg: 0 none, 1 compromised, 2
// superseded, 3 retired.
func (g gnupg) revoke(key string, at time.Time, reason int) {
	g.t.Helper()
	certificate := g.run(fmt.Sprintf("y\n%d\n\ny\n", reason), at, "--command-fd", "0", "--gen-revoke", key)
	g.run(certificate, at, "--batch", "--import")
}

func (g gnupg) edit(key string, at time.Time, commands string) {
	g.t.Helper()
	g.run(commands, at, "--expert", "--command-fd", "0", "--edit-key", key)
}

// allow is one signer with one OpenPGP key file.
func allow(t testing.TB, key []byte) *Allowed {
	t.Helper()
	a, err := NewAllowed([]Signer{{Name: "alice", OpenPGP: []KeyFile{{Path: "alice.asc", Content: key}}}})
	require.NoError(t, err)
	return a
}
