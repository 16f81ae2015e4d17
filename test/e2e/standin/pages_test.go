package standin_test

import (
	"io"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestPages puts pages and a handler beside the API, which keeps what is its own.
func TestPages(t *testing.T) {
	w := newWorld(t)
	say := func(text string) http.Handler {
		return http.HandlerFunc(func(out http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(out, text) })
	}
	ask := func(method, path, accept string) (int, string) {
		req, err := http.NewRequestWithContext(t.Context(), method, w.s.URL()+path, nil)
		require.NoError(t, err)
		req.Header.Set("Accept", accept)
		resp, err := http.DefaultClient.Do(req)
		require.NoError(t, err)
		defer func() { require.NoError(t, resp.Body.Close()) }()
		body, err := io.ReadAll(resp.Body)
		require.NoError(t, err)
		return resp.StatusCode, string(body)
	}
	const browser, client = "text/html,*/*;q=0.8", "application/vnd.github+json"
	status, _ := ask(http.MethodGet, "/acme/env", browser)
	require.Equal(t, http.StatusNotFound, status, "nothing is mounted yet")

	w.s.MountPages("/", say("pages"))
	w.s.MountPages("/orgs/{org}/teams/{team}", say("team page"))
	w.s.Mount("/_standin/", say("control"))
	w.s.MountFiles("GET /{owner}/{repo}/raw/{rest...}", say("raw")) // neither pattern is more specific than the other
	w.s.MountFiles("/users/", say("users"))                         // overlaps the API, which keeps what it knows
	calls := len(w.s.Calls())
	for _, c := range []struct{ method, path, accept, want string }{
		{"GET", "/", browser, "pages"}, {"GET", "/acme/env", browser, "pages"}, {"POST", "/acme/env/pull/1", browser, "pages"},
		{"GET", "/orgs/acme/teams/sre", browser, "team page"},
		{"GET", "/_standin/x", client, "control"}, {"GET", "/_standin/x", browser, "control"}, {"GET", "/_standin/x/raw/y", client, "control"},
		{"GET", "/acme/env/raw/main/x", "*/*", "raw"}, {"GET", "/users/alice/followers", client, "users"},
	} {
		status, body := ask(c.method, c.path, c.accept)
		require.Equal(t, http.StatusOK, status, c.path)
		require.Equal(t, c.want, body, "%s for %s", c.path, c.accept)
	}
	require.Len(t, w.s.Calls(), calls, "pages are no API calls")
	for _, c := range []struct {
		method, path, accept string
		status               int
	}{
		{"GET", "/acme/env", client, 404}, {"GET", "/nothing", "*/*", 404}, {"POST", "/acme/env/raw/main/x", client, 404}, // unknown calls
		{"GET", "/meta", browser, 200}, {"GET", "/api/v3/meta", browser, 200}, {"GET", "/users/alice", browser, 200}, // the API's own
		{"GET", "/repos/acme/env", browser, 404}, {"GET", "/orgs/acme/teams/sre", client, 401}, // private, and nobody asks
		{"GET", "/api/v3/orgs/acme/teams/sre", browser, 401}, {"GET", "/api/v3/nothing", browser, 404}, {"GET", "/api/v3/_standin/x", browser, 404},
	} {
		status, body := ask(c.method, c.path, c.accept)
		require.Equal(t, c.status, status, c.path)
		require.Contains(t, body, "{", "%s is answered by the API", c.path)
		require.NotContains(t, body, "page", c.path)
	}
	status, _ = ask(http.MethodGet, "/acme/env.git/info/refs?service=git-upload-pack", browser)
	require.Equal(t, http.StatusUnauthorized, status, "git is git for everybody")
	require.Panics(t, func() { w.s.MountFiles("{", say("x")) })
}
