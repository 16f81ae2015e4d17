package contract_test

import (
	"errors"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/test/e2e/standin/contract"
)

func newChecker(t testing.TB) *contract.Checker {
	t.Helper()
	c, err := contract.New()
	require.NoError(t, err)
	return c
}

// places are where a check found differences, with their kinds.
func places(t testing.TB, err error) []string {
	t.Helper()
	if err == nil {
		return nil
	}
	found, ok := errors.AsType[contract.Violations](err)
	require.True(t, ok, "%T", err)
	require.NotEmpty(t, found)
	var out []string
	for _, v := range found {
		require.NotEmpty(t, v.Of)
		require.NotEmpty(t, v.What)
		out = append(out, v.Where+": "+string(v.Kind))
	}
	return out
}

func TestRequest(t *testing.T) {
	const env = "/repos/acme/env"
	for _, c := range []struct {
		name, method, path, query, body string
		want                            []string
	}{
		{"fine", "GET", env + "/pulls", "state=open&per_page=100", "", nil},
		{"by ID", "GET", "/repositories/7/pulls", "", "", nil},
		{"no such endpoint", "GET", env + "/pulls/1/nothing", "", "", []string{"path: unchecked"}},
		{"no such method", "DELETE", env + "/pulls/1", "", "", []string{"path: unchecked"}},
		{"path type", "GET", env + "/pulls/one", "", "", []string{"path pull_number: wrong"}},
		{"query type", "GET", env + "/pulls", "per_page=all", "", []string{"query per_page: wrong"}},
		{"query enum", "GET", env + "/pulls", "state=merged", "", []string{"query state: wrong"}},
		{"query format", "GET", env + "/commits", "since=yesterday", "", []string{"query since: wrong"}},
		{"query boolean", "GET", env + "/rulesets", "includes_parents=1", "", []string{"query includes_parents: wrong"}},
		{"query twice", "GET", env + "/pulls", "state=open&state=all", "", []string{"query state: wrong"}},
		{"query unknown", "GET", env + "/pulls", "stat=open", "", []string{"query stat: unknown"}},
		{"body fine", "POST", env + "/pulls", "", `{"title":"x","head":"a","base":"b"}`, nil},
		{"body missing", "POST", env + "/pulls", "", "", []string{"body: wrong"}},
		{"body null", "POST", env + "/pulls", "", "null", []string{"body: wrong"}},
		{"body null where none is needed", "POST", "/app/installations/1/access_tokens", "", "null\n", nil},
		{"body no JSON", "POST", env + "/pulls", "", "{", []string{"body: wrong"}},
		{"body twice", "POST", env + "/pulls", "", `{"title":"x","head":"a","base":"b"}{}`, []string{"body: wrong"}},
		{"body no object", "POST", env + "/pulls", "", "[]", []string{"body: wrong"}},
		{"body undocumented", "GET", env + "/pulls", "", "{}", []string{"body: unknown"}},
		{"body field missing", "POST", env + "/pulls", "", `{"title":"x","head":"a"}`, []string{"body /base: wrong"}},
		{"body field type", "POST", env + "/pulls", "", `{"title":1,"head":"a","base":"b"}`, []string{"body /title: wrong"}},
		{"body field unknown", "POST", env + "/pulls", "", `{"title":"x","head":"a","base":"b","labels":[]}`, []string{"body /labels: unknown"}},
		{"body enum", "PUT", env + "/pulls/1/merge", "", `{"merge_method":"octopus"}`, []string{"body /merge_method: wrong"}},
		{"body nested", "POST", env + "/pulls/1/reviews", "", `{"comments":[{"path":"a","body":"b","lin":3}]}`, []string{"body /comments/0/lin: unknown"}},
		{"body too long", "POST", env + "/check-runs", "", `{"name":"x","head_sha":"y","actions":[{"label":"123456789012345678901","description":"d","identifier":"i"}]}`,
			[]string{"body /actions/0/label: wrong"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			query, err := url.ParseQuery(c.query)
			require.NoError(t, err)
			require.Equal(t, c.want, places(t, newChecker(t).Request(c.method, c.path, query, []byte(c.body))))
		})
	}
}

const ref = `{"ref":"refs/heads/main","node_id":"x","url":"https://h/x","object":{"type":"commit","sha":"0123456789012345678901234567890123456789","url":"https://h/y"}}`

const reaction = `{"id":1,"node_id":"x","user":null,"content":"+1","created_at":"2026-11-21T10:00:00Z"}`

func TestResponse(t *testing.T) {
	const path = "/repos/acme/env/git/ref/heads/feature/x"
	reactions := "/repos/acme/env/issues/comments/1/reactions"
	for _, c := range []struct {
		name, method, path string
		status             int
		body               string
		want               []string
	}{
		{"fine", "GET", path, 200, ref, nil},
		{"nullable", "POST", reactions, 201, reaction, nil},
		{"not nullable", "GET", path, 200, strings.Replace(ref, `"https://h/x"`, "null", 1), []string{"status 200 body /url: wrong"}},
		{"type", "GET", path, 200, strings.Replace(ref, `"commit"`, "7", 1), []string{"status 200 body /object/type: wrong"}},
		{"integer", "POST", reactions, 201, strings.Replace(reaction, `"id":1`, `"id":1.5`, 1), []string{"status 201 body /id: wrong"}},
		{"missing", "GET", path, 200, strings.Replace(ref, `"node_id":"x",`, "", 1), []string{"status 200 body /node_id: wrong"}},
		{"unknown", "GET", path, 200, strings.Replace(ref, `"node_id"`, `"more":1,"node_id"`, 1), []string{"status 200 body /more: unknown"}},
		{"unknown below", "GET", path, 200, strings.Replace(ref, `"type"`, `"more":1,"type"`, 1), []string{"status 200 body /object/more: unknown"}},
		{"enum", "POST", reactions, 201, strings.Replace(reaction, "+1", "meh", 1), []string{"status 201 body /content: wrong"}},
		{"time", "POST", reactions, 201, strings.Replace(reaction, "2026-11-21T10:00:00Z", "2026-11-21 10:00", 1), []string{"status 201 body /created_at: wrong"}},
		{"address", "GET", path, 200, strings.Replace(ref, "https://h/x", "/x", 1), []string{"status 200 body /url: wrong"}},
		{"length", "GET", path, 200, strings.Replace(ref, "0123456789012345678901234567890123456789", "0123", 1), []string{"status 200 body /object/sha: wrong"}},
		{"no JSON", "GET", path, 200, ref + "x", []string{"status 200 body: wrong"}},
		{"no body", "GET", path, 200, "", []string{"status 200: wrong"}},
		{"other success", "GET", path, 201, ref, []string{"status 201: wrong"}},
		{"own failure", "GET", path, 500, `{"message":"Server Error"}`, []string{"status 500: wrong"}},
		{"not modified", "GET", path, 304, "", nil},
		{"not modified with a body", "GET", path, 304, ref, []string{"status 304: wrong"}},
		{"redirect to nowhere", "GET", path, 307, `{"message":"Moved"}`, []string{"status 307: wrong"}},
		{"empty answer", "DELETE", "/repos/acme/env/issues/comments/1", 204, "", nil},
		{"empty answer with a body", "DELETE", "/repos/acme/env/issues/comments/1", 204, "{}", []string{"status 204: wrong"}},
		{"undocumented refusal", "GET", path, 403, `{"message":"no","documentation_url":"https://h","status":"403"}`, nil},
		{"undocumented refusal of another form", "GET", path, 403, `{"error":"no"}`, []string{"status 403 body /error: unknown"}},
		{"documented refusal of another form", "POST", "/repos/acme/env/pulls", 422, `{"message":"no","documentation_url":"https://h","errors":[{"resource":"x"}]}`, []string{"status 422 body /errors/0/code: wrong"}},
		{"no such endpoint", "GET", "/nothing", 404, `{"message":"Not Found"}`, nil},
		{"no such endpoint but an answer", "GET", "/nothing", 200, `{}`, []string{"path: unchecked"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			checker := newChecker(t)
			header := http.Header{"Content-Type": {"application/json; charset=utf-8"}}
			for range 2 { // the second time from memory, or not
				require.Equal(t, c.want, places(t, checker.Response(c.method, c.path, c.status, header, []byte(c.body))))
			}
		})
	}
}

func TestResponseHeaders(t *testing.T) {
	c := newChecker(t)
	const path = "/repos/acme/env/git/ref/heads/main"
	require.Equal(t, []string{"status 200: wrong"}, places(t, c.Response("GET", path, 200, http.Header{"Content-Type": {"text/html"}}, []byte(ref))))
	require.Equal(t, []string{"status 200: wrong"}, places(t, c.Response("GET", path, 200, http.Header{}, []byte(ref))))
	require.NoError(t, c.Response("GET", path, 301, http.Header{"Location": {"https://h"}, "Content-Type": {"application/json"}}, []byte(`{"message":"Moved Permanently"}`)))
	require.NoError(t, c.Response("GET", "/repos/acme/env/pulls/1", 200, http.Header{"Content-Type": {"application/vnd.github.diff; charset=utf-8"}}, []byte("diff --git a/x b/x\n")))
	// An answer that was fine once is not fine with another status or type.
	require.NoError(t, c.Response("GET", path, 200, http.Header{"Content-Type": {"application/json"}}, []byte(ref)))
	require.Error(t, c.Response("GET", path, 202, http.Header{"Content-Type": {"application/json"}}, []byte(ref)))
	require.Error(t, c.Response("GET", path, 200, http.Header{"Content-Type": {"text/plain"}}, []byte(ref)))
}

func TestFindPrefersWords(t *testing.T) {
	c := newChecker(t)
	for path, want := range map[string]string{
		"/repos/a/b/issues/comments/1":         "/repos/{owner}/{repo}/issues/comments/{comment_id}",
		"/repos/a/b/commits/x/y":               "/repos/{owner}/{repo}/commits/{ref}",
		"/repos/a/b/commits/x/pulls":           "/repos/{owner}/{repo}/commits/{commit_sha}/pulls",
		"/repos/a/b/branches/release/1":        "/repos/{owner}/{repo}/branches/{branch}",
		"/repos/a/b/branches/main/protection":  "/repos/{owner}/{repo}/branches/{branch}/protection",
		"/repositories/9/contents/a/b/c.yaml":  "/repos/{owner}/{repo}/contents/{path}",
		"/repos/a/b/compare/main...feature/x":  "/repos/{owner}/{repo}/compare/{basehead}",
		"/orgs/acme/teams/sre/memberships/bob": "/orgs/{org}/teams/{team_slug}/memberships/{username}",
	} {
		o, _ := c.Find("GET", path)
		require.NotNil(t, o, path)
		require.Equal(t, want, o.Path, path)
	}
	o, _ := c.Find("GET", "/repos/a/b/pulls/1/2")
	require.Nil(t, o)
	o, _ = c.Find("GET", "/repos//b")
	require.Nil(t, o)
}

const ping = `{"zen":"z","hook_id":1,"hook":{"type":"App","id":1,"name":"web","active":true,"events":["push"],"app_id":1,
"config":{"content_type":"json","insecure_ssl":"0","url":"https://h/x"},"created_at":"2026-11-21T10:00:00Z","updated_at":"2026-11-21T10:00:00Z"}}`

func TestWebhook(t *testing.T) {
	for _, c := range []struct {
		name, event, action, body string
		want                      []string
	}{
		{"fine", "ping", "", ping, nil},
		{"no such event", "pong", "", ping, []string{"event: unchecked"}},
		{"no such action", "ping", "created", ping, []string{"event: unchecked"}},
		{"type", "ping", "", strings.Replace(ping, `"hook_id":1`, `"hook_id":"1"`, 1), []string{"body /hook_id: wrong"}},
		{"missing", "ping", "", strings.Replace(ping, `"active":true,`, "", 1), []string{"body /hook/active: wrong"}},
		{"unknown", "ping", "", strings.Replace(ping, `"zen"`, `"hello":1,"zen"`, 1), []string{"body /hello: unknown"}},
		{"unknown below", "ping", "", strings.Replace(ping, `"active"`, `"hello":1,"active"`, 1), []string{"body /hook/hello: unknown"}},
		{"cut off", "ping", "", ping[:40], []string{"body: wrong"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			checker := newChecker(t)
			for range 2 {
				require.Equal(t, c.want, places(t, checker.Webhook(c.event, c.action, []byte(c.body))))
			}
		})
	}
	require.Contains(t, places(t, newChecker(t).Webhook("team", "created", []byte(`{"action":"deleted"}`))), "body /action: wrong")
}

func TestHeaders(t *testing.T) {
	h := http.Header{}
	for _, name := range []string{"User-Agent", "X-GitHub-Hook-ID", "X-GitHub-Event", "X-GitHub-Hook-Installation-Target-ID",
		"X-GitHub-Hook-Installation-Target-Type", "X-GitHub-Delivery"} {
		h.Set(name, "x")
	}
	c := newChecker(t)
	require.NoError(t, c.Headers("push", h, false))
	require.Equal(t, []string{"header X-Hub-Signature-256: wrong"}, places(t, c.Headers("push", h, true)))
	h.Del("X-GitHub-Delivery")
	require.Equal(t, []string{"header X-GitHub-Delivery: wrong"}, places(t, c.Headers("push", h, false)))
}

func TestViolationsTellAll(t *testing.T) {
	err := newChecker(t).Request("POST", "/repos/a/b/pulls", nil, []byte(`{"title":1,"extra":true}`))
	require.ErrorContains(t, err, "POST /repos/{owner}/{repo}/pulls: body /extra: is not in the description (unknown)")
	require.ErrorContains(t, err, "body /title: is number, not string (wrong)")
	require.ErrorContains(t, err, "body /head: is missing (wrong)")
}

// TestManyAtOnce is for the race detector: schemas are compiled once, by whoever comes first.
func TestManyAtOnce(t *testing.T) {
	c := newChecker(t)
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			for _, path := range []string{"/repos/a/b/pulls", "/repos/a/b/teams", "/orgs/a/members", "/repos/a/b/rulesets"} {
				body := "[" + strings.Repeat(" ", i) + "]"
				if err := c.Response("GET", path, 200, http.Header{"Content-Type": {"application/json"}}, []byte(body)); err != nil {
					t.Error(err)
				}
				if err := c.Webhook("ping", "", []byte(ping)); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
}

// TestPartsAreTakenTogether: a rule of a branch is allOf a rule of its type and where it comes from.
func TestPartsAreTakenTogether(t *testing.T) {
	const rule = `[{"type":"pull_request","ruleset_source_type":"Repository","ruleset_source":"a/b","ruleset_id":1,"parameters":
{"dismiss_stale_reviews_on_push":true,"require_code_owner_review":false,"require_last_push_approval":false,"required_approving_review_count":1,"required_review_thread_resolution":false}}]`
	check := func(old, with string) []string {
		return places(t, newChecker(t).Response("GET", "/repos/a/b/rules/branches/main", 200, http.Header{"Content-Type": {"application/json"}}, []byte(strings.Replace(rule, old, with, 1))))
	}
	require.Empty(t, check("", ""))
	require.NotEmpty(t, check(`"ruleset_id"`, `"key":1,"ruleset_id"`))
	require.Contains(t, check(`"require_code_owner_review"`, `"key":1,"require_code_owner_review"`), "status 200 body /0/parameters/key: unknown")
	found := check(`"required_approving_review_count":1`, `"required_approving_review_count":11`)
	require.Equal(t, []string{"status 200 body /0/parameters/required_approving_review_count: wrong"}, found, "what is left over when a part fails means nothing")
}
