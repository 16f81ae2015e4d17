package collect_test

import (
	"bytes"
	"encoding/json"
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

const timeline = "GET /repos/acme/env/issues/1/timeline"

// reviewOf is the n-th review of the only landing.
func (w *world) reviewOf(n int) approval.Review {
	w.t.Helper()
	w.delivered()
	reviews := w.landed().Reviews
	require.Greater(w.t, len(reviews), n)
	return reviews[n]
}

// branch makes another branch to open pull requests into.
func (w *world) branch(name string) {
	w.t.Helper()
	require.NoError(w.t, w.gh.As("carol").SetBranch(repoName, name, w.repo.Head))
}

func (w *world) retarget(number int, base string) {
	w.t.Helper()
	require.NoError(w.t, w.gh.As("alice").EditPull(repoName, number, "", "", base, ""))
}

// A request for changes that is dismissed blocks on, unless whoever dismissed it
// may.
func TestWhoDismissed(t *testing.T) {
	t.Parallel()
	for who, want := range map[string]approval.Code{
		"alice":   approval.CodeVetoDismissed, // the author
		"mallory": approval.CodeVetoDismissed, // may write, and no more
		"bob":     "",                         // who asked for the changes
		"carol":   "",                         // may approve as well
		"dan":     "",                         // an admin, whom the policy does not name
	} {
		t.Run(who, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.listen()
			_, err := w.gh.CreateUser("dan", "Dan", "dan@example.com")
			require.NoError(t, err)
			require.NoError(t, w.gh.SetCollaborator(repoName, "dan", "admin"))
			p := w.pull("alice", "prod/a.yaml", "a: 1\n")
			id := w.review("bob", p.Number, "REQUEST_CHANGES")
			w.review("carol", p.Number, "APPROVE")
			require.NoError(t, w.gh.As(who).Dismiss(repoName, p.Number, id, "no longer so"))
			sha := w.merge(p.Number, "squash")
			v := w.reviewOf(0)
			require.Equal(t, approval.ReviewDismissed, v.State)
			require.Equal(t, w.userID(who), v.Dismissed.By.ID)
			require.Equal(t, approval.ReviewChangesRequested, v.Dismissed.Was)
			if want == "" {
				w.allowed(sha)
				return
			}
			w.blocked(want)
			w.settle()
			w.review("bob", p.Number, "APPROVE")
			w.allowed(sha)
		})
	}
}

// A dismissed approval hinders nobody, and a dismissal is asked about once.
func TestDismissedApproval(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.listen()
	p := w.pull("alice", "prod/a.yaml", "a: 1\n")
	id := w.review("bob", p.Number, "APPROVE")
	sha := w.merge(p.Number, "squash")
	w.allowed(sha)
	require.NoError(t, w.gh.As("alice").Dismiss(repoName, p.Number, id, "too early"))
	w.blocked(approval.CodeApprovalDismissed)
	w.review("carol", p.Number, "APPROVE")
	w.allowed(sha)
	w.resetCalls()
	w.allowed(sha)
	require.Equal(t, []string{"GET /repos/acme/env/pulls/1/reviews"}, w.apiCalls(), "the dismissal is known")
	w.settle()
	w.review("bob", p.Number, "APPROVE")
	w.restart()
	w.allowed(sha)
	w.resetCalls()
	w.allowed(sha)
	require.NotContains(t, w.apiCalls(), timeline, "bob said something else since")
}

// GitHub's timeline can lack a dismissal that the list of reviews has. Then
// nothing is known about it, and it is asked for again.
func TestDismissalThatTheTimelineLacks(t *testing.T) {
	t.Parallel()
	late := &without{RoundTripper: http.DefaultTransport}
	late.event.Store("review_dismissed")
	w := newWorld(t, withTransport(late))
	w.listen()
	p := w.pull("alice", "prod/a.yaml", "a: 1\n")
	id := w.review("bob", p.Number, "REQUEST_CHANGES")
	w.review("carol", p.Number, "APPROVE")
	require.NoError(t, w.gh.As("bob").Dismiss(repoName, p.Number, id, "fine"))
	sha := w.merge(p.Number, "squash")
	require.Nil(t, w.reviewOf(0).Dismissed)
	w.blocked(approval.CodeDismissalUnknown)
	late.event.Store("")
	w.allowed(sha)
}

// A timeline without the merge may lack a change of the base that came before.
func TestTimelineThatIsBehind(t *testing.T) {
	t.Parallel()
	late := &without{RoundTripper: http.DefaultTransport}
	late.event.Store("merged")
	w := newWorld(t, withTransport(late))
	p := w.pull("alice", "prod/a.yaml", "a: 1\n")
	w.settle()
	w.review("bob", p.Number, "APPROVE")
	sha := w.merge(p.Number, "squash")
	require.Empty(t, w.reviewOf(0).Base)
	w.blocked(approval.CodeApprovalBaseUnknown)
	late.event.Store("")
	require.Equal(t, "main", w.reviewOf(0).Base)
	w.allowed(sha)
	w.resetCalls()
	w.allowed(sha)
	require.NotContains(t, w.apiCalls(), timeline, "after the merge nobody can change the base")
}

// An approval of a change of another branch does not count for this one.
func TestRetargetedPullRequest(t *testing.T) {
	t.Parallel()
	t.Run("witnessed", func(t *testing.T) {
		w := newWorld(t)
		w.listen()
		w.branch("dev")
		p, err := w.gh.As("alice").OpenPull(repoName, standin.PullOptions{Base: "dev", Change: change("prod/a.yaml", "a: 1\n")})
		require.NoError(t, err)
		w.review("bob", p.Number, "APPROVE")
		w.retarget(p.Number, "main")
		sha := w.merge(p.Number, "squash")
		v := w.reviewOf(0)
		require.True(t, v.Witnessed)
		require.Equal(t, "dev", v.Base)
		w.blocked(approval.CodeApprovalOtherBase)
		w.review("bob", p.Number, "APPROVE")
		w.allowed(sha)
	})
	t.Run("witnessed, there and back", func(t *testing.T) {
		w := newWorld(t)
		w.listen()
		w.branch("dev")
		p := w.pull("alice", "prod/a.yaml", "a: 1\n")
		w.review("bob", p.Number, "APPROVE")
		w.retarget(p.Number, "dev")
		w.retarget(p.Number, "main")
		sha := w.merge(p.Number, "squash")
		require.Equal(t, "main", w.reviewOf(0).Base)
		w.allowed(sha)
	})
	for name, retargets := range map[string][]string{"unwitnessed": {"main"}, "unwitnessed, there and back": {"main", "dev", "main"}} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.branch("dev")
			p, err := w.gh.As("alice").OpenPull(repoName, standin.PullOptions{Base: "dev", Change: change("prod/a.yaml", "a: 1\n")})
			require.NoError(t, err)
			w.settle()
			w.review("bob", p.Number, "APPROVE")
			for _, base := range retargets {
				w.retarget(p.Number, base)
			}
			sha := w.merge(p.Number, "squash")
			v := w.reviewOf(0)
			require.False(t, v.Witnessed)
			require.Empty(t, v.Base, "the timeline does not say what it was")
			w.blocked(approval.CodeApprovalBaseUnknown)
			w.settle()
			w.review("carol", p.Number, "APPROVE")
			require.Equal(t, "main", w.reviewOf(1).Base)
			w.allowed(sha)
		})
	}
	t.Run("unwitnessed, and never retargeted", func(t *testing.T) {
		w := newWorld(t)
		p := w.pull("alice", "prod/a.yaml", "a: 1\n")
		w.settle()
		w.review("bob", p.Number, "APPROVE")
		w.allowed(w.merge(p.Number, "squash"))
	})
}

// settle waits for GitHub's next second, so that what follows is later than what
// was before: its times have whole seconds.
func (w *world) settle() { w.ahead.Add(int64(2 * time.Second)) }

// without takes entries of one event out of timelines.
type without struct {
	http.RoundTripper
	event atomic.Value // of a string
}

func (rt *without) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := rt.RoundTripper.RoundTrip(r)
	event, _ := rt.event.Load().(string)
	if err != nil || event == "" || !strings.HasSuffix(r.URL.Path, "/timeline") {
		return resp, err
	}
	var entries, left []map[string]any
	if err := json.NewDecoder(resp.Body).Decode(&entries); err != nil {
		return nil, err
	}
	if err := resp.Body.Close(); err != nil {
		return nil, err
	}
	for _, e := range entries {
		if e["event"] != event {
			left = append(left, e)
		}
	}
	body, err := json.Marshal(left)
	resp.Body, resp.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
	return resp, err
}
