package sqlite_test

import (
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/pkg/history/historytest"
	"github.com/argo-gatekeeper/gatekeeper/pkg/history/sqlite"
)

func TestArchivingConformance(t *testing.T) {
	t.Parallel()
	historytest.ExerciseArchiving(t, func(t *testing.T) func(*testing.T) historytest.Record {
		path := filepath.Join(t.TempDir(), "record.db")
		store, err := sqlite.Create(t.Context(), path)
		require.NoError(t, err)
		require.NoError(t, store.Close())
		return func(t *testing.T) historytest.Record {
			store, err := sqlite.Open(t.Context(), path)
			require.NoError(t, err)
			return store
		}
	})
}
