package sqlitefile_test

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/internal/sqlitefile"
)

// schema has one table for each version.
func schema(versions int) sqlitefile.Schema {
	files := fstest.MapFS{}
	for version := range versions {
		name := string(rune('a' + version))
		files["0000"+string(rune('1'+version))+"_"+name+".sql"] = &fstest.MapFile{
			Data: []byte("-- +goose Up\nCREATE TABLE " + name + " (id INTEGER PRIMARY KEY) STRICT;\n"),
		}
	}
	return sqlitefile.Schema{ApplicationID: 0x54455354, Migrations: files}
}

func path(t *testing.T) string {
	t.Helper()
	return filepath.Join(t.TempDir(), "test.db")
}

func closed(t *testing.T, file *sqlitefile.File, err error) {
	t.Helper()
	require.NoError(t, err)
	require.NoError(t, file.Close())
}

// TestPragmas asks SQLite what the guarantees of this package rest on.
func TestPragmas(t *testing.T) {
	t.Parallel()
	file, err := sqlitefile.Create(t.Context(), path(t), schema(1))
	require.NoError(t, err)
	defer func() { require.NoError(t, file.Close()) }()
	pragma := func(name string) (write, read string) {
		require.NoError(t, file.Write().QueryRowContext(t.Context(), "PRAGMA "+name).Scan(&write))
		require.NoError(t, file.Read().QueryRowContext(t.Context(), "PRAGMA "+name).Scan(&read))
		return write, read
	}
	for name, want := range map[string][2]string{
		"journal_mode":   {"wal", "wal"},
		"synchronous":    {"2", "2"}, // FULL
		"busy_timeout":   {"5000", "5000"},
		"foreign_keys":   {"1", "1"},
		"query_only":     {"0", "1"},
		"trusted_schema": {"0", "0"},
		"temp_store":     {"2", "0"},
		"application_id": {"1413829460", "1413829460"},
	} {
		write, read := pragma(name)
		require.Equal(t, want, [2]string{write, read}, name)
	}
	require.Equal(t, 1, file.Write().Stats().MaxOpenConnections)
}

func TestReadersCannotWrite(t *testing.T) {
	t.Parallel()
	file, err := sqlitefile.Create(t.Context(), path(t), schema(1))
	require.NoError(t, err)
	defer func() { require.NoError(t, file.Close()) }()
	_, err = file.Read().ExecContext(t.Context(), "INSERT INTO a VALUES (1)")
	require.ErrorContains(t, err, "readonly")
	_, err = file.Write().ExecContext(t.Context(), "INSERT INTO a VALUES (1)")
	require.NoError(t, err)
}

// TestReadersDoNotWait: while a transaction writes, readers see what was before.
func TestReadersDoNotWait(t *testing.T) {
	t.Parallel()
	file, err := sqlitefile.Create(t.Context(), path(t), schema(1))
	require.NoError(t, err)
	defer func() { require.NoError(t, file.Close()) }()
	count := func() (n int) {
		require.NoError(t, file.Read().QueryRowContext(t.Context(), "SELECT count(*) FROM a").Scan(&n))
		return n
	}
	tx, err := file.Write().BeginTx(t.Context(), nil)
	require.NoError(t, err)
	_, err = tx.ExecContext(t.Context(), "INSERT INTO a VALUES (1)")
	require.NoError(t, err)
	require.Zero(t, count())
	require.NoError(t, tx.Commit())
	require.Equal(t, 1, count())
}

// TestCreateOverLeftovers: an attempt that a crash ended leaves no trace, not
// even through a write-ahead log from which SQLite would recover.
func TestCreateOverLeftovers(t *testing.T) {
	t.Parallel()
	earlier := path(t)
	file, err := sqlitefile.Create(t.Context(), earlier, schema(2))
	require.NoError(t, err)
	_, err = file.Write().ExecContext(t.Context(), "CREATE TABLE leftover (id INTEGER)")
	require.NoError(t, err)
	log, err := os.ReadFile(earlier + "-wal")
	require.NoError(t, err)
	require.NotEmpty(t, log)
	closed(t, file, nil)

	at := path(t)
	require.NoError(t, os.WriteFile(at+".new", []byte("half a file"), 0o600))
	require.NoError(t, os.WriteFile(at+".new-wal", log, 0o600))
	require.NoError(t, os.WriteFile(at+".new-shm", []byte("half a file"), 0o600))
	file, err = sqlitefile.Create(t.Context(), at, schema(1))
	require.NoError(t, err)
	var tables int
	require.NoError(t, file.Read().QueryRowContext(t.Context(), "SELECT count(*) FROM sqlite_schema WHERE name IN ('b', 'leftover')").Scan(&tables))
	require.Zero(t, tables)
	closed(t, file, nil)
	entries, err := os.ReadDir(filepath.Dir(at))
	require.NoError(t, err)
	var names []string
	for _, entry := range entries {
		names = append(names, entry.Name())
	}
	require.ElementsMatch(t, []string{"test.db", "test.db.lock"}, names)
}

// TestCreateFails leaves nothing at the path, so that it can be tried again.
func TestCreateFails(t *testing.T) {
	t.Parallel()
	at := path(t)
	broken := schema(1)
	broken.Migrations = fstest.MapFS{"00001_a.sql": &fstest.MapFile{Data: []byte("-- +goose Up\nCREATE TABLE;\n")}}
	_, err := sqlitefile.Create(t.Context(), at, broken)
	require.ErrorContains(t, err, "syntax error")
	require.NoFileExists(t, at)

	_, err = sqlitefile.Create(t.Context(), at, sqlitefile.Schema{Migrations: schema(1).Migrations})
	require.ErrorContains(t, err, "no application ID")
	require.NoFileExists(t, at)

	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = sqlitefile.Create(cancelled, at, schema(1))
	require.ErrorIs(t, err, context.Canceled)
	require.NoFileExists(t, at)

	file, err := sqlitefile.Create(t.Context(), at, schema(1))
	closed(t, file, err)
}

func TestVersions(t *testing.T) {
	t.Parallel()
	at := path(t)
	file, err := sqlitefile.Create(t.Context(), at, schema(1))
	closed(t, file, err)

	_, err = sqlitefile.Inspect(t.Context(), at, schema(2))
	require.ErrorContains(t, err, "older version")
	file, err = sqlitefile.Open(t.Context(), at, schema(2))
	require.NoError(t, err)
	_, err = file.Write().ExecContext(t.Context(), "INSERT INTO b VALUES (1)")
	require.NoError(t, err)
	closed(t, file, nil)

	_, err = sqlitefile.Open(t.Context(), at, schema(1))
	require.ErrorIs(t, err, sqlitefile.ErrNewer)
	_, err = sqlitefile.Inspect(t.Context(), at, schema(1))
	require.ErrorIs(t, err, sqlitefile.ErrNewer)
	file, err = sqlitefile.Inspect(t.Context(), at, schema(2))
	require.NoError(t, err)
	require.Nil(t, file.Write())
	closed(t, file, nil)
}

func TestIdentify(t *testing.T) {
	t.Parallel()
	at := path(t)
	other := schema(1)
	other.ApplicationID++
	file, err := sqlitefile.Create(t.Context(), at, other)
	closed(t, file, err)
	for name, open := range map[string]func(context.Context, string, sqlitefile.Schema) (*sqlitefile.File, error){
		"open": sqlitefile.Open, "ensure": sqlitefile.Ensure, "inspect": sqlitefile.Inspect,
	} {
		_, err := open(t.Context(), at, schema(1))
		require.ErrorIs(t, err, sqlitefile.ErrForeign, name)
		_, err = open(t.Context(), at, sqlitefile.Schema{Migrations: schema(1).Migrations})
		require.ErrorContains(t, err, "no application ID", name)
	}
	// A refused file is not left locked.
	file, err = sqlitefile.Open(t.Context(), at, other)
	closed(t, file, err)
}

func TestEnsure(t *testing.T) {
	t.Parallel()
	at := path(t)
	file, err := sqlitefile.Ensure(t.Context(), at, schema(1))
	require.NoError(t, err)
	_, err = file.Write().ExecContext(t.Context(), "INSERT INTO a VALUES (1)")
	require.NoError(t, err)
	_, err = sqlitefile.Ensure(t.Context(), at, schema(1))
	require.ErrorIs(t, err, sqlitefile.ErrLocked)
	closed(t, file, nil)

	file, err = sqlitefile.Ensure(t.Context(), at, schema(1))
	require.NoError(t, err)
	defer func() { require.NoError(t, file.Close()) }()
	var n int
	require.NoError(t, file.Read().QueryRowContext(t.Context(), "SELECT count(*) FROM a").Scan(&n))
	require.Equal(t, 1, n)
}

// TestMissingFolder: the folder is the operator's to make.
func TestMissingFolder(t *testing.T) {
	t.Parallel()
	at := filepath.Join(t.TempDir(), "missing", "test.db")
	_, err := sqlitefile.Ensure(t.Context(), at, schema(1))
	require.ErrorIs(t, err, os.ErrNotExist)
	_, err = sqlitefile.Open(t.Context(), at, schema(1))
	require.ErrorIs(t, err, sqlitefile.ErrMissing)
}

// TestLeftoverLog: a write-ahead log whose database is gone may be the only copy
// of what was written last.
func TestLeftoverLog(t *testing.T) {
	t.Parallel()
	at := path(t)
	require.NoError(t, os.WriteFile(at+"-wal", []byte("entries"), 0o600))
	_, err := sqlitefile.Ensure(t.Context(), at, schema(1))
	require.ErrorIs(t, err, sqlitefile.ErrExists)
	require.ErrorContains(t, err, at+"-wal")
	require.NoFileExists(t, at)
	require.FileExists(t, at+"-wal")
}
