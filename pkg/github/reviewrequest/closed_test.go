package reviewrequest

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
)

// TestClosedIsNoLoad: a pull request that was closed without being merged waits for nobody.
func TestClosedIsNoLoad(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for pull := 50; pull < 53; pull++ {
		w.tell(approval.PullReport{Repository: repoName, Number: pull, Asked: approval.RequestedReviewers{Users: []approval.User{w.people["dave"]}}})
	}
	w.tell(approval.PullReport{Repository: repoName, Number: 60, Asked: approval.RequestedReviewers{Users: []approval.User{w.people["bob"], w.people["carol"]}}})
	require.Equal(t, 3, w.p.load(key{})[w.people["dave"].ID])
	for pull := 50; pull < 53; pull++ {
		w.p.Closed(repoName, pull)
	}
	require.Zero(t, w.p.load(key{})[w.people["dave"].ID])
	w.tell(w.lacks(1, "bob", "carol", "dave"))
	require.Equal(t, []string{"dave"}, w.waits(), "dave has nothing else to do")
}

// TestOwesUntilAsked: what is to be asked is owed until it was, and nobody is asked for what
// was closed meanwhile.
func TestOwesUntilAsked(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	done := 0
	w.p.options.Done = func(_ context.Context, r approval.RepositoryName, pull int) {
		require.Equal(t, repoName, r)
		require.Equal(t, w.pull, pull)
		done++
	}
	p := New(w.p.options)
	w.p = p
	require.False(t, p.Owes(repoName, w.pull))
	p.Follow(w.lacks(1, "bob"))
	require.True(t, p.Owes(repoName, w.pull))
	require.False(t, p.Owes(repoName, w.pull+1))
	p.Closed(repoName, w.pull)
	require.False(t, p.Owes(repoName, w.pull))
	w.work()
	require.Empty(t, w.waits())
	require.Zero(t, done)
	w.tell(w.lacks(1, "bob"))
	require.Equal(t, []string{"bob"}, w.waits())
	require.False(t, p.Owes(repoName, w.pull))
	require.Equal(t, 1, done)
}
