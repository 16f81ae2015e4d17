package inbox

import (
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
)

func TestBacklog(t *testing.T) {
	s, err := Open(t.Context(), filepath.Join(t.TempDir(), "inbox.db"))
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	b, err := s.Backlog(t.Context())
	require.NoError(t, err)
	require.Equal(t, Backlog{}, b)

	first := time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)
	for i := range 4 {
		_, err := s.Put(t.Context(), Delivery{GUID: strconv.Itoa(i), Event: "push", Received: first.Add(time.Duration(i) * time.Minute), Body: []byte("{}")})
		require.NoError(t, err)
	}
	require.NoError(t, s.Done(t.Context(), "0"))
	for range MaxAttempts {
		require.NoError(t, s.Failed(t.Context(), "1", "no JSON"))
	}
	_, err = s.Ask(t.Context(), "comment-1", approval.Asked{RepositoryID: 1, Pull: 1, Person: approval.User{ID: 1}}, first)
	require.NoError(t, err)
	b, err = s.Backlog(t.Context())
	require.NoError(t, err)
	require.Equal(t, Backlog{Pending: 2, Oldest: first.Add(2 * time.Minute), Parked: 1, Asked: 1}, b)
}
