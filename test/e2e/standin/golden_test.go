package standin_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// recorded is an answer that GitHub gave: testdata/octokit holds a few from @octokit/fixtures 23.1.2 (MIT),
// with the headers that matter and without the bodies of lists.
type recorded struct {
	Method, Path string
	Status       int
	Headers      map[string]string
	Response     any
}

func readRecorded(t *testing.T, name string) []recorded {
	t.Helper()
	text, err := os.ReadFile("testdata/octokit/" + name + ".json")
	require.NoError(t, err)
	var out []recorded
	require.NoError(t, json.Unmarshal(text, &out))
	require.NotEmpty(t, out)
	return out
}

// sameShape compares status, headers and the keys of the body. Errors have had a status in the body since
// after the recording.
func sameShape(t *testing.T, want recorded, status int, header http.Header, body string) {
	t.Helper()
	require.Equal(t, want.Status, status)
	for name := range want.Headers {
		require.NotEmpty(t, header.Get(name), name)
	}
	require.Equal(t, want.Headers["content-type"], header.Get("Content-Type"))
	require.Equal(t, want.Headers["x-github-media-type"], header.Get("X-Github-Media-Type"))
	if want.Response == nil {
		return
	}
	var got any
	require.NoError(t, json.Unmarshal([]byte(body), &got))
	if status >= 400 {
		object, ok := got.(map[string]any)
		require.True(t, ok)
		delete(object, "status")
	}
	require.Equal(t, keys(want.Response, ""), keys(got, ""))
}

// keys are the paths of everything in a value.
func keys(value any, at string) []string {
	out := []string{at}
	switch v := value.(type) {
	case map[string]any:
		for _, k := range slices.Sorted(maps.Keys(v)) {
			out = append(out, keys(v[k], at+"/"+k)...)
		}
	case []any:
		for _, child := range v {
			out = append(out, keys(child, at+"/-")...)
		}
	}
	return out
}

func TestErrorsLookRecorded(t *testing.T) {
	w := newWorld(t)
	want := readRecorded(t, "errors")[0]
	// The stand-in has no labels to create: another endpoint's complaint about one field is alike.
	status, header, body := w.send("POST", "/repos/acme/env/pulls", "token "+w.alice.Token, `{"title":"x","head":"none","base":"main"}`)
	sameShape(t, want, status, header, body)
}

func TestRedirectsLookRecorded(t *testing.T) {
	w := newWorld(t)
	w.openPull("replicas: 2\n")
	require.NoError(t, w.s.RenameRepository("acme/env", "environments"))
	for _, want := range readRecorded(t, "rename-repository") {
		path, body := "/repos/acme/env", ""
		if want.Method == "patch" {
			path, body = "/repos/acme/env/pulls/1", `{"title":"x"}`
		}
		status, header, answer := w.send(strings.ToUpper(want.Method), path, "token "+w.alice.Token, body)
		sameShape(t, want, status, header, answer)
		var moved struct{ Message, URL string }
		require.NoError(t, json.Unmarshal([]byte(answer), &moved))
		require.Equal(t, want.Response.(map[string]any)["message"], moved.Message)
		require.Equal(t, header.Get("Location"), moved.URL)
		require.Contains(t, moved.URL, fmt.Sprintf("/repositories/%d", w.repo.ID))
	}
}

// TestPagesLookRecorded walks five pages of three and wants the recorded links, in their order.
func TestPagesLookRecorded(t *testing.T) {
	w := newWorld(t)
	opened := w.openPull("replicas: 2\n")
	for i := range 13 {
		status, _, body := w.send("POST", fmt.Sprintf("/repos/acme/env/issues/%d/comments", opened.Number), "token "+w.alice.Token, fmt.Sprintf(`{"body":"%d"}`, i))
		require.Equal(t, 201, status, body)
	}
	address := regexp.MustCompile(`<([^>]*)>; rel="(\w+)"`)
	links := func(header string) []string {
		var out []string
		for _, m := range address.FindAllStringSubmatch(header, -1) {
			u, err := url.Parse(m[1])
			require.NoError(t, err)
			require.Regexp(t, `(^|/)repositories/\d+/`, u.Path, "GitHub names repositories by ID here")
			out = append(out, m[2]+" "+u.Query().Get("page")+" of "+u.Query().Get("per_page"))
		}
		return out
	}
	for i, want := range readRecorded(t, "paginate-issues") {
		path := fmt.Sprintf("/repos/acme/env/issues/%d/comments?per_page=3", opened.Number)
		if i > 0 {
			path = fmt.Sprintf("/repositories/%d/issues/%d/comments?per_page=3&page=%d", w.repo.ID, opened.Number, i+1)
		}
		status, header, body := w.send("GET", path, "token "+w.alice.Token, "")
		sameShape(t, want, status, header, body)
		require.Equal(t, links(want.Headers["link"]), links(header.Get("Link")), "page %d", i+1)
	}
}
