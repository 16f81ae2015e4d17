package standin_test

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/bradleyfalzon/ghinstallation/v2"
	"github.com/google/go-github/v60/github"
	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/test/e2e/standin"
)

// world is the usual cast: acme/env on main, four people, a team, and an App that may do what
// Gatekeeper needs.
type world struct {
	t            *testing.T
	s            *standin.Server
	repo         standin.Repository
	app          standin.App
	installation int64
	alice, bob   standin.User
	hooks        *receiver
}

const secret = "webhook-secret"

var gatekeeperPermissions = map[string]string{
	"pull_requests": "write", "contents": "read", "checks": "write", "issues": "read", "members": "read", "statuses": "write",
}

var gatekeeperEvents = []string{"pull_request", "pull_request_review", "push", "issue_comment", "check_run", "membership", "team"}

type testWriter struct{ t *testing.T }

func (w testWriter) Write(p []byte) (int, error) {
	w.t.Log(strings.TrimSpace(string(p)))
	return len(p), nil
}

func newWorld(t *testing.T, options ...func(*standin.Options)) *world {
	t.Helper()
	o := standin.Options{Dir: t.TempDir()}
	if testing.Verbose() {
		o.Logger = slog.New(slog.NewTextHandler(testWriter{t}, &slog.HandlerOptions{Level: slog.LevelDebug}))
	}
	for _, set := range options {
		set(&o)
	}
	s, err := standin.Start(context.WithoutCancel(t.Context()), o)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	w := &world{t: t, s: s}
	w.alice = must(s.CreateUser("alice", "Alice", "alice@example.com"))(t)
	w.bob = must(s.CreateUser("bob", "Bob", "bob@example.com"))(t)
	must(s.CreateUser("carol", "Carol", "carol@example.com"))(t)
	must(s.CreateUser("mallory", "Mallory", "mallory@example.com"))(t)
	must(s.CreateOrganization("acme", "carol"))(t)
	must(s.CreateTeam("acme", "sre", "bob"))(t)
	w.repo = must(s.CreateRepository("acme", "env", standin.RepositoryOptions{
		Files:         map[string]string{"prod/values.yaml": "replicas: 1\n", "README.md": "env\n"},
		Author:        "carol",
		Collaborators: map[string]string{"alice": "write", "bob": "write"},
	}))(t)
	w.hooks = newReceiver(t)
	w.app = must(s.CreateApp(standin.AppOptions{Slug: "gatekeeper", Owner: "acme", Permissions: gatekeeperPermissions,
		PrivateKeyPEM: key(t), Events: gatekeeperEvents, WebhookURL: w.hooks.url, WebhookSecret: secret}))(t)
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

func key(t testing.TB) []byte {
	t.Helper()
	text, err := freshKey()
	require.NoError(t, err)
	return text
}

// must turns (value, error) into a value, or ends the test.
func must[T any](v T, err error) func(*testing.T) T {
	return func(t *testing.T) T {
		t.Helper()
		require.NoError(t, err)
		return v
	}
}

// client acts as the installation, through ghinstallation as the product does.
func (w *world) client() *github.Client {
	w.t.Helper()
	itr, err := ghinstallation.New(http.DefaultTransport, w.app.ID, w.installation, w.app.PrivateKeyPEM)
	require.NoError(w.t, err)
	itr.BaseURL = strings.TrimSuffix(w.s.APIURL(), "/")
	return w.clientWith(itr)
}

// appClient acts as the App.
func (w *world) appClient() *github.Client {
	w.t.Helper()
	tr, err := ghinstallation.NewAppsTransport(http.DefaultTransport, w.app.ID, w.app.PrivateKeyPEM)
	require.NoError(w.t, err)
	tr.BaseURL = strings.TrimSuffix(w.s.APIURL(), "/")
	return w.clientWith(tr)
}

func (w *world) clientWith(tr http.RoundTripper) *github.Client {
	w.t.Helper()
	c, err := github.NewClient(&http.Client{Transport: tr}).WithEnterpriseURLs(w.s.APIURL(), w.s.APIURL())
	require.NoError(w.t, err)
	return c
}

// as acts as a person.
func (w *world) as(u standin.User) *github.Client {
	w.t.Helper()
	return w.clientWith(http.DefaultTransport).WithAuthToken(u.Token)
}

// git runs git in the bare repository.
func (w *world) git(args ...string) string {
	w.t.Helper()
	return runGit(w.t, w.repo.GitDir, args...)
}

func runGit(t *testing.T, dir string, args ...string) string {
	t.Helper()
	out, err := tryGit(t, dir, args...)
	require.NoError(t, err, out)
	return strings.TrimSpace(out)
}

func tryGit(t *testing.T, dir string, args ...string) (string, error) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "git", args...)
	cmd.Dir = dir
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + t.TempDir(), "GIT_CONFIG_NOSYSTEM=1", "GIT_CONFIG_GLOBAL=/dev/null",
		"GIT_TERMINAL_PROMPT=0", "GIT_AUTHOR_NAME=Alice", "GIT_AUTHOR_EMAIL=alice@example.com",
		"GIT_COMMITTER_NAME=Alice", "GIT_COMMITTER_EMAIL=alice@example.com"}
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// openPull opens a pull request of alice that changes one file.
func (w *world) openPull(content string) standin.OpenedPull {
	w.t.Helper()
	return must(w.s.As("alice").OpenPull("acme/env", standin.PullOptions{Title: "Scale up", Body: "please",
		Change: standin.Change{Files: map[string]string{"prod/values.yaml": content}}}))(w.t)
}

// receiver collects deliveries whose signature go-github accepts.
type receiver struct {
	url    string
	mu     sync.Mutex
	events []received
	answer int
}

type received struct {
	event, guid string
	payload     any
	raw         []byte
}

func newReceiver(t *testing.T) *receiver {
	r := &receiver{answer: http.StatusAccepted}
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		raw, err := io.ReadAll(req.Body)
		if err != nil {
			return // the test is over and the delivery was cut off
		}
		if github.ValidateSignature(req.Header.Get("X-Hub-Signature-256"), raw, []byte(secret)) != nil ||
			github.ValidateSignature(req.Header.Get("X-Hub-Signature"), raw, []byte(secret)) != nil {
			t.Error("delivery with a bad signature")
			return
		}
		payload, err := github.ParseWebHook(github.WebHookType(req), raw)
		if github.WebHookType(req) == "repository_ruleset" { // go-github v60 does not know it
			payload, err = nil, nil
		}
		if err != nil {
			t.Errorf("parse %s: %v", github.WebHookType(req), err)
		}
		r.mu.Lock()
		defer r.mu.Unlock()
		r.events = append(r.events, received{github.WebHookType(req), github.DeliveryID(req), payload, raw})
		w.WriteHeader(r.answer)
	}))
	t.Cleanup(srv.Close)
	r.url = srv.URL
	return r
}

// take waits for all deliveries and returns those since the last call, without what happens to check
// suites: every push opens one. takeAll has those, too.
func (w *world) take() []received {
	w.t.Helper()
	return slices.DeleteFunc(w.takeAll(), func(e received) bool { return e.event == "check_suite" })
}

func (w *world) takeAll() []received {
	w.t.Helper()
	require.NoError(w.t, w.s.WaitDelivered(w.t.Context()))
	w.hooks.mu.Lock()
	defer w.hooks.mu.Unlock()
	out := w.hooks.events
	w.hooks.events = nil
	return out
}

// names are the events with their actions.
func names(events []received) []string {
	out := []string{}
	for _, e := range events {
		name := e.event
		if a, ok := e.payload.(interface{ GetAction() string }); ok && a.GetAction() != "" {
			name += "." + a.GetAction()
		}
		out = append(out, name)
	}
	return out
}
