package main

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/internal/httpapi"
)

func TestPprofIsOffByDefault(t *testing.T) {
	flag := serveCommand().Flags().Lookup("pprof")
	require.NotNil(t, flag)
	require.Empty(t, flag.DefValue)
	var log strings.Builder
	stop, err := (&profiling{}).start(t.Context(), slog.New(slog.NewTextHandler(&log, nil)))
	require.NoError(t, err)
	stop()
	require.Empty(t, log.String())
}

func TestPprofOnLoopbackAlone(t *testing.T) {
	log := slog.New(slog.DiscardHandler)
	for _, address := range []string{":0", "0.0.0.0:0", "[::]:0", "10.0.0.1:6060", "profiles.example.com:6060", "6060"} {
		_, err := (&profiling{address: address}).start(t.Context(), log)
		require.ErrorIs(t, err, errPprof, address)
		require.ErrorIs(t, err, errUsage, address)
	}
	for _, address := range []string{"127.0.0.1:0", "[::1]:0", "localhost:0"} {
		require.True(t, loopbackAddress(address), address)
	}
	stop, err := (&profiling{address: "0.0.0.0:0", anywhere: true}).start(t.Context(), log)
	require.NoError(t, err)
	stop()
}

func TestPprofServes(t *testing.T) {
	var lines strings.Builder
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	stop, err := (&profiling{address: "127.0.0.1:0"}).start(ctx, slog.New(slog.NewTextHandler(&lines, nil)))
	require.NoError(t, err)
	_, address, _ := strings.Cut(lines.String(), "address=")
	get := func(path string) (int, string) {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+strings.TrimSpace(address)+path, nil)
		require.NoError(t, err)
		resp, err := http.DefaultClient.Do(req)
		require.NoError(t, err)
		defer func() { require.NoError(t, resp.Body.Close()) }()
		body, err := io.ReadAll(resp.Body)
		require.NoError(t, err)
		return resp.StatusCode, string(body)
	}
	status, body := get("/debug/pprof/goroutine?debug=1")
	require.Equal(t, http.StatusOK, status)
	require.Contains(t, body, "goroutine profile:")
	status, _ = get("/debug/pprof/cmdline")
	require.Equal(t, http.StatusNotFound, status)
	status, _ = get("/metrics")
	require.Equal(t, http.StatusNotFound, status)
	stop()
}

// TestWebhookAddressHasNoProfiles: what everybody reaches shows none, whatever the import of
// net/http/pprof put on the default mux.
func TestWebhookAddressHasNoProfiles(t *testing.T) {
	w := httptest.NewRecorder()
	httpapi.New(httpapi.Options{Metrics: http.NotFoundHandler(), Logger: slog.New(slog.DiscardHandler)}).ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/debug/pprof/", nil))
	require.Equal(t, http.StatusNotFound, w.Code)
}
