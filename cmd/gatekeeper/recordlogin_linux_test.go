package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/test/postgrestest"
)

// TestRotatedPassword changes the password of the role under a process that serves, and then
// the file: it goes on over connections that are there, over new ones, and after all of them
// were cut. What is wrong is refused, and said.
func TestRotatedPassword(t *testing.T) {
	cluster := postgrestest.Start(t, "listen_addresses=127.0.0.1")
	cluster.SQL(t, "postgres", "CREATE ROLE keeper LOGIN; CREATE ROLE gatekeeper LOGIN PASSWORD 'first-p4ss'; CREATE DATABASE records OWNER keeper;")
	file, data := configure(t)
	dir := filepath.Dir(file)
	base, err := os.ReadFile(file)
	require.NoError(t, err)
	save(t, dir, "gatekeeper.yaml", strings.Replace(string(base), "  appID: 1\n", "  appID: 1\n  url: http://127.0.0.1:1\n", 1)+"record:\n  postgres:\n    dsnFile: dsn\n    timeout: 5s\n")
	dsn := func(password string) string {
		return fmt.Sprintf("postgres://gatekeeper:%s@127.0.0.1:%d/records", password, cluster.Port)
	}
	save(t, dir, "dsn", dsn("first-p4ss"))
	save(t, dir, "owner", cluster.DSN("keeper", "records"))
	code, _, stderr := call(t, t.Context(), "ledger", "init", "--config", file, "--owner-dsn-file", filepath.Join(dir, "owner"))
	require.Zero(t, code, stderr)
	require.NoError(t, os.Mkdir(data, 0o700))

	ctx, stop := context.WithCancel(t.Context())
	logged, ended := &journal{}, make(chan int, 1)
	go func() { ended <- run(ctx, []string{"serve", "--config", file}, io.Discard, logged) }()
	defer func() {
		stop()
		if t.Failed() {
			t.Log(logged)
		}
	}()
	const patience = 2 * time.Minute
	says := func(word string, times int) {
		t.Helper()
		require.Eventually(t, func() bool { return strings.Count(logged.String(), word) >= times }, patience, 50*time.Millisecond, word)
	}
	says(`"msg":"serving"`, 1)
	// measured awaits what is read from the record and the inbox alike.
	measured := func() {
		t.Helper()
		require.EventuallyWithT(t, func(c *assert.CollectT) {
			request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+logged.address()+"/metrics", nil)
			require.NoError(c, err)
			response, err := http.DefaultClient.Do(request)
			require.NoError(c, err)
			text, err := io.ReadAll(response.Body)
			require.NoError(c, err)
			require.NoError(c, response.Body.Close())
			require.Contains(c, string(text), "\ngatekeeper_record_entries ")
			require.Contains(c, string(text), "\ngatekeeper_inbox_pending ")
		}, patience, 100*time.Millisecond)
	}
	cut := func() {
		cluster.SQL(t, "postgres", "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE usename = 'gatekeeper'")
	}
	measured()

	cluster.SQL(t, "postgres", "ALTER ROLE gatekeeper PASSWORD 'second-p4ss'")
	measured() // who is connected stays connected
	save(t, dir, "dsn", dsn("second-p4ss"))
	says("record_login_changed", 1)
	cut()
	measured()
	says("record_held_again", 1)
	require.NotContains(t, logged.String(), "config_needs_restart")

	// A mistake does not get in, whether somebody connects or not.
	save(t, dir, "dsn", dsn("mistaken-p4ss"))
	says("config_rejected", 1)
	cut()
	measured()
	says("record_login_rejected", 1)
	says("record_held_again", 2)
	save(t, dir, "dsn", strings.Replace(dsn("second-p4ss"), "/records", "/postgres", 1))
	says("config_needs_restart", 1)
	cut()
	measured()
	save(t, dir, "dsn", dsn("second-p4ss"))
	cut()
	measured()

	stop()
	require.Zero(t, <-ended, logged)
	require.NotContains(t, logged.String(), "p4ss")
}
