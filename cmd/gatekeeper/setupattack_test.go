package main

import (
	"context"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/internal/setup"
	"github.com/argo-gatekeeper/gatekeeper/test/e2e/standin"
)

// stranger is another browser, or a program of another account of the machine.
func (n *newcomer) stranger(address, host string) (status int, body string, header http.Header) {
	n.t.Helper()
	req, err := http.NewRequestWithContext(n.t.Context(), http.MethodGet, address, nil)
	require.NoError(n.t, err)
	req.Host = host
	resp, err := (&http.Client{CheckRedirect: n.person.CheckRedirect}).Do(req)
	require.NoError(n.t, err)
	text, err := io.ReadAll(resp.Body)
	require.NoError(n.t, err)
	require.NoError(n.t, resp.Body.Close())
	return resp.StatusCode, string(text), resp.Header
}

func (n *newcomer) conversions() int { return n.CountCalls("api", "POST /app-manifests") }

// Who has not opened the link, asks under another name, answers what was not asked, or
// answers twice, gets nothing and changes nothing.
func TestSetupAttacks(t *testing.T) {
	t.Parallel()
	n := newNewcomer(t, standin.Options{})
	_, err := n.CreateOrganization("evil", "alice")
	require.NoError(t, err)
	out := filepath.Join(t.TempDir(), "app")
	r := n.start("--out", out, "--webhook-url", n.hook.URL+"/webhooks/github")
	link, origin := r.link(t)
	at, err := url.Parse(origin)
	require.NoError(t, err)

	// DNS rebinding: a name of somebody else that points here.
	for _, host := range []string{"attacker.example", "attacker.example:" + at.Port(), "localhost:" + at.Port(), "127.0.0.1", "127.0.0.1:1"} {
		status, body, header := n.stranger(link, host)
		require.Equal(t, http.StatusMisdirectedRequest, status, host)
		require.NotContains(t, body, "manifest", host)
		require.Empty(t, header.Get("Set-Cookie"), host)
	}
	// No link, no page; nor any other method or address.
	for _, path := range []string{"/", "/created?code=aaaaaaaaaaaa&state=x", "/step", "/?token=", "/?token=guess", "/other"} {
		status, body, header := n.stranger(origin+path, "")
		require.Equal(t, http.StatusForbidden, status, path)
		require.NotContains(t, body, "manifest", path)
		require.Empty(t, header.Get("Set-Cookie"), path)
	}

	page := n.enter(link, origin)
	// The link works once: somebody who reads it over a shoulder is refused, and told so.
	status, body, header := n.stranger(link, "")
	require.Equal(t, http.StatusForbidden, status)
	require.Contains(t, body, "used before")
	require.Empty(t, header.Get("Set-Cookie"))
	require.Equal(t, "no-store", header.Get("Cache-Control"))
	require.Equal(t, "DENY", header.Get("X-Frame-Options"))
	require.Equal(t, "strict-origin", header.Get("Referrer-Policy"))
	policy := header.Get("Content-Security-Policy")
	for _, part := range []string{"default-src 'none'", "frame-ancestors 'none'", "base-uri 'none'", "script-src 'sha256-"} {
		require.Contains(t, policy, part)
	}
	require.NotContains(t, policy, "unsafe")
	status, _, _ = n.visit(http.MethodPost, origin+"/created", nil)
	require.Equal(t, http.StatusMethodNotAllowed, status)

	// An answer to no question.
	for _, query := range []string{"code=aaaaaaaaaaaa", "code=aaaaaaaaaaaa&state=", "code=aaaaaaaaaaaa&state=guess"} {
		status, _, _ = n.visit(http.MethodGet, origin+"/created?"+query, nil)
		require.Equal(t, http.StatusForbidden, status, query)
	}
	require.Zero(t, n.conversions(), "no code was handed in")

	// An attacker's App, with a state that leaked: nothing of it is kept.
	action, err := url.Parse(attribute(t, page, `<form method="post" action="([^"]*)"`))
	require.NoError(t, err)
	state := action.Query().Get("state")
	require.Len(t, state, 52, "256 bits and more, in base 32")
	code, err := n.CreateFromManifest("evil", standin.Manifest{Name: "Evil", URL: "https://evil.example", RedirectURL: origin + "/created"})
	require.NoError(t, err)
	evil := "/created?code=" + code + "&state=" + state
	status, _, _ = n.stranger(origin+evil, "")
	require.Equal(t, http.StatusForbidden, status, "from another browser")
	require.Zero(t, n.conversions())
	status, _, _ = n.visit(http.MethodGet, origin+evil, nil)
	require.Equal(t, http.StatusSeeOther, status)
	_, _, page = n.visit(http.MethodGet, origin+"/", nil)
	require.Contains(t, page, "belongs to somebody else")
	_, err = os.Stat(filepath.Join(out, setup.PrivateKeyFile))
	require.ErrorIs(t, err, os.ErrNotExist)

	// A code that GitHub does not know; the page asks anew, with another state.
	action, err = url.Parse(attribute(t, page, `<form method="post" action="([^"]*)"`))
	require.NoError(t, err)
	require.NotEqual(t, state, action.Query().Get("state"))
	status, _, _ = n.visit(http.MethodGet, origin+"/created?code=unknown-code-12345&state="+action.Query().Get("state"), nil)
	require.Equal(t, http.StatusSeeOther, status)
	_, _, page = n.visit(http.MethodGet, origin+"/", nil)
	require.Contains(t, page, "works once, within an hour")
	require.NotContains(t, r.stderr.String(), "unknown-code-12345")

	// The right answer, given twice.
	back := n.create(page)
	before := n.conversions()
	status, _, _ = n.visit(http.MethodGet, back, nil)
	require.Equal(t, http.StatusSeeOther, status)
	status, _, body = n.visit(http.MethodGet, back, nil)
	require.Equal(t, http.StatusForbidden, status)
	require.Contains(t, body, "answers no question")
	require.Equal(t, before+1, n.conversions())
	n.noSecrets(out, body)
	_, _, body = n.visit(http.MethodGet, origin+"/", nil)
	n.noSecrets(out, body)
	r.cancel()
	require.Equal(t, exitFailed, r.end(t))
	n.noSecrets(out, r.stderr.String()+r.stdout.String())
}

// noSecrets sees that a text has nothing of the credentials.
func (n *newcomer) noSecrets(out, text string) {
	n.t.Helper()
	key, err := os.ReadFile(filepath.Join(out, setup.PrivateKeyFile))
	require.NoError(n.t, err)
	for _, line := range strings.Split(strings.TrimSpace(string(key)), "\n")[1:3] {
		require.NotContains(n.t, text, line)
	}
	secret, err := os.ReadFile(filepath.Join(out, setup.WebhookSecretFile))
	require.NoError(n.t, err)
	require.NotContains(n.t, text, strings.TrimSpace(string(secret)))
}

// install waits for the link to install, and installs.
func (n *newcomer) install(r *running) {
	n.t.Helper()
	const address = "/apps/gatekeeper-acme/installations/new"
	require.Eventually(n.t, func() bool { return strings.Contains(r.stderr.String(), n.URL()+address) }, time.Minute, 20*time.Millisecond, "%s", r.stderr)
	status, _, body := n.visit(http.MethodPost, n.URL()+address, url.Values{"account": {"acme"}, "which": {"all"}})
	require.Equal(n.t, http.StatusSeeOther, status, body)
}

// Interrupted while GitHub's answer is on its way, nothing is lost; the same command goes
// on, with another browser.
func TestSetupInterrupted(t *testing.T) {
	t.Parallel()
	n := newNewcomer(t, standin.Options{})
	out := filepath.Join(t.TempDir(), "app")
	r := n.start("--out", out)
	link, origin := r.link(t)
	back := n.create(n.enter(link, origin))
	n.SetDelay(time.Second)
	answered := make(chan struct{})
	go func() {
		defer close(answered)
		req, err := http.NewRequestWithContext(context.WithoutCancel(t.Context()), http.MethodGet, back, nil)
		if err != nil {
			return
		}
		if resp, err := n.person.Do(req); err == nil {
			_ = resp.Body.Close()
		}
	}()
	require.Eventually(t, func() bool { return n.conversions() > 0 || n.waiting(origin) }, time.Minute, 10*time.Millisecond)
	r.cancel()
	require.Equal(t, exitFailed, r.end(t))
	<-answered
	require.Contains(t, r.stderr.String(), "Its credentials are in")
	n.SetDelay(0)

	var err error
	n.person.Jar, err = cookiejar.New(nil)
	require.NoError(t, err)
	again := n.start("--out", out)
	link, origin = again.link(t)
	require.Contains(t, n.enter(link, origin), "Install it on acme")
	n.install(again)
	require.Equal(t, 0, again.end(t), again.stderr)
	require.Contains(t, again.stdout.String(), "there already")
	require.Len(t, n.Apps(), 1)
	require.Equal(t, 1, n.conversions())
}

// waiting says whether the page works on an answer.
func (n *newcomer) waiting(origin string) bool {
	_, _, body := n.visit(http.MethodGet, origin+"/", nil)
	return strings.Contains(body, "is being worked on")
}
