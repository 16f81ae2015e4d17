package standin_test

import (
	"fmt"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/google/go-github/v60/github"
	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/test/e2e/standin"
)

func TestFaults(t *testing.T) {
	w := newWorld(t)
	n := w.openPull("replicas: 2\n").Number
	bob := w.as(w.bob)
	get := func() error {
		_, _, err := bob.PullRequests.Get(t.Context(), "acme", "env", n)
		return err
	}
	fail := func(f standin.Fault) func() {
		remove, err := w.s.Fail(f)
		require.NoError(t, err)
		return remove
	}
	remove := fail(standin.ServerError500(`^GET /repos/acme/env/pulls/1$`))
	require.ErrorContains(t, get(), "500")
	require.ErrorContains(t, get(), "500", "until it is removed")
	_, _, err := bob.PullRequests.ListReviews(t.Context(), "acme", "env", n, nil)
	require.NoError(t, err, "other requests are untouched")
	remove()
	require.NoError(t, get())

	f := standin.SecondaryLimit("", http.StatusForbidden, 7*time.Second)
	f.Times = 1
	fail(f)
	var abuse *github.AbuseRateLimitError
	require.ErrorAs(t, get(), &abuse)
	require.Equal(t, 7*time.Second, abuse.GetRetryAfter())
	bob = w.as(w.bob) // go-github remembers the limit
	require.NoError(t, get(), "used up")

	f = standin.RateLimited403("", time.Now().Add(time.Minute))
	f.Times = 1
	fail(f)
	var limited *github.RateLimitError
	require.ErrorAs(t, get(), &limited)
	bob = w.as(w.bob)

	fail(standin.Fault{Match: "^POST .*/comments$", Status: 502, AfterEffect: true, Times: 1})
	_, _, err = bob.Issues.CreateComment(t.Context(), "acme", "env", n, &github.IssueComment{Body: new("once")})
	require.ErrorContains(t, err, "502")
	require.Len(t, must(w.s.Comments("acme/env", n))(t), 1, "failed for the caller, but happened")

	remove = fail(standin.Fault{Disconnect: true})
	require.ErrorContains(t, get(), "EOF")
	remove()
	fail(standin.Fault{Match: "git-upload-pack$", Status: 503})
	out, err := tryGit(t, t.TempDir(), "clone", "--quiet", w.withToken("bob", w.bob.Token), "x")
	require.Error(t, err)
	require.Contains(t, out, "503")
	w.s.ClearFaults()
	runGit(t, t.TempDir(), "clone", "--quiet", w.withToken("bob", w.bob.Token), "x")
	_, err = w.s.Fail(standin.Fault{Match: "("})
	require.Error(t, err)
	_, err = w.s.Fail(standin.Fault{Match: "x"})
	require.ErrorContains(t, err, "no status")
}

func TestRateLimitAndConditionalRequests(t *testing.T) {
	w := newWorld(t)
	w.s.SetRateLimit(3)
	path, auth := "/repos/acme/env", "token "+w.bob.Token
	status, header, _ := w.send("GET", path, auth, "")
	require.Equal(t, 200, status)
	require.Equal(t, "2", header.Get("X-Ratelimit-Remaining"))
	tag := header.Get("Etag")
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, w.s.APIURL()+"repos/acme/env", nil)
	require.NoError(t, err)
	req.Header.Set("Authorization", auth)
	req.Header.Set("If-None-Match", tag)
	resp, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	require.Equal(t, 304, resp.StatusCode)
	require.Equal(t, "2", resp.Header.Get("X-Ratelimit-Remaining"), "not modified is free")
	_, other, _ := w.send("GET", path, "token "+w.alice.Token, "")
	require.NotEqual(t, tag, other.Get("Etag"), "tags depend on the token")
	w.send("GET", path, auth, "")
	w.send("GET", path, auth, "")
	status, header, body := w.send("GET", path, auth, "")
	require.Equal(t, 403, status)
	require.Contains(t, body, "API rate limit exceeded")
	require.Equal(t, "0", header.Get("X-Ratelimit-Remaining"))
	limits, _, err := w.as(w.bob).RateLimit.Get(t.Context())
	require.NoError(t, err)
	require.Equal(t, 0, limits.Core.Remaining)
	status, header, _ = w.send("GET", path, "token ghp_wrong", "")
	require.Equal(t, 401, status)
	require.NotEmpty(t, header.Get("X-Ratelimit-Limit"))
	require.NotEmpty(t, header.Get("X-Github-Request-Id"))
}

func TestDelayAndCalls(t *testing.T) {
	w := newWorld(t)
	client := w.client()
	w.openPull("replicas: 2\n")
	require.Empty(t, w.s.Calls(), "control calls are not counted")
	w.s.SetDelay(30 * time.Millisecond)
	started := time.Now()
	_, _, err := client.PullRequests.ListReviews(t.Context(), "acme", "env", 1, nil)
	require.NoError(t, err)
	require.GreaterOrEqual(t, time.Since(started), 60*time.Millisecond, "the token and the request")
	w.s.SetDelay(0)
	calls := w.s.Calls()
	require.Len(t, calls, 2)
	require.Equal(t, "POST /app/installations/{installation_id}/access_tokens app 201", fmt.Sprintf("%s %s %d", calls[0].Pattern, calls[0].Token, calls[0].Status))
	require.Equal(t, "GET /repos/{owner}/{repo}/pulls/{number}/reviews installation gatekeeper[bot]", calls[1].Pattern+" "+calls[1].Token+" "+calls[1].Login)
	w.s.ResetCalls()
	require.Empty(t, w.s.Calls())
}

func TestDeliveries(t *testing.T) {
	w := newWorld(t)
	n := w.openPull("replicas: 2\n").Number
	w.take()
	comment := func(text string) { must(w.s.As("bob").Comment("acme/env", n, text))(t) }
	bodies := func() (out []string) {
		for _, e := range w.take() {
			out = append(out, e.payload.(*github.IssueCommentEvent).GetComment().GetBody())
		}
		return out
	}
	w.s.PauseDeliveries()
	comment("1")
	comment("2")
	require.Empty(t, bodies())
	w.s.ReverseWaiting()
	w.s.ResumeDeliveries()
	require.Equal(t, []string{"2", "1"}, bodies())
	w.s.PauseDeliveries()
	comment("lost")
	w.s.LoseDeliveries()
	w.s.ResumeDeliveries()
	w.s.DropDeliveries(1)
	comment("3")
	comment("4")
	require.Equal(t, []string{"4"}, bodies())
	w.hooks.mu.Lock()
	w.hooks.answer = 500
	w.hooks.mu.Unlock()
	comment("5")
	require.Equal(t, []string{"5"}, bodies())
	w.hooks.mu.Lock()
	w.hooks.answer = 200
	w.hooks.mu.Unlock()

	app := w.appClient()
	var list []*github.HookDelivery
	o := &github.ListCursorOptions{PerPage: 3}
	for {
		part, resp, err := app.Apps.ListHookDeliveries(t.Context(), o)
		require.NoError(t, err)
		require.LessOrEqual(t, len(part), 3)
		list = append(list, part...)
		if resp.Cursor == "" {
			break
		}
		o.Cursor = resp.Cursor
	}
	require.Len(t, list, len(w.s.Deliveries(w.app.ID)))
	require.Equal(t, "issue_comment created Invalid HTTP Response: 500 500", fmt.Sprintf("%s %s %s %d", list[0].GetEvent(), list[0].GetAction(), list[0].GetStatus(), list[0].GetStatusCode()))
	dropped := list[2]
	require.Equal(t, "failed to connect to host", dropped.GetStatus())
	detail, _, err := app.Apps.GetHookDelivery(t.Context(), dropped.GetID())
	require.NoError(t, err)
	require.Contains(t, string(detail.Request.GetRawPayload()), `"body":"3"`)
	_, resp, err := app.Apps.RedeliverHookDelivery(t.Context(), dropped.GetID())
	require.ErrorAs(t, err, new(*github.AcceptedError), "go-github v60 takes 202 for an error")
	require.Equal(t, 202, resp.StatusCode)
	events := w.take()
	require.Len(t, events, 1)
	require.Equal(t, dropped.GetGUID(), events[0].guid, "a redelivery keeps its GUID")
	past := w.s.Deliveries(w.app.ID)
	require.True(t, past[len(past)-1].Redelivery)
	require.Equal(t, "OK", past[len(past)-1].Status)
	_, resp, err = app.Apps.GetHookDelivery(t.Context(), 1)
	require.Error(t, err)
	require.Equal(t, 404, resp.StatusCode)
}

func TestManyAtOnce(t *testing.T) {
	w := newWorld(t)
	client := w.client()
	var wg sync.WaitGroup
	for i := range 6 {
		wg.Go(func() {
			name := fmt.Sprintf("worker-%d", i)
			opened, err := w.s.As("alice").OpenPull("acme/env", standin.PullOptions{Branch: name, Title: name, Change: standin.Change{Files: map[string]string{name: "x"}}})
			if err != nil {
				t.Error(err)
				return
			}
			if _, _, err := client.PullRequests.Get(t.Context(), "acme", "env", opened.Number); err != nil {
				t.Error(err)
			}
			if _, err := w.s.As("bob").Review("acme/env", opened.Number, "APPROVE", ""); err != nil {
				t.Error(err)
			}
			if _, _, err := client.PullRequests.ListCommits(t.Context(), "acme", "env", opened.Number, nil); err != nil {
				t.Error(err)
			}
			if _, err := w.s.As("bob").Merge("acme/env", opened.Number, []string{"merge", "squash", "rebase"}[i%3]); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	require.Equal(t, "6", w.git("rev-list", "--count", "--first-parent", w.repo.Head+"..main"))
	closed := 0
	for _, name := range names(w.take()) {
		if name == "pull_request.closed" {
			closed++
		}
	}
	require.Equal(t, 6, closed)
}
