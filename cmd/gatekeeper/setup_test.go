package main

import (
	"bytes"
	"context"
	"encoding/json"
	"html"
	"io"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/internal/config"
	"github.com/argo-gatekeeper/gatekeeper/internal/setup"
	"github.com/argo-gatekeeper/gatekeeper/pkg/github/access"
	"github.com/argo-gatekeeper/gatekeeper/test/e2e/standin"
	"github.com/argo-gatekeeper/gatekeeper/test/e2e/standin/web"
)

// printed is what a command prints while it runs.
type printed struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (s *printed) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.Write(p)
}

func (s *printed) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.String()
}

// newcomer is somebody who has no App yet, before a GitHub with pages.
type newcomer struct {
	*standin.Server
	t      *testing.T
	person *http.Client // does not follow redirects
	hook   *httptest.Server
	status atomicStatus
}

type atomicStatus struct {
	mu   sync.Mutex
	code int
}

func (a *atomicStatus) set(code int) { a.mu.Lock(); defer a.mu.Unlock(); a.code = code }
func (a *atomicStatus) get() int     { a.mu.Lock(); defer a.mu.Unlock(); return a.code }

func newNewcomer(t *testing.T, o standin.Options) *newcomer {
	t.Helper()
	o.Dir = t.TempDir()
	s, err := standin.Start(context.WithoutCancel(t.Context()), o)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	require.NoError(t, web.Mount(s, nil))
	_, err = s.CreateUser("alice", "Alice")
	require.NoError(t, err)
	_, err = s.CreateOrganization("acme", "alice")
	require.NoError(t, err)
	_, err = s.CreateRepository("acme", "env", standin.RepositoryOptions{Author: "alice"})
	require.NoError(t, err)
	n := &newcomer{Server: s, t: t, person: &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}}
	n.person.Jar, err = cookiejar.New(nil)
	require.NoError(t, err)
	n.status.set(http.StatusAccepted)
	n.hook = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.WriteHeader(n.status.get())
	}))
	t.Cleanup(n.hook.Close)
	return n
}

// visit asks as a browser does.
func (n *newcomer) visit(method, address string, form url.Values) (status int, location, body string) {
	n.t.Helper()
	req, err := http.NewRequestWithContext(n.t.Context(), method, address, strings.NewReader(form.Encode()))
	require.NoError(n.t, err)
	req.Header.Set("Accept", "text/html")
	if method == http.MethodPost {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	resp, err := n.person.Do(req)
	require.NoError(n.t, err)
	text, err := io.ReadAll(resp.Body)
	require.NoError(n.t, err)
	require.NoError(n.t, resp.Body.Close())
	return resp.StatusCode, resp.Header.Get("Location"), string(text)
}

// attribute is that of the first element that the pattern finds.
func attribute(t *testing.T, body, pattern string) string {
	t.Helper()
	found := regexp.MustCompile(pattern).FindStringSubmatch(body)
	require.NotNil(t, found, "%s in:\n%s", pattern, body)
	return html.UnescapeString(found[1])
}

var linkPattern = regexp.MustCompile(`(http://127\.0\.0\.1:\d+)/\?token=\S+`)

// running is a setup that was started.
type running struct {
	stdout, stderr *printed
	done           chan int
	cancel         context.CancelFunc
}

func (n *newcomer) start(args ...string) *running {
	n.t.Helper()
	ctx, cancel := context.WithCancel(n.t.Context())
	r := &running{stdout: &printed{}, stderr: &printed{}, done: make(chan int, 1), cancel: cancel}
	n.t.Cleanup(cancel)
	args = append([]string{"setup", "--owner", "acme", "--github-url", n.URL()}, args...)
	go func() { r.done <- run(ctx, args, r.stdout, r.stderr) }()
	return r
}

// link waits until the page is there.
func (r *running) link(t *testing.T) (link, origin string) {
	t.Helper()
	var found []string
	require.Eventually(t, func() bool {
		found = linkPattern.FindStringSubmatch(r.stderr.String())
		return found != nil
	}, time.Minute, 10*time.Millisecond, "no link was printed: %s", r.stderr)
	return found[0], found[1]
}

func (r *running) end(t *testing.T) int {
	t.Helper()
	select {
	case code := <-r.done:
		return code
	case <-time.After(2 * time.Minute):
		require.Fail(t, "it does not end", r.stderr.String())
		return -1
	}
}

// enter opens the link.
func (n *newcomer) enter(link, origin string) (page string) {
	n.t.Helper()
	status, location, _ := n.visit(http.MethodGet, link, nil)
	require.Equal(n.t, http.StatusSeeOther, status)
	require.Equal(n.t, "/", location)
	status, _, page = n.visit(http.MethodGet, origin+"/", nil)
	require.Equal(n.t, http.StatusOK, status)
	return page
}

// create presses our button, then that of GitHub, and is back with the code.
func (n *newcomer) create(page string) (back string) {
	n.t.Helper()
	status, _, confirm := n.visit(http.MethodPost, attribute(n.t, page, `<form method="post" action="([^"]*)"`),
		url.Values{"manifest": {attribute(n.t, page, `name="manifest" value="([^"]*)"`)}})
	require.Equal(n.t, http.StatusOK, status, confirm)
	status, back, _ = n.visit(http.MethodPost, n.URL()+attribute(n.t, confirm, `<form method="post" action="([^"]*/settings/apps)"`), url.Values{
		"manifest": {attribute(n.t, confirm, `name="manifest" value="([^"]*)"`)}, "state": {attribute(n.t, confirm, `name="state" value="([^"]*)"`)},
		"name": {attribute(n.t, confirm, `name="name"[^>]* value="([^"]*)"`)},
	})
	require.Equal(n.t, http.StatusSeeOther, status)
	return back
}

// An App is made, stored and installed, by a person who presses what the pages show; the
// credentials are those of the App, and the configuration that is begun is valid.
func TestSetup(t *testing.T) {
	t.Parallel()
	n := newNewcomer(t, standin.Options{})
	out := filepath.Join(t.TempDir(), "github app")
	r := n.start("--out", out, "--webhook-url", n.hook.URL+"/webhooks/github", "-o", "json")
	link, origin := r.link(t)
	page := n.enter(link, origin)
	require.Contains(t, page, "Create the App on GitHub")
	back := n.create(page)
	require.True(t, strings.HasPrefix(back, origin+"/created?"), back)
	status, location, _ := n.visit(http.MethodGet, back, nil)
	require.Equal(t, http.StatusSeeOther, status)
	require.Equal(t, "/", location)

	var install string
	require.Eventually(t, func() bool {
		_, _, body := n.visit(http.MethodGet, origin+"/", nil)
		if found := regexp.MustCompile(`href="([^"]*/installations/new)"`).FindStringSubmatch(body); found != nil {
			install = found[1]
		}
		return install != ""
	}, time.Minute, 20*time.Millisecond, "no link to install: %s", r.stderr)
	key, err := os.ReadFile(filepath.Join(out, setup.PrivateKeyFile))
	require.NoError(t, err, "stored before anything else")
	require.Equal(t, n.URL()+"/apps/gatekeeper-acme/installations/new", install)
	status, _, _ = n.visit(http.MethodPost, install, url.Values{"account": {"acme"}, "which": {"selected"}, "repo": {"acme/env"}})
	require.Equal(t, http.StatusSeeOther, status)
	require.Equal(t, 0, r.end(t), r.stderr)

	var report struct {
		setup.Report
		Next []string
	}
	require.NoError(t, json.Unmarshal([]byte(r.stdout.String()), &report), r.stdout)
	require.True(t, report.Made)
	require.Equal(t, "gatekeeper-acme", report.App.Slug)
	require.Equal(t, "acme", report.Installation.Account)
	require.Equal(t, setup.WebhookDelivered, report.Webhook.State, report.Webhook)
	require.Empty(t, report.Warnings)
	file := filepath.Join(out, setup.ConfigFile)
	require.Equal(t, []string{"gatekeeper config check '" + file + "'", "gatekeeper doctor --config '" + file + "'"}, report.Next)

	made := n.Apps()[0]
	require.Equal(t, map[string]string{"metadata": "read", "contents": "read", "pull_requests": "write", "checks": "write", "issues": "read", "members": "read"}, made.Permissions)
	require.Equal(t, n.hook.URL+"/webhooks/github", made.WebhookURL)
	for _, name := range []string{setup.AppIDFile, setup.PrivateKeyFile, setup.WebhookSecretFile, setup.ConfigFile} {
		info, err := os.Stat(filepath.Join(out, name))
		require.NoError(t, err)
		require.Equal(t, os.FileMode(0o600), info.Mode().Perm(), name)
	}
	secret, err := os.ReadFile(filepath.Join(out, setup.WebhookSecretFile))
	require.NoError(t, err)
	for _, text := range []string{r.stdout.String(), r.stderr.String()} {
		require.NotContains(t, text, strings.TrimSpace(string(secret)))
		require.NotContains(t, text, strings.Split(string(key), "\n")[1])
		require.NotContains(t, text, "code=")
	}

	code, stdout, stderr := call(t, t.Context(), "config", "check", file)
	require.Equal(t, 0, code, stderr)
	require.Contains(t, stdout, "Gate prod")
	require.NoError(t, os.WriteFile(filepath.Join(out, "argocd-token"), []byte("t"), 0o600))
	cfg, err := config.Load(file)
	require.NoError(t, err)
	app, err := connectApp(cfg, nil, slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	self, err := access.New(app).App(t.Context())
	require.NoError(t, err, "the key is the App's")
	require.Equal(t, "gatekeeper-acme", self.Slug)
	require.Equal(t, made.ID, cfg.File.GitHub.AppID)
}
