package contract_test

import (
	"net/http"
	"net/url"
	"testing"

	"github.com/stretchr/testify/require"
)

// FuzzRequest compares anything with the descriptions: the outcome is nil or violations, twice the same.
func FuzzRequest(f *testing.F) {
	f.Add("GET", "/repos/a/b/pulls", "state=open&page=2", "")
	f.Add("POST", "/repos/a/b/check-runs", "", `{"name":"x","head_sha":"y","status":"completed","conclusion":"success"}`)
	f.Add("PUT", "/repos/a/b/contents/a/b", "", `{"message":"m","content":"","branch":null}`)
	f.Add("POST", "/repos/a/b/issues/1/labels", "", `["bug"]`)
	f.Add("PATCH", "/repositories/1/issues/comments/9", "x=%00", "{\"body\":\"\\ud800\"}")
	f.Add("", "", "", "[[[[")
	f.Fuzz(func(t *testing.T, method, path, query, body string) {
		values, _ := url.ParseQuery(query) // what can be read of it
		c := newChecker(t)
		first := c.Request(method, path, values, []byte(body))
		places(t, first)
		require.Equal(t, first, c.Request(method, path, values, []byte(body)))
	})
}

// FuzzResponse is the same for answers and events.
func FuzzResponse(f *testing.F) {
	f.Add("GET", "/repos/a/b/git/ref/heads/main", 200, "application/json", ref)
	f.Add("GET", "/repos/a/b/contents/x", 200, "application/json; charset=utf-8", `[{"type":"file"}]`)
	f.Add("GET", "/repos/a/b/contents/x", 302, ";", `{}`)
	f.Add("GET", "/repos/a/b/rules/branches/main", 200, "application/json", `[{"type":"pull_request","parameters":{}}]`)
	f.Add("DELETE", "/repos/a/b/git/refs/heads/x", 204, "", "")
	f.Add("ping", "", 0, "", ping)
	f.Add("pull_request", "opened", 0, "", `{"action":"opened","number":1e400,"pull_request":{"id":-0}}`)
	f.Fuzz(func(t *testing.T, method, path string, status int, mediaType, body string) {
		c := newChecker(t)
		header := http.Header{"Content-Type": {mediaType}}
		first := c.Response(method, path, status, header, []byte(body))
		places(t, first)
		require.Equal(t, first, c.Response(method, path, status, header, []byte(body)))
		places(t, c.Webhook(method, path, []byte(body)))
	})
}
