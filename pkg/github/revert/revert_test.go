package revert_test

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
	"github.com/argo-gatekeeper/gatekeeper/pkg/github"
	"github.com/argo-gatekeeper/gatekeeper/pkg/github/revert"
	"github.com/argo-gatekeeper/gatekeeper/test/e2e/standin"
)

const (
	repoName = "acme/env"
	branch   = "gatekeeper/rollback/ORDER1"
)

// world is a GitHub with the repository acme/env, in which production was changed.
type world struct {
	t        *testing.T
	gh       *standin.Server
	reverter *revert.Reverter
	// first and head are the commits before and after the change.
	first, head approval.SHA
	lose        func(*http.Request) bool // says which answers get lost
}

func (w *world) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := http.DefaultTransport.RoundTrip(r)
	if err == nil && w.lose != nil && w.lose(r) {
		_ = resp.Body.Close()
		return nil, errors.New("the answer is lost")
	}
	return resp, err
}

func newWorld(t *testing.T) *world {
	t.Helper()
	t.Parallel()
	w := &world{t: t}
	s, err := standin.Start(context.WithoutCancel(t.Context()), standin.Options{Dir: t.TempDir()})
	require.NoError(t, err)
	t.Cleanup(func() {
		require.NoError(t, s.Close())
		require.Empty(t, s.ClientViolations(), "requests that GitHub's description does not have")
	})
	w.gh = s
	for _, login := range []string{"alice", "web-flow"} {
		_, err := s.CreateUser(login, login, login+"@example.com")
		require.NoError(t, err)
	}
	_, err = s.CreateOrganization("acme", "alice")
	require.NoError(t, err)
	repository, err := s.CreateRepository("acme", "env", standin.RepositoryOptions{
		Files:  map[string]string{"prod/values.yaml": "replicas: 4\n", "prod/old.yaml": "a: 1\n", "stage/values.yaml": "replicas: 1\n"},
		Author: "alice",
	})
	require.NoError(t, err)
	w.first = approval.SHA(repository.Head)
	head, err := s.As("alice").PushBranch(repoName, "main", standin.Change{
		Message: "Change production",
		Files:   map[string]string{"prod/values.yaml": "replicas: 0\n", "prod/new.yaml": "b: 2\n", "stage/values.yaml": "replicas: 2\n"},
		Delete:  []string{"prod/old.yaml"},
	})
	require.NoError(t, err)
	w.head = approval.SHA(head)
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(t, err)
	app, err := s.CreateApp(standin.AppOptions{
		Slug: "gatekeeper", Owner: "acme", PrivateKeyPEM: pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)}),
		Permissions: map[string]string{"pull_requests": "write", "contents": "write"},
	})
	require.NoError(t, err)
	_, err = s.Install(app.ID, "acme", "env")
	require.NoError(t, err)
	log := slog.New(slog.NewTextHandler(t.Output(), nil))
	hub, err := github.NewApp(github.Options{BaseURL: s.APIURL(), AppID: app.ID, PrivateKeyPEM: app.PrivateKeyPEM, Logger: log, Transport: w})
	require.NoError(t, err)
	w.reverter = revert.New(hub, log)
	return w
}

func (w *world) entry(path string) approval.Entry {
	w.t.Helper()
	_, sha, err := w.gh.File(repoName, string(w.first), path)
	require.NoError(w.t, err)
	return approval.Entry{Mode: "100644", SHA: approval.SHA(sha)}
}

func (w *world) request() revert.Request {
	return revert.Request{
		ID: "ORDER1", Application: "argocd/payments", Person: "ada", Reason: "it | `fails`\n@alice", Repository: repoName, Branch: "main",
		Base: w.head, To: w.first, Others: []string{"argocd/ledger"},
		Files: []revert.File{
			{Path: "prod/values.yaml", Entry: w.entry("prod/values.yaml")},
			{Path: "prod/old.yaml", Entry: w.entry("prod/old.yaml")},
			{Path: "prod/new.yaml"},
		},
	}
}

// check: the branch has what was live before, and nothing else is different from head.
func (w *world) check(p revert.Pull) {
	w.t.Helper()
	for path, want := range map[string]string{"prod/values.yaml": "replicas: 4\n", "prod/old.yaml": "a: 1\n", "stage/values.yaml": "replicas: 2\n"} {
		got, _, err := w.gh.File(repoName, branch, path)
		require.NoError(w.t, err)
		require.Equal(w.t, want, string(got), path)
	}
	_, _, err := w.gh.File(repoName, branch, "prod/new.yaml")
	require.Error(w.t, err)
	commits, err := w.gh.PullCommits(repoName, p.Number)
	require.NoError(w.t, err)
	require.Len(w.t, commits, 1)
}

func TestOpen(t *testing.T) {
	w := newWorld(t)
	first, err := w.reverter.Open(t.Context(), w.request())
	require.NoError(t, err)
	require.True(t, first.Created)
	w.check(first)
	pull, err := w.gh.Pull(repoName, first.Number)
	require.NoError(t, err)
	require.Equal(t, "Roll argocd/payments back to "+w.first.Short(), pull.Title)
	require.Contains(t, pull.Body, "``it \\| `fails` @alice``", "no text of others is Markdown")
	require.Contains(t, pull.Body, "`prod/new.yaml` | removed")
	require.Contains(t, pull.Body, "`argocd/ledger`")

	again, err := w.reverter.Open(t.Context(), w.request())
	require.NoError(t, err)
	require.Equal(t, revert.Pull{Number: first.Number, URL: first.URL}, again)
	require.NoError(t, w.gh.As("alice").EditPull(repoName, first.Number, "", "", "", "closed"))
	again, err = w.reverter.Open(t.Context(), w.request())
	require.NoError(t, err)
	require.Equal(t, first.Number, again.Number, "what somebody closed stays closed")
}

// TestOpenLost: any answer may get lost, and the next try finds what was done.
func TestOpenLost(t *testing.T) {
	for _, lost := range []string{"/git/trees", "/git/commits", "/git/refs", "/pulls"} {
		t.Run(lost, func(t *testing.T) {
			w := newWorld(t)
			times := 1
			w.lose = func(r *http.Request) bool {
				if r.Method != http.MethodPost || !strings.HasSuffix(r.URL.Path, lost) || times == 0 {
					return false
				}
				times--
				return true
			}
			_, err := w.reverter.Open(t.Context(), w.request())
			require.Error(t, err)
			require.Zero(t, times)
			pull, err := w.reverter.Open(t.Context(), w.request())
			require.NoError(t, err)
			w.check(pull)
		})
	}
}

func TestOpenForeign(t *testing.T) {
	w := newWorld(t)
	_, err := w.gh.As("alice").PushBranch(repoName, branch, standin.Change{Message: "Mine\n\nGatekeeper-Rollback: ORDER1", Files: map[string]string{"prod/values.yaml": "x: 1\n"}})
	require.NoError(t, err)
	_, err = w.reverter.Open(t.Context(), w.request())
	require.ErrorIs(t, err, revert.ErrForeign)
}

func TestOpenRefuses(t *testing.T) {
	w := newWorld(t)
	for name, test := range map[string]struct {
		edit func(*revert.Request)
		want error
	}{
		"no files":      {func(r *revert.Request) { r.Files = nil }, revert.ErrNothing},
		"many files":    {func(r *revert.Request) { r.Files = make([]revert.File, revert.MaxFiles+1) }, revert.ErrRequest},
		"no path":       {func(r *revert.Request) { r.Files[0].Path = "" }, revert.ErrRequest},
		"half an entry": {func(r *revert.Request) { r.Files[0].Entry.Mode = "" }, revert.ErrRequest},
		"ID":            {func(r *revert.Request) { r.ID = "../main" }, revert.ErrRequest},
		"no ID":         {func(r *revert.Request) { r.ID = "" }, revert.ErrRequest},
		"nobody":        {func(r *revert.Request) { r.Person = "" }, revert.ErrRequest},
		"no base":       {func(r *revert.Request) { r.Base = "" }, revert.ErrRequest},
	} {
		request := w.request()
		test.edit(&request)
		_, err := w.reverter.Open(t.Context(), request)
		require.ErrorIs(t, err, test.want, name)
	}
}
