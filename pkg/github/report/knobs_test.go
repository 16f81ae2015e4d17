package report_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
	"github.com/argo-gatekeeper/gatekeeper/pkg/github"
	"github.com/argo-gatekeeper/gatekeeper/test/e2e/standin"
)

// The writes happened and their answers were lost: there is one comment all the
// same, and the check that GitHub shows, the newest, is true.
func TestLostAnswers(t *testing.T) {
	t.Parallel()
	for name, fault := range map[string]standin.Fault{
		"reset":   {Reset: true},
		"closed":  {Disconnect: true},
		"cut off": {Status: http.StatusCreated, Body: `{"id":`, Cut: true},
		"502":     standin.Unavailable("", http.StatusBadGateway, 0),
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			fault.Match, fault.AfterEffect = "^POST /repos/", true
			remove, err := w.gh.Fail(fault)
			require.NoError(t, err)
			before := w.calls.Load()
			require.Error(t, w.tryPublish(w.report(approval.Blocked, 0)))
			require.LessOrEqual(t, w.calls.Load()-before, int64(5), "retries are left to the queue")
			remove()
			w.publish(w.report(approval.Blocked, 1))
			require.Len(t, w.comments(), 1)
			require.Contains(t, w.comments()[0].Body, "1 of 2")
			checks := w.checks()
			require.Contains(t, checks[len(checks)-1].Title, "1 of 2")
			w.publish(w.report(approval.Blocked, 2))
			require.Len(t, w.checks(), len(checks), "it is known by now")
		})
	}
}

// A limit without a header is one all the same: nothing else is written, and the
// wait is GitHub's minimum.
func TestLimitsWithoutHeaders(t *testing.T) {
	t.Parallel()
	for _, fault := range []standin.Fault{
		standin.RateLimited("^POST .*/check-runs$", http.StatusForbidden, time.Time{}),
		standin.RateLimited("^POST .*/check-runs$", http.StatusTooManyRequests, time.Time{}),
		standin.SecondaryLimit("^POST .*/check-runs$", http.StatusForbidden, 0),
		standin.SecondaryLimit("^POST .*/check-runs$", http.StatusTooManyRequests, 0),
	} {
		w := newWorld(t)
		_, err := w.gh.Fail(fault)
		require.NoError(t, err)
		var limited *github.Error
		require.ErrorAs(t, w.tryPublish(w.report(approval.Blocked, 0)), &limited)
		require.True(t, limited.Limited)
		require.Equal(t, time.Minute, limited.RetryAfter())
		require.Empty(t, w.comments(), "GitHub wants quiet, so the comment waits too")
	}
}

// Writes follow a rename, by a redirect that repeats them.
func TestReportsFollowARename(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.publish(w.report(approval.Blocked, 0))
	require.NoError(t, w.gh.RenameRepository(repoName, "renamed"))
	w.publish(w.report(approval.Blocked, 1))
	comments, err := w.gh.Comments("acme/renamed", w.pull.Number)
	require.NoError(t, err)
	require.Len(t, comments, 1)
	require.Contains(t, comments[0].Body, "1 of 2")
	w.store.written = newStore().written // a start from nothing finds them
	w.publish(w.report(approval.Blocked, 2))
	comments, err = w.gh.Comments("acme/renamed", w.pull.Number)
	require.NoError(t, err)
	require.Len(t, comments, 1)
}
