package web_test

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/bradleyfalzon/ghinstallation/v2"
	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/test/e2e/standin"
	"github.com/argo-gatekeeper/gatekeeper/test/e2e/standin/web"
)

const (
	repo        = "acme/env"
	file        = "envs/prod/values.yaml"
	hookSecret  = "webhook-secret-of-the-app"
	hostileText = `<script>alert(1)</script><img src=x onerror=alert(1)>"><svg onload=alert(1)> [x](javascript:alert(1)) <a href="javascript:alert(1)">y</a> <iframe src="//evil.example"></iframe> <style>*{display:none}</style><form action=/me><input name=as></form>`
)

// world is a stand-in with pages and a pull request about which everything was done once.
type world struct {
	t            *testing.T
	gh           *standin.Server
	http         *http.Client
	tokens       map[string]string
	app          standin.App
	installation int64
	run          int64
	now          func(time.Duration) // moves the clock
}

type testWriter struct{ t *testing.T }

func (w testWriter) Write(p []byte) (int, error) {
	w.t.Log(strings.TrimSpace(string(p)))
	return len(p), nil
}

// open starts a stand-in with people and a repository, and with pages.
func open(t *testing.T) *world {
	t.Helper()
	t.Parallel()
	logger := slog.New(slog.NewTextHandler(testWriter{t}, &slog.HandlerOptions{Level: slog.LevelInfo}))
	var mu sync.Mutex
	var ahead time.Duration
	w := &world{t: t, tokens: map[string]string{}, now: func(d time.Duration) {
		mu.Lock()
		defer mu.Unlock()
		ahead += d
	}}
	var err error
	w.gh, err = standin.Start(context.WithoutCancel(t.Context()), standin.Options{Dir: t.TempDir(), Logger: logger, Now: func() time.Time {
		mu.Lock()
		defer mu.Unlock()
		return time.Now().Add(ahead)
	}})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, w.gh.Close()) })
	require.NoError(t, web.Mount(w.gh, logger))
	w.http = &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	for _, login := range []string{"alice", "bob", "carol", "mallory"} {
		u, err := w.gh.CreateUser(login, login, login+"@example.com")
		require.NoError(t, err)
		w.tokens[login] = u.Token
	}
	_, err = w.gh.CreateOrganization("acme", "carol")
	require.NoError(t, err)
	_, err = w.gh.CreateTeam("acme", "sre", "bob", "carol")
	require.NoError(t, err)
	_, err = w.gh.CreateRepository("acme", "env", standin.RepositoryOptions{Author: "alice", Files: map[string]string{
		"README.md": "# env\n\nWhat runs *where*.\n", file: "limit: 1000\n", "docs/a b%20<c>#d?.md": "odd\n", "logo.png": "\x89PNG\x00",
	}, Collaborators: map[string]string{"alice": "write", "bob": "write", "mallory": "read"}})
	require.NoError(t, err)
	require.NoError(t, w.gh.GrantTeam("acme", "sre", repo, "write"))
	return w
}

// seeded is a world in which every kind of thing exists.
func seeded(t *testing.T) *world {
	t.Helper()
	w := open(t)
	hook := httptest.NewServer(http.HandlerFunc(func(out http.ResponseWriter, r *http.Request) {
		if r.Header.Get("X-Github-Event") == "issue_comment" {
			out.WriteHeader(http.StatusInternalServerError)
		}
		_, _ = io.WriteString(out, `{"seen":"<b>`+r.Header.Get("X-Github-Event")+`</b>"}`)
	}))
	t.Cleanup(hook.Close)
	var err error
	w.app, err = w.gh.CreateApp(standin.AppOptions{Slug: "gatekeeper", Owner: "acme", WebhookURL: hook.URL, WebhookSecret: hookSecret,
		Permissions: map[string]string{"contents": "read", "pull_requests": "write", "issues": "write", "checks": "write", "members": "read"},
		Events:      []string{"push", "pull_request", "pull_request_review", "issue_comment", "check_run"}})
	require.NoError(t, err)
	w.installation, err = w.gh.Install(w.app.ID, "acme", "env")
	require.NoError(t, err)
	pr, err := w.gh.As("alice").OpenPull(repo, standin.PullOptions{Title: "Raise the limit", Body: "Please. " + hostileText,
		Branch: "feature/limit<i>", Change: standin.Change{Files: map[string]string{file: "limit: 2000\n"}}})
	require.NoError(t, err)
	require.Equal(t, 1, pr.Number)
	alice, bob, carol := w.gh.As("alice"), w.gh.As("bob"), w.gh.As("carol")
	_, err = bob.Review(repo, 1, "APPROVE", "Looks right")
	require.NoError(t, err)
	_, err = alice.PushToPull(repo, 1, standin.Change{Message: "Make it 3000", Files: map[string]string{file: "limit: 3000\n", "docs/<b>x\u202e.md": "x\n"}})
	require.NoError(t, err)
	_, err = alice.ForcePushPull(repo, 1, standin.Change{Message: "<b>Start again", Files: map[string]string{file: "limit: 4000\n", "docs/<b>x\u202e.md": "x\n"}})
	require.NoError(t, err)
	id, err := carol.Review(repo, 1, "REQUEST_CHANGES", "No. "+hostileText)
	require.NoError(t, err)
	require.NoError(t, bob.Dismiss(repo, 1, id, "Answered <i>elsewhere</i>"))
	_, err = bob.Review(repo, 1, "APPROVE", "")
	require.NoError(t, err)
	_, err = w.gh.ForceReview(repo, 1, "", "APPROVED", "of somebody who left", "")
	require.NoError(t, err)
	require.NoError(t, alice.RequestReview(repo, 1, "carol", "acme/sre"))
	_, err = w.gh.As("mallory").Comment(repo, 1, hostileText+"\n\n<details><summary>More</summary>\n\n*folded*\n\n</details>\n\n<sub>small</sub>")
	require.NoError(t, err)
	head := w.pull(1).Head
	run := w.asApp(http.MethodPost, "/repos/"+repo+"/check-runs", map[string]any{"name": "gatekeeper/prod", "head_sha": head, "status": "completed",
		"conclusion": "action_required", "details_url": "https://gatekeeper.example/run",
		"output": map[string]any{"title": "waiting <b>for</b> 1", "summary": "## Waiting\n\n" + hostileText, "text": "more", "annotations": []any{
			map[string]any{"path": file, "start_line": 1, "end_line": 1, "annotation_level": "warning", "message": "four times as much"}}},
		"actions": []any{map[string]string{"label": "Hold", "description": "Stop everything", "identifier": "hold"}}})
	w.run = int64(run["id"].(float64))
	second, err := bob.OpenPull(repo, standin.PullOptions{Title: hostileText, Change: standin.Change{Files: map[string]string{"new.txt": "1\n"}, Delete: []string{"logo.png"}}})
	require.NoError(t, err)
	_, err = carol.Merge(repo, second.Number, "squash")
	require.NoError(t, err)
	_, err = alice.Fork(repo)
	require.NoError(t, err)
	_, err = alice.OpenPull(repo, standin.PullOptions{Title: "From a fork", Draft: true, HeadRepo: "alice/env", Branch: "topic",
		Change: standin.Change{Files: map[string]string{"fork.txt": "1\n"}}})
	require.NoError(t, err)
	require.NoError(t, alice.EditPull(repo, 3, "From my fork", "", "", "closed"))
	w.delivered()
	return w
}

func (w *world) delivered() {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.t.Context(), 20*time.Second)
	defer cancel()
	require.NoError(w.t, w.gh.WaitDelivered(ctx))
}

func (w *world) pull(n int) standin.Pull {
	w.t.Helper()
	pr, err := w.gh.Pull(repo, n)
	require.NoError(w.t, err)
	return pr
}

// asApp calls the API as the installation, as the product does.
func (w *world) asApp(method, path string, body any) map[string]any {
	w.t.Helper()
	tr, err := ghinstallation.New(http.DefaultTransport, w.app.ID, w.installation, w.app.PrivateKeyPEM)
	require.NoError(w.t, err)
	tr.BaseURL = strings.TrimSuffix(w.gh.APIURL(), "/")
	raw, err := json.Marshal(body)
	require.NoError(w.t, err)
	req, err := http.NewRequestWithContext(w.t.Context(), method, tr.BaseURL+path, strings.NewReader(string(raw)))
	require.NoError(w.t, err)
	resp, err := (&http.Client{Transport: tr}).Do(req)
	require.NoError(w.t, err)
	defer func() { require.NoError(w.t, resp.Body.Close()) }()
	var out map[string]any
	require.NoError(w.t, json.NewDecoder(resp.Body).Decode(&out))
	require.Less(w.t, resp.StatusCode, 300, "%v", out)
	return out
}

// answer is what the browser got.
type answer struct {
	Status   int
	Header   http.Header
	Body     string
	Location string
}

// do sends a request as a browser does.
func (w *world) do(method, address string, form url.Values, change ...func(*http.Request)) answer {
	w.t.Helper()
	if strings.HasPrefix(address, "/") {
		address = w.gh.URL() + address
	}
	req, err := http.NewRequestWithContext(w.t.Context(), method, address, strings.NewReader(form.Encode()))
	require.NoError(w.t, err)
	req.Header.Set("Accept", "text/html,application/xhtml+xml,*/*;q=0.8")
	if method == http.MethodPost {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		req.Header.Set("Sec-Fetch-Site", "same-origin")
	}
	for _, f := range change {
		f(req)
	}
	resp, err := w.http.Do(req)
	require.NoError(w.t, err)
	defer func() { require.NoError(w.t, resp.Body.Close()) }()
	body, err := io.ReadAll(resp.Body)
	require.NoError(w.t, err)
	return answer{resp.StatusCode, resp.Header, string(body), resp.Header.Get("Location")}
}

func (w *world) get(path string, change ...func(*http.Request)) answer {
	w.t.Helper()
	return w.do(http.MethodGet, path, nil, change...)
}

// post sends a form given as name, value, name, value.
func (w *world) post(path string, pairs ...string) answer {
	w.t.Helper()
	form := url.Values{}
	for i := 0; i < len(pairs); i += 2 {
		form.Add(pairs[i], pairs[i+1])
	}
	return w.do(http.MethodPost, path, form)
}

func path(format ...any) string {
	var b strings.Builder
	for _, part := range format {
		switch p := part.(type) {
		case string:
			b.WriteString(p)
		case int:
			b.WriteString(strconv.Itoa(p))
		case int64:
			b.WriteString(strconv.FormatInt(p, 10))
		}
	}
	return b.String()
}

// holds tells whether a page has a text; a failing test then shows the text and not the whole page.
func holds(page, text string) bool { return strings.Contains(page, text) }
