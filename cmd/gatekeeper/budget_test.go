package main

import (
	"log/slog"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
	"github.com/argo-gatekeeper/gatekeeper/pkg/github"
	"github.com/argo-gatekeeper/gatekeeper/test/e2e/standin"
)

// Between the webhook of the deciding review and the sync one call goes to
// GitHub, and before it none for events that can change nothing.
func TestCallsUntilTheSync(t *testing.T) {
	t.Parallel()
	w := newTown(t, time.Hour)
	w.decided("the start", func(d approval.Decision) bool { return d.Verdict != "" })
	_, err := w.CreateRepository("acme", "other", standin.RepositoryOptions{Collaborators: map[string]string{"alice": "write", "bob": "write"}})
	require.NoError(t, err)
	_, err = w.As("alice").PushBranch("acme/other", "main", pick(1))
	require.NoError(t, err)

	open, err := w.As("alice").OpenPull(townRepo, standin.PullOptions{Change: standin.Change{Files: map[string]string{"docs/a.md": "a\n"}}})
	require.NoError(t, err)
	p, err := w.As("alice").OpenPull(townRepo, standin.PullOptions{Change: pick(2)})
	require.NoError(t, err)
	w.ahead.Add(int64(2 * time.Second))
	// Carol's approval of another change makes everything known about her.
	first, err := w.As("alice").OpenPull(townRepo, standin.PullOptions{Change: standin.Change{Files: map[string]string{"prod/a.yaml": "a\n"}}})
	require.NoError(t, err)
	w.ahead.Add(int64(2 * time.Second))
	_, err = w.As("carol").Review(townRepo, first.Number, "APPROVE", "")
	require.NoError(t, err)
	before, err := w.As("bob").Merge(townRepo, first.Number, "squash")
	require.NoError(t, err)
	w.deployed(before)
	sha, err := w.As("bob").Merge(townRepo, p.Number, "squash")
	require.NoError(t, err)
	w.decided("it to wait", func(d approval.Decision) bool {
		return d.Verdict == approval.Blocked && len(d.Lines) == 1 && d.Lines[0].Head == approval.SHA(sha)
	})
	w.quiet()
	w.forget()

	// Nothing of this can change anything.
	require.NoError(t, w.As("alice").Label(townRepo, open.Number, "approved"))
	_, err = w.As("alice").PushBranch(townRepo, "scratch", pick(9))
	require.NoError(t, err)
	w.robotSays(open.Number)
	ungated, err := w.As("alice").OpenPull("acme/other", standin.PullOptions{Change: pick(3)})
	require.NoError(t, err)
	_, err = w.As("bob").Review("acme/other", ungated.Number, "APPROVE", "")
	require.NoError(t, err)
	w.quiet()
	require.Empty(t, w.forget())

	var calls []string
	w.cluster.mu.Lock()
	w.cluster.onSync = func() { calls = w.forget() }
	w.cluster.mu.Unlock()
	_, err = w.As("carol").Review(townRepo, p.Number, "APPROVE", "")
	require.NoError(t, err)
	require.Eventually(t, func() bool { return slices.Contains(w.cluster.syncs(), approval.SHA(sha)) }, time.Minute, time.Millisecond)
	require.NotEmpty(t, calls)
	const reviews = "GET /repos/{owner}/{repo}/pulls/{number}/reviews"
	require.Equal(t, reviews, calls[0])
	// The report on the pull request is made beside it.
	after := slices.DeleteFunc(slices.Clone(calls[1:]), func(c string) bool { return strings.Contains(c, "/check-runs") })
	if len(after) > 0 {
		require.Equal(t, []string{reviews}, after, "%v", calls)
	}
}

// A pull request of which everything was heard costs two reads when it is opened,
// also by somebody whose address was never seen, and three once it is approved.
func TestCallsOfANewPullRequest(t *testing.T) {
	t.Parallel()
	w := newTown(t, time.Hour)
	w.decided("the start", func(d approval.Decision) bool { return d.Verdict != "" })
	_, err := w.CreateUser("dora", "Dora", "dora@example.com")
	require.NoError(t, err)
	require.NoError(t, w.SetCollaborator(townRepo, "dora", "write"))
	w.quiet()
	// What is read to report and about people is not counted.
	others := regexp.MustCompile(`check-runs|/comments$|^collaborators/`)
	reads := func() (out []string) {
		for _, c := range w.api() {
			if path, ok := strings.CutPrefix(c, "GET /repos/acme/env/"); ok && !others.MatchString(path) {
				out = append(out, path)
			}
		}
		return out
	}
	w.ResetCalls()
	p, err := w.As("dora").OpenPull(townRepo, standin.PullOptions{Change: pick(2)})
	require.NoError(t, err)
	w.quiet()
	require.ElementsMatch(t, []string{"pulls/1", "pulls/1/reviews"}, reads())
	w.ahead.Add(int64(2 * time.Second))
	w.ResetCalls()
	_, err = w.As("carol").Review(townRepo, p.Number, "APPROVE", "")
	require.NoError(t, err)
	w.quiet()
	require.ElementsMatch(t, []string{"pulls/1", "pulls/1/reviews", "activity"}, reads())
}

// robotSays lets another App comment.
func (w *town) robotSays(number int) {
	w.t.Helper()
	app, err := w.CreateApp(standin.AppOptions{Slug: "robot", Owner: "acme", PrivateKeyPEM: townKey(), Permissions: map[string]string{"pull_requests": "write"}})
	require.NoError(w.t, err)
	_, err = w.Install(app.ID, "acme", "env")
	require.NoError(w.t, err)
	robot, err := github.NewApp(github.Options{BaseURL: w.APIURL(), AppID: app.ID, PrivateKeyPEM: app.PrivateKeyPEM, Logger: slog.New(slog.DiscardHandler)})
	require.NoError(w.t, err)
	c, err := robot.Client(w.t.Context(), townRepo)
	require.NoError(w.t, err)
	path := "repos/acme/env/issues/" + strconv.Itoa(number) + "/comments"
	req, err := c.API().NewRequest(http.MethodPost, path, map[string]string{"body": "I am a robot"})
	require.NoError(w.t, err)
	_, err = c.API().Do(w.t.Context(), req, nil)
	require.NoError(w.t, err)
}

// api are the calls to the API since the last reset.
func (w *town) api() (out []string) {
	for _, c := range w.Calls() {
		if c.Kind == "api" && c.Token == "installation" {
			out = append(out, c.Method+" "+c.Path)
		}
	}
	return out
}

// quiet waits until everything that was told has been dealt with: the inbox is empty,
// and for a while no call is made. A report that waits for its second keeps its delivery
// in the inbox.
func (w *town) quiet() {
	w.t.Helper()
	w.delivered()
	last, since := -1, time.Now()
	require.Eventually(w.t, func() bool {
		waiting, err := w.box.Pending(w.t.Context(), 1)
		if n := len(w.Calls()); n != last || err != nil || len(waiting) > 0 || w.outdated() > 0 {
			last, since = n, time.Now()
		}
		return time.Since(since) > 1500*time.Millisecond
	}, time.Minute, 5*time.Millisecond)
}
