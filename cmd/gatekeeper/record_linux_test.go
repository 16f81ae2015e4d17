package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/internal/config"
	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
	"github.com/argo-gatekeeper/gatekeeper/pkg/history"
	"github.com/argo-gatekeeper/gatekeeper/test/postgrestest"
)

// TestRecordInPostgres plays the life of a record in PostgreSQL on the command line,
// with a role that owns it and one that appends.
func TestRecordInPostgres(t *testing.T) {
	cluster := postgrestest.Start(t, "listen_addresses=127.0.0.1")
	cluster.SQL(t, "postgres", "CREATE ROLE keeper LOGIN; CREATE ROLE gatekeeper LOGIN PASSWORD 'p4ssw/rd'; CREATE DATABASE records OWNER keeper;")
	file, data := configure(t)
	dir := filepath.Dir(file)
	write := func(name, content string) string {
		path := filepath.Join(dir, name)
		require.NoError(t, os.WriteFile(path, []byte(content), 0o600))
		return path
	}
	base, err := os.ReadFile(file)
	require.NoError(t, err)
	write("gatekeeper.yaml", string(base)+"record:\n  postgres:\n    dsnFile: dsn\n    timeout: 5s\n")
	write("dsn", fmt.Sprintf("postgres://gatekeeper:p4ssw%%2Frd@127.0.0.1:%d/records\n", cluster.Port))
	owner := write("owner", cluster.DSN("keeper", "records"))
	fails := func(want string, args ...string) {
		t.Helper()
		code, stdout, stderr := call(t, t.Context(), args...)
		require.Equal(t, exitFailed, code, stdout)
		require.Contains(t, stderr, want)
		for _, secret := range []string{"p4ssw", "postgres://gatekeeper", "/records"} {
			require.NotContains(t, stdout+stderr, secret)
		}
	}
	works := func(want string, args ...string) {
		t.Helper()
		code, stdout, stderr := call(t, t.Context(), args...)
		require.Zero(t, code, stderr)
		require.Contains(t, stdout, want)
	}

	// Nothing but init makes one, and the role that appends may not.
	fails("gatekeeper ledger init", "serve", "--config", file)
	fails("gatekeeper ledger init", "ledger", "verify", "--config", file)
	fails("gatekeeper ledger init", "ledger", "migrate", "--config", file)
	fails("permission denied", "ledger", "init", "--config", file)
	works("created the record in the schema gatekeeper", "ledger", "init", "--config", file, "--owner-dsn-file", owner)
	fails("in use already", "ledger", "init", "--config", file, "--owner-dsn-file", owner)
	works("of this version", "ledger", "migrate", "--config", file, "--owner-dsn-file", owner)
	works("intact: 0 entries", "ledger", "verify", "--config", file)
	require.NoFileExists(t, recordPath(data))

	cfg, err := config.Load(file)
	require.NoError(t, err)
	record, err := openRecord(t.Context(), cfg, nil)
	require.NoError(t, err)
	decision, err := history.NewDecision(approval.Policy{Gate: "prod"}, approval.Facts{Application: approval.Application{UID: "u"}},
		approval.Decision{Gate: "prod", Verdict: approval.Blocked})
	require.NoError(t, err)
	_, err = record.Append(t.Context(), history.Head{}, history.Draft{Time: time.Unix(1, 0), Application: "u", Payload: decision})
	require.NoError(t, err)
	require.NoError(t, record.Close())
	works("intact: 1 entries", "ledger", "verify", "--config", file)
	works(`"application":"u"`, "ledger", "export", "--config", file)
	fails("checkpoints.keyFile", "ledger", "backup", "--config", file, "--out", filepath.Join(dir, "copy"))
	require.NoFileExists(t, filepath.Join(dir, "copy"))
	entries, err := recordOf(cfg)(t.Context())
	require.NoError(t, err)
	require.Equal(t, uint64(1), entries)

	require.NoError(t, os.Mkdir(data, 0o700), "the volume of the inbox and the mirrors")
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	logged := &untilServing{stop: cancel}
	require.Zero(t, run(ctx, []string{"serve", "--config", file}, io.Discard, logged), logged.text.String())
	require.Contains(t, logged.text.String(), `"msg":"serving"`)
	require.NotContains(t, logged.text.String(), "p4ssw")

	// Another one does not work beside it.
	record, err = openRecord(t.Context(), cfg, nil)
	require.NoError(t, err)
	other, err := holdRecord(t.Context(), record, false, slog.New(slog.NewTextHandler(t.Output(), nil)))
	require.NoError(t, err)
	fails("stop the other one first", "serve", "--config", file)
	works("intact: 1 entries", "ledger", "verify", "--config", file)
	require.NoError(t, other.release())
	require.NoError(t, record.Close())

	// What people mistake.
	write("dsn", fmt.Sprintf("postgres://gatekeeper:p4ssword@127.0.0.1:%d/records", cluster.Port))
	fails("password authentication failed", "ledger", "verify", "--config", file)
	write("dsn", fmt.Sprintf("postgres://gatekeeper:p4ssw/rd@127.0.0.1:%d/records", cluster.Port))
	fails("percent-encoded", "ledger", "verify", "--config", file)
	write("dsn", "postgres://gatekeeper:p4ssw%2Frd@db.example.org/records?sslmode=require")
	fails("sslmode=verify-full", "ledger", "verify", "--config", file)
	require.NoError(t, os.Remove(filepath.Join(dir, "dsn")))
	fails("record.postgres.dsnFile", "ledger", "verify", "--config", file)
}

// untilServing keeps what is logged, and stops the process once it serves.
type untilServing struct {
	stop func()
	mu   sync.Mutex
	text bytes.Buffer
}

func (u *untilServing) Write(line []byte) (int, error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if bytes.Contains(line, []byte(`"msg":"serving"`)) {
		u.stop()
	}
	return u.text.Write(line)
}
