package github

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// testKey makes one RSA key for all tests: each takes a noticeable time.
var testKey = sync.OnceValue(func() []byte {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)})
})

// logger sends log lines to the test's output.
func logger(t *testing.T) *slog.Logger {
	t.Helper()
	return slog.New(slog.NewTextHandler(testWriter{t}, &slog.HandlerOptions{Level: slog.LevelDebug}))
}

type testWriter struct{ t *testing.T }

func (w testWriter) Write(p []byte) (int, error) {
	w.t.Log(strings.TrimRight(string(p), "\n"))
	return len(p), nil
}

// inMemory answers requests from a handler without a network, so that a
// synctest bubble can tell when everybody waits.
type inMemory struct{ handler http.Handler }

func (m inMemory) RoundTrip(req *http.Request) (*http.Response, error) {
	if err := req.Context().Err(); err != nil {
		return nil, err
	}
	rec := httptest.NewRecorder()
	m.handler.ServeHTTP(rec, req)
	resp := rec.Result()
	resp.Request = req
	if req.Body != nil {
		if err := req.Body.Close(); err != nil {
			return nil, err
		}
	}
	return resp, nil
}

// server is the part of GitHub that every test needs: installations and their
// tokens. Everything else goes to rest.
type server struct {
	t    *testing.T
	rest http.HandlerFunc

	mu           sync.Mutex
	installation int64
	gone         map[int64]bool
	minted       int
	finds        int
	calls        []Call
}

func newServer(t *testing.T, rest http.HandlerFunc) *server {
	t.Helper()
	return &server{t: t, rest: rest, installation: 1, gone: map[int64]bool{}}
}

func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	path := strings.TrimPrefix(r.URL.Path, "/api/v3")
	switch {
	case strings.HasSuffix(path, "/installation"):
		s.mu.Lock()
		defer s.mu.Unlock()
		s.finds++
		writeJSON(w, http.StatusOK, map[string]any{"id": s.installation})
	case strings.HasSuffix(path, "/access_tokens"):
		s.mu.Lock()
		defer s.mu.Unlock()
		id, err := strconv.ParseInt(strings.Split(path, "/")[3], 10, 64)
		if err != nil || s.gone[id] {
			writeJSON(w, http.StatusNotFound, map[string]any{"message": "Not Found"})
			return
		}
		s.minted++
		writeJSON(w, http.StatusCreated, map[string]any{
			"token": "ghs_" + strings.Repeat("x", s.minted), "expires_at": time.Now().Add(time.Hour).UTC(),
		})
	default:
		s.rest(w, r)
	}
}

// observe collects the calls that the App reports.
func (s *server) observe(_ context.Context, c Call) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls = append(s.calls, c)
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v) // a test that needs the answer fails by itself
}

func newTestApp(t *testing.T, base string, s *server, rt http.RoundTripper) *App {
	t.Helper()
	app, err := NewApp(Options{
		BaseURL: base, AppID: 7, PrivateKeyPEM: testKey(), Transport: rt, Observe: s.observe, Logger: logger(t), Version: "test",
	})
	require.NoError(t, err)
	return app
}

// inMemoryClient is a client of acme/deploy whose requests the server answers.
func inMemoryClient(t *testing.T, s *server) *Client {
	t.Helper()
	app := newTestApp(t, "https://api.github.test/", s, inMemory{s})
	c, err := app.Client(t.Context(), "acme/deploy")
	require.NoError(t, err)
	return c
}

func getRepository(ctx context.Context, c *Client) error {
	_, _, err := c.API().Repositories.Get(ctx, "acme", "deploy")
	return Wrap("read the repository", "acme/deploy", err)
}

// body tells whether it was closed.
type body struct {
	io.Reader
	closed *bool
}

func (b body) Close() error { *b.closed = true; return nil }

func newBody(text string, closed *bool) body { return body{bytes.NewBufferString(text), closed} }

func contextWithCause(t *testing.T) (context.Context, context.CancelCauseFunc) {
	t.Helper()
	return context.WithCancelCause(t.Context())
}
