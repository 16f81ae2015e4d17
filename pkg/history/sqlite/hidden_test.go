package sqlite_test

import (
	"database/sql"
	"fmt"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/pkg/history"
	"github.com/argo-gatekeeper/gatekeeper/pkg/history/sqlite"
)

// index rebuilds an index under another definition, and puts the text of the first one back:
// what the index has is then not what its definition says.
func index(name, with string) string {
	return fmt.Sprintf(`CREATE TABLE kept AS SELECT sql FROM sqlite_schema WHERE name = '%[1]s'; DROP INDEX %[1]s; CREATE INDEX %[1]s %[2]s; `+
		`PRAGMA writable_schema = ON; UPDATE sqlite_schema SET sql = (SELECT sql FROM kept) WHERE name = '%[1]s'; `+
		`PRAGMA writable_schema = RESET; DROP TABLE kept`, name, with)
}

// dropped is a change without the trigger that refuses it, which is put back.
func dropped(change string) string {
	return "CREATE TABLE kept AS SELECT sql FROM sqlite_schema WHERE name = 'entries_update'; DROP TRIGGER entries_update; " + change + "; " +
		"PRAGMA writable_schema = ON; INSERT INTO sqlite_schema SELECT 'trigger', 'entries_update', 'entries', 0, sql FROM kept; " +
		"PRAGMA writable_schema = RESET; DROP TABLE kept"
}

// TestHiddenEntries: whoever may write the file, and has no key, leaves all entries as they are
// and changes by what they are found. Reports and decisions would go without some of them.
func TestHiddenEntries(t *testing.T) {
	t.Parallel()
	ofOutcomes := history.Selection{From: 1, Kinds: []history.Kind{history.KindOutcome}}
	selected := func(t *testing.T, r *sqlite.Reader) int {
		found, err := r.Select(t.Context(), ofOutcomes, 100)
		require.NoError(t, err)
		return len(found)
	}
	deployments := func(t *testing.T, r *sqlite.Reader) int {
		found, err := r.Deployments(t.Context(), "a", 100)
		require.NoError(t, err)
		return len(found)
	}
	for _, test := range []struct {
		name, statement string
		// found counts what is found, of three.
		found func(t *testing.T, r *sqlite.Reader) int
		says  string
	}{
		{
			"an entry is not in an index", index("entries_small", "ON entries (sequence) WHERE kind <> 'decision' AND sequence <> 6"), selected,
			"row 6 missing from index entries_small",
		},
		{
			"a deployment is not in an index", index("entries_deployed", "ON entries (application, sequence) WHERE kind = 'outcome' AND filed = 'succeeded' AND sequence <> 6"),
			deployments, "row 6 missing from index entries_deployed",
		},
		{
			"a deployment is filed under another word", dropped("UPDATE entries SET filed = 'failed' WHERE sequence = 6"), deployments,
			`entry 6, which it has filed under "failed" and not under "succeeded"`,
		},
		{
			"a deployment is not filed", dropped("UPDATE entries SET filed = NULL WHERE sequence = 6"), deployments,
			`entry 6, which it has filed under "" and not under "succeeded"`,
		},
		{
			"a column is of another type",
			`PRAGMA writable_schema = ON; UPDATE sqlite_schema SET sql = replace(sql, ') STRICT', ')') WHERE name = 'entries'; PRAGMA writable_schema = RESET; ` +
				`DROP TRIGGER entries_update; UPDATE entries SET kind = CAST(kind AS BLOB) WHERE sequence = 6`, selected, "table entries",
		},
		{
			"a column is of another type, and the table looks as it did",
			`CREATE TABLE kept AS SELECT name, sql FROM sqlite_schema WHERE name IN ('entries', 'entries_update'); ` +
				`PRAGMA writable_schema = ON; UPDATE sqlite_schema SET sql = replace(sql, ') STRICT', ')') WHERE name = 'entries'; PRAGMA writable_schema = RESET; ` +
				`DROP TRIGGER entries_update; UPDATE entries SET kind = CAST(kind AS BLOB) WHERE sequence = 6; ` +
				`PRAGMA writable_schema = ON; UPDATE sqlite_schema SET sql = (SELECT sql FROM kept WHERE name = 'entries') WHERE name = 'entries'; ` +
				`INSERT INTO sqlite_schema SELECT 'trigger', name, 'entries', 0, sql FROM kept WHERE name = 'entries_update'; PRAGMA writable_schema = RESET; DROP TABLE kept`,
			selected, "non-TEXT value in entries.kind",
		},
		{
			"a trigger that removes what is to come", "CREATE TRIGGER forget AFTER INSERT ON open_intents BEGIN DELETE FROM open_intents; END",
			func(t *testing.T, r *sqlite.Reader) int { return selected(t, r) - 1 }, "trigger forget",
		},
		{
			"the trigger that keeps entries is gone", "DROP TRIGGER entries_delete",
			func(t *testing.T, r *sqlite.Reader) int { return selected(t, r) - 1 }, "trigger entries_delete",
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "record.db")
			store := create(t, path)
			for i := range 3 {
				deploy(t, store, fmt.Sprintf("i-%d", i+1))
			}
			appendOpen(t, store)
			report, err := history.Verify(t.Context(), store)
			require.NoError(t, err)
			require.True(t, report.Intact(), "%+v", report.Fault)
			require.NoError(t, store.Close())

			db, err := sql.Open("sqlite", path)
			require.NoError(t, err)
			db.SetMaxOpenConns(1)
			_, err = db.ExecContext(t.Context(), test.statement)
			require.NoError(t, err)
			require.NoError(t, db.Close())

			reader, err := sqlite.Inspect(t.Context(), path)
			require.NoError(t, err)
			defer func() { require.NoError(t, reader.Close()) }()
			require.Equal(t, 2, test.found(t, reader), "the attack does what it is about")
			report, err = history.Verify(t.Context(), chainAlone{reader})
			require.NoError(t, err)
			require.True(t, report.Intact(), "%+v", report.Fault)
			report, err = history.Verify(t.Context(), reader)
			require.NoError(t, err)
			require.False(t, report.Intact())
			require.Equal(t, history.FaultIndex, report.Fault.Kind, report.Fault.Text)
			require.Contains(t, report.Fault.Text, test.says)
			t.Log(report.Fault.Text)
		})
	}
}
