package collect_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
	"github.com/argo-gatekeeper/gatekeeper/test/e2e/standin"
)

func (w *world) collectPull(number int) approval.PullAnswer {
	w.t.Helper()
	a, err := w.collector.CollectPull(w.t.Context(), repoName, number, w.query(w.repo.Head))
	require.NoError(w.t, err)
	return a
}

func paths(changes []approval.Change) []string {
	var out []string
	for _, c := range changes {
		out = append(out, c.Path)
	}
	return out
}

func TestCollectPull(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.listen()
	p := w.pull("alice", "prod/a.yaml", "a: 1\n")
	w.review("bob", p.Number, "APPROVE")
	w.delivered()
	_, err := w.gh.As("carol").PushBranch(repoName, "main", change("prod/other.yaml", "x: 1\n"))
	require.NoError(t, err)

	a := w.collectPull(p.Number)
	require.True(t, a.Open)
	require.False(t, a.Pull.Merged)
	require.Empty(t, a.MergeCommit)
	require.Equal(t, approval.SHA(p.Head), a.Pull.Head)
	require.Equal(t, []string{"prod/a.yaml"}, paths(a.Changes), "not what the base got meanwhile")
	require.Equal(t, []string{"alice"}, logins(a.Pull.Contributors))
	require.Equal(t, "alice", a.Pull.Pusher.Login)
	require.Len(t, a.Pull.Reviews, 1)
	require.Len(t, a.Directory.Roles, 1)
	require.Contains(t, a.Pull.URL, "/acme/env/pull/1")
	require.Equal(t, approval.SHA(w.repo.Head), a.MergeBase, "not where the base is now")
	require.NotEqual(t, a.BaseHead, a.MergeBase)
	require.False(t, a.Fork)

	w.resetCalls()
	w.collectPull(p.Number)
	require.ElementsMatch(t, []string{"GET /repos/acme/env/pulls/1", "GET /repos/acme/env/pulls/1/reviews"}, w.apiCalls())

	head := w.push("mallory", p.Number, "prod/b.yaml", "b: 1\n")
	a = w.collectPull(p.Number)
	require.Equal(t, approval.SHA(head), a.Pull.Head)
	require.Equal(t, "mallory", a.Pull.Pusher.Login)
	require.Equal(t, []string{"alice", "mallory"}, logins(a.Pull.Contributors))

	sha := w.merge(p.Number, "rebase")
	a = w.collectPull(p.Number)
	require.False(t, a.Open)
	require.True(t, a.Pull.Merged)
	require.Equal(t, approval.SHA(sha), a.MergeCommit)
	require.Empty(t, a.MergeBase)
	require.Equal(t, []string{"prod/a.yaml", "prod/b.yaml"}, paths(a.Changes), "all commits of the run")
	require.Equal(t, []string{"alice", "mallory"}, logins(a.Pull.Contributors))
}

func TestCollectPullOfAFork(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.listen()
	_, err := w.gh.As("alice").Fork(repoName)
	require.NoError(t, err)
	p, err := w.gh.As("alice").OpenPull(repoName, standin.PullOptions{HeadRepo: "alice/env", Branch: "topic", Change: change("prod/a.yaml", "a: 1\n")})
	require.NoError(t, err)
	w.delivered()
	a := w.collectPull(p.Number)
	require.True(t, a.Fork)
	require.Equal(t, approval.SHA(w.repo.Head), a.MergeBase)
}

func TestCollectPullIntoAnotherBranch(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	require.NoError(t, w.gh.As("alice").SetBranch(repoName, "dev", w.repo.Head))
	p, err := w.gh.As("alice").OpenPull(repoName, standin.PullOptions{Base: "dev", Change: change("prod/a.yaml", "a: 1\n")})
	require.NoError(t, err)
	a := w.collectPull(p.Number)
	require.Equal(t, "dev", a.Pull.Base)
	require.Equal(t, []string{"prod/a.yaml"}, paths(a.Changes))
}

func TestCollectPullWithConflicts(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	p := w.pull("alice", "prod/values.yaml", "replicas: 2\n")
	w.push("alice", p.Number, "prod/a.yaml", "a: 1\n")
	_, err := w.gh.As("carol").PushBranch(repoName, "main", change("prod/values.yaml", "replicas: 3\n"))
	require.NoError(t, err)
	require.Equal(t, []string{"prod/a.yaml", "prod/values.yaml"}, paths(w.collectPull(p.Number).Changes))
}

func TestCollectClosedPull(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	p := w.pull("alice", "prod/a.yaml", "a: 1\n")
	require.NoError(t, w.gh.As("alice").EditPull(repoName, p.Number, "", "", "", "closed"))
	a := w.collectPull(p.Number)
	require.False(t, a.Open)
	require.False(t, a.Pull.Merged)
	require.Empty(t, a.MergeCommit)
}

// A push lands between the two reads: both are made again, and if that goes on
// there is an error rather than a mix.
func TestCollectPullWhileItMoves(t *testing.T) {
	t.Parallel()
	moving := &interrupting{RoundTripper: http.DefaultTransport}
	w := newWorld(t, withTransport(moving))
	p := w.pull("alice", "prod/a.yaml", "a: 1\n")
	w.collectPull(p.Number)

	head := ""
	moving.times, moving.do = 1, func() {
		head = w.push("alice", p.Number, "prod/a.yaml", "a: 2\n")
		require.NoError(t, w.mirror.Fetch(t.Context(), "main", p.Number))
	}
	a := w.collectPull(p.Number)
	require.Equal(t, approval.SHA(head), a.Pull.Head)

	moving.times = 9
	_, err := w.collector.CollectPull(t.Context(), repoName, p.Number, w.query(w.repo.Head))
	require.ErrorContains(t, err, "the pull request changes while it is read")
}

// interrupting does something after the pull request was read and before that
// is known to the reader.
type interrupting struct {
	http.RoundTripper
	times int
	do    func()
}

func (i *interrupting) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := i.RoundTripper.RoundTrip(r)
	if strings.HasSuffix(r.URL.Path, "/pulls/1") && i.times > 0 {
		i.times--
		i.do()
	}
	return resp, err
}
