package main

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/internal/gate"
	"github.com/argo-gatekeeper/gatekeeper/internal/httpapi"
	"github.com/argo-gatekeeper/gatekeeper/internal/inbox"
	"github.com/argo-gatekeeper/gatekeeper/internal/instrument"
	"github.com/argo-gatekeeper/gatekeeper/internal/tracing"
	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
	"github.com/argo-gatekeeper/gatekeeper/pkg/argo/closure"
	"github.com/argo-gatekeeper/gatekeeper/pkg/github"
	"github.com/argo-gatekeeper/gatekeeper/pkg/github/collect"
	"github.com/argo-gatekeeper/gatekeeper/pkg/github/report"
	"github.com/argo-gatekeeper/gatekeeper/pkg/github/webhook"
	"github.com/argo-gatekeeper/gatekeeper/pkg/history"
	"github.com/argo-gatekeeper/gatekeeper/pkg/history/sqlite"
	"github.com/argo-gatekeeper/gatekeeper/test/e2e/standin"
)

// cluster stands for Argo CD: one Application, whose syncs succeed at once.
type cluster struct {
	mu     sync.Mutex
	apps   []approval.Application
	synced []approval.SHA
	wake   func(approval.Application)
	// onSync, when set, runs before a sync is taken.
	onSync func()
}

// newCluster has so many Applications of project prod: shop, shop-1 and so on.
func newCluster(n int, cloneURL string) *cluster {
	c := &cluster{}
	for i := range n {
		app := approval.Application{
			UID: strconv.Itoa(i + 1), Namespace: "argocd", Name: "shop", Project: "prod", ResourceVersion: "1", SpecDigest: "d",
			Server: "https://kubernetes.default.svc", DestinationNamespace: "shop",
			Sources: []approval.Source{{
				Kind: approval.SourceGit, RepoURL: cloneURL, Repository: townRepo, TargetRevision: "main",
				Reads: []approval.Read{{Repository: townRepo, Path: "prod/"}},
			}},
		}
		if i > 0 {
			app.Name = fmt.Sprintf("shop-%d", i)
		}
		c.apps = append(c.apps, app)
	}
	return c
}

func (c *cluster) find(key string) *approval.Application {
	i := slices.IndexFunc(c.apps, func(a approval.Application) bool { return a.Key() == key })
	if i < 0 {
		return nil
	}
	return &c.apps[i]
}

func (c *cluster) Get(_ context.Context, namespace, name string) (approval.Application, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if app := c.find(namespace + "/" + name); app != nil {
		return *app, nil
	}
	return approval.Application{}, approval.ErrNotFound
}

func (c *cluster) List() []approval.Application {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.apps)
}

func (c *cluster) Sync(_ context.Context, r approval.Release) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.onSync != nil {
		c.onSync()
	}
	app := c.find(r.Application().Key())
	if app == nil || app.ResourceVersion != r.Application().ResourceVersion {
		return approval.ErrStale
	}
	op := &approval.Operation{Intent: r.Intent(), Phase: "Succeeded", StartedAt: time.Now(), FinishedAt: time.Now()}
	for _, revision := range r.Candidate().Revisions {
		op.Revisions = append(op.Revisions, string(revision.SHA))
		c.synced = append(c.synced, revision.SHA)
	}
	app.Operation = op
	app.ResourceVersion = strconv.Itoa(len(c.synced) + 1)
	go c.wake(*app)
	return nil
}

func (*cluster) Nudge(context.Context, string, string) error { return nil }

func (c *cluster) SyncAllowed(context.Context, approval.Application) (bool, string, error) {
	return true, "", nil
}

func (c *cluster) syncs() []approval.SHA {
	c.mu.Lock()
	defer c.mu.Unlock()
	return append([]approval.SHA{}, c.synced...)
}

// town is everything of gatekeeper but Argo CD, wired as serve does, with the
// GitHub stand-in at the other end. One approval of acme/sre is needed, in which
// bob and carol are.
type town struct {
	*standin.Server
	t       testing.TB
	app     standin.App
	repo    standin.Repository
	cluster *cluster
	record  history.Record
	box     *inbox.Store
	ahead   atomic.Int64 // how far GitHub's clock is ahead, in nanoseconds
	frozen  atomic.Pointer[time.Time]
	open    openPulls
	// outdated is how many open pull requests are to be judged anew.
	outdated func() int
	metrics  *prometheus.Registry
	// reads and writes are the calls of GitHub's API so far.
	reads, writes atomic.Int64
	// seen are the endpoints of those calls, in the order of their answers.
	seenMu sync.Mutex
	seen   []string
	// tracer is nil unless a test sets it.
	tracer *tracing.Tracer
}

// now is GitHub's clock.
func (w *town) now() time.Time {
	if at := w.frozen.Load(); at != nil {
		return *at
	}
	return time.Now().Add(time.Duration(w.ahead.Load()))
}

var townKey = sync.OnceValue(func() []byte {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)})
})

const townRepo = "acme/env"

func newTown(t testing.TB, resync time.Duration) *town {
	t.Helper()
	return newTownOf(t, resync, 1)
}

// newTownOf has more than one Application.
func newTownOf(t testing.TB, resync time.Duration, applications int) *town {
	t.Helper()
	return buildTown(&town{t: t}, resync, applications)
}

func buildTown(w *town, resync time.Duration, applications int) *town {
	t := w.t
	t.Helper()
	var err error
	w.Server, err = standin.Start(context.WithoutCancel(t.Context()), standin.Options{Dir: t.TempDir(), Now: w.now})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, w.Close()) })
	for _, login := range []string{"alice", "bob", "carol", "web-flow"} {
		email := login + "@example.com"
		if login == "web-flow" {
			email = "noreply@github.com"
		}
		_, err := w.CreateUser(login, login, email)
		require.NoError(t, err)
	}
	_, err = w.CreateOrganization("acme", "carol")
	require.NoError(t, err)
	_, err = w.CreateTeam("acme", "sre", "bob", "carol")
	require.NoError(t, err)
	w.repo, err = w.CreateRepository("acme", "env", standin.RepositoryOptions{
		Files: map[string]string{"prod/values.yaml": "replicas: 1\n"}, Author: "carol",
		Collaborators: map[string]string{"alice": "write", "bob": "write"},
	})
	require.NoError(t, err)
	w.app, err = w.CreateApp(standin.AppOptions{
		Slug: "gatekeeper", Owner: "acme", PrivateKeyPEM: townKey(),
		Permissions: map[string]string{"pull_requests": "write", "contents": "read", "checks": "write", "issues": "read", "members": "read"},
		Events:      []string{"pull_request", "pull_request_review", "push", "issue_comment", "check_run", "membership", "team", "member", "organization"},
	})
	require.NoError(t, err)
	_, err = w.Install(w.app.ID, "acme", "env")
	require.NoError(t, err)
	w.cluster = newCluster(applications, w.repo.CloneURL)
	w.serve(resync)
	return w
}

// serve runs gatekeeper until the test ends.
func (w *town) serve(resync time.Duration) {
	t := w.t
	t.Helper()
	log := slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelDebug}))
	dir := t.TempDir()
	record, err := sqlite.Create(t.Context(), filepath.Join(dir, "record.db"))
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, record.Close()) })
	w.record = record
	box, err := inbox.Open(t.Context(), filepath.Join(dir, "inbox.db"))
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, box.Close()) })
	w.box = box
	app, err := github.NewApp(github.Options{BaseURL: w.APIURL(), AppID: w.app.ID, PrivateKeyPEM: w.app.PrivateKeyPEM, Logger: log, Observe: w.observe})
	require.NoError(t, err)
	repositories := newMirrors(filepath.Join(dir, "mirrors"), w.URL(), app, log)
	t.Cleanup(func() { require.NoError(t, repositories.close()) })
	collector, err := collect.New(collect.Options{GitHub: app, Witness: box, Pushes: box, Memory: box, Mirror: repositories.get, Logger: log, IndexGrace: time.Millisecond})
	require.NoError(t, err)

	seen := instruments{tracer: w.tracer, calls: instrument.NewCalls(w.tracer)}
	repositories.fetched = seen.calls.Fetched
	reports := report.NewPublisher(app, written{box}, log, time.Now)
	policies := []approval.Policy{{
		Gate: "prod", Applications: []approval.Selector{{Project: "prod"}},
		Repositories: []approval.ProtectedRepository{{
			Name: townRepo, Branch: "main", EnrolledAt: approval.SHA(w.repo.Head), Paths: []string{"prod/**"},
		}},
		Config: approval.Quorum{Requirements: []approval.Requirement{{Name: "sre", Approvals: 1, Teams: []approval.TeamName{"acme/sre"}}}},
	}}
	metrics := gate.NewMetrics()
	w.metrics = prometheus.NewRegistry()
	w.metrics.MustRegister(metrics)
	decider := gate.New(gate.Options{
		Rules: gate.Rules{Policies: policies}, Applications: instrument.Applications(w.tracer, w.cluster), Collector: instrument.Collector(w.tracer, collector), Tracer: w.tracer,
		Closures: closure.New(objects{repositories}), Record: seen.calls.Record(record), Observers: seen.observers(), Metrics: metrics, Logger: log, Resync: resync,
		Reporter: instrument.Reporter(w.tracer, reports), Debts: box, Judgements: box,
	})
	w.open = openPulls{func() []approval.Policy { return policies }, collector.OpenPulls, reports.Reported, decider.Opened, log, nil}
	w.outdated = decider.Outdated
	w.cluster.wake = decider.WakeApplication
	intake := gate.NewIntake(decider, box, webhook.Parse, log)
	const secret = "a secret"
	srv := httptest.NewServer(httpapi.New(httpapi.Options{
		Verify: func(signature string, body []byte) error {
			return webhook.Verify([][]byte{[]byte(secret)}, signature, body)
		},
		Store:   seen.store(box, intake.Wake),
		Metrics: http.NotFoundHandler(), Logger: log,
	}))
	ctx, stop := context.WithCancel(context.WithoutCancel(t.Context()))
	var running sync.WaitGroup
	running.Go(func() { _ = decider.Run(ctx) })
	running.Go(func() { _ = intake.Run(ctx) })
	t.Cleanup(func() {
		srv.Close()
		stop()
		running.Wait()
	})
	require.NoError(t, w.SetWebhook(w.app.ID, srv.URL+"/webhooks/github", secret))
}

func (w *town) observe(ctx context.Context, c github.Call) {
	instrument.TraceGitHub(ctx, w.tracer, c)
	switch {
	case strings.Contains(c.Endpoint, "access_tokens"), strings.Contains(c.Endpoint, "/installation"):
	case strings.HasPrefix(c.Endpoint, "GET "):
		w.reads.Add(1)
		w.saw(c.Endpoint)
	default:
		w.writes.Add(1)
		w.saw(c.Endpoint)
	}
}

func (w *town) saw(endpoint string) {
	w.seenMu.Lock()
	defer w.seenMu.Unlock()
	w.seen = append(w.seen, endpoint)
}

// forget empties seen and returns what was there.
func (w *town) forget() []string {
	w.seenMu.Lock()
	defer w.seenMu.Unlock()
	seen := w.seen
	w.seen = nil
	return seen
}

// decided waits until the newest decision on record satisfies the test.
func (w *town) decided(what string, is func(approval.Decision) bool) approval.Decision {
	w.t.Helper()
	var d approval.Decision
	require.Eventually(w.t, func() bool {
		entry, found, err := w.record.LatestDecision(w.t.Context(), "1", "prod")
		if err != nil || !found {
			return false
		}
		payload, err := history.Decode[history.DecisionPayload](entry)
		d = payload.Decision
		return err == nil && is(d)
	}, time.Minute, 5*time.Millisecond, what)
	return d
}

// deployed waits until the first sync is on record, and returns who approved it.
func (w *town) deployed(sha string) (approvers []string) {
	w.t.Helper()
	require.Eventually(w.t, func() bool {
		intent, outcome, ok, err := w.record.LastDeployed(w.t.Context(), "1")
		if err != nil || !ok || outcome.Result != history.ResultSucceeded {
			return false
		}
		approvers = nil
		for _, u := range intent.Approvers {
			approvers = append(approvers, u.Login)
		}
		return true
	}, time.Minute, 5*time.Millisecond, "a sync")
	require.Equal(w.t, []approval.SHA{approval.SHA(sha)}, w.cluster.syncs())
	return approvers
}

func (w *town) delivered() {
	w.t.Helper()
	require.NoError(w.t, w.WaitDelivered(w.t.Context()))
}

func pick(n int) standin.Change {
	return standin.Change{Files: map[string]string{"prod/values.yaml": fmt.Sprintf("replicas: %d\n", n)}, Message: fmt.Sprintf("Run %d", n)}
}

// However webhooks come, the same is decided: bob's approval was of another head,
// though GitHub moves it along, carol's counts, and the change is synced once.
func TestDeliveriesComeAsTheyLike(t *testing.T) {
	t.Parallel()
	redeliverAll := func(w *town) {
		w.delivered()
		for _, d := range w.Deliveries(w.app.ID) {
			require.NoError(w.t, w.Redeliver(w.app.ID, d.ID))
		}
		w.delivered()
	}
	for name, tt := range map[string]struct {
		resync        time.Duration // an hour if 0, so that webhooks alone wake anything
		before, after func(w *town)
	}{
		"in order": {},
		// Then only the webhooks tell what was first.
		"all within one second":      {before: func(w *town) { w.frozen.Store(new(time.Now())) }},
		"twice":                      {before: func(w *town) { w.DuplicateDeliveries(100) }},
		"once more when all is done": {after: redeliverAll},
		"backwards": {
			before: func(w *town) { w.PauseDeliveries() },
			after:  func(w *town) { w.ReverseWaiting(); w.ResumeDeliveries() },
		},
		"reviews late": {
			before: func(w *town) { w.HoldDeliveries("pull_request_review") },
			after:  func(w *town) { w.delivered(); w.HoldDeliveries() },
		},
		"heads and merges late": {
			before: func(w *town) { w.HoldDeliveries("pull_request", "push") },
			after:  func(w *town) { w.delivered(); w.HoldDeliveries() },
		},
		"each late": {before: func(w *town) { w.DelayDeliveries(300 * time.Millisecond) }},
		"failed and redelivered": {before: func(w *town) { w.DropDeliveries(1000) }, after: func(w *town) {
			w.delivered()
			w.DropDeliveries(0)
			redeliverAll(w)
		}},
		"lost": {
			resync: 100 * time.Millisecond,
			before: func(w *town) { w.PauseDeliveries() },
			after:  func(w *town) { w.LoseDeliveries(); w.ResumeDeliveries() },
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			resync := tt.resync
			if resync == 0 {
				resync = time.Hour
			}
			w := newTown(t, resync)
			w.ReanchorReviews(true)
			w.decided("the start", func(d approval.Decision) bool { return d.Verdict != "" })
			if tt.before != nil {
				tt.before(w)
			}
			// GitHub's times have whole seconds; the steps shall not share one.
			step := func() { w.ahead.Add(int64(2 * time.Second)) }
			p, err := w.As("alice").OpenPull(townRepo, standin.PullOptions{Change: pick(2)})
			require.NoError(t, err)
			_, err = w.As("bob").Review(townRepo, p.Number, "APPROVE", "")
			require.NoError(t, err)
			step()
			same := pick(2)
			same.Message = "Run more"
			head, err := w.As("alice").ForcePushPull(townRepo, p.Number, same)
			require.NoError(t, err)
			step()
			sha, err := w.As("bob").Merge(townRepo, p.Number, "squash")
			require.NoError(t, err)
			if tt.after == nil {
				w.decided("bob's approval not to count", func(d approval.Decision) bool {
					return d.Verdict == approval.Blocked && len(d.Lines) == 1 && d.Lines[0].Head == approval.SHA(sha)
				})
				require.Empty(t, w.cluster.syncs())
			}
			_, err = w.As("carol").Review(townRepo, p.Number, "APPROVE", "")
			require.NoError(t, err)
			moved, err := w.Reviews(townRepo, p.Number)
			require.NoError(t, err)
			require.Equal(t, head, moved[0].Commit, "GitHub moved bob's approval")
			if tt.after != nil {
				tt.after(w)
			}
			require.Equal(t, []string{"carol"}, w.deployed(sha))

			redeliverAll(w)
			require.Equal(t, []approval.SHA{approval.SHA(sha)}, w.cluster.syncs(), "what was done is not done again")
		})
	}
}

// After a rename webhooks name the repository by its new name, and the
// configuration by the old one.
func TestWebhooksOfARenamedRepository(t *testing.T) {
	t.Parallel()
	w := newTown(t, time.Hour)
	w.decided("the start", func(d approval.Decision) bool { return d.Verdict != "" })
	require.NoError(t, w.RenameRepository(townRepo, "environments"))
	const renamed = "acme/environments"
	p, err := w.As("alice").OpenPull(renamed, standin.PullOptions{Change: pick(2)})
	require.NoError(t, err)
	require.Eventually(t, func() bool {
		comments, err := w.Comments(renamed, p.Number)
		return err == nil && len(comments) == 1
	}, time.Minute, 5*time.Millisecond, "the pull request is told, by a redirected POST")
	sha, err := w.As("bob").Merge(renamed, p.Number, "rebase")
	require.NoError(t, err)
	w.decided("it to wait", func(d approval.Decision) bool { return d.Verdict == approval.Blocked })
	_, err = w.As("carol").Review(renamed, p.Number, "APPROVE", "")
	require.NoError(t, err)
	require.Equal(t, []string{"carol"}, w.deployed(sha))
}
