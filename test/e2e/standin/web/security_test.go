package web_test

import (
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/test/e2e/standin"
)

// TestCrossSite sends each kind of form from other sites: nothing may happen.
func TestCrossSite(t *testing.T) {
	w := seeded(t)
	comment := url.Values{"do": {"comment"}, "body": {"forged"}, "as": {"alice"}}
	origins := map[string]func(*http.Request){
		"cross-site": func(r *http.Request) { r.Header.Set("Sec-Fetch-Site", "cross-site") },
		"same-site":  func(r *http.Request) { r.Header.Set("Sec-Fetch-Site", "same-site") }, // another port of this host
		"origin": func(r *http.Request) {
			r.Header.Del("Sec-Fetch-Site")
			r.Header.Set("Origin", "https://evil.example")
		},
		"null": func(r *http.Request) {
			r.Header.Del("Sec-Fetch-Site")
			r.Header.Set("Origin", "null")
		},
	}
	before, err := w.gh.Comments(repo, 1)
	require.NoError(t, err)
	installations := len(w.gh.Installations())
	for name, from := range origins {
		for _, p := range []string{"/acme/env/pull/1", "/me", "/deliveries", "/calls", "/acme/env/edit/main/" + file, "/settings/apps", "/organizations/acme/settings/apps",
			"/apps/gatekeeper/installations/new", path("/settings/installations/", w.installation), "/acme/env/compare/main...feature/limit%3Ci%3E"} {
			form := url.Values{"manifest": {"{}"}, "do": {"uninstall"}}
			if p == "/acme/env/pull/1" {
				form = comment
			}
			require.Equal(t, http.StatusForbidden, w.do(http.MethodPost, p, form, from).Status, "%s to %s", name, p)
		}
	}
	after, err := w.gh.Comments(repo, 1)
	require.NoError(t, err)
	require.Equal(t, before, after)
	require.Len(t, w.gh.Installations(), installations)
	require.Equal(t, http.StatusSeeOther, w.do(http.MethodPost, "/acme/env/pull/1", comment).Status, "the same form of this site")
}

// TestForeignHost is DNS rebinding: a name of somebody else that points to loopback.
func TestForeignHost(t *testing.T) {
	w := seeded(t)
	_, port, _ := strings.Cut(strings.TrimPrefix(w.gh.URL(), "http://"), ":")
	for host, status := range map[string]int{
		"evil.example": 421, "evil.example:" + port: 421, "127.0.0.1.evil.example": 421, "localhost.evil.example": 421, "10.0.0.1": 421, "0.0.0.0": 421,
		"localhost:" + port: 200, "127.0.0.1:" + port: 200, "[::1]:" + port: 200, "127.0.0.1": 200,
	} {
		got := w.get("/acme/env/pull/1", func(r *http.Request) { r.Host = host })
		require.Equal(t, status, got.Status, host)
		require.Equal(t, status == 200, strings.Contains(got.Body, "Raise the limit"), host)
	}
	form := url.Values{"do": {"comment"}, "body": {"x"}, "as": {"alice"}}
	require.Equal(t, 421, w.do(http.MethodPost, "/acme/env/pull/1", form, func(r *http.Request) { r.Host = "evil.example" }).Status)
}

func TestLargeForm(t *testing.T) {
	w := seeded(t)
	got := w.post("/acme/env/pull/1", "do", "comment", "as", "alice", "body", strings.Repeat("x", 1<<20))
	require.Equal(t, http.StatusRequestEntityTooLarge, got.Status)
	require.Contains(t, got.Body, "Too much")
	got = w.do(http.MethodPost, "/acme/env/pull/1", nil, func(r *http.Request) { r.URL.RawQuery = "a=%zz" })
	require.Equal(t, http.StatusBadRequest, got.Status)
}

// TestSecretsAreOnNoPage opens every page and looks for every secret of the world.
func TestSecretsAreOnNoPage(t *testing.T) {
	w := seeded(t)
	m := standin.Manifest{Name: "Another", URL: "https://app.example", RedirectURL: "https://app.example/done"}
	code, err := w.gh.CreateFromManifest("acme", m)
	require.NoError(t, err)
	unused, err := w.gh.CreateFromManifest("acme", standin.Manifest{Name: "Third", URL: "https://app.example", RedirectURL: "https://app.example/done"})
	require.NoError(t, err)
	credentials, err := w.gh.CompleteManifest(code)
	require.NoError(t, err)
	w.get("/api/v3/app-manifests/"+unused+"/conversions", func(r *http.Request) { r.Method = http.MethodPut }) // shows up in the log of calls
	secrets := []string{hookSecret, code, unused, credentials.ClientSecret, credentials.WebhookSecret, "PRIVATE KEY", "ghs_", "ghp_", strings.Split(string(w.app.PrivateKeyPEM), "\n")[1]}
	for _, token := range w.tokens {
		secrets = append(secrets, token)
	}
	queue, seen, pages := []string{"/"}, map[string]bool{"/": true}, 0
	for len(queue) > 0 {
		p := queue[0]
		queue = queue[1:]
		got := w.get(p)
		pages++
		for _, secret := range secrets {
			require.False(t, holds(got.Body, secret), "a secret is on %s", p)
		}
		if !strings.Contains(got.Header.Get("Content-Type"), "text/html") {
			continue
		}
		harmless(t, got.Body)
		for n := range parse(t, got.Body).Descendants() {
			to, _, _ := strings.Cut(attr(n, "href"), "#")
			if strings.HasPrefix(to, "/") && !seen[to] {
				seen[to] = true
				queue = append(queue, to)
			}
		}
	}
	require.Greater(t, pages, 60)
	for _, d := range w.gh.Deliveries(w.app.ID) {
		signature := strings.TrimPrefix(d.Header["X-Hub-Signature-256"], "sha256=")
		require.Len(t, signature, 64)
		require.NotContains(t, w.get(path("/deliveries/", d.ID)).Body, signature)
	}
}

// TestFilesAreInOnePlace keeps the promise that pages load nothing from elsewhere.
func TestFilesAreInOnePlace(t *testing.T) {
	var files []string
	for _, pattern := range []string{"static/*", "templates/*"} {
		found, err := filepath.Glob(pattern)
		require.NoError(t, err)
		files = append(files, found...)
	}
	require.Greater(t, len(files), 15)
	for _, name := range files {
		text, err := os.ReadFile(name)
		require.NoError(t, err)
		for _, bad := range []string{"https://", "url(", "@import", "style=", "onclick"} {
			require.NotContains(t, string(text), bad, name)
		}
		rest := strings.ReplaceAll(string(text), "http://www.w3.org/2000/svg", "")
		require.NotContains(t, rest, "http://", name)
	}
}

func TestKnobs(t *testing.T) {
	w := seeded(t)
	before := len(w.gh.Deliveries(w.app.ID))
	require.Equal(t, 303, w.post("/deliveries", "do", "pause").Status)
	for _, text := range []string{"one", "two"} {
		_, err := w.gh.As("alice").Comment(repo, 1, text)
		require.NoError(t, err)
	}
	page := w.get("/deliveries").Body
	require.Contains(t, page, "Paused")
	require.Contains(t, page, "2 events wait.")
	first := w.gh.Queue(w.app.ID).Waiting[0].ID
	w.post("/deliveries", "do", "reverse")
	require.Equal(t, first, w.gh.Queue(w.app.ID).Waiting[1].ID)
	w.post("/deliveries", "do", "lose")
	require.Empty(t, w.gh.Queue(w.app.ID).Waiting)
	w.post("/deliveries", "do", "drop", "n", "1")
	_, err := w.gh.As("alice").Comment(repo, 1, "three")
	require.NoError(t, err)
	require.Contains(t, w.get("/deliveries").Body, "The next 1 will fail.")
	w.post("/deliveries", "do", "resume")
	w.delivered()
	past := w.gh.Deliveries(w.app.ID)
	require.Len(t, past, before+1)
	lost := past[before]
	require.Equal(t, "failed to connect to host", lost.Status)
	require.Contains(t, w.get(path("/deliveries/", lost.ID)).Body, "There was no answer.")
	require.Equal(t, 303, w.post(path("/deliveries/", lost.ID)).Status)
	w.delivered()
	again := w.gh.Deliveries(w.app.ID)[before+1]
	require.Equal(t, lost.GUID, again.GUID)
	require.True(t, again.Redelivery)
	require.Equal(t, 422, w.post("/deliveries", "do", "drop", "n", "many").Status)
	require.Equal(t, 404, w.post("/deliveries", "do", "dance").Status)
	require.Equal(t, 303, w.post("/calls").Status)
	require.Contains(t, w.get("/calls").Body, "0 requests")
}
