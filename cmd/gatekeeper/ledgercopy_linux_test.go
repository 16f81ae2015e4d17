package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/internal/config"
	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
	"github.com/argo-gatekeeper/gatekeeper/pkg/history"
	"github.com/argo-gatekeeper/gatekeeper/test/postgrestest"
)

// TestCopyBetweenStores takes a record from SQLite to PostgreSQL, backs it up there, and
// restores the backup into another schema and into SQLite again: it stays the same to the
// byte. What is not intact leaves nothing behind.
func TestCopyBetweenStores(t *testing.T) {
	cluster := postgrestest.Start(t)
	file, data := configure(t)
	dir := filepath.Dir(file)
	base, err := os.ReadFile(file)
	require.NoError(t, err)
	save(t, dir, "dsn", cluster.DSN(postgrestest.Superuser, "postgres"))
	keyed := string(base) + "checkpoints:\n  keyFile: key\n"
	save(t, dir, "gatekeeper.yaml", keyed)
	inSchema := func(name string) string {
		file := name + ".yaml"
		save(t, dir, file, keyed+"record:\n  postgres:\n    dsnFile: dsn\n    schema: "+name+"\n")
		return filepath.Join(dir, file)
	}
	one, other := inSchema("one"), inSchema("other")
	at := func(name string) string { return filepath.Join(dir, name) }
	works := func(want string, args ...string) string {
		t.Helper()
		code, stdout, stderr := call(t, t.Context(), args...)
		require.Zero(t, code, stderr)
		require.Contains(t, stdout, want)
		return stdout
	}
	fails := func(want string, args ...string) {
		t.Helper()
		code, stdout, stderr := call(t, t.Context(), args...)
		require.NotZero(t, code, stdout)
		require.Contains(t, stdout+stderr, want)
	}
	require.NoError(t, os.Mkdir(data, 0o700))
	save(t, dir, "key.pub", works("", "ledger", "key", "--name", "gatekeeper.test/record", "--out", at("key")))

	works("created", "ledger", "init", "--config", file)
	cfg, err := config.Load(file)
	require.NoError(t, err)
	record, err := openRecord(t.Context(), cfg, nil)
	require.NoError(t, err)
	var drafts []history.Draft
	for i := range 777 {
		decision, err := history.NewDecision(approval.Policy{Gate: "prod"}, approval.Facts{Application: approval.Application{UID: fmt.Sprint("u-", i%7)}},
			approval.Decision{Gate: "prod", Verdict: approval.Blocked})
		require.NoError(t, err)
		drafts = append(drafts, history.Draft{Time: time.Unix(int64(i), 0), Application: fmt.Sprint("u-", i%7), Payload: decision})
	}
	head, err := record.Append(t.Context(), history.Head{}, drafts...)
	require.NoError(t, err)
	require.NoError(t, record.Close())
	works("", "ledger", "export", "--config", file, "--out", at("export"))
	public := []string{"--public-key", at("key.pub")}

	// Into PostgreSQL, once; and what is changed not at all.
	importing := func(config, export string) []string {
		return append([]string{"ledger", "import", "--config", config, "--export", at(export)}, public...)
	}
	fails("ledger init", importing(one, "export")...)
	works("created", "ledger", "init", "--config", one)
	text, err := os.ReadFile(at("export"))
	require.NoError(t, err)
	changed := bytes.Replace(text, []byte(`"u-3"`), []byte(`"u-4"`), 1)
	require.NotEqual(t, text, changed)
	save(t, dir, "changed", string(changed))
	save(t, dir, "cut", string(text[:len(text)*2/3]))
	fails("NOT INTACT at entry 4", importing(one, "changed")...)
	fails("NOT INTACT", importing(one, "cut")...)
	works("intact: 0 entries", "ledger", "verify", "--config", one)
	works("filled the record in the schema one", importing(one, "export")...)
	fails("the record has entries already", importing(one, "export")...)
	works("intact: 777 entries, head "+string(head.Digest), "ledger", "verify", "--config", one)

	// Back it up, and restore it elsewhere.
	copied := works("copied 777 entries to "+at("backup")+", head "+string(head.Digest), "ledger", "backup", "--config", one, "--out", at("backup"))
	fails("exists", "ledger", "backup", "--config", one, "--out", at("backup"))
	about, err := os.Stat(at("backup"))
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), about.Mode().Perm(), copied)
	left, err := filepath.Glob(at(".backup*"))
	require.NoError(t, err)
	require.Empty(t, left)
	works("intact: 777 entries", append([]string{"ledger", "verify", "--export", at("backup")}, public...)...)
	works("created", "ledger", "init", "--config", other)
	works("intact: 777 entries", importing(other, "backup")...)
	works("intact: 777 entries, head "+string(head.Digest), "ledger", "verify", "--config", other)
	require.NoError(t, os.RemoveAll(data))
	works("intact: 777 entries", importing(file, "backup")...)
	again := works("", "ledger", "export", "--config", file)
	require.Equal(t, string(text), again)

	// What is changed in the database is not backed up.
	cluster.SQL(t, "postgres", `ALTER TABLE one.entries DISABLE TRIGGER ALL; UPDATE one.entries SET application = 'u-9' WHERE sequence = 5`)
	fails("entry 5", "ledger", "backup", "--config", one, "--out", at("second"))
	require.NoFileExists(t, at("second"))
	left, err = filepath.Glob(at(".second*"))
	require.NoError(t, err)
	require.Empty(t, left)
}
