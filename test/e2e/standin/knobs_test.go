package standin_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/test/e2e/standin"
)

// movable is a clock that only moves when it is told to.
func movable() (now func() time.Time, pass func(time.Duration)) {
	at := make(chan time.Time, 1)
	at <- time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	now = func() time.Time { v := <-at; at <- v; return v }
	return now, func(d time.Duration) { v := <-at; at <- v.Add(d) }
}

func TestLagTokens(t *testing.T) {
	now, pass := movable()
	w := newWorld(t, func(o *standin.Options) { o.Now = now })
	require.NoError(t, w.s.LagTokens(5*time.Second, http.StatusNotFound))
	token := w.mintAt(now())
	get := func() int {
		status, _, _ := w.send("GET", "/repos/acme/env", "token "+token, "")
		return status
	}
	require.Equal(t, 404, get())
	out, err := tryGit(t, t.TempDir(), "ls-remote", w.withToken("x-access-token", token))
	require.Error(t, err)
	require.Contains(t, out, "not found")
	require.NoError(t, w.s.LagTokens(5*time.Second, http.StatusUnauthorized))
	require.Equal(t, 401, get())
	pass(5 * time.Second)
	require.Equal(t, 200, get())
	require.Contains(t, runGit(t, t.TempDir(), "ls-remote", w.withToken("x-access-token", token)), "refs/heads/main")
	require.Error(t, w.s.LagTokens(time.Second, http.StatusTeapot))
}

// mintAt makes an installation token at a time of the stand-in's clock.
func (w *world) mintAt(at time.Time) string {
	w.t.Helper()
	claims := jwt.MapClaims{"iss": w.app.ID, "iat": at.Unix() - 30, "exp": at.Unix() + 90}
	path := fmt.Sprintf("/app/installations/%d/access_tokens", w.installation)
	status, _, body := w.send("POST", path, w.jwt(jwt.SigningMethodRS256, claims), "")
	require.Equal(w.t, 201, status, body)
	_, rest, _ := strings.Cut(body, `"token":"`)
	token, _, _ := strings.Cut(rest, `"`)
	return token
}

func TestSetPermissions(t *testing.T) {
	w := newWorld(t)
	w.take()
	require.NoError(t, w.s.SetLongTokens(w.app.ID, true))
	token := w.mintAt(time.Now())
	require.Greater(t, len(token), 400)
	require.NoError(t, w.s.SetLongTokens(w.app.ID, false))
	require.Len(t, w.mintAt(time.Now()), 40)
	n := w.openPull("replicas: 2\n").Number
	w.take()
	reviews := func(token string) int {
		status, _, _ := w.send("GET", "/repos/acme/env/pulls/1/reviews", "token "+token, "")
		return status
	}
	require.Equal(t, 200, reviews(token))
	require.NoError(t, w.s.SetPermissions(w.app.ID, map[string]string{"contents": "read"}))
	require.Equal(t, []string{"installation.new_permissions_accepted"}, names(w.take()))
	require.Equal(t, 403, reviews(token), "a token loses it at once")
	must(w.s.As("bob").Review("acme/env", n, "APPROVE", ""))(t)
	require.Empty(t, w.take(), "who may not read them hears nothing of reviews")

	require.NoError(t, w.s.SetPermissions(w.app.ID, gatekeeperPermissions))
	require.Equal(t, 403, reviews(token), "and gains nothing")
	require.Equal(t, 200, reviews(w.mintAt(time.Now())))
	require.Error(t, w.s.SetPermissions(w.app.ID, map[string]string{"contents": "all"}))
	require.Error(t, w.s.SetPermissions(1, nil))
}

func TestReanchorReviews(t *testing.T) {
	w := newWorld(t)
	opened := w.openPull("replicas: 2\n")
	n := opened.Number
	approval := must(w.s.As("bob").Review("acme/env", n, "APPROVE", ""))(t)
	must(w.s.As("bob").Review("acme/env", n, "COMMENT", "hm"))(t)
	commits := func() (out []string) {
		for _, r := range must(w.s.Reviews("acme/env", n))(t) {
			out = append(out, r.Commit)
		}
		return out
	}
	same := standin.Change{Files: map[string]string{"prod/values.yaml": "replicas: 2\n"}, Message: "Reworded"}
	must(w.s.As("alice").ForcePushPull("acme/env", n, same))(t)
	require.Equal(t, []string{opened.Head, opened.Head}, commits(), "off at first")

	w.s.ReanchorReviews(true)
	require.NoError(t, w.s.ReanchorReview(approval, must(w.s.Pull("acme/env", n))(t).Head))
	w.take()
	same.Message = "Reworded again"
	head := must(w.s.As("alice").ForcePushPull("acme/env", n, same))(t)
	require.Equal(t, []string{head, opened.Head}, commits())
	require.Equal(t, []string{"push", "pull_request.synchronize"}, names(w.take()), "without a word")

	must(w.s.As("carol").PushBranch("acme/env", "main", standin.Change{Files: map[string]string{"README.md": "new\n"}, Message: "Docs"}))(t)
	head = must(w.s.As("alice").UpdateBranch("acme/env", n))(t)
	require.Equal(t, []string{head, opened.Head}, commits(), "a merge of the base")

	must(w.s.As("alice").PushToPull("acme/env", n, standin.Change{Files: map[string]string{"prod/values.yaml": "replicas: 3\n"}, Message: "More"}))(t)
	require.Equal(t, []string{head, opened.Head}, commits(), "another patch")
}

func TestRenameUser(t *testing.T) {
	w := newWorld(t)
	opened := w.openPull("replicas: 2\n")
	must(w.s.As("bob").Review("acme/env", opened.Number, "APPROVE", ""))(t)
	require.NoError(t, w.s.RenameUser("bob", "robert"))
	require.Error(t, w.s.RenameUser("robert", "alice"), "taken")
	bob := w.as(w.bob)
	me, _, err := bob.Users.Get(t.Context(), "")
	require.NoError(t, err)
	require.Equal(t, "robert", me.GetLogin())
	require.Equal(t, w.bob.ID, me.GetID())
	reviews, _, err := bob.PullRequests.ListReviews(t.Context(), "acme", "env", opened.Number, nil)
	require.NoError(t, err)
	require.Equal(t, "robert", reviews[0].GetUser().GetLogin())
	_, resp, err := bob.Users.Get(t.Context(), "bob")
	require.Error(t, err)
	require.Equal(t, 404, resp.StatusCode)
	other := must(w.s.CreateUser("bob", "Another"))(t)
	require.NotEqual(t, w.bob.ID, other.ID, "the login is free")
	require.True(t, slices.Contains(members(t, w), "robert"))
}

func members(t *testing.T, w *world) (out []string) {
	t.Helper()
	list, _, err := w.client().Teams.ListTeamMembersBySlug(t.Context(), "acme", "sre", nil)
	require.NoError(t, err)
	for _, m := range list {
		out = append(out, m.GetLogin())
	}
	return out
}

func TestDeleteUser(t *testing.T) {
	w := newWorld(t)
	opened := w.openPull("replicas: 2\n")
	must(w.s.As("bob").Review("acme/env", opened.Number, "APPROVE", ""))(t)
	must(w.s.As("bob").Comment("acme/env", opened.Number, "hello"))(t)
	must(w.s.As("bob").PushBranch("acme/env", "topic", standin.Change{Files: map[string]string{"a": "1\n"}, Message: "Topic"}))(t)
	theirs := must(w.s.As("bob").OpenPull("acme/env", standin.PullOptions{Branch: "topic"}))(t)
	require.NoError(t, w.s.DeleteUser("bob"))
	require.NoError(t, w.s.DeleteUser("alice"))
	client := w.client()
	reviews, _, err := client.PullRequests.ListReviews(t.Context(), "acme", "env", opened.Number, nil)
	require.NoError(t, err)
	require.Nil(t, reviews[0].User)
	pr, _, err := client.PullRequests.Get(t.Context(), "acme", "env", theirs.Number)
	require.NoError(t, err)
	require.Equal(t, "ghost", pr.GetUser().GetLogin())
	commits, _, err := client.PullRequests.ListCommits(t.Context(), "acme", "env", theirs.Number, nil)
	require.NoError(t, err)
	require.Nil(t, commits[0].Author)
	_, _, activity := w.send("GET", "/repos/acme/env/activity?ref=refs/heads/topic", "token "+w.mintAt(time.Now()), "")
	require.Contains(t, activity, `"actor":null`)
	status, _, _ := w.send("GET", "/user", "token "+w.bob.Token, "")
	require.Equal(t, 401, status)
	require.Empty(t, members(t, w))
	must(w.s.As("carol").Merge("acme/env", theirs.Number, "squash"))(t)
	require.Error(t, w.s.DeleteUser("bob"))
}

func TestTransferRepository(t *testing.T) {
	w := newWorld(t)
	must(w.s.CreateOrganization("umbrella", "carol"))(t)
	client := w.client()
	require.NoError(t, w.s.TransferRepository("acme/env", "umbrella"))
	_, resp, err := client.Repositories.Get(t.Context(), "acme", "env")
	require.Error(t, err)
	require.Equal(t, 404, resp.StatusCode, "the App is not installed there")
	must(w.s.Install(w.app.ID, "umbrella", "env"))(t)
	found, _, err := w.as(w.bob).Repositories.Get(t.Context(), "acme", "env")
	require.NoError(t, err)
	require.Equal(t, "umbrella/env", found.GetFullName())
	require.Equal(t, w.repo.ID, found.GetID())
	require.Error(t, w.s.TransferRepository("acme/env", "nobody"))
}

// git is redirected like the API.
func TestRenamedRepositoryByGit(t *testing.T) {
	w := newWorld(t)
	require.NoError(t, w.s.RenameRepository("acme/env", "environments"))
	url := w.withToken("bob", w.bob.Token)
	require.Contains(t, runGit(t, t.TempDir(), "ls-remote", url), "refs/heads/main")
	out, err := tryGit(t, t.TempDir(), "-c", "http.followRedirects=false", "ls-remote", url)
	require.Error(t, err)
	require.Contains(t, out, "301")
}

func TestFaultsOfTheConnection(t *testing.T) {
	w := newWorld(t)
	get := func(f standin.Fault) (int, string, error) {
		remove, err := w.s.Fail(f)
		require.NoError(t, err)
		defer remove()
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, w.s.APIURL()+"meta", nil)
		require.NoError(t, err)
		resp, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Do(req)
		if err != nil {
			return 0, "", err
		}
		body, err := io.ReadAll(resp.Body)
		return resp.StatusCode, string(body), errors.Join(err, resp.Body.Close())
	}
	_, _, err := get(standin.Fault{Reset: true})
	require.ErrorIs(t, err, syscall.ECONNRESET)
	_, body, err := get(standin.Fault{Status: 200, Body: `{"id":1`, Cut: true})
	require.ErrorIs(t, err, io.ErrUnexpectedEOF)
	require.Equal(t, `{"id":1`, body)
	for _, status := range []int{502, 503, 504} {
		got, body, err := get(standin.Unavailable("", status, 0))
		require.NoError(t, err)
		require.Equal(t, status, got)
		require.Contains(t, body, "<html>")
	}
}

func TestRateLimited(t *testing.T) {
	w := newWorld(t)
	for _, status := range []int{403, 429} {
		f := standin.RateLimited("", status, time.Time{})
		f.Times = 1
		_, err := w.s.Fail(f)
		require.NoError(t, err)
		got, header, body := w.send("GET", "/meta", "token "+w.bob.Token, "")
		require.Equal(t, status, got)
		require.Empty(t, header.Get("X-Ratelimit-Remaining")+header.Get("X-Ratelimit-Reset")+header.Get("Retry-After"))
		require.Contains(t, body, "API rate limit exceeded")
	}
}

func TestHeldDoubledAndLateDeliveries(t *testing.T) {
	w := newWorld(t)
	n := w.openPull("replicas: 2\n").Number
	w.take()
	review := func() { must(w.s.As("bob").Review("acme/env", n, "APPROVE", ""))(t) }
	comment := func() { must(w.s.As("bob").Comment("acme/env", n, "hm"))(t) }

	w.s.HoldDeliveries("pull_request_review.submitted")
	review()
	comment()
	require.Equal(t, []string{"issue_comment.created"}, names(w.take()), "the rest overtakes")
	w.s.HoldDeliveries()
	require.Equal(t, []string{"pull_request_review.submitted"}, names(w.take()))
	w.s.HoldDeliveries("pull_request_review")
	review()
	w.s.LoseDeliveries()
	w.s.HoldDeliveries()
	require.Empty(t, w.take())

	w.s.DuplicateDeliveries(1)
	review()
	comment()
	events := w.take()
	require.Equal(t, []string{"pull_request_review.submitted", "pull_request_review.submitted", "issue_comment.created"}, names(events))
	require.Equal(t, events[0].guid, events[1].guid)
	past := w.s.Deliveries(w.app.ID)
	require.NotEqual(t, past[len(past)-3].ID, past[len(past)-2].ID)

	w.s.DelayDeliveries(50 * time.Millisecond)
	review()
	w.s.DelayDeliveries(0)
	comment()
	started := time.Now()
	require.Equal(t, []string{"issue_comment.created", "pull_request_review.submitted"}, names(w.take()))
	require.Less(t, time.Since(started), 10*time.Second)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	w.s.DelayDeliveries(time.Hour)
	review()
	require.ErrorIs(t, w.s.WaitDelivered(ctx), context.Canceled)
}
