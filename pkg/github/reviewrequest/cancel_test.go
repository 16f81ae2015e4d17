package reviewrequest

import (
	"context"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
	"github.com/argo-gatekeeper/gatekeeper/test/e2e/standin"
)

// head is that of the pull request now.
func (w *world) head() approval.SHA {
	w.t.Helper()
	p, err := w.gh.Pull(string(repoName), w.pull)
	require.NoError(w.t, err)
	return approval.SHA(p.Head)
}

// needs is lacks of the head of now.
func (w *world) needs(missing int, of ...string) approval.PullReport {
	r := w.lacks(missing, of...)
	r.Head = w.head()
	return r
}

func (w *world) cancels() []string {
	w.t.Helper()
	names, err := w.p.Cancel(w.t.Context(), repoName, w.pull, w.head())
	require.NoError(w.t, err)
	return names
}

func (w *world) pushes() {
	w.t.Helper()
	_, err := w.gh.As("alice").PushToPull(string(repoName), w.pull, standin.Change{Files: map[string]string{"a": string(w.head())}, Message: "Next"})
	require.NoError(w.t, err)
}

// TestCancel: what was asked for is taken back, and nobody is asked until somebody says so
// or commits come.
func TestCancel(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	require.Empty(t, w.cancels(), "nobody was asked")
	old := w.needs(2, "bob", "carol", "dave")
	w.tell(old)
	asked := w.waits()
	require.Len(t, asked, 2)
	require.ElementsMatch(t, asked, w.cancels())
	require.Empty(t, w.waits())
	for range 2 {
		w.tell(w.needs(2, "bob", "carol", "dave"))
		w.tell(old)
		require.Empty(t, w.waits())
		w.begin(People)
	}
	require.ElementsMatch(t, asked, w.cancels(), "it says the same again")

	w.says("one", "frank")
	require.Equal(t, []string{"frank"}, w.waits())
	w.remove("frank")
	w.tell(w.needs(2, "bob", "carol", "dave"))
	require.ElementsMatch(t, asked, w.waits(), "the same can be asked again")

	w.cancels()
	before := w.needs(2, "bob", "carol", "dave")
	w.pushes()
	w.tell(before)
	require.Empty(t, w.waits(), "the report does not know of the commits that have come")
	w.tell(w.needs(2, "bob", "carol", "dave"))
	require.Len(t, w.waits(), 2)
	w.cancels()
	w.tell(before)
	require.Empty(t, w.waits(), "a report of before is no news")
	w.tell(w.needs(2, "bob", "carol", "dave"))
	require.Empty(t, w.waits())
	w.pushes()
	w.tell(w.needs(2, "bob", "carol", "dave"))
	require.Len(t, w.waits(), 2)
}

// TestCancelTeam: requests of teams as well.
func TestCancelTeam(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.begin(Team)
	w.tell(w.needs(2, "bob", "carol", "dave"))
	require.Equal(t, []string{"acme/sre"}, w.waits())
	require.Equal(t, []string{"acme/sre"}, w.cancels())
	require.Empty(t, w.waits())
	w.tell(w.needs(2, "bob", "carol", "dave"))
	require.Empty(t, w.waits())
	w.says("one", "frank")
	w.tell(w.needs(2, "bob", "carol", "dave"))
	require.Equal(t, []string{"acme/sre", "frank"}, w.waits())
}

// TestCancelLeavesOthers: what people asked for themselves stays.
func TestCancelLeavesOthers(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	require.NoError(t, w.gh.As("alice").RequestReview(string(repoName), w.pull, "bob"))
	w.tell(w.needs(2, "bob", "carol"))
	require.Equal(t, []string{"bob", "carol"}, w.waits())
	// Carol reviews, and is asked again by alice.
	_, err := w.gh.As("carol").Review(string(repoName), w.pull, "COMMENT", "Hm.")
	require.NoError(t, err)
	require.NoError(t, w.gh.As("alice").RequestReview(string(repoName), w.pull, "carol"))
	require.Empty(t, w.cancels())
	require.Equal(t, []string{"bob", "carol"}, w.waits())
}

// TestCancelFails: when GitHub fails, nobody is asked meanwhile, and it can be said again.
func TestCancelFails(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.tell(w.needs(1, "bob"))
	_, err := w.gh.Fail(standin.Fault{Match: "^DELETE ", Status: 500, Times: 1})
	require.NoError(t, err)
	_, err = w.p.Cancel(t.Context(), repoName, w.pull, w.head())
	require.Error(t, err)
	w.tell(w.needs(2, "bob", "carol"))
	require.Equal(t, []string{"bob"}, w.waits(), "nobody else")
	require.Equal(t, []string{"bob"}, w.cancels())
	require.Empty(t, w.waits())

	w.p.options.Store = brokenStore{w.store}
	_, err = w.p.RequestReviews(t.Context(), repoName, w.pull, "two", []string{"carol"}, nil)
	require.Error(t, err)
	require.Empty(t, w.waits(), "what cannot be kept is not done")
}

type brokenStore struct{ *store }

func (brokenStore) SaveWritten(_ context.Context, _ approval.RepositoryName, _ int, _ string, _ int64, _ string) error {
	return errors.New("the disk is full")
}
