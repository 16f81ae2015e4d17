package httpapi

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// stored is a store that keeps deliveries in memory, or fails.
type stored struct {
	err    error
	bodies map[string]string
}

func (s *stored) put(_ context.Context, guid, _ string, body []byte) error {
	if s.err != nil {
		return s.err
	}
	s.bodies[guid] = string(body)
	return nil
}

func handler(t *testing.T, s *stored, ready error) http.Handler {
	t.Helper()
	s.bodies = map[string]string{}
	return New(Options{
		Verify: func(signature string, body []byte) error {
			if signature != "sha256=good" {
				return errors.New("signature of " + string(body[:1]) + " does not match")
			}
			return nil
		},
		Store:   s.put,
		Ready:   func(context.Context) error { return ready },
		Metrics: http.NotFoundHandler(),
		Logger:  slog.New(slog.DiscardHandler),
	})
}

func TestWebhook(t *testing.T) {
	good := map[string]string{
		"X-GitHub-Delivery": "72d3162e-cc78-11e3-81ab-4c9367dc0958", "X-GitHub-Event": "push",
		"X-Hub-Signature-256": "sha256=good", "Content-Type": "application/json",
	}
	tests := []struct {
		name   string
		change map[string]string
		body   string
		store  error
		want   int
	}{
		{name: "stored", body: "{}", want: http.StatusAccepted},
		{name: "wrong signature", change: map[string]string{"X-Hub-Signature-256": "sha256=bad"}, body: "{}", want: http.StatusUnauthorized},
		{name: "no signature", change: map[string]string{"X-Hub-Signature-256": ""}, body: "{}", want: http.StatusUnauthorized},
		{name: "old signature alone", change: map[string]string{"X-Hub-Signature-256": "", "X-Hub-Signature": "sha1=good"}, body: "{}", want: http.StatusUnauthorized},
		{name: "no delivery ID", change: map[string]string{"X-GitHub-Delivery": ""}, body: "{}", want: http.StatusBadRequest},
		{name: "delivery ID with a line break", change: map[string]string{"X-GitHub-Delivery": "a\tb"}, body: "{}", want: http.StatusBadRequest},
		{name: "no event", change: map[string]string{"X-GitHub-Event": ""}, body: "{}", want: http.StatusBadRequest},
		{name: "form encoding", change: map[string]string{"Content-Type": "application/x-www-form-urlencoded"}, body: "payload=", want: http.StatusUnsupportedMediaType},
		{name: "too large", body: strings.Repeat(" ", maxWebhookBody+1), want: http.StatusRequestEntityTooLarge},
		{name: "largest", body: strings.Repeat(" ", maxWebhookBody), want: http.StatusAccepted},
		{name: "store fails", body: "{}", store: errors.New("disk full"), want: http.StatusServiceUnavailable},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := &stored{err: tt.store}
			h := handler(t, s, nil)
			req := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/webhooks/github", strings.NewReader(tt.body))
			for k, v := range good {
				req.Header.Set(k, v)
			}
			for k, v := range tt.change {
				req.Header.Set(k, v)
			}
			rec := httptest.NewRecorder()
			h.ServeHTTP(rec, req)
			require.Equal(t, tt.want, rec.Code, rec.Body.String())
			if tt.want == http.StatusAccepted {
				require.Equal(t, tt.body, s.bodies[good["X-GitHub-Delivery"]])
			} else {
				require.Empty(t, s.bodies)
			}
			require.NotContains(t, rec.Body.String(), "does not match", "an answer must not help to forge a signature")
		})
	}
}

func TestWebhookBoundsConcurrency(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		h := New(Options{
			Verify: func(string, []byte) error { return nil },
			Store: func(context.Context, string, string, []byte) error {
				<-release
				return nil
			},
			Metrics: http.NotFoundHandler(), Logger: slog.New(slog.DiscardHandler),
		})
		codes := make(chan int, maxConcurrent+2)
		post := func() {
			req := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/webhooks/github", strings.NewReader("{}"))
			req.Header.Set("X-GitHub-Delivery", "a")
			req.Header.Set("X-GitHub-Event", "push")
			req.Header.Set("Content-Type", "application/json")
			rec := httptest.NewRecorder()
			h.ServeHTTP(rec, req)
			codes <- rec.Code
		}
		for range maxConcurrent {
			go post()
		}
		synctest.Wait()
		go post()
		time.Sleep(patience + time.Millisecond)
		require.Equal(t, http.StatusServiceUnavailable, <-codes, "one that waited too long is refused")

		go post()
		time.Sleep(patience / 2)
		close(release)
		for range maxConcurrent + 1 {
			require.Equal(t, http.StatusAccepted, <-codes, "one that gets a place in time is stored")
		}
	})
}

func TestHealth(t *testing.T) {
	get := func(h http.Handler, path string) *httptest.ResponseRecorder {
		rec := httptest.NewRecorder()
		h.ServeHTTP(rec, httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, nil))
		return rec
	}
	h := handler(t, &stored{}, nil)
	require.Equal(t, http.StatusOK, get(h, "/healthz").Code)
	require.Equal(t, http.StatusOK, get(h, "/readyz").Code)
	require.Equal(t, http.StatusMethodNotAllowed, get(h, "/webhooks/github").Code)
	require.Equal(t, http.StatusNotFound, get(h, "/debug/pprof/").Code)

	h = handler(t, &stored{}, errors.New("the informer has not synced"))
	require.Equal(t, http.StatusOK, get(h, "/healthz").Code)
	rec := get(h, "/readyz")
	require.Equal(t, http.StatusServiceUnavailable, rec.Code)
	require.Contains(t, rec.Body.String(), "the informer has not synced")
}
