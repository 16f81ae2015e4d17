package clients

import (
	"fmt"
	"html"
	"io"
	"net"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/test/e2e/standin"
)

func TestOctokitConvertsAManifest(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	code := must(w.s.CreateFromManifest("acme", must(standin.ParseManifest([]byte(`{
		"name": "Release Gate", "url": "https://gate.example", "redirect_url": "http://127.0.0.1:9/done",
		"hook_attributes": {"url": "http://127.0.0.1:9/hook"}, "public": false,
		"default_permissions": {"pull_requests": "read", "checks": "write"}, "default_events": ["pull_request"]}`)))(t)))(t)
	var got struct {
		Status     int
		ID         int64
		Slug, Page string
		Self       struct {
			Slug        string
			Events      []string
			Permissions map[string]string
		}
		Secrets []bool
		Again   refusal
	}
	startNode(t, "manifest.mjs", map[string]any{"scenario": "convert", "baseUrl": strings.TrimSuffix(w.s.APIURL(), "/"), "code": code}).result(&got)
	require.Equal(t, 201, got.Status)
	require.Equal(t, "release-gate release-gate", got.Slug+" "+got.Self.Slug)
	require.True(t, strings.HasPrefix(got.Page, w.s.URL()+"/"), got.Page)
	require.Equal(t, []string{"pull_request"}, got.Self.Events)
	require.Equal(t, map[string]string{"pull_requests": "read", "checks": "write", "metadata": "read"}, got.Self.Permissions)
	require.Equal(t, []bool{true, true, true}, got.Secrets)
	got.Again.is(t, 404, "Not Found")
}

// freePort is a port that was free a moment ago: Probot takes 0 for its default.
func freePort(t *testing.T) string {
	t.Helper()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer func() { require.NoError(t, l.Close()) }()
	_, port, err := net.SplitHostPort(l.Addr().String())
	require.NoError(t, err)
	return port
}

// get reads a page, and does not follow where it leads.
func get(t *testing.T, url string) (status int, location, body string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	require.NoError(t, err)
	resp, err := http.DefaultTransport.RoundTrip(req)
	require.NoError(t, err)
	defer func() { require.NoError(t, resp.Body.Close()) }()
	text, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	return resp.StatusCode, resp.Header.Get("Location"), string(text)
}

// TestProbotSetsItselfUp goes through the setup page that Probot shows while it has no App, as a person
// with a browser does, up to the first pull request that the new App hears of.
func TestProbotSetsItselfUp(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	port := freePort(t)
	probot := "http://127.0.0.1:" + port
	n := startNode(t, "manifest.mjs", map[string]any{"scenario": "setup", "manifest": map[string]any{
		"name": "Greeter", "url": "https://greeter.example", "hook_attributes": map[string]string{"url": probot + "/api/github/webhooks"},
		"default_permissions": map[string]string{"pull_requests": "write"}, "default_events": []string{"pull_request"},
	}}, "NODE_ENV=development", "NO_SMEE_SETUP=true", "HOST=127.0.0.1", "PORT="+port,
		"GHE_HOST="+strings.TrimPrefix(w.s.URL(), "http://"), "GHE_PROTOCOL=http", "GH_ORG=acme")
	n.step("setup", nil)

	status, _, page := get(t, probot+"/probot")
	require.Equal(t, 200, status)
	form := regexp.MustCompile(`(?s)<form action="([^"]*)" method="post".*name="manifest"[^>]* value='([^']*)'`).FindStringSubmatch(page)
	require.NotNil(t, form, page)
	require.Equal(t, w.s.URL()+"/organizations/acme/settings/apps/new", form[1])
	manifest := must(standin.ParseManifest([]byte(html.UnescapeString(form[2]))))(t)
	require.Equal(t, probot+"/probot/setup", manifest.RedirectURL)
	code := must(w.s.CreateFromManifest("acme", manifest))(t)
	status, location, body := get(t, manifest.RedirectURL+"?code="+code)
	require.Equal(t, 302, status, body)
	require.Regexp(t, "^"+regexp.QuoteMeta(w.s.URL())+"/.*/installations/new$", location)
	n.reply(nil)

	var running struct{ AppID int64 }
	n.step("running", &running)
	must(w.s.Install(running.AppID, "acme", "env"))(t)
	opened := w.openPull("replicas: 2\n")
	w.delivered()
	comments := must(w.s.Comments("acme/env", opened.Number))(t)
	require.Len(t, comments, 1, "%+v", w.s.Deliveries(running.AppID))
	require.Equal(t, "greeter[bot]: Hello.", comments[0].Author+": "+comments[0].Body)
	n.reply(nil)
	var got struct {
		Names   []string
		Greeted []int
	}
	n.result(&got)
	require.Equal(t, []int{opened.Number}, got.Greeted)
	require.Equal(t, "[APP_ID PRIVATE_KEY WEBHOOK_SECRET GITHUB_CLIENT_ID GITHUB_CLIENT_SECRET]", fmt.Sprint(got.Names))
}
