package redeliver_test

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/pkg/github"
	"github.com/argo-gatekeeper/gatekeeper/pkg/github/redeliver"
	"github.com/argo-gatekeeper/gatekeeper/test/e2e/standin"
)

// world is a GitHub whose webhooks go to a receiver, and a sweeper.
type world struct {
	*standin.Server
	t        *testing.T
	app      standin.App
	sweeper  *redeliver.Sweeper
	later    time.Duration // how far the sweeper's clock is ahead
	mu       sync.Mutex
	received []string // GUIDs
	answer   int
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{t: t, answer: http.StatusAccepted, later: 2 * time.Minute}
	var err error
	w.Server, err = standin.Start(context.WithoutCancel(t.Context()), standin.Options{Dir: t.TempDir()})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, w.Close()) })
	srv := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.received = append(w.received, r.Header.Get("X-GitHub-Delivery"))
		rw.WriteHeader(w.answer)
	}))
	t.Cleanup(srv.Close)
	_, err = w.CreateUser("alice", "Alice")
	require.NoError(t, err)
	_, err = w.CreateOrganization("acme", "alice")
	require.NoError(t, err)
	_, err = w.CreateRepository("acme", "env", standin.RepositoryOptions{Author: "alice"})
	require.NoError(t, err)
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(t, err)
	w.app, err = w.CreateApp(standin.AppOptions{
		Slug: "gatekeeper", Owner: "acme", Permissions: map[string]string{"contents": "read"}, Events: []string{"push"},
		WebhookURL: srv.URL, PrivateKeyPEM: pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)}),
	})
	require.NoError(t, err)
	_, err = w.Install(w.app.ID, "acme", "env")
	require.NoError(t, err)
	log := slog.New(slog.NewTextHandler(t.Output(), nil))
	app, err := github.NewApp(github.Options{BaseURL: w.APIURL(), AppID: w.app.ID, PrivateKeyPEM: w.app.PrivateKeyPEM, Logger: log})
	require.NoError(t, err)
	w.sweeper = redeliver.New(app, log, func() time.Time { return time.Now().Add(w.later) })
	w.take()
	return w
}

func (w *world) take() []string {
	w.t.Helper()
	require.NoError(w.t, w.WaitDelivered(w.t.Context()))
	w.mu.Lock()
	defer w.mu.Unlock()
	out := w.received
	w.received = nil
	return out
}

func (w *world) answers(status int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.answer = status
}

func (w *world) push() {
	w.t.Helper()
	_, err := w.As("alice").PushBranch("acme/env", "main", standin.Change{Files: map[string]string{"a": time.Now().String()}, Message: "Change"})
	require.NoError(w.t, err)
}

func (w *world) sweep() int {
	w.t.Helper()
	n, err := w.sweeper.Sweep(w.t.Context())
	require.NoError(w.t, err)
	return n
}

func TestWhatDidNotArriveIsAskedFor(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	require.Zero(t, w.sweep(), "all arrived")
	w.DropDeliveries(2)
	w.push()
	w.push()
	w.push()
	require.Len(t, w.take(), 1)
	failed := w.Deliveries(w.app.ID)
	failed = failed[len(failed)-3 : len(failed)-1]

	w.later = 0
	require.Zero(t, w.sweep(), "they may be on their way")
	w.later = 2 * time.Minute
	require.Equal(t, 2, w.sweep())
	require.Equal(t, []string{failed[0].GUID, failed[1].GUID}, w.take(), "oldest first, with their GUIDs")
	require.Zero(t, w.sweep(), "they arrived")
	require.Empty(t, w.take())
}

// An answer that is no success is no arrival. It is tried for a while.
func TestGivenUpInTheEnd(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.answers(http.StatusServiceUnavailable)
	w.push()
	require.Len(t, w.take(), 1)
	for range 20 {
		require.Equal(t, 1, w.sweep())
		require.Len(t, w.take(), 1)
	}
	require.Zero(t, w.sweep())
	w.answers(http.StatusAccepted)
	w.push()
	require.Zero(t, w.sweep())
	require.Len(t, w.take(), 1)
}

// A start looks back over many pages, and a sweep that fails leaves its work to
// the next.
func TestSweepAfterAFailure(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.DropDeliveries(5)
	for range 5 {
		w.push()
	}
	for range 120 {
		require.NoError(t, w.SetWebhook(w.app.ID, w.Deliveries(w.app.ID)[0].URL, "")) // a ping each
	}
	require.Len(t, w.take(), 120)
	for _, path := range []string{"^GET /app/hook/deliveries$", "^POST /app/hook/deliveries/.*/attempts$"} {
		remove, err := w.Fail(standin.ServerError500(path))
		require.NoError(t, err)
		_, err = w.sweeper.Sweep(t.Context())
		var failed *github.Error
		require.ErrorAs(t, err, &failed)
		require.Empty(t, w.take())
		remove()
	}
	require.Equal(t, 5, w.sweep())
	require.Len(t, w.take(), 5)
}

func TestRunStops(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.DropDeliveries(1)
	w.push()
	require.Empty(t, w.take())
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { w.sweeper.Run(ctx, time.Hour); close(done) }()
	require.Eventually(t, func() bool { return len(w.take()) == 1 }, time.Minute, 5*time.Millisecond, "at once")
	stop()
	<-done
}
