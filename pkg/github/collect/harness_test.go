package collect_test

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/internal/inbox"
	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
	"github.com/argo-gatekeeper/gatekeeper/pkg/github"
	"github.com/argo-gatekeeper/gatekeeper/pkg/github/collect"
	"github.com/argo-gatekeeper/gatekeeper/pkg/github/mirror"
	"github.com/argo-gatekeeper/gatekeeper/pkg/github/webhook/webhooktest"
	"github.com/argo-gatekeeper/gatekeeper/test/e2e/standin"
)

// appKey makes one RSA key for all tests: each takes a noticeable time.
var appKey = sync.OnceValue(func() []byte {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)})
})

const repoName = "acme/env"

// world is a GitHub with the repository acme/env, its people, a GitHub App
// installed there, and a collector that acts as that App. Alice, bob and carol
// may write; bob and carol are in acme/sre.
type world struct {
	t         *testing.T
	gh        *standin.Server
	app       standin.App
	repo      standin.Repository
	transport http.RoundTripper
	witness   *witness
	box       *inbox.Store // what is kept of pushes, and across restarts
	client    *github.App
	current   atomic.Pointer[github.App] // the same, for the mirror
	mirror    *mirror.Mirror
	collector *collect.Collector
	fetching  func()       // called when a fetch begins, may be nil
	observed  atomic.Int64 // API calls that were answered since resetCalls
	moves     int          // how often the branch was moved on, see update
	edits     int          // how often a pull request was pushed to, see pushed
	ahead     atomic.Int64 // how far GitHub's clock is ahead, in nanoseconds
}

// emptyBox is an inbox in which nothing is: to make one takes longer than most tests.
var emptyBox = sync.OnceValues(func() ([]byte, error) {
	dir, err := os.MkdirTemp("", "inbox")
	if err != nil {
		return nil, err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	path := filepath.Join(dir, "inbox.db")
	box, err := inbox.Open(context.Background(), path)
	if err != nil {
		return nil, err
	}
	if err := box.Close(); err != nil {
		return nil, err
	}
	return os.ReadFile(path)
})

func newBox(t *testing.T) *inbox.Store {
	t.Helper()
	empty, err := emptyBox()
	require.NoError(t, err)
	path := filepath.Join(t.TempDir(), "inbox.db")
	require.NoError(t, os.WriteFile(path, empty, 0o600))
	box, err := inbox.Open(t.Context(), path)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, box.Close()) })
	return box
}

type option func(*world, *collect.Options)

func withGrace(d time.Duration) option {
	return func(_ *world, o *collect.Options) { o.IndexGrace = d }
}

func withTransport(rt http.RoundTripper) option {
	return func(w *world, _ *collect.Options) { w.transport = rt }
}

func newWorld(t *testing.T, options ...option) *world {
	t.Helper()
	w := &world{t: t, witness: newWitness()}
	w.box = newBox(t)
	s, err := standin.Start(context.WithoutCancel(t.Context()), standin.Options{
		Dir: t.TempDir(), Now: func() time.Time { return time.Now().Add(time.Duration(w.ahead.Load())) },
	})
	require.NoError(t, err)
	t.Cleanup(func() {
		require.NoError(t, s.Close())
		require.Empty(t, s.ClientViolations(), "requests that GitHub's description does not have")
	})
	w.gh = s
	for _, login := range []string{"alice", "bob", "carol", "mallory"} {
		_, err := s.CreateUser(login, strings.ToUpper(login[:1])+login[1:], login+"@example.com")
		require.NoError(t, err)
	}
	// GitHub commits under this name what people do in its pages.
	_, err = s.CreateUser("web-flow", "GitHub", "noreply@github.com")
	require.NoError(t, err)
	_, err = s.CreateOrganization("acme", "carol")
	require.NoError(t, err)
	_, err = s.CreateTeam("acme", "sre", "bob", "carol")
	require.NoError(t, err)
	w.repo, err = s.CreateRepository("acme", "env", standin.RepositoryOptions{
		Files: map[string]string{"prod/values.yaml": "replicas: 1\n"}, Author: "carol",
		Collaborators: map[string]string{"alice": "write", "bob": "maintain", "mallory": "write"},
	})
	require.NoError(t, err)
	w.app, err = s.CreateApp(standin.AppOptions{
		Slug: "gatekeeper", Owner: "acme", PrivateKeyPEM: appKey(), LongTokens: true,
		Permissions: map[string]string{"pull_requests": "write", "contents": "read", "checks": "write", "issues": "read", "members": "read"},
		Events:      []string{"pull_request", "pull_request_review", "push", "issue_comment", "check_run", "membership", "team"},
	})
	require.NoError(t, err)
	_, err = s.Install(w.app.ID, "acme", "env")
	require.NoError(t, err)
	w.restart(options...)
	return w
}

// restart makes a new collector that knows nothing, and keeps the mirror.
func (w *world) restart(options ...option) {
	w.t.Helper()
	o := collect.Options{
		Witness: w.witness, Pushes: w.box, Memory: w.box, Logger: w.logger(),
		Mirror: func(context.Context, approval.RepositoryName) (*mirror.Mirror, error) { return w.mirror, nil },
		// Tests that are about the grace time set it. The others want to know
		// what comes after it.
		IndexGrace: time.Nanosecond,
	}
	for _, set := range options {
		set(w, &o)
	}
	var err error
	w.client, err = github.NewApp(github.Options{
		BaseURL: w.gh.APIURL(), AppID: w.app.ID, PrivateKeyPEM: w.app.PrivateKeyPEM, Logger: w.logger(), Transport: w.transport,
		YoungToken: time.Nanosecond, // the stand-in knows its tokens at once
		Observe: func(_ context.Context, c github.Call) {
			if c.Status != 0 {
				w.observed.Add(1)
			}
		},
	})
	require.NoError(w.t, err)
	w.current.Store(w.client)
	if w.mirror == nil {
		w.mirror, err = mirror.Open(w.t.Context(), mirror.Options{
			Dir: filepath.Join(w.t.TempDir(), "env.git"), URL: w.repo.CloneURL, Logger: w.logger(),
			Token: func(ctx context.Context) (string, error) {
				if w.fetching != nil {
					w.fetching()
				}
				c, err := w.current.Load().Client(ctx, repoName)
				if err != nil {
					return "", err
				}
				return c.Token(ctx)
			},
		})
		require.NoError(w.t, err)
		w.t.Cleanup(func() { require.NoError(w.t, w.mirror.Close()) })
	}
	o.GitHub = w.client
	w.collector, err = collect.New(o)
	require.NoError(w.t, err)
}

// listen delivers webhooks to the witness from now on, as the product does.
func (w *world) listen() {
	w.t.Helper()
	webhooktest.Receive(w.t, w.gh, w.app.ID, func(_ string, h approval.Hint) error {
		w.witness.keep(h)
		return w.store(h)
	})
}

func (w *world) delivered() {
	w.t.Helper()
	require.NoError(w.t, w.gh.WaitDelivered(w.t.Context()))
}

func (w *world) logger() *slog.Logger {
	return slog.New(slog.NewTextHandler(testWriter{w.t}, &slog.HandlerOptions{Level: slog.LevelDebug}))
}

type testWriter struct{ t *testing.T }

func (w testWriter) Write(p []byte) (int, error) {
	w.t.Log(strings.TrimRight(string(p), "\n"))
	return len(p), nil
}

func (w *world) query(baseline string) approval.Query {
	return approval.Query{
		Ranges: []approval.Range{{Repository: repoName, Branch: "main", Baseline: approval.SHA(baseline)}},
		Teams:  []approval.TeamName{"acme/sre"}, Users: []string{"carol"},
	}
}

func (w *world) collect(baseline string) approval.Answer {
	w.t.Helper()
	a, err := w.collector.Collect(w.t.Context(), w.query(baseline))
	require.NoError(w.t, err)
	require.Len(w.t, a.Lines, 1)
	w.checkLine(a.Lines[0], baseline)
	return a
}

// checkLine holds every line to what the core demands: no gap.
func (w *world) checkLine(l approval.Line, baseline string) {
	w.t.Helper()
	head, err := w.gh.Branch(repoName, "main")
	require.NoError(w.t, err)
	require.Equal(w.t, approval.SHA(head), l.Head)
	require.Equal(w.t, w.repo.ID, l.RepositoryID)
	require.True(w.t, l.DefaultBranch)
	if !l.BaselineOnLine {
		require.Empty(w.t, l.Landings)
		return
	}
	at := approval.SHA(baseline)
	for _, landing := range l.Landings {
		require.Equal(w.t, at, landing.Parent)
		require.NotEmpty(w.t, landing.Changes)
		require.NotEqual(w.t, landing.Tree, landing.ParentTree)
		for sha, tree := range map[approval.SHA]approval.SHA{landing.Commit: landing.Tree, landing.Parent: landing.ParentTree} {
			c, err := w.mirror.Commit(w.t.Context(), sha)
			require.NoError(w.t, err)
			require.Equal(w.t, c.Tree, tree)
		}
		at = landing.Commit
	}
	require.Equal(w.t, l.Head, at)
}

// pull opens a pull request by a person that changes one file.
func (w *world) pull(who, path, content string) standin.OpenedPull {
	w.t.Helper()
	p, err := w.gh.As(who).OpenPull(repoName, standin.PullOptions{
		Title: "Change " + path, Change: standin.Change{Files: map[string]string{path: content}, Message: "Change " + path},
	})
	require.NoError(w.t, err)
	return p
}

func (w *world) merge(number int, method string) string {
	w.t.Helper()
	sha, err := w.gh.As("bob").Merge(repoName, number, method)
	require.NoError(w.t, err)
	return sha
}

func (w *world) push(who string, number int, path, content string) string {
	w.t.Helper()
	sha, err := w.gh.As(who).PushToPull(repoName, number, change(path, content))
	require.NoError(w.t, err)
	return sha
}

func change(path, content string) standin.Change {
	return standin.Change{Files: map[string]string{path: content}, Message: "Change " + path + " to " + strings.TrimSpace(content)}
}

func (w *world) review(who string, number int, event string) int64 {
	w.t.Helper()
	body := ""
	if event != "APPROVE" {
		body = "please look again"
	}
	id, err := w.gh.As(who).Review(repoName, number, event, body)
	require.NoError(w.t, err)
	return id
}

// apiCalls are the REST calls since the last reset, as "METHOD /path", and with
// "?ref" behind it for the activity of one branch.
func (w *world) apiCalls() []string {
	w.t.Helper()
	// The stand-in notes a call after it answered, so the last may be missing yet.
	var out []string
	require.Eventually(w.t, func() bool {
		out = nil
		for _, c := range w.gh.Calls() {
			if c.Kind == "api" {
				call := c.Method + " " + c.Path
				if strings.HasPrefix(c.Query, "ref=") || strings.Contains(c.Query, "&ref=") {
					call += "?ref"
				}
				out = append(out, call)
			}
		}
		return int64(len(out)) == w.observed.Load()
	}, time.Minute, time.Millisecond)
	return out
}

func (w *world) resetCalls() {
	w.t.Helper()
	w.apiCalls()
	w.gh.ResetCalls()
	w.observed.Store(0)
}

func withPeople(d time.Duration) option {
	return func(_ *world, o *collect.Options) { o.MembershipTTL = d }
}

// lose waits for all deliveries so far, and loses those of what is done then.
func (w *world) lose(do func()) {
	w.t.Helper()
	w.delivered()
	w.witness.setDeaf(true)
	do()
	w.delivered()
	w.witness.setDeaf(false)
}
