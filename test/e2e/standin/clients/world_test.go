package clients

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/test/e2e/standin"
)

const webhookSecret = "webhook-secret"

// world is acme/env on main with two writers, a reader and an App that may do what the clients do.
type world struct {
	t                *testing.T
	s                *standin.Server
	repo             standin.Repository
	app              standin.App
	installation     int64
	alice, bob, rita standin.User
}

// logWriter hands the stand-in's log to the test's.
type logWriter struct{ t *testing.T }

func (w logWriter) Write(p []byte) (int, error) {
	w.t.Log(strings.TrimSpace(string(p)))
	return len(p), nil
}

func newWorld(t *testing.T, options ...func(*standin.Options)) *world {
	t.Helper()
	o := standin.Options{Dir: t.TempDir(), Logger: slog.New(slog.NewTextHandler(logWriter{t}, &slog.HandlerOptions{Level: slog.LevelWarn}))}
	for _, set := range options {
		set(&o)
	}
	s, err := standin.Start(context.WithoutCancel(t.Context()), o)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	w := &world{t: t, s: s}
	w.alice = must(s.CreateUser("alice", "Alice", "alice@example.com"))(t)
	w.bob = must(s.CreateUser("bob", "Bob", "bob@example.com"))(t)
	w.rita = must(s.CreateUser("rita", "Rita", "rita@example.com"))(t)
	must(s.CreateOrganization("acme"))(t)
	w.repo = must(s.CreateRepository("acme", "env", standin.RepositoryOptions{
		Files:         map[string]string{"prod/values.yaml": "replicas: 1\n", "README.md": "env\n"},
		Author:        "alice",
		Collaborators: map[string]string{"alice": "write", "bob": "write", "rita": "read"},
	}))(t)
	w.app = must(s.CreateApp(standin.AppOptions{Slug: "gatekeeper", Owner: "acme", PrivateKeyPEM: appKey(t),
		Permissions: map[string]string{"pull_requests": "write", "contents": "write", "checks": "write", "issues": "write", "members": "read"},
		Events:      []string{"pull_request", "pull_request_review", "push", "issue_comment", "check_run"}}))(t)
	w.installation = must(s.Install(w.app.ID, "acme", "env"))(t)
	return w
}

// freshKey makes one RSA key for all tests: it is their slowest part.
var freshKey = sync.OnceValues(func() ([]byte, error) {
	k, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return nil, err
	}
	return pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(k)}), nil
})

func appKey(t *testing.T) []byte {
	t.Helper()
	text, err := freshKey()
	require.NoError(t, err)
	return bytes.Clone(text)
}

// must turns (value, error) into a value, or ends the test.
func must[T any](v T, err error) func(*testing.T) T {
	return func(t *testing.T) T {
		t.Helper()
		require.NoError(t, err)
		return v
	}
}

// openPull opens a pull request of alice that changes one file.
func (w *world) openPull(content string) standin.OpenedPull {
	w.t.Helper()
	return must(w.s.As("alice").OpenPull("acme/env", standin.PullOptions{Title: "Scale up", Body: "please",
		Change: standin.Change{Files: map[string]string{"prod/values.yaml": content}}}))(w.t)
}

// delivered waits until nothing is left to be delivered.
func (w *world) delivered() {
	w.t.Helper()
	require.NoError(w.t, w.s.WaitDelivered(w.t.Context()))
}

// transport trusts the stand-in, whether or not it speaks TLS.
func (w *world) transport() http.RoundTripper {
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(w.s.CACertPEM())
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}, ForceAttemptHTTP2: true}
	w.t.Cleanup(transport.CloseIdleConnections)
	return transport
}
