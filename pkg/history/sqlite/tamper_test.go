package sqlite_test

import (
	"database/sql"
	"fmt"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
	"github.com/argo-gatekeeper/gatekeeper/pkg/history"
	"github.com/argo-gatekeeper/gatekeeper/pkg/history/historytest"
	"github.com/argo-gatekeeper/gatekeeper/pkg/history/sqlite"
)

// TestTriggers: an accident with a database tool does not change the record.
func TestTriggers(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "record.db")
	store := create(t, path)
	deploy(t, store, "i-1")
	require.NoError(t, store.Close())
	db, err := sql.Open("sqlite", path)
	require.NoError(t, err)
	defer func() { require.NoError(t, db.Close()) }()
	for _, statement := range []string{
		"UPDATE entries SET payload = '{}'",
		"UPDATE entries SET filed = 'failed' WHERE sequence = 3",
		"DELETE FROM entries WHERE sequence = 3",
		"INSERT INTO entries SELECT 9, previous, time, kind, application, '', payload, digest, filed FROM entries WHERE sequence = 1",
		"INSERT INTO entries SELECT 3, previous, time, kind, application, '', payload, digest, filed FROM entries WHERE sequence = 1",
		"INSERT OR REPLACE INTO entries SELECT 3, previous, time, kind, application, '', payload, digest, filed FROM entries WHERE sequence = 1",
	} {
		_, err := db.ExecContext(t.Context(), statement)
		require.ErrorContains(t, err, "the record is append-only", statement)
	}
}

// chainAlone is a record of which nothing but the entries and the open intents is verified:
// that the triggers are gone, which they have to be to change it, would show as well.
type chainAlone struct{ history.Reader }

// TestVerifyFindsTampering changes the database as its owner could.
func TestVerifyFindsTampering(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name, statement string
		kind            history.FaultKind
		sequence        uint64
	}{
		{"payload", `UPDATE entries SET payload = replace(payload, '"succeeded"', '"failed"') WHERE sequence = 6`, history.FaultChanged, 6},
		{"white space in a payload", `UPDATE entries SET payload = payload || ' ' WHERE sequence = 4`, history.FaultChanged, 4},
		{"time", "UPDATE entries SET time = time + 1 WHERE sequence = 2", history.FaultChanged, 2},
		{"application", "UPDATE entries SET application = 'b' WHERE sequence = 1", history.FaultChanged, 1},
		{"kind", "UPDATE entries SET kind = 'outcome', intent = 'x' WHERE sequence = 1", history.FaultChanged, 1},
		{"intent", "UPDATE entries SET intent = 'other' WHERE sequence = 9", history.FaultChanged, 9},
		{"previous", "UPDATE entries SET previous = digest WHERE sequence = 5", history.FaultChanged, 5},
		{"digest", "UPDATE entries SET digest = previous WHERE sequence = 5", history.FaultChanged, 5},
		{"first dropped", "DELETE FROM entries WHERE sequence = 1", history.FaultDropped, 1},
		{"middle dropped", "DELETE FROM entries WHERE sequence IN (4, 5)", history.FaultDropped, 4},
		{"dropped and closed up", "DELETE FROM entries WHERE sequence = 4; UPDATE entries SET sequence = sequence - 1 WHERE sequence > 4", history.FaultDropped, 4},
		{"end dropped", "DELETE FROM entries WHERE sequence > 7", history.FaultTruncated, 8},
		{"all dropped", "DELETE FROM entries", history.FaultTruncated, 1},
		{"swapped", "UPDATE entries SET sequence = 99 WHERE sequence = 3; UPDATE entries SET sequence = 3 WHERE sequence = 7; UPDATE entries SET sequence = 7 WHERE sequence = 99", history.FaultReordered, 3},
		{"open intent hidden", "DELETE FROM open_intents", history.FaultIndex, 11},
		{"open intent invented", "INSERT INTO open_intents VALUES (2, 'i-1', 'app')", history.FaultIndex, 2},
		{"open intent misfiled", "UPDATE open_intents SET application = 'another'", history.FaultIndex, 11},
		{"intent reopened", "UPDATE open_intents SET sequence = 2", history.FaultIndex, 2},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "record.db")
			store := create(t, path)
			for i := range 3 {
				deploy(t, store, fmt.Sprintf("i-%d", i+1))
			}
			head := appendOpen(t, store)
			report, err := history.Verify(t.Context(), store, head)
			require.NoError(t, err)
			require.True(t, report.Intact(), "%+v", report.Fault)
			require.NoError(t, store.Close())

			db, err := sql.Open("sqlite", path)
			require.NoError(t, err)
			_, err = db.ExecContext(t.Context(), "DROP TRIGGER entries_append; DROP TRIGGER entries_update; DROP TRIGGER entries_delete; "+
				"DROP INDEX entries_intent; "+test.statement)
			require.NoError(t, err)
			require.NoError(t, db.Close())

			reader, err := sqlite.Inspect(t.Context(), path)
			require.NoError(t, err)
			defer func() { require.NoError(t, reader.Close()) }()
			report, err = history.Verify(t.Context(), chainAlone{reader}, head)
			require.NoError(t, err)
			require.False(t, report.Intact())
			require.NotNil(t, report.Fault)
			require.Equal(t, test.kind, report.Fault.Kind, report.Fault.Text)
			require.Equal(t, test.sequence, report.Fault.Sequence, report.Fault.Text)
			t.Log(report.Fault.Text)
		})
	}
}

// appendOpen appends an intent that stays open.
func appendOpen(t *testing.T, store *sqlite.Store) history.Head {
	t.Helper()
	head, err := store.Head(t.Context())
	require.NoError(t, err)
	head, err = store.Append(t.Context(), head,
		historytest.Decision(t, "a", "prod", approval.Allowed),
		historytest.Intent(t, "a", "prod", "open", head.Sequence+1))
	require.NoError(t, err)
	return head
}
