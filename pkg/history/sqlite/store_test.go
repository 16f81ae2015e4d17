package sqlite_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
	"github.com/argo-gatekeeper/gatekeeper/pkg/history"
	"github.com/argo-gatekeeper/gatekeeper/pkg/history/historytest"
	"github.com/argo-gatekeeper/gatekeeper/pkg/history/sqlite"
)

func TestConformance(t *testing.T) {
	t.Parallel()
	historytest.Exercise(t, func(t *testing.T) func(*testing.T) historytest.Record {
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

// create makes a record that is closed when the test ends.
func create(t testing.TB, path string) *sqlite.Store {
	t.Helper()
	store, err := sqlite.Create(t.Context(), path)
	require.NoError(t, err)
	t.Cleanup(func() { _ = store.Close() })
	return store
}

// deploy appends one deployment to a record.
func deploy(t testing.TB, store *sqlite.Store, id string) history.Head {
	t.Helper()
	head, err := store.Head(t.Context())
	require.NoError(t, err)
	head, err = store.Append(t.Context(), head, historytest.Deployment(t, head, "a", "prod", id, history.ResultSucceeded)...)
	require.NoError(t, err)
	return head
}

func TestCreateRefusesWhatIsThere(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"record.db", "record.db-wal", "record.db-journal"} {
		folder := t.TempDir()
		existing := filepath.Join(folder, name)
		require.NoError(t, os.WriteFile(existing, []byte("precious"), 0o600))
		_, err := sqlite.Create(t.Context(), filepath.Join(folder, "record.db"))
		require.ErrorIs(t, err, sqlite.ErrExists, name)
		require.ErrorContains(t, err, existing)
		content, err := os.ReadFile(existing)
		require.NoError(t, err)
		require.Equal(t, "precious", string(content))
	}

	path := filepath.Join(t.TempDir(), "record.db")
	store := create(t, path)
	deploy(t, store, "i-1")
	require.NoError(t, store.Close())
	_, err := sqlite.Create(t.Context(), path)
	require.ErrorIs(t, err, sqlite.ErrExists)
	store, err = sqlite.Open(t.Context(), path)
	require.NoError(t, err)
	defer func() { require.NoError(t, store.Close()) }()
	head, err := store.Head(t.Context())
	require.NoError(t, err)
	require.Equal(t, uint64(3), head.Sequence)
}

func TestOpenNeverCreates(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	for _, path := range []string{filepath.Join(folder, "record.db"), filepath.Join(folder, "unmounted", "record.db")} {
		_, err := sqlite.Open(t.Context(), path)
		require.ErrorIs(t, err, sqlite.ErrMissing)
		require.ErrorContains(t, err, "gatekeeper ledger init --config FILE")
		require.ErrorContains(t, err, "check that its volume is mounted")
		_, err = sqlite.Inspect(t.Context(), path)
		require.ErrorIs(t, err, sqlite.ErrMissing)
	}
	entries, err := os.ReadDir(folder)
	require.NoError(t, err)
	require.Empty(t, entries, "an attempt to open leaves nothing behind")
}

func TestOpenRefusesForeignFiles(t *testing.T) {
	t.Parallel()
	header := append([]byte("SQLite format 3\x00"), make([]byte, 200)...)
	for name, content := range map[string]string{
		"empty":          "",
		"short":          "SQLite format 3\x00",
		"text":           string(make([]byte, 4096)),
		"other database": string(header),
	} {
		path := filepath.Join(t.TempDir(), "record.db")
		require.NoError(t, os.WriteFile(path, []byte(content), 0o600))
		_, err := sqlite.Open(t.Context(), path)
		require.ErrorIs(t, err, sqlite.ErrForeign, name)
		require.ErrorContains(t, err, "gatekeeper ledger init --config FILE", name)
		after, err := os.ReadFile(path)
		require.NoError(t, err)
		require.Equal(t, content, string(after), name)
	}
	folder := filepath.Join(t.TempDir(), "record.db")
	require.NoError(t, os.Mkdir(folder, 0o700))
	_, err := sqlite.Open(t.Context(), folder)
	require.ErrorIs(t, err, sqlite.ErrForeign)
}

func TestSecondOpenIsRefused(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "record.db")
	store := create(t, path)
	_, err := sqlite.Open(t.Context(), path)
	require.ErrorIs(t, err, sqlite.ErrLocked)
	require.ErrorContains(t, err, "one process at a time")
	deploy(t, store, "i-1")

	require.NoError(t, store.Close())
	again, err := sqlite.Open(t.Context(), path)
	require.NoError(t, err)
	require.NoError(t, again.Close())
}

// TestInspect reads beside a running store and sees what it appends.
func TestInspect(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "record.db")
	store := create(t, path)
	deploy(t, store, "i-1")

	reader, err := sqlite.Inspect(t.Context(), path)
	require.NoError(t, err)
	defer func() { require.NoError(t, reader.Close()) }()
	for _, id := range []string{"i-2", "i-3"} {
		head := deploy(t, store, id)
		report, err := history.Verify(t.Context(), reader, head)
		require.NoError(t, err)
		require.True(t, report.Intact(), "%+v", report.Fault)
		require.Equal(t, head, report.Head)
	}
}

// TestInspectAtRest reads a record that nobody has open.
func TestInspectAtRest(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "record.db")
	store := create(t, path)
	head := deploy(t, store, "i-1")
	require.NoError(t, store.Close())
	reader, err := sqlite.Inspect(t.Context(), path)
	require.NoError(t, err)
	found, err := reader.Head(t.Context())
	require.NoError(t, err)
	require.Equal(t, head, found)
	require.NoError(t, reader.Close())
	store, err = sqlite.Open(t.Context(), path)
	require.NoError(t, err)
	require.NoError(t, store.Close())
}

// TestCopyWithoutClosing stands for the loss of the machine: what Append has
// returned is in the files at that moment.
func TestCopyWithoutClosing(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	path := filepath.Join(folder, "record.db")
	store := create(t, path)
	head := deploy(t, store, "i-1")

	twin := filepath.Join(t.TempDir(), "record.db")
	for _, suffix := range []string{"", "-wal"} {
		content, err := os.ReadFile(path + suffix)
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(twin+suffix, content, 0o600))
	}
	found, err := sqlite.Open(t.Context(), twin)
	require.NoError(t, err)
	defer func() { require.NoError(t, found.Close()) }()
	report, err := history.Verify(t.Context(), found, head)
	require.NoError(t, err)
	require.True(t, report.Intact(), "%+v", report.Fault)
	require.Equal(t, head, report.Head)
}

func TestUnusualPath(t *testing.T) {
	t.Parallel()
	folder := filepath.Join(t.TempDir(), "a b?mode=memory&x=%41#é")
	require.NoError(t, os.Mkdir(folder, 0o700))
	path := filepath.Join(folder, "record.db")
	store := create(t, path)
	deploy(t, store, "i-1")
	info, err := os.Stat(path)
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode().Perm())
	require.FileExists(t, path+"-wal")
}

// TestFullDisk appends until there is no room, and goes on once there is.
func TestFullDisk(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "record.db")
	store := create(t, path)
	head := deploy(t, store, "i-1")
	store.LimitPages(t, 64)
	draft := historytest.Decision(t, "a", "prod", approval.Blocked)
	payload, ok := draft.Payload.(history.DecisionPayload)
	require.True(t, ok)
	payload.Decision.Findings = []approval.Finding{{Text: strings.Repeat("x", 1<<18)}}
	large := history.Draft{Time: draft.Time, Application: draft.Application, Payload: payload}
	_, err := store.Append(t.Context(), head, draft, large)
	require.ErrorContains(t, err, "full")
	require.NotErrorIs(t, err, history.ErrConflict)
	require.NotErrorIs(t, err, history.ErrInvalid)

	found, err := store.Head(t.Context())
	require.NoError(t, err)
	require.Equal(t, head, found)
	_, persisted, err := history.Persisted(t.Context(), store, head, draft, large)
	require.NoError(t, err)
	require.False(t, persisted)

	store.LimitPages(t, 1<<20)
	_, err = store.Append(t.Context(), head, draft, large)
	require.NoError(t, err)
}
