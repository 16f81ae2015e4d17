package collect_test

import (
	"errors"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
	"github.com/argo-gatekeeper/gatekeeper/pkg/github"
	"github.com/argo-gatekeeper/gatekeeper/pkg/github/collect"
	"github.com/argo-gatekeeper/gatekeeper/test/e2e/standin"
)

func TestSubmittedReviewCostsOneCall(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.listen()
	p := w.pull("alice", "prod/values.yaml", "replicas: 2\n")
	w.review("bob", p.Number, "APPROVE")
	w.merge(p.Number, "merge")
	w.delivered()
	cold := w.collect(w.repo.Head)
	require.Len(t, cold.Lines[0].Landings[0].Pull.Reviews, 1)

	w.review("carol", p.Number, "APPROVE")
	w.delivered()
	w.collect(w.repo.Head) // carol's role is a fact that is read once

	w.review("bob", p.Number, "REQUEST_CHANGES")
	w.delivered()
	w.resetCalls()
	a := w.collect(w.repo.Head)
	require.Equal(t, []string{"GET /repos/acme/env/pulls/1/reviews"}, w.apiCalls())
	require.Positive(t, w.gh.CountCalls("git", ""), "the branch must be fetched each time")
	var states []approval.ReviewState
	for _, r := range a.Lines[0].Landings[0].Pull.Reviews {
		require.True(t, r.Witnessed)
		require.Equal(t, approval.SHA(p.Head), r.Commit)
		states = append(states, r.State)
	}
	require.Equal(t, []approval.ReviewState{approval.ReviewApproved, approval.ReviewApproved, approval.ReviewChangesRequested}, states)
}

// The reviews of what was on the line last time are read while the branch is
// fetched: here neither goes on before the other has begun.
func TestReviewsAreReadDuringTheFetch(t *testing.T) {
	t.Parallel()
	reading := &meeting{RoundTripper: http.DefaultTransport}
	w := newWorld(t, withTransport(reading))
	p := w.pull("alice", "prod/values.yaml", "replicas: 2\n")
	first := w.merge(p.Number, "merge")
	w.merge(w.pull("alice", "prod/a.yaml", "a: 1\n").Number, "squash")
	w.collect(w.repo.Head)

	var meet sync.WaitGroup
	meet.Add(2)
	arrive := func() {
		meet.Done()
		met := make(chan struct{})
		go func() { meet.Wait(); close(met) }()
		select {
		case <-met:
		case <-time.After(time.Minute):
			t.Error("the other did not begin")
		}
	}
	reading.arrive, w.fetching = arrive, arrive
	w.collect(first) // the baseline moved, and only the second one is left
}

// meeting stops requests for reviews on their way.
type meeting struct {
	http.RoundTripper
	arrive func()
}

func (m *meeting) RoundTrip(r *http.Request) (*http.Response, error) {
	if m.arrive != nil && strings.HasSuffix(r.URL.Path, "/reviews") {
		m.arrive()
	}
	return m.RoundTripper.RoundTrip(r)
}

// Rebases have no number in their subjects, so only the index tells.
// A subject may say anything, and so may a webhook: the pull request itself has
// to name the commit.
// A pull request into an unguarded branch is no pull request into main.
func TestNothingNew(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a := w.collect(w.repo.Head)
	require.Empty(t, a.Lines[0].Landings)
	require.True(t, a.Lines[0].BaselineOnLine)
	w.resetCalls()
	w.collect(w.repo.Head)
	require.Empty(t, w.apiCalls(), "an event that can change nothing costs no call")
}

func TestRenamedRepository(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	p := w.pull("alice", "prod/a.yaml", "a: 1\n")
	w.review("bob", p.Number, "APPROVE")
	w.merge(p.Number, "rebase")
	require.NoError(t, w.gh.RenameRepository(repoName, "renamed"))
	a, err := w.collector.Collect(t.Context(), w.query(w.repo.Head))
	require.NoError(t, err)
	require.Equal(t, approval.RepositoryName(repoName), a.Lines[0].Repository)
	require.Equal(t, w.repo.ID, a.Lines[0].RepositoryID)
	require.Equal(t, approval.RepositoryName(repoName), a.Lines[0].Landings[0].Pull.Repository)
	require.Len(t, a.Lines[0].Landings[0].Pull.Reviews, 1)
}

func TestReviewsOverSeveralPages(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	p := w.pull("alice", "prod/a.yaml", "a: 1\n")
	var ids []int64
	for range 230 {
		ids = append(ids, w.review("bob", p.Number, "COMMENT"))
	}
	ids = append(ids, w.review("bob", p.Number, "APPROVE"))
	w.merge(p.Number, "merge")
	a := w.collect(w.repo.Head)
	var got []int64
	for _, r := range a.Lines[0].Landings[0].Pull.Reviews {
		got = append(got, r.ID)
	}
	require.Equal(t, ids, got)
}

// GitHub moves an approval to the new head after a force-push that changes
// nothing. What counts is what was there when it was submitted.
func TestReviewsKeepTheirWitnessedCommit(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.listen()
	p := w.pull("alice", "prod/a.yaml", "a: 1\n")
	id := w.review("bob", p.Number, "APPROVE")
	w.delivered()
	head, err := w.gh.As("alice").ForcePushPull(repoName, p.Number, standin.Change{Files: map[string]string{"prod/a.yaml": "a: 1\n"}, Message: "Reworded"})
	require.NoError(t, err)
	require.NoError(t, w.gh.ReanchorReview(id, head))
	w.merge(p.Number, "merge")

	review := w.collect(w.repo.Head).Lines[0].Landings[0].Pull.Reviews[0]
	require.True(t, review.Witnessed)
	require.Equal(t, approval.SHA(p.Head), review.Commit)

	w.witness.reviews = nil
	review = w.collect(w.repo.Head).Lines[0].Landings[0].Pull.Reviews[0]
	require.False(t, review.Witnessed)
	require.Equal(t, approval.SHA(head), review.Commit)
}

func TestDeletedAccounts(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	p := w.pull("alice", "prod/a.yaml", "a: 1\n")
	_, err := w.gh.ForceReview(repoName, p.Number, "", "APPROVED", "", p.Head)
	require.NoError(t, err)
	w.merge(p.Number, "merge")
	review := w.collect(w.repo.Head).Lines[0].Landings[0].Pull.Reviews[0]
	require.Nil(t, review.User)
	require.Equal(t, approval.ReviewApproved, review.State)
}

// Every call that a collection makes is made to fail in turn: the answer is an
// error each time, never a smaller answer.
func TestEverythingOrAnError(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	p := w.pull("alice", "prod/a.yaml", "a: 1\n")
	for range 101 {
		w.review("carol", p.Number, "COMMENT")
	}
	w.review("bob", p.Number, "APPROVE")
	w.merge(p.Number, "rebase")
	w.resetCalls()
	full := w.collect(w.repo.Head)

	calls := map[string]bool{}
	for _, c := range w.gh.Calls() {
		if c.Token != "app" {
			calls[c.Method+" "+c.Path] = true
		}
	}
	require.Contains(t, calls, "GET /repos/acme/env/pulls/1/commits")
	require.Contains(t, calls, "GET /repos/acme/env/activity")
	require.GreaterOrEqual(t, len(calls), 9)
	for call := range calls {
		t.Run(call, func(t *testing.T) {
			for _, fault := range []standin.Fault{
				standin.ServerError500("^" + call + "$"),
				standin.SecondaryLimit("^"+call+"$", http.StatusForbidden, time.Minute),
				standin.SecondaryLimit("^"+call+"$", http.StatusTooManyRequests, time.Minute),
				standin.Unavailable("^"+call+"$", http.StatusServiceUnavailable, 0),
				{Match: "^" + call + "$", Disconnect: true},
				{Match: "^" + call + "$", Reset: true},
				{Match: "^" + call + "$", Status: http.StatusOK, Body: "[", Cut: true},
				{Match: "^" + call + "$", Status: http.StatusOK},
				{Match: "^" + call + "$", Status: http.StatusNotModified},
				{Match: "^" + call + "$", Status: http.StatusOK, Body: `[{"id":`},
			} {
				w.loseMemory()
				_, err := w.gh.Fail(fault)
				require.NoError(t, err)
				_, err = w.collector.Collect(t.Context(), w.query(w.repo.Head))
				w.gh.ClearFaults()
				require.Error(t, err)
				var retry interface{ RetryAfter() time.Duration }
				if fault.Header["Retry-After"] != "" && !strings.Contains(call, ".git/") {
					require.ErrorAs(t, err, &retry)
					// Less by what has passed, when another call of the same collection met it first.
					require.LessOrEqual(t, retry.RetryAfter(), time.Minute)
					require.Greater(t, retry.RetryAfter(), time.Minute/2)
				}
			}
		})
	}
	w.restart()
	again := w.collect(w.repo.Head)
	require.Equal(t, full, again, "and then the same as before")
}

func TestSecondPageFails(t *testing.T) {
	t.Parallel()
	second := &failing{RoundTripper: http.DefaultTransport, query: "page=2"}
	w := newWorld(t, withTransport(second))
	p := w.pull("alice", "prod/a.yaml", "a: 1\n")
	for range 101 {
		w.review("carol", p.Number, "COMMENT")
	}
	w.merge(p.Number, "merge")
	_, err := w.collector.Collect(t.Context(), w.query(w.repo.Head))
	require.ErrorIs(t, err, errSecondPage)
	require.ErrorContains(t, err, "list the reviews of #1 of acme/env")
}

var errSecondPage = errors.New("the second page fails")

type failing struct {
	http.RoundTripper
	query string
}

func (f *failing) RoundTrip(r *http.Request) (*http.Response, error) {
	if strings.Contains("&"+r.URL.RawQuery, "&"+f.query) {
		return nil, errSecondPage
	}
	return f.RoundTripper.RoundTrip(r)
}

func TestQueriesThatMakeNoSense(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ranges := map[string]approval.Range{
		"no branch":        {Repository: repoName, Baseline: approval.SHA(w.repo.Head)},
		"no baseline":      {Repository: repoName, Branch: "main"},
		"other branch":     {Repository: repoName, Branch: "nope", Baseline: approval.SHA(w.repo.Head)},
		"no repository":    {Branch: "main", Baseline: approval.SHA(w.repo.Head)},
		"other repository": {Repository: "acme/other", Branch: "main", Baseline: approval.SHA(w.repo.Head)},
	}
	for name, r := range ranges {
		_, err := w.collector.Collect(t.Context(), approval.Query{Ranges: []approval.Range{r}})
		require.Error(t, err, name)
	}
	_, err := collect.New(collect.Options{})
	require.Error(t, err)
	var e *github.Error
	_, err = w.collector.Collect(t.Context(), approval.Query{Ranges: []approval.Range{ranges["other repository"]}})
	require.ErrorAs(t, err, &e)
	require.Equal(t, http.StatusNotFound, e.Status)
}

// What the API calls the head of a merged pull request must be what git has
// there: only one of the two was proven.
// A list that moves between two pages shows one review twice and hides another.
func TestListThatMoves(t *testing.T) {
	t.Parallel()
	w := newWorld(t, withTransport(repeating{http.DefaultTransport}))
	p := w.pull("alice", "prod/a.yaml", "a: 1\n")
	for range 101 {
		w.review("carol", p.Number, "COMMENT")
	}
	w.merge(p.Number, "merge")
	_, err := w.collector.Collect(t.Context(), w.query(w.repo.Head))
	require.ErrorContains(t, err, "twice")
}

// repeating asks for pages of which the second begins with the end of the first.
type repeating struct{ http.RoundTripper }

func (rt repeating) RoundTrip(r *http.Request) (*http.Response, error) {
	if query := r.URL.Query(); strings.HasSuffix(r.URL.Path, "/reviews") && query.Get("page") == "2" {
		r = r.Clone(r.Context())
		query.Set("per_page", "50")
		r.URL.RawQuery = query.Encode()
	}
	return rt.RoundTripper.RoundTrip(r)
}

// Many callers at the same time share what they read and get the same answer.
func TestConcurrentCollections(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	p := w.pull("alice", "prod/a.yaml", "a: 1\n")
	w.review("bob", p.Number, "APPROVE")
	w.merge(p.Number, "rebase")
	w.resetCalls()
	answers := make([]approval.Answer, 20)
	var wg sync.WaitGroup
	for i := range answers {
		wg.Go(func() {
			var err error
			if answers[i], err = w.collector.Collect(t.Context(), w.query(w.repo.Head)); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	for _, a := range answers {
		require.Equal(t, answers[0], a)
	}
	require.Less(t, len(w.apiCalls()), 40, "20 collections that share nothing make more than 160 calls")
}
