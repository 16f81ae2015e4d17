package main

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/internal/config"
	"github.com/argo-gatekeeper/gatekeeper/internal/inbox"
	"github.com/argo-gatekeeper/gatekeeper/pkg/history"
)

type measuredInbox struct {
	backlog inbox.Backlog
	err     error
}

func (m measuredInbox) Backlog(context.Context) (inbox.Backlog, error) { return m.backlog, m.err }

type measuredRecord struct{ err error }

func (m measuredRecord) Head(context.Context) (history.Head, error) {
	return history.Head{Sequence: 17}, m.err
}

func TestStoresAreMeasured(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "record.db"), make([]byte, 4096), 0o600))
	read := func(box measuredInbox, record measuredRecord, c config.Config) (metrics, log string) {
		var lines strings.Builder
		s := newStores(c, nil, nil, slog.New(slog.NewTextHandler(&lines, nil)))
		s.inbox, s.record = box, record
		registry := prometheus.NewPedanticRegistry()
		require.NoError(t, registry.Register(s))
		w := httptest.NewRecorder()
		promhttp.HandlerFor(registry, promhttp.HandlerOpts{}).ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/metrics", nil))
		require.Equal(t, http.StatusOK, w.Code)
		return w.Body.String(), lines.String()
	}
	cfg := config.Config{File: config.File{DataDirectory: dir}}
	text, log := read(measuredInbox{backlog: inbox.Backlog{Pending: 3, Oldest: time.Now().Add(-time.Hour), Parked: 2, Asked: 1}}, measuredRecord{}, cfg)
	for _, line := range []string{
		"gatekeeper_inbox_pending 3\n", "gatekeeper_inbox_oldest_seconds 360", "gatekeeper_inbox_parked 2\n", "gatekeeper_commands_pending 1\n",
		"gatekeeper_record_entries 17\n", "gatekeeper_record_bytes 4096\n",
	} {
		require.Contains(t, text, line)
	}
	require.Empty(t, log)
	text, _ = read(measuredInbox{}, measuredRecord{}, cfg)
	require.Contains(t, text, "gatekeeper_inbox_oldest_seconds 0\n")

	// What cannot be read has no value, and keeps no other from being read.
	cfg.File.Record.Postgres = &config.Postgres{}
	text, log = read(measuredInbox{err: errors.New("disk I/O error")}, measuredRecord{err: errors.New("connection refused")}, cfg)
	for _, name := range []string{"gatekeeper_inbox_pending", "gatekeeper_record_entries", "gatekeeper_record_bytes"} {
		require.NotContains(t, text, name)
	}
	require.Equal(t, 2, strings.Count(log, "store_not_measured"))
}
