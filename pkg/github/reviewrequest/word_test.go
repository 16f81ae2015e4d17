package reviewrequest

import (
	"context"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
	"github.com/argo-gatekeeper/gatekeeper/pkg/github"
	"github.com/argo-gatekeeper/gatekeeper/test/e2e/standin"
)

// says asks people on somebody's word, and returns who was asked already.
func (w *world) says(id string, logins ...string) []string {
	w.t.Helper()
	already, err := w.p.RequestReviews(w.t.Context(), repoName, w.pull, id, logins, nil)
	require.NoError(w.t, err)
	return already
}

// TestCancelTakesBackWords: what was asked for on somebody's word is taken back, after a
// restart too, and what people asked for on GitHub is not.
func TestCancelTakesBackWords(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	require.NoError(t, w.gh.As("alice").RequestReview(string(repoName), w.pull, "carol"))
	already, err := w.p.RequestReviews(t.Context(), repoName, w.pull, "one", []string{"Bob", "carol"}, []approval.TeamName{"acme/sre"})
	require.NoError(t, err)
	require.Equal(t, []string{"carol"}, already)
	require.Equal(t, []string{"acme/sre", "bob", "carol"}, w.waits())
	w.begin(People)
	require.Equal(t, []string{"bob", "acme/sre"}, w.cancels())
	require.Equal(t, []string{"carol"}, w.waits())
	require.Equal(t, []string{"bob", "acme/sre"}, w.cancels(), "it says the same again")

	// The next word is about others, and so is what is taken back then.
	require.Empty(t, w.says("two", "dave"))
	require.Equal(t, []string{"dave"}, w.cancels())
	require.Equal(t, []string{"carol"}, w.waits())
}

// TestCancelLeavesEndedWords: a request ends with the review, or when somebody takes the
// person off the list. One that is there after that is somebody else's.
func TestCancelLeavesEndedWords(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	review := func(login string) {
		_, err := w.gh.As(login).Review(string(repoName), w.pull, "COMMENT", "Hm.")
		require.NoError(t, err)
	}
	review("bob")
	w.says("one", "bob", "carol", "dave")
	review("carol")
	w.remove("dave")
	require.Equal(t, []string{"bob"}, w.waits())
	w.says("two", "frank")
	require.NoError(t, w.gh.As("alice").RequestReview(string(repoName), w.pull, "carol", "dave"))
	require.Equal(t, []string{"bob", "frank"}, w.cancels(), "bob's review was before the word")
	require.Equal(t, []string{"carol", "dave"}, w.waits())

	w.says("three", "bob")
	review("bob")
	require.NoError(t, w.gh.As("alice").RequestReview(string(repoName), w.pull, "bob"))
	require.Empty(t, w.cancels())
	require.Equal(t, []string{"bob", "carol", "dave"}, w.waits())
}

// TestWordAfterCrash: a word that was carried out, and of whose end nothing was heard, does
// the same once more, and what it asked for is known as such.
func TestWordAfterCrash(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	store := w.store
	w.p.options.Store = &forgetful{store: store, keeps: 1}
	_, err := w.p.RequestReviews(t.Context(), repoName, w.pull, "one", []string{"bob"}, nil)
	require.Error(t, err)
	require.Equal(t, []string{"bob"}, w.waits(), "GitHub heard of it")
	w.begin(People)
	before := w.requests()
	for range 2 {
		require.Empty(t, w.says("one", "bob"), "it is the word itself that asked bob")
	}
	require.Equal(t, before, w.requests(), "GitHub is not asked again")
	require.Equal(t, []string{"bob"}, w.says("two", "bob"), "another word")
	require.Equal(t, []string{"bob"}, w.cancels())
	require.Empty(t, w.waits())

	// A word that GitHub never heard of gives no claim to what somebody else does later.
	_, err = w.gh.Fail(standin.Fault{Match: "^POST .*/requested_reviewers", Status: 500, Times: 1})
	require.NoError(t, err)
	_, err = w.p.RequestReviews(t.Context(), repoName, w.pull, "three", []string{"carol"}, nil)
	require.Error(t, err)
	require.NoError(t, w.gh.As("alice").RequestReview(string(repoName), w.pull, "carol"))
	require.Equal(t, []string{"carol"}, w.says("four", "carol"))
	require.Empty(t, w.cancels())
	require.Equal(t, []string{"carol"}, w.waits())
}

// TestWordRefused: who cannot be asked is said as GitHub says it, and nobody was asked.
func TestWordRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	_, err := w.p.RequestReviews(t.Context(), repoName, w.pull, "one", []string{"bob", "alice"}, nil)
	var refused *github.Error
	require.ErrorAs(t, err, &refused)
	require.Equal(t, http.StatusUnprocessableEntity, refused.Status)
	require.Empty(t, w.waits())
	require.Empty(t, w.cancels())
}

// forgetful keeps so many things, and then nothing more.
type forgetful struct {
	*store
	keeps int
}

func (f *forgetful) SaveWritten(ctx context.Context, r approval.RepositoryName, pull int, name string, id int64, digest string) error {
	if f.keeps--; f.keeps < 0 {
		return brokenStore{f.store}.SaveWritten(ctx, r, pull, name, id, digest)
	}
	return f.store.SaveWritten(ctx, r, pull, name, id, digest)
}
