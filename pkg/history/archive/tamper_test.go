package archive_test

import (
	"bytes"
	"database/sql"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/pkg/history"
	"github.com/argo-gatekeeper/gatekeeper/pkg/history/archive"
	"github.com/argo-gatekeeper/gatekeeper/pkg/history/merkle"
	"github.com/argo-gatekeeper/gatekeeper/pkg/history/sqlite"
)

// TestBitsOfAnArchive: each is found, and where.
func TestBitsOfAnArchive(t *testing.T) {
	t.Parallel()
	w := grown(t)
	for _, path := range w.files {
		text, err := os.ReadFile(path)
		require.NoError(t, err)
		bad := filepath.Join(w.folder, "bad.archive")
		for range 100 {
			changed := bytes.Clone(text)
			at := w.r.IntN(len(text))
			changed[at] ^= 1 << w.r.IntN(8)
			require.NoError(t, os.WriteFile(bad, changed, 0o600))
			_, err := archive.OpenFile(t.Context(), bad, w.signer.Verifier())
			require.ErrorIs(t, err, archive.ErrFile, "a bit in byte %d", at)
			require.ErrorContains(t, err, "at entry")
		}
		// Cut off, at each of some places.
		for range 20 {
			require.NoError(t, os.WriteFile(bad, text[:w.r.IntN(len(text))], 0o600))
			_, err := archive.OpenFile(t.Context(), bad, w.signer.Verifier())
			require.ErrorIs(t, err, archive.ErrFile)
		}
	}
	// Another record's archive, which is intact.
	other := grown(t)
	_, err := archive.OpenFile(t.Context(), other.files[0], w.signer.Verifier())
	require.ErrorIs(t, err, archive.ErrFile, "another key")
	f, err := archive.OpenFile(t.Context(), other.files[0], other.signer.Verifier())
	require.NoError(t, err)
	defer func() { require.NoError(t, f.Close()) }()
	_, err = archive.Over(t.Context(), w.store, f)
	require.ErrorIs(t, err, archive.ErrOther)
}

// chainAlone is a record of which nothing but the entries is verified: that indexes and triggers
// are gone, which they have to be to change it, would show as well.
type chainAlone struct{ history.Reader }

// TestBitsOfTheStore: each is found, and with the archives at hand where.
func TestBitsOfTheStore(t *testing.T) {
	t.Parallel()
	w := grown(t)
	var known []merkle.Checkpoint
	known = append(known, w.sign().Checkpoint)
	require.NoError(t, w.store.Close())
	db, err := sql.Open("sqlite", w.path())
	require.NoError(t, err)
	defer func() { require.NoError(t, db.Close()) }()
	_, err = db.ExecContext(t.Context(), "DROP TRIGGER entries_append; DROP TRIGGER entries_update; DROP TRIGGER entries_delete; DROP INDEX entries_intent; "+
		"DROP INDEX entries_decision; DROP INDEX entries_deployed; DROP INDEX entries_named")
	require.NoError(t, err)
	inspected, err := sqlite.Inspect(t.Context(), w.path())
	require.NoError(t, err)
	defer func() { require.NoError(t, inspected.Close()) }()
	reader := chainAlone{inspected}
	over := w.over(reader)
	all := w.entries(reader)
	for range 150 {
		e := all[w.r.IntN(len(all))]
		column := []string{"previous", "time", "kind", "application", "intent", "payload", "digest"}[w.r.IntN(7)]
		var old any
		require.NoError(t, db.QueryRowContext(t.Context(), "SELECT "+column+" FROM entries WHERE sequence = ?", e.Sequence).Scan(&old))
		var bad any
		switch v := old.(type) {
		case int64:
			bad = v ^ 1<<w.r.IntN(40)
		case string:
			if v == "" {
				continue
			}
			text := []byte(v)
			text[w.r.IntN(len(text))] ^= 1 << w.r.IntN(7)
			if bytes.IndexByte(text, 0) >= 0 {
				continue // SQLite ends a text there
			}
			bad = string(text)
		}
		change := func(value any) {
			_, err := db.ExecContext(t.Context(), "UPDATE entries SET "+column+" = ? WHERE sequence = ?", value, e.Sequence)
			require.NoError(t, err)
		}
		change(bad)
		say := fmt.Sprintf("%s of entry %d, a %s, archived %v: %v instead of %v", column, e.Sequence, e.Kind, e.Archived(), bad, old)
		report, _, err := merkle.Verify(t.Context(), reader, known...)
		require.NoError(t, err, say)
		require.False(t, report.Intact(), say)
		if e.Kind != history.KindArchived {
			report, _, err = merkle.Verify(t.Context(), over.ForVerification(), known...)
			require.NoError(t, err, say)
			require.False(t, report.Intact(), say)
			require.Equal(t, e.Sequence, report.Fault.Sequence, "%s: %+v", say, report.Fault)
		}
		change(old)
	}
	report, _, err := merkle.Verify(t.Context(), over.ForVerification(), known...)
	require.NoError(t, err)
	require.True(t, report.Intact(), "%+v", report.Fault)
}

// TestPayloadsThatAreNotArchived: whoever removes one as if it were is found out.
func TestPayloadsThatAreNotArchived(t *testing.T) {
	t.Parallel()
	w := grown(t)
	archives, err := history.Archives(t.Context(), w.store)
	require.NoError(t, err)
	victims := []uint64{archives[1].Kept[0], archives[1].To + 1}
	require.NoError(t, w.store.Close())
	for _, victim := range victims {
		db, err := sql.Open("sqlite", w.path())
		require.NoError(t, err)
		_, err = db.ExecContext(t.Context(), "DROP TRIGGER IF EXISTS entries_update")
		require.NoError(t, err)
		reader, err := sqlite.Inspect(t.Context(), w.path())
		require.NoError(t, err)
		found, err := reader.Entries(t.Context(), victim, 1)
		require.NoError(t, err)
		_, err = db.ExecContext(t.Context(), "UPDATE entries SET payload = ? WHERE sequence = ?", `"`+string(found[0].Stub().Leaf)+`"`, victim)
		require.NoError(t, err)
		report, err := history.Verify(t.Context(), reader)
		require.NoError(t, err)
		require.NotNil(t, report.Fault)
		require.Equal(t, victim, report.Fault.Sequence, report.Fault.Text)
		_, err = db.ExecContext(t.Context(), "UPDATE entries SET payload = ? WHERE sequence = ?", string(found[0].Payload), victim)
		require.NoError(t, err)
		require.NoError(t, reader.Close())
		require.NoError(t, db.Close())
	}
}

// TestTriggers: an accident with a database tool archives nothing.
func TestTriggers(t *testing.T) {
	t.Parallel()
	w := grown(t)
	archives, err := history.Archives(t.Context(), w.store)
	require.NoError(t, err)
	head, err := w.store.Head(t.Context())
	require.NoError(t, err)
	require.NoError(t, w.store.Close())
	db, err := sql.Open("sqlite", w.path())
	require.NoError(t, err)
	defer func() { require.NoError(t, db.Close()) }()
	leaf := `"sha256:` + strings.Repeat("0", 64) + `"`
	for _, statement := range []string{
		fmt.Sprintf("UPDATE entries SET payload = '%s' WHERE sequence = %d", leaf, archives[1].To+1),
		fmt.Sprintf("UPDATE entries SET payload = '%s' WHERE sequence = %d", leaf, head.Sequence),
		fmt.Sprintf("UPDATE entries SET payload = '{}' WHERE sequence = %d", archives[1].Kept[0]),
		"UPDATE entries SET payload = '" + leaf + "' WHERE payload LIKE '\"sha256:%'",
		"UPDATE entries SET payload = '" + leaf + "' WHERE kind IN ('act', 'archived')",
		fmt.Sprintf("UPDATE entries SET payload = '%s', time = time + 1 WHERE sequence = %d", leaf, archives[1].Kept[0]),
	} {
		_, err := db.ExecContext(t.Context(), statement)
		require.ErrorContains(t, err, "the record is append-only", statement)
	}
}

// TestFiledElsewhere: under which word the store finds an entry is compared with the entry, in the
// record or in the archive.
func TestFiledElsewhere(t *testing.T) {
	t.Parallel()
	w := grown(t)
	require.NoError(t, w.store.Close())
	db, err := sql.Open("sqlite", w.path())
	require.NoError(t, err)
	defer func() { require.NoError(t, db.Close()) }()
	_, err = db.ExecContext(t.Context(), "DROP TRIGGER entries_update")
	require.NoError(t, err)
	reader, err := sqlite.Inspect(t.Context(), w.path())
	require.NoError(t, err)
	defer func() { require.NoError(t, reader.Close()) }()
	over := w.over(reader).ForVerification()
	seen := map[bool]bool{}
	for _, e := range w.entries(reader) {
		if e.Kind != history.KindOutcome || seen[e.Archived()] {
			continue
		}
		seen[e.Archived()] = true
		var was sql.NullString
		require.NoError(t, db.QueryRowContext(t.Context(), "SELECT filed FROM entries WHERE sequence = ?", e.Sequence).Scan(&was))
		require.Equal(t, !e.Archived(), was.Valid)
		file := func(under any) {
			_, err := db.ExecContext(t.Context(), "UPDATE entries SET filed = ? WHERE sequence = ?", under, e.Sequence)
			require.NoError(t, err)
		}
		file("elsewhere")
		for _, r := range []history.Reader{reader, over} {
			report, err := history.Verify(t.Context(), r)
			require.NoError(t, err)
			require.False(t, report.Intact())
			require.Equal(t, e.Sequence, report.Fault.Sequence, report.Fault.Text)
			require.Equal(t, history.FaultIndex, report.Fault.Kind)
			require.Contains(t, report.Fault.Text, `filed under "elsewhere"`)
		}
		file(was)
	}
	require.Len(t, seen, 2, "an archived one and a whole one")
}

// TestStubsAreNotFiled: the store takes a stub only without the word that the entry was filed under.
func TestStubsAreNotFiled(t *testing.T) {
	t.Parallel()
	w := grown(t)
	archives, err := history.Archives(t.Context(), w.store)
	require.NoError(t, err)
	require.NoError(t, w.store.Close())
	db, err := sql.Open("sqlite", w.path())
	require.NoError(t, err)
	defer func() { require.NoError(t, db.Close()) }()
	var kept uint64
	for _, sequence := range archives[1].Kept {
		var filed sql.NullString
		require.NoError(t, db.QueryRowContext(t.Context(), "SELECT filed FROM entries WHERE sequence = ?", sequence).Scan(&filed))
		if filed.Valid {
			kept = sequence
		}
	}
	require.NotZero(t, kept, "an entry of the range that is whole and filed")
	stub := `"sha256:` + strings.Repeat("0", 64) + `"`
	_, err = db.ExecContext(t.Context(), "UPDATE entries SET payload = ? WHERE sequence = ?", stub, kept)
	require.ErrorContains(t, err, "append-only")
	_, err = db.ExecContext(t.Context(), "UPDATE entries SET payload = ?, filed = NULL WHERE sequence = ?", stub, kept)
	require.NoError(t, err, "else it is not for the word that it was refused")
}
