package inbox_test

import (
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/internal/inbox"
	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
)

func TestBacklog(t *testing.T) {
	everywhere(t, func(t *testing.T, in kind) { testBacklog(t, in.fresh(t)) })
}

func testBacklog(t *testing.T, s *inbox.Store) {
	b, err := s.Backlog(t.Context())
	require.NoError(t, err)
	require.Equal(t, inbox.Backlog{}, b)

	first := time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)
	for i := range 4 {
		_, err := s.Put(t.Context(), inbox.Delivery{GUID: strconv.Itoa(i), Event: "push", Received: first.Add(time.Duration(i) * time.Minute), Body: []byte("{}")})
		require.NoError(t, err)
	}
	require.NoError(t, s.Done(t.Context(), "0"))
	for range inbox.MaxAttempts {
		require.NoError(t, s.Failed(t.Context(), "1", "no JSON"))
	}
	_, err = s.Ask(t.Context(), "comment-1", approval.Asked{RepositoryID: 1, Pull: 1, Person: approval.User{ID: 1}}, first)
	require.NoError(t, err)
	b, err = s.Backlog(t.Context())
	require.NoError(t, err)
	require.Equal(t, inbox.Backlog{Pending: 2, Oldest: first.Add(2 * time.Minute), Parked: 1, Asked: 1}, b)
}
