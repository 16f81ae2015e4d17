package gate

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/internal/inbox"
	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
)

// TestReportTooEarly: a report that has to wait reads nothing, and its delivery stays in
// the inbox until it is written.
func TestReportTooEarly(t *testing.T) {
	t.Parallel()
	s := newSetup(t)
	s.openPull(7)
	s.reports.wait = time.Minute
	key := Key{Repository: repository, Pull: 7}
	done := false
	s.gate.tickets.issue("guid", []Key{key}, false, func(context.Context) { done = true })
	s.gate.queue.Add(key)
	s.work()
	_, pulls, _ := s.hub.counts()
	require.Zero(t, pulls)
	require.Zero(t, s.reports.count())
	require.False(t, done)
	_, err := s.gate.reconcile(t.Context(), key)
	require.ErrorIs(t, err, approval.ErrLater)
	require.Equal(t, time.Minute, retryAfter(err))

	s.reports.wait = 0
	s.gate.queue.Add(key)
	s.work()
	require.Equal(t, 1, s.reports.count())
	require.True(t, done)
}

// TestReportsLeaveRoom: however many reports there are, a worker is left for what is to
// be synced.
func TestReportsLeaveRoom(t *testing.T) {
	t.Parallel()
	s := newSetup(t)
	var leave []func()
	for range cap(s.gate.reporting) {
		done, ok := s.gate.enter(Key{Repository: repository, Pull: 1})
		require.True(t, ok)
		leave = append(leave, done)
	}
	for _, key := range []Key{{Repository: repository, Pull: 2}, {Repository: repository, Group: group(1)}} {
		_, ok := s.gate.enter(key)
		require.False(t, ok)
	}
	done, ok := s.gate.enter(Key{Application: payments})
	require.True(t, ok)
	done()
	for _, done := range leave {
		done()
	}
	_, ok = s.gate.enter(Key{Repository: repository, Pull: 2})
	require.True(t, ok)
	require.Less(t, cap(s.gate.reporting), s.gate.workers)
}

// TestReportAnew: what somebody did to our comment or our check runs wakes the report,
// and nothing else is read because of a comment.
func TestReportAnew(t *testing.T) {
	t.Parallel()
	s := newSetup(t)
	s.hub.land(1)
	s.gate.WakeAll()
	s.work()
	pull := Key{Repository: repository, Pull: 1}
	h := approval.Hint{RepositoryID: repositoryID, Repository: repository, Pull: 1}
	in := NewIntake(s.gate, nil, func(string, []byte) (approval.Hint, error) { return h, nil }, testLogger(t))
	open := func() []Key {
		t.Helper()
		keys, _, err := in.open(t.Context(), inbox.Delivery{})
		require.NoError(t, err)
		return keys
	}
	require.Equal(t, []Key{{Application: payments}}, open(), "it tells the pull request if anything changed")

	h.Comment = &approval.ChangedComment{ID: ourComment, Deleted: true}
	require.Equal(t, []Key{pull}, open())
	require.Equal(t, []approval.ChangedComment{*h.Comment}, s.reports.changed)
	h.Comment = &approval.ChangedComment{ID: 5}
	require.Equal(t, []Key{{Application: payments}}, open(), "somebody else's may be an approval")
	h.Comment, h.Again = nil, true
	require.Equal(t, []Key{pull, {Application: payments}}, open())
	require.Equal(t, []int{1}, s.reports.again)

	h.Comment, h.Again = &approval.ChangedComment{ID: ourComment}, false
	s.reports.failure = errors.New("disk full")
	_, _, err := in.open(t.Context(), inbox.Delivery{})
	require.ErrorContains(t, err, "disk full")
	h.Repository, h.RepositoryID = "acme/other", 5
	require.Empty(t, open())
}
