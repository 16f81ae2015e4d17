package standin_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os/exec"
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
	s.SetRateLimit(1 << 40) // else everything is a 403 after 5,000 requests
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
		{"POST", "/repos/alice/env/pulls/1/reviews", `{"event":"COMMENT","body":"x","comments":[{"path":"a","body":"b","lin":1}]}`},
		{"DELETE", "/repos/alice/env/pulls/1/requested_reviewers", `{"team_reviewers":[]}`},
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
		{"POST", "/repos/alice/env/git/refs", `{"ref":"refs/heads/x","sha":"1111111111111111111111111111111111111111"}`},
		{"POST", "/repos/alice/env/git/refs", `{"ref":"refs/heads/main/../x","sha":"0000000000000000000000000000000000000000"}`},
		{"PATCH", "/repos/alice/env/git/refs/heads/main", `{"sha":"0000000000000000000000000000000000000000","force":true}`},
		{"DELETE", "/repos/alice/env/git/refs/pull/1/head", ""},
		{"GET", "/repos/alice/env/git/matching-refs/heads/%00", ""},
		{"POST", "/repos/alice/env/git/blobs", `{"content":"A","encoding":"base64"}`},
		{"GET", "/repos/alice/env/git/blobs/4b825dc642cb6eb9a060e54bf8d69288fbee4904", ""},
		{"POST", "/repos/alice/env/git/trees", `{"tree":[{"path":"a\u0001b","mode":"100644","content":"x"},{"path":"a","mode":"160000","sha":"1111111111111111111111111111111111111111"}]}`},
		{"POST", "/repos/alice/env/git/trees", `{"base_tree":"4b825dc642cb6eb9a060e54bf8d69288fbee4904","tree":[{"path":"a","sha":null},{"path":"a/b","mode":"100644","content":"\u0000"},{"path":"a","mode":"100755","content":""}]}`},
		{"GET", "/repos/alice/env/git/trees/main?recursive=0", ""},
		{"POST", "/repos/alice/env/git/commits", `{"message":"x","tree":"4b825dc642cb6eb9a060e54bf8d69288fbee4904","parents":[""],"author":{"name":"<","email":">"}}`},
		{"POST", "/repos/alice/env/git/commits", `{"message":"\n\n","tree":"4b825dc642cb6eb9a060e54bf8d69288fbee4904","signature":"\n\n\ntree x","author":{"name":"a\nb","email":"c","date":"9999-12-31T23:59:59Z"}}`},
		{"POST", "/repos/alice/env/git/tags", `{"tag":"v\n1","message":"-----BEGIN ","object":"4b825dc642cb6eb9a060e54bf8d69288fbee4904","type":"tree"}`},
		{"GET", "/repos/alice/env/contents/%2e%2e/x?ref=main", ""},
		{"GET", "/repos/alice/env/contents/README.md/?ref=-x", ""},
		{"PUT", "/repos/alice/env/contents/a%0ab", `{"message":"x","content":"eA=="}`},
		{"PUT", "/repos/alice/env/contents/README.md/x", `{"message":"","content":"","branch":"refs/heads/main"}`},
		{"DELETE", "/repos/alice/env/contents/README.md", `{"message":"x","sha":"x","committer":{"name":"","email":""}}`},
		{"GET", "/web-flow.gpg", ""},
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
		require.Empty(t, s.Violations())
		if strings.HasPrefix(rec.Header().Get("Content-Type"), "application/json") {
			require.True(t, json.Valid(rec.Body.Bytes()), rec.Body)
		}
	})
}

// FuzzGitData sends bodies to what writes git objects, references and files: whatever is accepted is
// something that git itself finds sound.
func FuzzGitData(f *testing.F) {
	s, err := standin.Start(f.Context(), standin.Options{Dir: f.TempDir()})
	require.NoError(f, err)
	f.Cleanup(func() { require.NoError(f, s.Close()) })
	s.SetRateLimit(1 << 40)
	user, err := s.CreateUser("alice", "Alice")
	require.NoError(f, err)
	repo, err := s.CreateRepository("alice", "env", standin.RepositoryOptions{})
	require.NoError(f, err)
	endpoints := []struct{ method, path string }{{"POST", "git/refs"}, {"PATCH", "git/refs/heads/main"}, {"POST", "git/blobs"}, {"POST", "git/trees"},
		{"POST", "git/commits"}, {"POST", "git/tags"}, {"PUT", "contents/a/b"}, {"DELETE", "contents/a/b"}}
	const tree = "4b825dc642cb6eb9a060e54bf8d69288fbee4904" // git knows the empty tree without having it, except in fsck
	store := exec.CommandContext(f.Context(), "git", "-C", repo.GitDir, "hash-object", "-t", "tree", "-w", "--stdin")
	require.NoError(f, store.Run())
	for _, seed := range []struct {
		endpoint uint8
		body     string
	}{
		{0, `{"ref":"refs/heads/x","sha":"` + repo.Head + `"}`}, {0, `{"ref":"refs/heads/a b","sha":"` + tree + `"}`}, {0, `{"ref":"refs/tags/-x","sha":"` + repo.Head + `"}`},
		{1, `{"sha":"` + repo.Head + `","force":true}`}, {2, `{"content":"\ud800","encoding":"utf-8"}`}, {2, `{"content":"A A=","encoding":"base64"}`},
		{3, `{"tree":[{"path":"a b","mode":"100644","content":"x"},{"path":"a b/c","mode":"120000","type":"blob","content":"\n"}]}`},
		{3, `{"base_tree":"` + repo.Head + `","tree":[{"path":"README.md","mode":"100644","sha":null},{"path":"d","mode":"040000","sha":"` + tree + `"}]}`},
		{3, `{"tree":[{"path":"a","mode":"160000","sha":"` + repo.Head + `"},{"path":"b/\"c","mode":"100755","content":""}]}`},
		{4, `{"message":"m","tree":"` + tree + `","parents":["` + repo.Head + `","` + repo.Head + `"],"author":{"name":"A <","email":"a@b","date":"0001-01-01T00:00:00Z"}}`},
		{4, `{"message":"\n\n","tree":"` + tree + `","signature":"x\n\ny","committer":{"name":"\t","email":"e"}}`},
		{4, `{"message":"m","tree":"` + tree + `","author":{"name":"a\rb","email":"a b","date":"9999-12-31T23:59:59+14:00"}}`},
		{5, `{"tag":"v1","message":"-----BEGIN PGP SIGNATURE-----","object":"` + tree + `","type":"tree","tagger":{"name":"x","email":"y"}}`},
		{5, `{"tag":"a..b","message":"","object":"` + repo.Head + `","type":"commit"}`},
		{6, `{"message":"m","content":"eA=="}`}, {6, `{"message":"","content":"e\nA==","sha":"x","author":{"name":"n","email":"e","date":"2026-01-01T00:00:00Z"}}`},
		{7, `{"message":"m","sha":"` + tree + `"}`},
	} {
		f.Add(seed.endpoint, seed.body)
	}
	f.Fuzz(func(t *testing.T, endpoint uint8, body string) {
		if len(body) > 1<<14 {
			t.Skip("longer than it needs to be")
		}
		e := endpoints[int(endpoint)%len(endpoints)]
		req, err := http.NewRequestWithContext(t.Context(), e.method, s.URL()+"/repos/alice/env/"+e.path, strings.NewReader(body))
		require.NoError(t, err)
		req.SetBasicAuth("alice", user.Token)
		rec := httptest.NewRecorder()
		s.ServeHTTP(rec, req)
		require.Less(t, rec.Code, 500, "%s %s\n%s\n%s", e.method, e.path, body, rec.Body)
		if rec.Code >= 300 {
			return
		}
		var made struct {
			SHA    string               `json:"sha"`
			Object struct{ SHA string } `json:"object"`
			Commit struct{ SHA string } `json:"commit"`
		}
		require.NoError(t, json.Unmarshal(rec.Body.Bytes(), &made))
		sha := made.SHA + made.Commit.SHA
		if sha == "" { // a reference
			sha = made.Object.SHA
		}
		// The check that git makes of objects it is sent; fsck would look at all others as well.
		out, err := tryGit(t, repo.GitDir, "-c", `alias.sound=!f() { echo "$1" | git pack-objects -q "$2/p" && git index-pack --strict -o "$2/x" "$2"/p-*.pack; }; f`,
			"sound", sha, t.TempDir())
		require.NoError(t, err, "%s\n%s", body, out)
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
