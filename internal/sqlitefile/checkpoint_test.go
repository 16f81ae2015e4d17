package sqlitefile_test

import (
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/internal/sqlitefile"
)

// TestCheckpoint: commits leave the database alone until there are so many pages, and
// Checkpoint moves what no reader needs any more.
func TestCheckpoint(t *testing.T) {
	t.Parallel()
	size := func(path string) int64 {
		info, err := os.Stat(path)
		require.NoError(t, err)
		return info.Size()
	}
	for name, pages := range map[string]int{"its own default": 0, "more": 5000} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			with := schema(1)
			with.LogPages = pages
			at := path(t)
			file, err := sqlitefile.Create(t.Context(), at, with)
			require.NoError(t, err)
			defer func() { require.NoError(t, file.Close()) }()
			_, err = file.Write().ExecContext(t.Context(), "CREATE TABLE large (text TEXT)")
			require.NoError(t, err)
			_, err = file.Checkpoint(t.Context())
			require.NoError(t, err)
			before := size(at)
			for range 12 {
				_, err = file.Write().ExecContext(t.Context(), "INSERT INTO large VALUES (?)", strings.Repeat("x", 1<<19))
				require.NoError(t, err)
			}
			if pages == 0 {
				require.Greater(t, size(at), before, "a commit has moved the log")
				return
			}
			require.Equal(t, before, size(at), "no commit has")
			require.Greater(t, size(at+"-wal"), int64(6<<20))

			// A reader keeps what came after it began.
			read, err := file.Read().BeginTx(t.Context(), nil)
			require.NoError(t, err)
			var n int
			require.NoError(t, read.QueryRowContext(t.Context(), "SELECT count(*) FROM large").Scan(&n))
			require.Equal(t, 12, n)
			_, err = file.Write().ExecContext(t.Context(), "INSERT INTO large VALUES ('y')")
			require.NoError(t, err)
			left, err := file.Checkpoint(t.Context())
			require.NoError(t, err)
			require.Positive(t, left)
			require.Greater(t, size(at), before)
			require.NoError(t, read.Rollback())
			left, err = file.Checkpoint(t.Context())
			require.NoError(t, err)
			require.Zero(t, left)

			// The log begins anew, so it does not grow for ever.
			logged := size(at + "-wal")
			for range 11 {
				_, err = file.Write().ExecContext(t.Context(), "INSERT INTO large VALUES (?)", strings.Repeat("z", 1<<19))
				require.NoError(t, err)
			}
			require.Equal(t, logged, size(at+"-wal"))

			reader, err := sqlitefile.Inspect(t.Context(), at, with)
			require.NoError(t, err)
			defer func() { require.NoError(t, reader.Close()) }()
			_, err = reader.Checkpoint(t.Context())
			require.ErrorContains(t, err, "reading alone")
		})
	}
}
