package clients

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/bradleyfalzon/ghinstallation/v2"
	"github.com/google/go-github/v60/github"
	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/test/e2e/standin"
)

// token makes a token of the installation; nil permissions are all of them.
func (w *world) token(permissions *github.InstallationPermissions) string {
	w.t.Helper()
	tr, err := ghinstallation.NewAppsTransport(w.transport(), w.app.ID, w.app.PrivateKeyPEM)
	require.NoError(w.t, err)
	tr.BaseURL = strings.TrimSuffix(w.s.APIURL(), "/")
	client, err := github.NewClient(&http.Client{Transport: tr}).WithEnterpriseURLs(w.s.APIURL(), w.s.APIURL())
	require.NoError(w.t, err)
	token, _, err := client.Apps.CreateInstallationToken(w.t.Context(), w.installation, &github.InstallationTokenOptions{Permissions: permissions})
	require.NoError(w.t, err)
	return token.GetToken()
}

// checkout is a working copy with a home of its own.
type checkout struct {
	t    *testing.T
	dir  string
	home string
}

// try runs git and returns all that it says.
func (c *checkout) try(args ...string) (string, error) {
	c.t.Helper()
	cmd := exec.CommandContext(c.t.Context(), "git", args...)
	cmd.Dir = c.dir
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + c.home, "GIT_CONFIG_NOSYSTEM=1", "GIT_TERMINAL_PROMPT=0", "LC_ALL=C",
		"GIT_TRACE_PACKET=" + filepath.Join(c.home, "packets"), "GIT_TRACE_CURL=" + filepath.Join(c.home, "http"), "GIT_TRACE_CURL_NO_DATA=1",
		"GIT_AUTHOR_NAME=Alice", "GIT_AUTHOR_EMAIL=alice@example.com", "GIT_COMMITTER_NAME=Alice", "GIT_COMMITTER_EMAIL=alice@example.com"}
	out, err := cmd.CombinedOutput()
	return strings.TrimSpace(string(out)), err
}

func (c *checkout) git(args ...string) string {
	c.t.Helper()
	out, err := c.try(args...)
	require.NoError(c.t, err, "git %s: %s", strings.Join(args, " "), out)
	return out
}

// refused requires that git fails and says why.
func (c *checkout) refused(why string, args ...string) {
	c.t.Helper()
	out, err := c.try(args...)
	require.Error(c.t, err, out)
	require.Contains(c.t, out, why)
}

// trace empties and returns what git logged: "packets" or "http".
func (c *checkout) trace(name string) string {
	c.t.Helper()
	path := filepath.Join(c.home, name)
	content, err := os.ReadFile(path)
	require.NoError(c.t, err)
	require.NoError(c.t, os.Remove(path))
	return string(content)
}

func (c *checkout) commit(name, content string) string {
	c.t.Helper()
	require.NoError(c.t, os.WriteFile(filepath.Join(c.dir, name), []byte(content), 0o600))
	c.git("add", ".")
	c.git("commit", "--quiet", "-m", "Change "+name)
	return c.git("rev-parse", "HEAD")
}

// address is a clone address with a user name and password in it.
func (w *world) address(user, password string) string {
	return strings.Replace(w.repo.CloneURL, "://", "://"+user+":"+password+"@", 1)
}

// clone clones with a token, as GitHub's own documentation shows it for Apps.
func (w *world) clone(token string, args ...string) *checkout {
	w.t.Helper()
	if _, err := exec.LookPath("git"); err != nil {
		w.t.Skip("needs git: ", err)
	}
	c := &checkout{t: w.t, dir: w.t.TempDir(), home: w.t.TempDir()}
	c.git(append(append([]string{"clone", "--quiet"}, args...), w.address("x-access-token", token), "env")...)
	c.dir = filepath.Join(c.dir, "env")
	return c
}

func TestGitAsTheApp(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c := w.clone(w.token(nil))
	c.git("checkout", "--quiet", "-b", "bot")
	head := c.commit("bot.txt", "1\n")
	c.git("push", "--quiet", "origin", "bot")
	require.Equal(t, head, must(w.s.Branch("acme/env", "bot"))(t))
	for _, call := range w.s.Calls() {
		if call.Kind == "git" && call.Status == http.StatusOK && call.Method == http.MethodPost {
			require.Equal(t, "installation gatekeeper[bot]", call.Token+" "+call.Login)
		}
	}

	// actions/checkout leaves the address as it is and sends the token as a header.
	header := "AUTHORIZATION: basic " + base64.StdEncoding.EncodeToString([]byte("x-access-token:"+w.token(nil)))
	require.Contains(t, c.git("-c", "http.extraheader="+header, "ls-remote", w.repo.CloneURL), "refs/heads/bot")

	readOnly := w.clone(w.token(&github.InstallationPermissions{Contents: new("read")}))
	readOnly.refused("403", "push", "origin", "HEAD:refs/heads/other")
	require.Error(t, second(c.try("clone", w.address("x-access-token", w.token(&github.InstallationPermissions{Checks: new("write")})), "none")))
	require.NoError(t, w.s.Uninstall(w.installation))
	c.refused("Authentication failed", "fetch")
}

func second(_ string, err error) error { return err }

func TestGitIsRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	hidden := must(w.s.CreateRepository("acme", "hidden", standin.RepositoryOptions{}))(t)
	c := w.clone(w.rita.Token)
	c.commit("rita.txt", "1\n")
	c.refused("Permission to acme/env denied to rita", "push", "origin", "HEAD:refs/heads/rita")
	c.refused("403", "push", "origin", "HEAD:refs/heads/rita")
	c.refused("Authentication failed", "fetch", w.address("alice", "ghp_wrong"))
	c.refused("Authentication failed", "push", w.address("alice", "ghp_wrong"), "HEAD:refs/heads/x")
	c.refused("could not read Username", "fetch", w.repo.CloneURL)
	c.refused("not found", "fetch", strings.Replace(hidden.CloneURL, "://", "://rita:"+w.rita.Token+"@", 1))
	require.Empty(t, must(w.s.Branch("acme/env", "rita"))(t))
	must(w.s.Fail(standin.Fault{Match: "git-upload-pack|info/refs", Status: http.StatusBadGateway, Times: 1}))(t)
	c.refused("502", "fetch")
	c.git("fetch")
}

// TestGitProtocols has git speak each version of its protocol, and looks at the packets for proof.
func TestGitProtocols(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	opened := w.openPull("replicas: 2\n")
	for version := range 3 {
		t.Run(fmt.Sprint(version), func(t *testing.T) {
			w := *w
			w.t = t
			config := fmt.Sprintf("protocol.version=%d", version)
			c := w.clone(w.alice.Token, "-c", config)
			said := c.trace("packets")
			for v := 1; v <= 2; v++ {
				require.Equal(t, v == version, strings.Contains(said, fmt.Sprintf("< version %d", v)), "clone: version %d", v)
			}
			c.git("fetch", "--quiet", "origin", "refs/pull/*:refs/pull/*")
			require.Equal(t, opened.Head, c.git("rev-parse", fmt.Sprintf("refs/pull/%d/head", opened.Number)))
			require.Equal(t, w.repo.Head+" "+opened.Head, c.git("log", "-1", "--format=%P", fmt.Sprintf("refs/pull/%d/merge", opened.Number)))
			branch := fmt.Sprintf("v%d", version)
			head := c.commit(branch, "x\n")
			c.git("push", "--quiet", "origin", "HEAD:refs/heads/"+branch)
			require.Equal(t, head+"\trefs/heads/"+branch, c.git("ls-remote", "origin", branch))
			require.Equal(t, "ref: refs/heads/main\tHEAD", strings.Split(c.git("ls-remote", "--symref", "origin", "HEAD"), "\n")[0])
		})
	}
}

func TestGitPushes(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c := w.clone(w.alice.Token)
	tip := func(branch string) string {
		t.Helper()
		return must(w.s.Branch("acme/env", branch))(t)
	}
	c.git("checkout", "--quiet", "-b", "feature/x")
	first := c.commit("a", "1\n")
	require.Contains(t, c.git("push", "-u", "origin", "HEAD"), "[new branch]")
	require.Equal(t, first, tip("feature/x"))
	ahead := c.commit("a", "2\n")
	c.git("push", "--quiet")
	require.Equal(t, ahead, tip("feature/x"))

	c.git("reset", "--quiet", "--hard", first)
	aside := c.commit("a", "3\n")
	c.refused("[rejected]", "push")
	require.Equal(t, ahead, tip("feature/x"))
	// Somebody pushes meanwhile: a lease on the old tip is refused.
	theirs := must(w.s.As("bob").PushBranch("acme/env", "feature/x", standin.Change{Files: map[string]string{"b": "1\n"}}))(t)
	c.refused("stale info", "push", "--force-with-lease")
	require.Equal(t, theirs, tip("feature/x"))
	c.refused("[rejected]", "push")
	c.git("push", "--quiet", "--force")
	require.Equal(t, aside, tip("feature/x"))

	// All or nothing, where one of two is forbidden.
	c.refused("refusing to delete the current branch: refs/heads/main", "push", "--atomic", "origin", "HEAD:refs/heads/both", ":main")
	require.Empty(t, tip("both"))

	c.git("tag", "v1")
	c.git("tag", "-a", "v2", "-m", "Version 2")
	c.git("push", "--quiet", "origin", "--tags")
	listed := c.git("ls-remote", "--tags", "origin")
	require.Contains(t, listed, "refs/tags/v2^{}", "annotated tags are peeled")
	require.Contains(t, listed, aside+"\trefs/tags/v1")
	c.git("push", "--quiet", "origin", ":refs/tags/v1", ":feature/x")
	require.NotContains(t, c.git("ls-remote", "origin"), "refs/tags/v1\n")
	require.Empty(t, tip("feature/x"))
	c.refused("remote ref does not exist", "push", "origin", ":feature/x")
}

func TestGitFetchesParts(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for i := range 3 {
		must(w.s.As("alice").PushBranch("acme/env", "main", standin.Change{Message: fmt.Sprint("Change ", i),
			Files: map[string]string{"prod/values.yaml": fmt.Sprintf("replicas: %d\n", i+2)}}))(t)
	}
	shallow := w.clone(w.alice.Token, "--depth=1")
	require.Equal(t, "1", shallow.git("rev-list", "--count", "HEAD"))
	shallow.git("fetch", "--quiet", "--deepen=1")
	require.Equal(t, "2", shallow.git("rev-list", "--count", "HEAD"))
	shallow.git("fetch", "--quiet", "--unshallow")
	require.Equal(t, "4", shallow.git("rev-list", "--count", "HEAD"))

	partial := w.clone(w.alice.Token, "--filter=blob:none", "--no-checkout")
	missing := func() int {
		return strings.Count("\n"+partial.git("rev-list", "--objects", "--all", "--missing=print"), "\n?")
	}
	require.Equal(t, 5, missing(), "four values.yaml and a README")
	require.Equal(t, "replicas: 4", partial.git("show", "HEAD:prod/values.yaml"), "fetched when it is needed")
	require.Equal(t, 4, missing())
	treeless := w.clone(w.alice.Token, "--filter=tree:0", "--no-checkout")
	require.Equal(t, "4", treeless.git("rev-list", "--count", "HEAD"))

	bySHA := w.clone(w.alice.Token, "--no-checkout", "--depth=1")
	bySHA.git("fetch", "--quiet", "--depth=1", "origin", w.repo.Head)
	require.Equal(t, "replicas: 1", bySHA.git("show", "FETCH_HEAD:prod/values.yaml"))
}

// TestGitCompressesRequests asks for so much that git compresses the question.
func TestGitCompressesRequests(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c := w.clone(w.alice.Token)
	refs := []string{"push", "--quiet", "origin"}
	for i := range 40 {
		c.commit("many", fmt.Sprint(i))
		c.git("branch", fmt.Sprint("many-", i))
		refs = append(refs, fmt.Sprint("many-", i))
	}
	c.git(refs...)
	c.trace("http")
	for version := range 3 {
		again := w.clone(w.bob.Token, "-c", fmt.Sprintf("protocol.version=%d", version))
		require.Contains(t, strings.ToLower(again.trace("http")), "content-encoding: gzip")
		require.Len(t, strings.Split(again.git("branch", "--remotes"), "\n"), 42)
	}
}

func TestGitFollowsARename(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c := w.clone(w.alice.Token)
	require.NoError(t, w.s.RenameRepository("acme/env", "environments"))
	require.Contains(t, c.git("fetch", "origin"), "redirecting to "+w.s.URL()+"/acme/environments.git")
	head := c.commit("after", "1\n")
	c.git("push", "--quiet", "origin", "HEAD:refs/heads/after")
	require.Equal(t, head, must(w.s.Branch("acme/environments", "after"))(t))
	// Who may not see the repository learns nothing of its new name.
	c.refused("could not read Username", "ls-remote", w.repo.CloneURL)
}
