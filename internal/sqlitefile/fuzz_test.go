package sqlitefile_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/internal/sqlitefile"
)

// FuzzOpen: whatever is in the file, it is opened or refused, and a file that is
// not ours is not changed.
func FuzzOpen(f *testing.F) {
	f.Add([]byte(""))
	f.Add([]byte("SQLite format 3\x00"))
	at := filepath.Join(f.TempDir(), "test.db")
	file, err := sqlitefile.Create(f.Context(), at, schema(1))
	require.NoError(f, err)
	require.NoError(f, file.Close())
	whole, err := os.ReadFile(at)
	require.NoError(f, err)
	f.Add(whole)
	f.Add(whole[:len(whole)/2])
	f.Add(whole[:100])
	f.Fuzz(func(t *testing.T, content []byte) {
		at := path(t)
		require.NoError(t, os.WriteFile(at, content, 0o600))
		file, err := sqlitefile.Open(t.Context(), at, schema(1))
		if err == nil {
			require.NoError(t, file.Close())
			return
		}
		ours := len(content) >= 100 && string(content[:16]) == "SQLite format 3\x00" && string(content[68:72]) == "TEST"
		if !ours {
			require.ErrorIs(t, err, sqlitefile.ErrForeign)
			after, err := os.ReadFile(at)
			require.NoError(t, err)
			require.Equal(t, content, after)
		}
	})
}
