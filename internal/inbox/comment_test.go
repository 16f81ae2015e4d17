package inbox_test

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/internal/inbox"
	"github.com/argo-gatekeeper/gatekeeper/internal/sqlitefile"
)

// An inbox of a version that kept every approval by comment is opened with the newest of
// each person.
func TestInboxWithEveryComment(t *testing.T) {
	t.Parallel()
	older := fstest.MapFS{}
	files, err := fs.Glob(os.DirFS("migrations"), "*.sql")
	require.NoError(t, err)
	for _, name := range files {
		if name < "00009" {
			data, err := os.ReadFile(filepath.Join("migrations", name))
			require.NoError(t, err)
			older[name] = &fstest.MapFile{Data: data}
		}
	}
	path := filepath.Join(t.TempDir(), "inbox.db")
	file, err := sqlitefile.Ensure(t.Context(), path, sqlitefile.Schema{ApplicationID: 0x474b494e, Migrations: older})
	require.NoError(t, err)
	for _, row := range [][4]int{{31, 12, 7, 100}, {32, 12, 7, 200}, {33, 12, 7, 200}, {34, 12, 7, 50}, {35, 12, 8, 10}, {36, 13, 7, 10}} {
		_, err := file.Write().ExecContext(t.Context(), fmt.Sprintf(`INSERT INTO comment_approvals (comment, repository, pull, person, login, type, sha, base, written, body)
			VALUES (%d, 42, %d, %d, 'x', 'User', 'x', 'main', %d, 'x')`, row[0], row[1], row[2], row[3]))
		require.NoError(t, err)
	}
	require.NoError(t, file.Close())
	s, err := inbox.Open(t.Context(), path)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	var kept []int64
	for _, pull := range []int{12, 13} {
		got, err := s.Comments(t.Context(), 42, pull)
		require.NoError(t, err)
		for _, w := range got {
			kept = append(kept, w.Comment)
		}
	}
	require.Equal(t, []int64{35, 33, 36}, kept)
}
