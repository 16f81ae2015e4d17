package inbox_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/internal/inbox"
	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
)

// TestNext: of each pull request the oldest, however many there are of another one; what
// is owed an answer alone keeps nothing waiting.
func TestNext(t *testing.T) {
	everywhere(t, func(t *testing.T, in kind) {
		s, err := in.place(t)(t.Context())
		require.NoError(t, err)
		t.Cleanup(func() { require.NoError(t, s.Close()) })
		at := time.Date(2026, 11, 21, 10, 0, 0, 0, time.UTC)
		ask := func(id string, repository int64, pull int) {
			at = at.Add(time.Second)
			_, err := s.Ask(t.Context(), id, approval.Asked{RepositoryID: repository, Pull: pull, Person: approval.User{ID: 7}}, at)
			require.NoError(t, err)
		}
		next := func() (ids []string) {
			got, err := s.Next(t.Context(), 4)
			require.NoError(t, err)
			for _, r := range got {
				ids = append(ids, r.ID)
			}
			return ids
		}
		for _, id := range []string{"a1", "a2", "a3", "a4", "a5", "a6"} {
			ask(id, 42, 12)
		}
		ask("b1", 42, 13)
		ask("c1", 43, 12)
		require.Equal(t, []string{"a1", "b1", "c1"}, next())
		require.NoError(t, s.Answer(t.Context(), "a1"))
		require.ErrorIs(t, s.Answer(t.Context(), "x"), inbox.ErrUnknown)
		require.Equal(t, []string{"a2", "b1", "c1", "a1"}, next())
		require.NoError(t, s.Finish(t.Context(), "a1"))
		require.Equal(t, []string{"a2", "b1", "c1"}, next())
	})
}
