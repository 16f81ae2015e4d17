package standin_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/test/e2e/standin"
)

// FuzzRequests sends arbitrary methods, paths and bodies as a person who may write: whatever comes
// in, the answer is JSON (or git's), and never a failure of the stand-in.
func FuzzRequests(f *testing.F) {
	s, err := standin.Start(f.Context(), standin.Options{Dir: f.TempDir()})
	require.NoError(f, err)
	f.Cleanup(func() { require.NoError(f, s.Close()) })
	user, err := s.CreateUser("alice", "Alice")
	require.NoError(f, err)
	_, err = s.CreateUser("bob", "Bob")
	require.NoError(f, err)
	_, err = s.CreateRepository("alice", "env", standin.RepositoryOptions{Collaborators: map[string]string{"bob": "write"}})
	require.NoError(f, err)
	_, err = s.As("bob").OpenPull("alice/env", standin.PullOptions{Title: "x", Change: standin.Change{Files: map[string]string{"a": "b"}}})
	require.NoError(f, err)
	for _, seed := range []struct{ method, path, body string }{
		{"GET", "/repos/alice/env/pulls?page=1&per_page=0&head=:", ""},
		{"POST", "/api/v3/repos/alice/env/pulls", `{"title":"x","head":"main","base":"main"}`},
		{"PATCH", "/repos/alice/env/pulls/1", `{"base":null,"state":"open"}`},
		{"POST", "/repos/alice/env/pulls/1/reviews", `{"event":"APPROVE","commit_id":"zz"}`},
		{"PUT", "/repos/alice/env/pulls/1/merge", `{"merge_method":"octopus"}`},
		{"PUT", "/repos/alice/env/pulls/1/reviews/1/dismissals", `{"message":`},
		{"POST", "/repos/alice/env/issues/1/comments", `{"body":"\ud800"}`},
		{"PATCH", "/repos/alice/env/issues/comments/comments", `[]`},
		{"GET", "/repos/alice/env/compare/main...-x", ""},
		{"GET", "/repos/alice/env/compare/bob:main...main?page=2", ""},
		{"GET", "/repos/alice/env/commits/--all", ""},
		{"GET", "/repos/alice/env/commits?sha=main&path=:(top)&since=x", ""},
		{"GET", "/repos/alice/env/git/ref/heads/main%00", ""},
		{"GET", "/repos/alice/env/commits?path=%00&until=2026-01-01T00:00:00Z", ""},
		{"GET", "/repos/alice/env/commits/%00", ""},
		{"GET", "/repos/alice/env/activity?after=1&direction=asc", ""},
		{"POST", "/repos/alice/env/statuses/main", `{"state":"success"}`},
		{"GET", "/alice/env.git/info/refs?service=git-upload-pack", ""},
		{"POST", "/alice/env.git/git-receive-pack", "0000"},
		{"DELETE", "//..//%2e%2e/", ""},
		{"PUT", "/repos/alice/env/branches/main/protection", `{"required_status_checks":{"strict":true,"checks":[{"context":"x","app_id":-1}]},"enforce_admins":true,"required_pull_request_reviews":{},"restrictions":null}`},
		{"DELETE", "/repos/alice/env/branches/main%2fx/protection", ""},
		{"GET", "/repos/alice/env/rules/branches/a%2Fb/c", ""},
		{"GET", "/repos/alice/env/rulesets?includes_parents=false", ""},
		{"POST", "/repos/alice/env/deployments", `{"ref":"main","payload":{"a":[1]},"required_contexts":["x"],"auto_merge":true}`},
		{"POST", "/repos/alice/env/deployments/230001/statuses", `{"state":"success","auto_inactive":false}`},
		{"GET", "/repos/alice/env/commits/main/status?per_page=1", ""},
		{"GET", "/repos/alice/env/commits/main/check-suites?app_id=x", ""},
		{"GET", "/repos/alice/env/issues/1/timeline?page=2", ""},
		{"POST", "/repos/alice/env/issues/1/labels", `["a",{"name":"b"}]`},
		{"PUT", "/repos/alice/env/issues/1/labels", `{"labels":[null]}`},
		{"DELETE", "/repos/alice/env/issues/1/labels/a%2Fb", ""},
		{"POST", "/repos/alice/env/issues/1/reactions", `{"content":"+1"}`},
		{"DELETE", "/repos/alice/env/issues/1/reactions/260001", ""},
		{"POST", "/repos/alice/env/pulls/1/reviews", `{"event":"COMMENT","comments":[{"path":"a","line":1,"start_line":-1,"body":"x"}]}`},
		{"POST", "/repos/alice/env/pulls/1/reviews", `{"event":"COMMENT","comments":[{"path":"a","position":1,"side":"LEFT","body":"x"}]}`},
		{"GET", "/repos/alice/env/collaborators?affiliation=outside&permission=push", ""},
		{"GET", "/orgs/alice/members/bob", ""},
		{"POST", "/alice/env.git/git-receive-pack", "009b" + strings.Repeat("0", 40) + " " + strings.Repeat("a", 40) + " refs/heads/x\x00report-status0000"},
	} {
		f.Add(seed.method, seed.path, seed.body)
	}
	f.Fuzz(func(t *testing.T, method, path, body string) {
		if !strings.HasPrefix(path, "/") || len(body) > 1<<16 {
			t.Skip("not a request")
		}
		req, err := http.NewRequestWithContext(t.Context(), method, s.URL()+path, strings.NewReader(body))
		if err != nil || req.URL.Host != strings.TrimPrefix(s.URL(), "http://") {
			t.Skip("not a request")
		}
		req.SetBasicAuth("alice", user.Token)
		rec := httptest.NewRecorder()
		s.ServeHTTP(rec, req)
		require.Less(t, rec.Code, 500, "%s %s\n%s\n%s", method, path, body, rec.Body)
		if strings.HasPrefix(rec.Header().Get("Content-Type"), "application/json") {
			require.True(t, json.Valid(rec.Body.Bytes()), rec.Body)
		}
	})
}

// FuzzBody holds the reader of bodies to what strict means: accepted text is one JSON object in
// UTF-8, with known keys that occur once.
func FuzzBody(f *testing.F) {
	for _, seed := range []string{"", "null", "{}", `{"title":"x"}`, `{"Title":"x"}`, `{"title":"x","title":"y"}`, `{"title":1}`,
		`{"title":"x"} {}`, `[1]`, `{"other":{"a":[{}]}}`, "{\"title\":\"\xff\"}", `{"title":"x",}`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		var into struct {
			Title string   `json:"title"`
			List  []string `json:"list"`
		}
		if standin.DecodeObject(raw, &into) != nil {
			return
		}
		if text := strings.TrimSpace(string(raw)); text == "" || text == "null" {
			return
		}
		require.True(t, utf8.Valid(raw))
		var keys map[string]json.RawMessage
		require.NoError(t, json.Unmarshal(raw, &keys))
		for k := range keys {
			require.Contains(t, []string{"title", "list"}, k)
		}
	})
}

func TestBodiesAreRead(t *testing.T) {
	for text, want := range map[string]string{
		`{"title":"x"}`:             "",
		`{"Title":"x"}`:             "not a permitted key",
		`{"title":"x","title":"y"}`: "not a permitted key",
		`{"unknown":true}`:          "not a permitted key",
		`{"title":3}`:               "422",
		`{"title":`:                 "Problems parsing JSON",
		`{"title":"x"}{}`:           "Problems parsing JSON",
		`["title"]`:                 "Body should be a JSON object",
		"{\"title\":\"\xff\"}":      "Problems parsing JSON",
	} {
		var into struct {
			Title string `json:"title"`
		}
		err := standin.DecodeObject([]byte(text), &into)
		if want == "" {
			require.NoError(t, err)
			continue
		}
		require.ErrorContains(t, err, want, text)
	}
	w := newWorld(t)
	status, _, _ := w.send("POST", "/repos/acme/env/pulls", "token "+w.alice.Token, `{"title":"`+strings.Repeat("x", 1<<20)+`"}`)
	require.Equal(t, 413, status)
	status, _, body := w.send("BREW", "/repos/acme/env", "token "+w.alice.Token, "")
	require.Equal(t, 404, status)
	require.JSONEq(t, `{"message":"Not Found","documentation_url":"https://docs.github.com/rest","status":"404"}`, body)
}
