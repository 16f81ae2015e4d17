package httpapi

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"
)

// TestWebhooksAreCounted: each request is counted once, by what became of it, and the store
// is told when the request began.
func TestWebhooksAreCounted(t *testing.T) {
	metrics := NewWebhookMetrics()
	registry := prometheus.NewPedanticRegistry()
	require.NoError(t, registry.Register(metrics))
	full := errors.New("no space left on device")
	var storing error
	var began []time.Time
	h := New(Options{
		Verify: func(signature string, _ []byte) error {
			if signature != "good" {
				return errors.New("it does not match")
			}
			return nil
		},
		Store: func(ctx context.Context, _, _ string, _ []byte) error {
			began = append(began, Received(ctx, time.Time{}))
			return storing
		},
		Metrics: http.NotFoundHandler(), Webhooks: metrics, Logger: slog.New(slog.DiscardHandler),
	})
	start := time.Now()
	send := func(guid, kind, signature string, body func() *http.Request) {
		req := body()
		req.Header.Set("X-GitHub-Delivery", guid)
		req.Header.Set("X-GitHub-Event", "push")
		req.Header.Set("Content-Type", kind)
		req.Header.Set("X-Hub-Signature-256", signature)
		h.ServeHTTP(httptest.NewRecorder(), req)
	}
	post := func(body string) func() *http.Request {
		return func() *http.Request {
			return httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/webhooks/github", strings.NewReader(body))
		}
	}
	send("1", "application/json", "good", post("{}"))
	send("2", "application/json", "good", post("{}"))
	send("", "application/json", "good", post("{}"))
	send("3", "text/plain", "good", post("{}"))
	send("4", "application/json", "bad", post("{}"))
	send("5", "application/json", "good", post(strings.Repeat("x", maxWebhookBody+1)))
	send("6", "application/json", "good", func() *http.Request {
		return httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/webhooks/github", iotest.ErrReader(errors.New("reset by peer")))
	})
	storing = full
	send("7", "application/json", "good", post("{}"))

	families, err := registry.Gather()
	require.NoError(t, err)
	counts := map[string]uint64{}
	for _, m := range families[0].GetMetric() {
		counts[m.GetLabel()[0].GetValue()] = m.GetHistogram().GetSampleCount()
	}
	require.Equal(t, map[string]uint64{
		"stored": 2, "busy": 0, "headers": 1, "content_type": 1, "too_large": 1, "unreadable": 1, "signature": 1, "not_stored": 1,
	}, counts)
	require.Len(t, began, 3)
	for _, at := range began {
		require.False(t, at.Before(start))
	}
	require.Equal(t, start, Received(t.Context(), start), "otherwise")
}
