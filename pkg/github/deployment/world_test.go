package deployment

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"io"
	"log/slog"
	"net/http"
	"slices"
	"strconv"
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

// world is a GitHub with commits that landed, and a publisher.
type world struct {
	t      *testing.T
	gh     *standin.Server
	app    standin.App
	client *github.App
	store  *store
	counts counts
	token  string
	// landed are the commits of pull requests 1, 2, …
	landed []approval.SHA
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
	w := &world{t: t, gh: s, store: newStore()}
	alice, err := s.CreateUser("alice", "Alice")
	require.NoError(t, err)
	w.token = alice.Token
	_, err = s.CreateOrganization("acme", "alice")
	require.NoError(t, err)
	_, err = s.CreateRepository("acme", "env", standin.RepositoryOptions{Author: "alice"})
	require.NoError(t, err)
	w.app, err = s.CreateApp(standin.AppOptions{
		Slug: "gatekeeper", Owner: "acme", PrivateKeyPEM: appKey(), Permissions: map[string]string{"deployments": "write"},
	})
	require.NoError(t, err)
	_, err = s.Install(w.app.ID, "acme", "env")
	require.NoError(t, err)
	for n := range 4 {
		sha, err := s.As("alice").PushBranch(string(repoName), "main", standin.Change{Files: map[string]string{"a": strconv.Itoa(n) + "\n"}})
		require.NoError(t, err)
		w.landed = append(w.landed, approval.SHA(sha))
	}
	w.connect()
	w.restart()
	return w
}

// connect begins with no token.
func (w *world) connect() {
	w.t.Helper()
	w.client = w.appClient(w.app)
}

func (w *world) appClient(app standin.App) *github.App {
	w.t.Helper()
	client, err := github.NewApp(github.Options{
		BaseURL: w.gh.APIURL(), AppID: app.ID, PrivateKeyPEM: app.PrivateKeyPEM, Logger: testLogger(w.t), Observe: w.counts.observe,
	})
	require.NoError(w.t, err)
	return client
}

// restart begins with what is stored.
func (w *world) restart() {
	w.p = New(Options{
		GitHub: w.client, Store: w.store, Logger: testLogger(w.t), Pace: errand.NewPace(time.Nanosecond), Refresh: time.Hour,
		Gates: func() map[string]Settings {
			return map[string]Settings{"prod": {Environment: "production", Production: true, URL: "https://shop.example.com"}}
		},
		Links: Links{GitHub: "https://github.example.com", ArgoCD: "https://argo.example.com"},
	})
}

func testLogger(t *testing.T) *slog.Logger { return slog.New(slog.NewTextHandler(t.Output(), nil)) }

// tell reports the stages of Applications and lets the publisher do what is due.
func (w *world) tell(pull int, apps ...approval.ApplicationReport) {
	w.t.Helper()
	w.p.Follow(w.report(pull, apps...))
	w.work()
}

// report is one on a pull request that landed, on which one approval is missing as long as
// something waits.
func (w *world) report(pull int, apps ...approval.ApplicationReport) approval.PullReport {
	quorum := approval.Finding{Verdict: approval.Allowed, Text: "approved by bob"}
	if slices.ContainsFunc(apps, func(a approval.ApplicationReport) bool { return a.Rollout.Stage == approval.StageWaiting }) {
		quorum = approval.Finding{Verdict: approval.Blocked, Text: "sre: 1 of 2 approvals; waiting for 1 more of acme/sre"}
	}
	for i := range apps {
		apps[i].Application = "argocd/app" + strconv.Itoa(i+1)
	}
	return approval.PullReport{
		Repository: repoName, Number: pull, Merged: true, Landed: w.landed[pull-1],
		Gates: []approval.GateReport{{Gate: "prod", Class: approval.ClassConfig, Quorum: quorum, Applications: apps}},
	}
}

// at is an Application in a stage.
func at(stage approval.Stage) approval.ApplicationReport {
	return approval.ApplicationReport{Rollout: approval.Rollout{Stage: stage, Sequence: 7}, State: "its state"}
}

// work does all that is due.
func (w *world) work() {
	w.t.Helper()
	for range 50 {
		if w.p.queue.Step(w.t.Context(), time.Now()) > 0 {
			return
		}
	}
	w.t.Fatal("the publisher does not come to rest")
}

// hurry makes everything due that waits.
func (w *world) hurry() {
	w.t.Helper()
	w.p.queue.Hurry()
	w.work()
}

type seenStatus struct {
	State, Description string
	LogURL             string `json:"log_url"`
	EnvironmentURL     string `json:"environment_url"`
}

type seenDeployment struct {
	ID          int64
	SHA, Ref    string
	Task        string
	Environment string
	Payload     json.RawMessage
	Production  bool `json:"production_environment"`
	statuses    []seenStatus
}

func (d seenDeployment) states() []string {
	out := []string{}
	for _, s := range d.statuses {
		out = append(out, s.State)
	}
	return out
}

// seen are the deployments of a pull request's commit, statuses oldest first, as alice
// sees them.
func (w *world) seen(pull int) []seenDeployment {
	w.t.Helper()
	var all []seenDeployment
	w.get("deployments?sha="+string(w.landed[pull-1]), &all)
	for i := range all {
		w.get("deployments/"+strconv.FormatInt(all[i].ID, 10)+"/statuses", &all[i].statuses)
		slices.Reverse(all[i].statuses)
	}
	return all
}

// states are those of the only deployment of a pull request.
func (w *world) states(pull int) []string {
	w.t.Helper()
	all := w.seen(pull)
	require.Len(w.t, all, 1)
	return all[0].states()
}

func (w *world) get(path string, into any) {
	w.t.Helper()
	req, err := http.NewRequestWithContext(w.t.Context(), http.MethodGet, w.gh.APIURL()+"repos/"+string(repoName)+"/"+path, nil)
	require.NoError(w.t, err)
	req.Header.Set("Authorization", "Bearer "+w.token)
	resp, err := http.DefaultClient.Do(req)
	require.NoError(w.t, err)
	defer func() { require.NoError(w.t, resp.Body.Close()) }()
	body, err := io.ReadAll(resp.Body)
	require.NoError(w.t, err)
	require.Equal(w.t, http.StatusOK, resp.StatusCode, "%s", body)
	require.NoError(w.t, json.Unmarshal(body, into))
}

// calls counts what Apps asked of GitHub, beside their tokens.
func (w *world) calls() (reads, writes int) {
	return int(w.counts.reads.Load()), int(w.counts.writes.Load())
}

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

// store keeps what was written in memory.
type store struct {
	mu      sync.Mutex
	written map[storeKey]storeValue
	fail    error
}

type storeKey struct {
	repository approval.RepositoryName
	pull       int
	name       string
}

type storeValue struct {
	id     int64
	digest string
}

func newStore() *store { return &store{written: map[storeKey]storeValue{}} }

func (s *store) Written(_ context.Context, r approval.RepositoryName, pull int, name string) (int64, string, bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	v, ok := s.written[storeKey{r, pull, name}]
	return v.id, v.digest, ok, s.fail
}

func (s *store) SaveWritten(_ context.Context, r approval.RepositoryName, pull int, name string, id int64, digest string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.fail == nil {
		s.written[storeKey{r, pull, name}] = storeValue{id, digest}
	}
	return s.fail
}

func (s *store) EachWritten(_ context.Context, r approval.RepositoryName, name string, each func(int, int64, string)) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for k, v := range s.written {
		if k.repository == r && k.name == name {
			each(k.pull, v.id, v.digest)
		}
	}
	return s.fail
}
