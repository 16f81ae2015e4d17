package collect_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
	"github.com/argo-gatekeeper/gatekeeper/test/e2e/standin"
)

// empty answers one list of the repository with nothing: what is asked for is
// older than its first page.
type empty struct{ list string }

func (e empty) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := http.DefaultTransport.RoundTrip(r)
	if err != nil || !strings.HasSuffix(r.URL.Path, ofRepository+e.list) || r.URL.Query().Has("ref") {
		return resp, err
	}
	if err := resp.Body.Close(); err != nil {
		return nil, err
	}
	resp.Body, resp.ContentLength = io.NopCloser(strings.NewReader("[]")), 2
	return resp, nil
}

// The list of pull requests says which one landed while the index of commits
// does not know it yet.
func TestListedWhileTheIndexLags(t *testing.T) {
	t.Parallel()
	w := newWorld(t, withGrace(time.Hour))
	w.gh.LagCommitIndex(time.Hour)
	p := w.pull("alice", "prod/a.yaml", "a: 1\n")
	w.settle()
	w.review("bob", p.Number, "APPROVE")
	sha := w.merge(p.Number, "rebase") // its subject names no number
	w.allowed(sha)
	require.NotContains(t, w.apiCalls(), fmt.Sprintf("GET %scommits/%s/pulls", ofRepository, sha))
}

// The survey is of the time before: what is merged later is not on it, and a
// head that was pushed to since is read by itself.
func TestMergedAfterTheSurvey(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	first := w.pull("alice", "prod/a.yaml", "a: 1\n")
	w.merge(first.Number, "squash")
	p := w.pull("alice", "prod/b.yaml", "b: 1\n")
	w.settle()
	w.review("bob", p.Number, "APPROVE")
	w.collect(w.repo.Head)
	w.push("mallory", p.Number, "prod/b.yaml", "b: 2\n")
	w.merge(p.Number, "squash")
	w.resetCalls()
	landings := w.collect(w.repo.Head).Lines[0].Landings
	require.Equal(t, p.Number, landings[1].Pull.Number)
	require.Equal(t, "mallory", landings[1].Pull.Pusher.Login)
	require.Subset(t, w.apiCalls(), []string{"GET " + ofRepository + "pulls/2", "GET " + ofRepository + "activity?ref"})
}

// The head came to the branch, was replaced, and came back by somebody else, who
// is its pusher.
func TestSurveyTakesTheNewestPush(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	p := w.pull("alice", "prod/a.yaml", "a: 1\n")
	w.settle()
	w.push("alice", p.Number, "prod/a.yaml", "a: 2\n")
	w.settle()
	require.NoError(t, w.gh.As("mallory").SetBranch(repoName, p.Branch, p.Head))
	w.merge(p.Number, "squash")
	pr := w.landed()
	require.Equal(t, "mallory", pr.Pusher.Login)
	require.NotContains(t, w.apiCalls(), "GET "+ofRepository+"activity?ref")
}

// A pull request that lists the commit of another branch, or of another pull
// request, claims nothing.
func TestListedClaimsAreChecked(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.branch("dev")
	p, err := w.gh.As("mallory").OpenPull(repoName, standin.PullOptions{Base: "dev", Change: change("prod/a.yaml", "a: 1\n")})
	require.NoError(t, err)
	landed := w.merge(p.Number, "squash")
	require.NoError(t, w.gh.As("mallory").SetBranch(repoName, "main", landed))
	l := w.collect(w.repo.Head).Lines[0].Landings[0]
	require.Equal(t, approval.KindDirect, l.Kind)
	require.Nil(t, l.Pull)
}

// A pull request that names the test merge for a while after the merge is read
// again, and settles.
func TestMergeCommitThatLags(t *testing.T) {
	t.Parallel()
	late := &lateMerge{RoundTripper: http.DefaultTransport, sha: strings.Repeat("1", 40)}
	w := newWorld(t, withTransport(late))
	w.listen()
	w.collect(w.repo.Head)
	p := w.pull("alice", "prod/a.yaml", "a: 1\n")
	w.review("bob", p.Number, "APPROVE")
	sha := w.merge(p.Number, "merge")
	late.on.Store(true)
	w.blocked(approval.CodeLandingUnsettled)
	w.blocked(approval.CodeLandingUnsettled)
	late.on.Store(false)
	w.allowed(sha)
}

// lateMerge gives another merge commit for pull requests while it is on.
type lateMerge struct {
	http.RoundTripper
	on  atomic.Bool
	sha string
}

func (l *lateMerge) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := l.RoundTripper.RoundTrip(r)
	if err != nil || !l.on.Load() || !strings.HasSuffix(r.URL.Path, "/pulls/1") {
		return resp, err
	}
	var pull map[string]any
	if err := json.NewDecoder(resp.Body).Decode(&pull); err != nil {
		return nil, err
	}
	if err := resp.Body.Close(); err != nil {
		return nil, err
	}
	pull["merge_commit_sha"] = l.sha
	body, err := json.Marshal(pull)
	resp.Body, resp.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
	return resp, err
}

// Addresses of co-authors without an account cost one call, not one each.
func TestStrangersCostOneCall(t *testing.T) {
	t.Parallel()
	w := newWorld(t, withTransport(byAuthor{http.DefaultTransport}))
	p := w.pull("alice", "prod/a.yaml", "a: 1\n")
	c := change("prod/a.yaml", "a: 2\n")
	c.Message += "\n"
	for i := range 20 {
		c.Message += fmt.Sprintf("\nCo-authored-by: N <nobody%d@example.com>", i)
	}
	_, err := w.gh.As("alice").PushToPull(repoName, p.Number, c)
	require.NoError(t, err)
	w.merge(p.Number, "merge")
	w.resetCalls()
	people := w.landed().Contributors
	asked := 0
	for _, call := range w.apiCalls() {
		if call == "GET "+ofRepository+"commits" {
			asked++
		}
	}
	require.Equal(t, 1, asked)
	require.Len(t, logins(people), 21, "all of them are in the facts")
	for _, part := range people {
		if part.User == nil {
			require.Equal(t, "nobody0@example.com", part.Email, "the first one is named to people, and it has none")
			break
		}
	}
}

// What GitHub said of a commit is not asked again because the base moved on.
func TestAccountsOfACommitAreKept(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.restart(withPeople(time.Nanosecond)) // addresses are forgotten at once
	p := w.pull("alice", "prod/a.yaml", "a: 1\n")
	require.Equal(t, []string{"alice"}, logins(w.collectPull(p.Number).Pull.Contributors))
	_, err := w.gh.As("carol").PushBranch(repoName, "main", change("docs/a.md", "a\n"))
	require.NoError(t, err)
	w.merge(p.Number, "squash")
	w.resetCalls()
	landings := w.collect(w.repo.Head).Lines[0].Landings
	require.Equal(t, []string{"alice"}, logins(landings[1].Pull.Contributors))
	require.NotContains(t, w.apiCalls(), "GET "+ofRepository+"pulls/1/commits")
}
