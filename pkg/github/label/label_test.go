package label

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
	"github.com/argo-gatekeeper/gatekeeper/pkg/github"
	"github.com/argo-gatekeeper/gatekeeper/pkg/github/errand"
	"github.com/argo-gatekeeper/gatekeeper/test/e2e/standin"
)

const repoName = approval.RepositoryName("acme/env")

var appKey = sync.OnceValue(func() []byte {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)})
})

// world is a GitHub with an open pull request, and a publisher.
type world struct {
	t      *testing.T
	gh     *standin.Server
	client *github.App
	store  *store
	pull   int
	calls  counts
	p      *Publisher
}

func newWorld(t *testing.T) *world {
	t.Helper()
	s, err := standin.Start(context.WithoutCancel(t.Context()), standin.Options{Dir: t.TempDir()})
	require.NoError(t, err)
	t.Cleanup(func() {
		require.NoError(t, s.Close())
		require.Empty(t, s.ClientViolations(), "requests that GitHub's description does not have")
	})
	w := &world{t: t, gh: s, store: &store{}}
	_, err = s.CreateUser("alice", "Alice")
	require.NoError(t, err)
	_, err = s.CreateOrganization("acme", "alice")
	require.NoError(t, err)
	_, err = s.CreateRepository("acme", "env", standin.RepositoryOptions{Author: "alice"})
	require.NoError(t, err)
	app, err := s.CreateApp(standin.AppOptions{
		Slug: "gatekeeper", Owner: "acme", PrivateKeyPEM: appKey(), Permissions: map[string]string{"pull_requests": "write"},
	})
	require.NoError(t, err)
	_, err = s.Install(app.ID, "acme", "env")
	require.NoError(t, err)
	pull, err := s.As("alice").OpenPull(string(repoName), standin.PullOptions{Change: standin.Change{Files: map[string]string{"a": "1\n"}}})
	require.NoError(t, err)
	w.pull = pull.Number
	w.client, err = github.NewApp(github.Options{BaseURL: s.APIURL(), AppID: app.ID, PrivateKeyPEM: app.PrivateKeyPEM, Logger: testLogger(t), Observe: w.calls.observe})
	require.NoError(t, err)
	w.begin(time.Hour)
	return w
}

func (w *world) begin(again time.Duration) {
	w.p = New(Options{GitHub: w.client, Store: w.store, Gates: func() []string { return []string{"prod", "stage"} }, Logger: testLogger(w.t), Pace: errand.NewPace(time.Nanosecond), Again: again})
}

func testLogger(t *testing.T) *slog.Logger { return slog.New(slog.NewTextHandler(t.Output(), nil)) }

// report is one of the pull request as it is, with the states of its gates.
func (w *world) report(gates map[string]approval.GateReport) approval.PullReport {
	r := approval.PullReport{Repository: repoName, Number: w.pull, Labels: w.labels()}
	for _, name := range []string{"other", "prod", "stage"} {
		if g, ok := gates[name]; ok {
			g.Gate = name
			r.Gates = append(r.Gates, g)
		}
	}
	return r
}

func gate(v approval.Verdict, code approval.Code) approval.GateReport {
	return approval.GateReport{Class: approval.ClassConfig, Quorum: approval.Finding{Verdict: v, Code: code, Children: []approval.Finding{{Verdict: v, Code: code}}}}
}

func waiting() approval.GateReport  { return gate(approval.Blocked, approval.CodeQuorumMissing) }
func approved() approval.GateReport { return gate(approval.Allowed, approval.CodeQuorumMet) }

func (w *world) tell(gates map[string]approval.GateReport) {
	w.t.Helper()
	w.p.Follow(w.report(gates))
	w.work()
}

func (w *world) work() {
	w.t.Helper()
	for range 20 {
		if w.p.queue.Step(w.t.Context(), time.Now()) > 0 {
			return
		}
	}
	w.t.Fatal("the publisher does not come to rest")
}

func (w *world) labels() []string {
	w.t.Helper()
	client, err := w.client.Client(w.t.Context(), repoName)
	require.NoError(w.t, err)
	list, _, err := client.API().Issues.ListLabelsByIssue(w.t.Context(), "acme", "env", w.pull, nil)
	require.NoError(w.t, err)
	out := []string{}
	for _, l := range list {
		out = append(out, l.GetName())
	}
	slices.Sort(out)
	return out
}

func (w *world) writes() int { return int(w.calls.writes.Load()) }

// counts are the calls that the App made, by the client's own count: the stand-in writes
// its log after it has answered.
type counts struct{ reads, writes atomic.Int64 }

func (c *counts) observe(_ context.Context, call github.Call) {
	switch {
	case strings.Contains(call.Endpoint, "access_tokens"), strings.HasSuffix(call.Endpoint, "/installation"):
	case strings.HasPrefix(call.Endpoint, "GET "):
		c.reads.Add(1)
	default:
		c.writes.Add(1)
	}
}

func (c *counts) all() int { return int(c.reads.Load() + c.writes.Load()) }

type store struct {
	mu   sync.Mutex
	text map[int]string
}

func (s *store) Written(_ context.Context, _ approval.RepositoryName, pull int, _ string) (int64, string, bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	text, ok := s.text[pull]
	return 1, text, ok, nil
}

func (s *store) SaveWritten(_ context.Context, _ approval.RepositoryName, pull int, _ string, _ int64, digest string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.text == nil {
		s.text = map[int]string{}
	}
	s.text[pull] = digest
	return nil
}

func TestLabels(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	require.NoError(t, w.gh.As("alice").Label(string(repoName), w.pull, "mine"))
	require.NoError(t, w.gh.As("alice").Label(string(repoName), w.pull, "gatekeeper/else: waiting"))
	others := []string{"gatekeeper/else: waiting", "mine"}
	is := func(want ...string) {
		t.Helper()
		want = append(want, others...)
		slices.Sort(want)
		require.Equal(t, want, w.labels())
	}
	old := w.report(map[string]approval.GateReport{"prod": waiting()})
	w.tell(map[string]approval.GateReport{"prod": waiting(), "stage": approved(), "other": waiting()})
	is("gatekeeper/prod: waiting", "gatekeeper/stage: approved")
	require.Equal(t, 1, w.writes())
	w.tell(map[string]approval.GateReport{"prod": waiting(), "stage": approved()})
	require.Equal(t, 1, w.writes(), "nothing changed")
	w.tell(map[string]approval.GateReport{"prod": approved(), "stage": approved()})
	is("gatekeeper/prod: approved", "gatekeeper/stage: approved")
	require.Equal(t, 3, w.writes())
	w.tell(map[string]approval.GateReport{"prod": gate(approval.Unknown, approval.CodePusherUnknown), "stage": gate(approval.Blocked, approval.CodeVeto)})
	is("gatekeeper/prod: approved", "gatekeeper/stage: blocked")
	none := approved()
	none.Class = approval.ClassNone
	w.tell(map[string]approval.GateReport{"prod": none, "stage": approved()})
	is("gatekeeper/stage: approved")
	// What an old report has missed is read before anything is written.
	w.p.Follow(old)
	w.work()
	is("gatekeeper/prod: waiting", "gatekeeper/stage: approved")
}

// TestPutRight: what others do to our labels is undone, but not over and over.
func TestPutRight(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	all := map[string]approval.GateReport{"prod": waiting()}
	w.tell(all)
	fake := func() {
		require.NoError(t, w.gh.As("alice").Unlabel(string(repoName), w.pull, "gatekeeper/prod: waiting"))
		require.NoError(t, w.gh.As("alice").Label(string(repoName), w.pull, "GATEKEEPER/prod: approved"))
	}
	fake()
	for range 5 {
		w.tell(all)
	}
	require.Equal(t, 1, w.writes(), "it waits")
	require.Equal(t, 1, w.p.queue.Len(), "and is not forgotten")
	w.begin(time.Nanosecond)
	w.tell(all)
	require.Equal(t, []string{"gatekeeper/prod: waiting"}, w.labels())
}

// TestMerged: the labels of a report on a merged pull request may be old.
func TestMerged(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r := w.report(map[string]approval.GateReport{"prod": approved()})
	r.Merged = true
	at := func(s approval.Stage) {
		r.Gates[0].Applications = []approval.ApplicationReport{{Rollout: approval.Rollout{Stage: approval.StageLive}}, {Rollout: approval.Rollout{Stage: s}}}
		w.p.Follow(r)
		w.work()
	}
	at(approval.StageSyncing)
	require.Equal(t, []string{"gatekeeper/prod: approved"}, w.labels())
	at(approval.StageLive)
	require.Equal(t, []string{"gatekeeper/prod: synced"}, w.labels())
	calls := w.calls.all()
	at(approval.StagePast)
	require.Equal(t, calls, w.calls.all())
}

// TestLength: the longest name of a gate still fits.
func TestLength(t *testing.T) {
	t.Parallel()
	for _, g := range []approval.GateReport{waiting(), approved(), gate(approval.Blocked, approval.CodeVeto)} {
		g.Gate = strings.Repeat("x", MaxGate)
		label, known := of(approval.PullReport{}, g)
		require.True(t, known)
		require.LessOrEqual(t, len(label), 50)
	}
}
