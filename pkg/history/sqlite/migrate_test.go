package sqlite

import (
	"io/fs"
	"path/filepath"
	"strconv"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/internal/sqlitefile"
	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
	"github.com/argo-gatekeeper/gatekeeper/pkg/history"
	"github.com/argo-gatekeeper/gatekeeper/pkg/history/historytest"
)

// earlier is the schema as it was when there were so many migrations.
func earlier(t *testing.T, versions int) sqlitefile.Schema {
	t.Helper()
	schema, err := schema()
	require.NoError(t, err)
	files, err := fs.Glob(schema.Migrations, "*.sql")
	require.NoError(t, err)
	kept := fstest.MapFS{}
	for _, name := range files[:versions] {
		text, err := fs.ReadFile(schema.Migrations, name)
		require.NoError(t, err)
		kept[name] = &fstest.MapFile{Data: text}
	}
	schema.Migrations = kept
	return schema
}

// TestMigrateRecord: what an earlier version has written is found, and is intact, after the
// words that entries are filed under got a column of their own.
func TestMigrateRecord(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "record.db")
	old, err := sqlitefile.Create(t.Context(), path, earlier(t, 5))
	require.NoError(t, err)
	var head history.Head
	insert := func(drafts ...history.Draft) {
		entries, err := history.Seal(head, drafts...)
		require.NoError(t, err)
		for _, e := range entries {
			_, err := old.Write().ExecContext(t.Context(), "INSERT INTO entries ("+columns+") VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
				int64(e.Sequence), string(e.Previous), e.Time.UnixNano(), string(e.Kind), e.Application, e.Intent, string(e.Payload), string(e.Digest))
			require.NoError(t, err)
			head = e.Head()
		}
	}
	for i := range 3 {
		insert(historytest.Deployment(t, head, "a", "prod", strconv.Itoa(i), history.ResultSucceeded)...)
	}
	insert(historytest.Deployment(t, head, "a", "prod", "failed", history.ResultFailed)...)
	insert(historytest.Decision(t, "b", `a "gate"`, approval.Blocked))
	require.NoError(t, old.Close())

	_, err = Inspect(t.Context(), path)
	require.ErrorContains(t, err, "has not been migrated yet")
	store, err := Open(t.Context(), path)
	require.NoError(t, err)
	defer func() { require.NoError(t, store.Close()) }()
	report, err := history.Verify(t.Context(), store, head)
	require.NoError(t, err)
	require.True(t, report.Intact(), "%+v", report.Fault)

	found, err := store.Deployments(t.Context(), "a", 10)
	require.NoError(t, err)
	require.Len(t, found, 3)
	outcomes, err := store.Outcomes(t.Context(), "a", 10)
	require.NoError(t, err)
	require.Len(t, outcomes, 4)
	for application, gate := range map[string]string{"a": "prod", "b": `a "gate"`} {
		_, there, err := store.LatestDecision(t.Context(), application, gate)
		require.NoError(t, err)
		require.True(t, there, gate)
	}
	intent, err := history.Decode[history.IntentPayload](mustIntent(t, store, "0"))
	require.NoError(t, err)
	named, err := store.Select(t.Context(), history.Selection{Kinds: []history.Kind{history.KindIntent, history.KindObserved}, Named: intent.Application}, 10)
	require.NoError(t, err)
	require.Len(t, named, 4)
}

func mustIntent(t *testing.T, store *Store, id string) history.Entry {
	t.Helper()
	entries, err := store.Intent(t.Context(), id)
	require.NoError(t, err)
	require.NotEmpty(t, entries)
	return entries[0]
}
