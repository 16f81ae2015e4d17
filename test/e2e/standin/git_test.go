package standin_test

import (
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-github/v60/github"
	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/test/e2e/standin"
)

// withToken is the clone address with a user name and password in it.
func (w *world) withToken(user, token string) string {
	return strings.Replace(w.repo.CloneURL, "http://", "http://"+user+":"+token+"@", 1)
}

func (w *world) clone(u standin.User) string {
	w.t.Helper()
	dir := w.t.TempDir()
	runGit(w.t, dir, "clone", "--quiet", w.withToken(u.Login, u.Token), "env")
	return filepath.Join(dir, "env")
}

func write(t *testing.T, dir, name, content string) {
	t.Helper()
	require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600))
}

func TestGitOverHTTP(t *testing.T) {
	w := newWorld(t)
	dir := w.clone(w.alice)
	runGit(t, dir, "checkout", "--quiet", "-b", "feature/x")
	// More than 1 MiB that does not compress makes git send the pack in chunks.
	big := make([]byte, 3<<20)
	random := rand.NewChaCha8([32]byte{1})
	_, _ = random.Read(big)
	write(t, dir, "big", string(big))
	runGit(t, dir, "add", ".")
	runGit(t, dir, "commit", "--quiet", "-m", "Big")
	head := runGit(t, dir, "rev-parse", "HEAD")
	w.take()
	runGit(t, dir, "push", "--quiet", "origin", "feature/x")
	events := w.take()
	require.Equal(t, []string{"push"}, names(events))
	created := events[0].payload.(*github.PushEvent)
	require.Equal(t, "refs/heads/feature/x", created.GetRef())
	require.True(t, created.GetCreated())
	require.Equal(t, "alice", created.GetPusher().GetName())
	require.Len(t, created.Commits, 1)

	opened := must(w.s.As("alice").OpenPull("acme/env", standin.PullOptions{Branch: "feature/x", Title: "Big"}))(t)
	require.Equal(t, head, opened.Head)
	w.take()
	runGit(t, dir, "commit", "--quiet", "--amend", "-m", "Big, again")
	rewritten := runGit(t, dir, "rev-parse", "HEAD")
	runGit(t, dir, "push", "--quiet", "--force", "origin", "feature/x")
	events = w.take()
	require.Equal(t, []string{"push", "pull_request.synchronize"}, names(events))
	require.True(t, events[0].payload.(*github.PushEvent).GetForced())
	sync := events[1].payload.(*github.PullRequestEvent)
	require.Equal(t, head+" "+rewritten, sync.GetBefore()+" "+sync.GetAfter())
	require.Equal(t, "alice", sync.GetSender().GetLogin())

	require.Equal(t, rewritten, strings.Fields(runGit(t, dir, "ls-remote", "origin", "refs/pull/1/head"))[0])
	require.NotEmpty(t, runGit(t, dir, "ls-remote", "origin", "refs/pull/1/merge"))
	runGit(t, dir, "fetch", "--quiet", "origin", head)
	runGit(t, dir, "push", "--quiet", "origin", ":feature/x")
	require.Equal(t, []string{"push", "pull_request.closed"}, names(w.take()))
	require.GreaterOrEqual(t, w.s.CountCalls("git", "POST /acme/env.git/git-receive-pack"), 3, "git probes before large pushes")
	require.Zero(t, w.s.CountCalls("api", ""))
}

func TestGitAccess(t *testing.T) {
	w := newWorld(t)
	mallory := must(w.s.CreateUser("reader", "Reader"))(t)
	require.NoError(t, w.s.SetCollaborator("acme/env", "reader", "triage"))
	for name, c := range map[string]struct{ url, want string }{
		"anonymous": {w.repo.CloneURL, "could not read Username"},
		"wrong":     {w.withToken("alice", "ghp_wrong"), "Authentication failed"},
		"stranger":  {w.withToken("x", must(w.s.CreateUser("stranger", ""))(t).Token), "not found"},
	} {
		out, err := tryGit(t, t.TempDir(), "clone", "--quiet", c.url, "copy")
		require.Error(t, err, name)
		require.Contains(t, out, c.want, name)
	}
	dir := w.clone(mallory)
	runGit(t, dir, "commit", "--quiet", "--allow-empty", "-m", "Mine")
	out, err := tryGit(t, dir, "push", "origin", "HEAD:main")
	require.Error(t, err)
	require.Contains(t, out, "403")
	dir = w.clone(w.bob)
	w.openPull("replicas: 2\n")
	out, err = tryGit(t, dir, "push", "origin", "+HEAD:refs/pull/1/head")
	require.Error(t, err, "pull request references are read-only")
	require.Contains(t, out, "hidden ref")

	tok, _, err := w.appClient().Apps.CreateInstallationToken(t.Context(), w.installation, nil)
	require.NoError(t, err)
	app := t.TempDir()
	runGit(t, app, "clone", "--quiet", w.withToken("x-access-token", tok.GetToken()), "copy")
	out, err = tryGit(t, filepath.Join(app, "copy"), "push", "origin", "HEAD:refs/heads/new")
	require.Error(t, err, "contents:read does not push")
	require.Contains(t, out, "403")
}

func TestPublicRepositoriesAreReadable(t *testing.T) {
	w := newWorld(t)
	repo := must(w.s.CreateRepository("acme", "open", standin.RepositoryOptions{Public: true}))(t)
	runGit(t, t.TempDir(), "clone", "--quiet", repo.CloneURL, "copy")
	status, _, _ := w.send("GET", "/repos/acme/open", "", "")
	require.Equal(t, 200, status)
	status, _, _ = w.send("GET", "/repos/acme/env", "", "")
	require.Equal(t, 404, status)
	status, _, _ = w.send("POST", "/repos/acme/open/pulls", "", "{}")
	require.Equal(t, 401, status)
}

func TestSignedCommitsKeepTheirSignature(t *testing.T) {
	w := newWorld(t)
	var signed string
	opened := must(w.s.As("alice").OpenPull("acme/env", standin.PullOptions{Title: "Signed", Change: standin.Change{
		Files: map[string]string{"a": "b\n"},
		Sign: func(payload []byte) (string, error) {
			signed = string(payload)
			return "-----BEGIN SSH SIGNATURE-----\nAAAA\n-----END SSH SIGNATURE-----\n", nil
		}}}))(t)
	raw := w.git("cat-file", "commit", opened.Head)
	require.Contains(t, raw, "\ngpgsig -----BEGIN SSH SIGNATURE-----\n AAAA\n -----END SSH SIGNATURE-----\n\nSigned")
	c, _, err := w.client().Repositories.GetCommit(t.Context(), "acme", "env", opened.Head, nil)
	require.NoError(t, err)
	v := c.GetCommit().GetVerification()
	require.Equal(t, signed, v.GetPayload())
	require.Contains(t, v.GetSignature(), "AAAA")
	require.False(t, v.GetVerified())
	w.s.SetVerification(opened.Head, true, "valid")
	c, _, err = w.client().Repositories.GetCommit(t.Context(), "acme", "env", opened.Head, nil)
	require.NoError(t, err)
	require.True(t, c.GetCommit().GetVerification().GetVerified())
}

func TestForks(t *testing.T) {
	w := newWorld(t)
	require.NoError(t, w.s.SetCollaborator("acme/env", "mallory", "read"))
	fork := must(w.s.As("mallory").Fork("acme/env"))(t)
	opened := must(w.s.As("mallory").OpenPull("acme/env", standin.PullOptions{HeadRepo: fork.Name, Branch: "patch", Title: "From outside",
		Change: standin.Change{Files: map[string]string{"prod/values.yaml": "replicas: 9\n"}}}))(t)
	require.Equal(t, opened.Head, w.git("rev-parse", "refs/pull/1/head"))
	require.Equal(t, []string{"ping", "installation.created", "pull_request.opened"}, names(w.take()), "no push event for a fork")
	head := must(w.s.As("mallory").PushToPull("acme/env", opened.Number, standin.Change{Files: map[string]string{"prod/values.yaml": "replicas: 8\n"}}))(t)
	events := w.take()
	require.Equal(t, []string{"pull_request.synchronize"}, names(events))
	require.Equal(t, "mallory:patch", events[0].payload.(*github.PullRequestEvent).GetPullRequest().GetHead().GetLabel())
	require.Equal(t, head, w.git("rev-parse", "refs/pull/1/head"))
	_, err := w.s.As("mallory").PushBranch("acme/env", "main", standin.Change{Files: map[string]string{"x": "y"}})
	require.ErrorContains(t, err, "403")
	cmp, _, err := w.client().Repositories.CompareCommits(t.Context(), "acme", "env", "main", "mallory:patch", nil)
	require.Error(t, err, "the App does not see the fork")
	require.Nil(t, cmp)
	sha := must(w.s.As("bob").Merge("acme/env", opened.Number, "merge"))(t)
	require.Equal(t, "Merge pull request #1 from mallory/patch", w.field(sha, "%s"))
}
