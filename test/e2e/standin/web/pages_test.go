package web_test

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/net/html"
)

func TestPages(t *testing.T) {
	w := seeded(t)
	deliveries := w.gh.Deliveries(w.app.ID)
	for _, c := range []struct {
		path string
		has  []string
	}{
		{"/", []string{"Open pull requests", "Raise the limit", "alice", "acme/sre", "Answer", w.gh.APIURL()}},
		{"/alice", []string{"alice@example.com", "write", "Raise the limit"}},
		{"/acme", []string{"Organisation", "sre", "acme/env"}},
		{"/gatekeeper%5Bbot%5D", []string{"Bot of the App", "/apps/gatekeeper"}},
		{"/orgs/acme/teams/sre", []string{"bob", "carol", "write"}},
		{"/acme/env", []string{"README.md", "What runs <em>where</em>", "envs", "Activity", "force-pushed", "Who may what", w.gh.URL() + "/acme/env.git"}},
		{"/acme/env/tree/main/envs/prod", []string{"values.yaml", ".."}},
		{"/acme/env/tree/feature/limit%3Ci%3E", []string{"feature/limit&lt;i&gt;"}},
		{"/acme/env/blob/main/" + file, []string{"limit: 1000", "Raw", "Edit"}},
		{"/acme/env/blob/main/docs/a%20b%2520%3Cc%3E%23d%3F.md", []string{"odd"}},
		{"/acme/env/commits/main", []string{"Initial commit"}},
		{"/acme/env/commit/" + w.pull(1).Head, []string{"&lt;b&gt;Start again", "limit: 4000", "gatekeeper/prod", "#1 Raise the limit"}},
		{"/acme/env/branches", []string{"feature/limit&lt;i&gt;", "default"}},
		{"/acme/env/activity", []string{"force-pushed", "merged into"}},
		{"/acme/env/pulls", []string{"Raise the limit", "Open <span class=\"count\">1"}},
		{"/acme/env/pulls?state=closed", []string{"From my fork", "merged"}},
		{"/acme/env/pull/1", []string{"open", "Looks right", "no longer the head", "the head", "force-pushed", "Answered &lt;i&gt;elsewhere",
			"a deleted user", "asked acme/sre for a review", "<summary>More</summary>", "<em>folded</em>", "<sub>small</sub>", "gatekeeper/prod", "action required",
			"four times as much", ">Hold</button>", "Approve", "Squash", "limit: 4000", "dismissed", "behind", "docs/&lt;b&gt;x⟦U&#43;202E⟧.md"}},
		{"/acme/env/pull/2", []string{"merged", "landed as"}},
		{"/acme/env/pull/3", []string{"alice/env", "Open again", "changed the title"}},
		{path("/acme/env/runs/", w.run), []string{"gatekeeper/prod", "#1", "gatekeeper.example"}},
		{"/acme/env/compare", []string{"Compare branches"}},
		{"/acme/env/compare/main...feature/limit%3Ci%3E", []string{"proposes this", "limit: 4000"}},
		{"/acme/env/compare/000000000000...main", []string{"has everything"}},
		{"/acme/env/compare/main...000000000000", []string{"was deleted"}},
		{"/acme/env/edit/main/" + file, []string{"<textarea", "limit: 1000"}},
		{"/acme/env/new/main/envs", []string{"New file", "value=\"envs/\""}},
		{"/deliveries", []string{"Pause", "Running", "500 Invalid HTTP Response: 500", "issue_comment"}},
		{"/deliveries?app=gatekeeper", []string{"pull_request"}},
		{path("/deliveries/", deliveries[0].ID), []string{"ping", "Redeliver", "X-Hub-Signature-256", "sha256=", "&#34;zen&#34;", "&lt;b&gt;ping&lt;/b&gt;"}},
		{"/calls", []string{"POST /repos/{owner}/{repo}/check-runs", "gatekeeper[bot]", "201"}},
		{"/apps/gatekeeper", []string{"pull requests", "write", "acme/env", "Install"}},
		{"/apps/gatekeeper/installations/new", []string{"It is installed here", "On alice", "alice/env"}},
		{path("/settings/installations/", w.installation), []string{"Suspend", "Uninstall", "acme/env"}},
		{path("/organizations/acme/settings/installations/", w.installation), []string{"Suspend"}},
	} {
		t.Run(c.path, func(t *testing.T) {
			got := w.get(c.path)
			require.Equal(t, http.StatusOK, got.Status, got.Body)
			require.Contains(t, got.Header.Get("Content-Type"), "text/html")
			policy := got.Header.Get("Content-Security-Policy")
			require.Contains(t, policy, "default-src 'none'")
			require.NotContains(t, policy, "unsafe")
			require.Equal(t, "nosniff", got.Header.Get("X-Content-Type-Options"))
			for _, text := range c.has {
				require.True(t, holds(got.Body, text), "the page lacks %q", text)
			}
			harmless(t, got.Body)
			accessible(t, got.Body)
		})
	}
}

func TestTextPages(t *testing.T) {
	w := seeded(t)
	for _, c := range []struct{ path, kind, has string }{
		{"/acme/env/pull/1.diff", "text/plain", "+limit: 4000"},
		{"/acme/env/pull/1.patch", "text/plain", "Subject: [PATCH]"},
		{"/acme/env/raw/main/" + file, "text/plain", "limit: 1000"},
		{"/acme/env/raw/feature/limit%3Ci%3E/" + file, "text/plain", "limit: 4000"},
		{"/avatars/alice", "image/svg+xml", ">A<"},
		{"/avatars/%3Cscript%3E", "image/svg+xml", "&lt;"},
		{"/_pages/style.css", "text/css", "prefers-color-scheme: dark"},
		{"/_pages/live.js", "javascript", "data-live"},
		{"/_pages/gate.svg", "image/svg+xml", "<svg"},
	} {
		// These are asked for by programs and by <img> as well, which do not want HTML.
		got := w.get(c.path, func(r *http.Request) { r.Header.Set("Accept", "*/*") })
		require.Equal(t, http.StatusOK, got.Status, c.path)
		require.Contains(t, got.Header.Get("Content-Type"), c.kind, c.path)
		require.Contains(t, got.Body, c.has, c.path)
	}
}

func TestMissingPages(t *testing.T) {
	w := seeded(t)
	for _, p := range []string{"/nobody", "/acme/nothing", "/acme/env/pull/99", "/acme/env/pull/x", "/acme/env/blob/main/nothing", "/acme/env/blob/main/envs",
		"/acme/env/tree/nothing", "/acme/env/blob/main/../../x", "/acme/env/commit/0123456", "/acme/env/wiki", "/acme/env/runs/1", "/deliveries/1", "/apps/none",
		"/orgs/acme/teams/none", "/settings/installations/1", "/organizations/alice/settings/installations/40001", "/acme/env/compare/main...nothing",
		"/acme/env/edit/main/nothing", "/a/b/c/d", "/acme/env/blob/main/a%00b"} {
		got := w.get(strings.ReplaceAll(p, "..", "%2e%2e"))
		require.Equal(t, http.StatusNotFound, got.Status, p)
		require.Contains(t, got.Body, "Not found", p)
		harmless(t, got.Body)
	}
}

// TestLinks opens every address that the pages and the API's answers hold.
func TestLinks(t *testing.T) {
	w := seeded(t)
	queue, seen := []string{"/"}, map[string]string{}
	add := func(from, address string) {
		u, err := url.Parse(address)
		require.NoError(t, err, "%s on %s", address, from)
		if u.IsAbs() && u.Scheme+"://"+u.Host != w.gh.URL() {
			require.Equal(t, "https://gatekeeper.example/run", address, "on %s", from)
			return
		}
		if p := u.RequestURI(); p != "" && u.Path != "" && seen[p] == "" {
			seen[p] = from
			queue = append(queue, p)
		}
	}
	for _, api := range []string{"/repos/acme/env", "/repos/acme/env/pulls?state=all", "/repos/acme/env/pulls/1", "/repos/acme/env/pulls/1/files", "/repos/acme/env/pulls/1/reviews",
		"/repos/acme/env/pulls/1/commits", "/repos/acme/env/issues/1/comments", "/repos/acme/env/commits", "/repos/acme/env/commits/main", "/repos/acme/env/compare/main...feature/limit%3Ci%3E",
		"/orgs/acme/teams", "/orgs/acme/teams/sre/members", "/user", "/repos/acme/env/branches/main"} {
		got := w.get("/api/v3"+api, func(r *http.Request) { r.Header.Set("Authorization", "Bearer "+w.tokens["carol"]) })
		require.Equal(t, http.StatusOK, got.Status, api)
		var v any
		require.NoError(t, json.Unmarshal([]byte(got.Body), &v))
		webAddresses(v, func(address string) { add(api, address) })
	}
	runs := w.asApp(http.MethodGet, "/repos/acme/env/commits/"+w.pull(1).Head+"/check-runs", nil)
	webAddresses(runs, func(address string) { add("check-runs", address) })
	for _, d := range w.gh.Deliveries(w.app.ID) {
		var v any
		require.NoError(t, json.Unmarshal(d.Payload, &v))
		webAddresses(v, func(address string) { add("event "+d.Event, address) })
	}
	require.Greater(t, len(queue), 30, "the API gave no addresses")
	for len(queue) > 0 {
		p := queue[0]
		queue = queue[1:]
		got := w.get(p)
		if got.Status == http.StatusFound {
			got = w.get(got.Location)
		}
		require.Equal(t, http.StatusOK, got.Status, "%s, found on %s", p, seen[p])
		if !strings.Contains(got.Header.Get("Content-Type"), "text/html") {
			continue
		}
		for n := range parse(t, got.Body).Descendants() {
			for _, a := range n.Attr {
				if a.Key == "href" && !strings.HasPrefix(a.Val, "mailto:") || a.Key == "src" {
					if fragment, inPage := strings.CutPrefix(a.Val, "#"); inPage {
						require.True(t, holds(got.Body, `id="`+fragment+`"`), "nothing has the ID %s on %s", fragment, p)
						continue
					}
					add(p, a.Val)
				}
			}
		}
	}
	t.Logf("%d addresses opened", len(seen))
}

// webAddresses visits what the API says a browser can open.
func webAddresses(v any, visit func(string)) {
	switch v := v.(type) {
	case map[string]any:
		for k, one := range v {
			text, ok := one.(string)
			switch k {
			case "html_url", "diff_url", "patch_url", "blob_url", "raw_url", "permalink_url", "avatar_url", "compare":
				if ok {
					visit(text)
				}
			}
			webAddresses(one, visit)
		}
	case []any:
		for _, one := range v {
			webAddresses(one, visit)
		}
	}
}

func parse(t *testing.T, body string) *html.Node {
	t.Helper()
	doc, err := html.Parse(strings.NewReader(body))
	require.NoError(t, err)
	return doc
}

func attr(n *html.Node, key string) string {
	for _, a := range n.Attr {
		if a.Key == key {
			return a.Val
		}
	}
	return ""
}

// harmless finds what a browser would run or load.
func harmless(t *testing.T, body string) {
	t.Helper()
	for n := range parse(t, body).Descendants() {
		if n.Type != html.ElementNode {
			continue
		}
		switch n.Data {
		case "script":
			require.Equal(t, "/_pages/live.js", attr(n, "src"))
			require.Nil(t, n.FirstChild)
		case "style", "iframe", "object", "embed", "svg", "math", "base":
			require.Fail(t, "a page has <"+n.Data+">")
		case "img":
			require.Regexp(t, `^/(_pages|avatars)/`, attr(n, "src"))
		case "form":
			require.Regexp(t, `^/`, attr(n, "action"))
			require.NotEmpty(t, attr(n, "method"), "a form that is none of the templates'")
		}
		for _, a := range n.Attr {
			require.False(t, strings.HasPrefix(a.Key, "on"), "%s on <%s>", a.Key, n.Data)
			require.NotContains(t, []string{"style", "srcdoc", "formaction"}, a.Key, "on <%s>", n.Data)
			require.NotContains(t, strings.ToLower(a.Val)[:min(len(a.Val), 11)], "javascript:")
		}
	}
}

// accessible looks for what assistive technology needs: names of fields, buttons and images; unique IDs.
func accessible(t *testing.T, body string) {
	t.Helper()
	ids, labels := map[string]bool{}, map[string]bool{}
	doc := parse(t, body)
	for n := range doc.Descendants() {
		if id := attr(n, "id"); id != "" {
			require.False(t, ids[id], "two elements have the ID %s", id)
			ids[id] = true
		}
		if n.Data == "label" {
			labels[attr(n, "for")] = true
		}
	}
	for n := range doc.Descendants() {
		switch {
		case n.Data == "html" && n.Type == html.ElementNode:
			require.Equal(t, "en", attr(n, "lang"))
		case n.Data == "img":
			require.NotEqual(t, -1, strings.Index(render(n), "alt="), render(n))
		case n.Data == "select", n.Data == "textarea", n.Data == "input" && attr(n, "type") != "hidden":
			inside := false
			for p := range n.Ancestors() {
				inside = inside || p.Data == "label"
			}
			task := attr(n, "type") == "checkbox" && strings.Contains(render(n), "disabled")
			require.True(t, inside || task || labels[attr(n, "id")], "no label: %s", render(n))
		}
	}
}

func render(n *html.Node) string {
	var b strings.Builder
	_ = html.Render(&b, n) // never fails into a Builder
	return b.String()
}
