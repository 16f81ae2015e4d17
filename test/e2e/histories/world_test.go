package histories

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"log/slog"
	mrand "math/rand/v2"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
	"github.com/argo-gatekeeper/gatekeeper/pkg/github"
	"github.com/argo-gatekeeper/gatekeeper/pkg/github/collect"
	"github.com/argo-gatekeeper/gatekeeper/pkg/github/mirror"
	"github.com/argo-gatekeeper/gatekeeper/pkg/github/webhook"
	"github.com/argo-gatekeeper/gatekeeper/test/e2e/standin"
)

const (
	repoName = "acme/env"
	secret   = "a secret"
)

// people may all write. Bob, carol and dave begin in acme/sre; carol owns acme.
var people = []string{"alice", "bob", "carol", "dave", "erin", "mallory"}

// appKey makes one RSA key for all histories: each takes a noticeable time.
var appKey = sync.OnceValues(func() ([]byte, error) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return nil, err
	}
	return pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)}), nil
})

// world is one GitHub with one repository, and the product that watches it.
type world struct {
	gh        *standin.Server
	git       *repo
	log       *journal
	rules     rules
	ids       map[string]int64
	repoID    int64
	witness   *witness
	collector *collect.Collector
	baseline  string
	former    []string // tips of the branch that a force-push took away
	ticks     atomic.Int64
	commits   int64
	rng       *mrand.Rand // of the present action
	closers   []func() error
}

func (w *world) close() error {
	var first error
	for _, closer := range slices.Backward(w.closers) {
		if err := closer(); err != nil && first == nil {
			first = err
		}
	}
	return first
}

func lines(n int) string {
	out := ""
	for i := range n {
		out += fmt.Sprintf("key%d: 0\n", i)
	}
	return out
}

// newWorld starts a GitHub whose clock moves only with the actions.
func newWorld(ctx context.Context, t testing.TB, dir string, seed int64) (w *world, err error) {
	rng := mrand.New(mrand.NewPCG(uint64(seed), 1))
	w = &world{
		ids:   map[string]int64{},
		log:   &journal{team: map[string]bool{"bob": true, "carol": true, "dave": true}, landings: map[string]*landing{}},
		rules: rules{approvals: 1 + rng.IntN(4)/3, pushers: rng.IntN(4) == 0, late: rng.IntN(4) == 0, unwitnessed: rng.IntN(8) == 0},
	}
	defer func() {
		if err != nil {
			_ = w.close()
		}
	}()
	start := time.Now().Truncate(time.Second).Add(30 * time.Second)
	now := func() time.Time { return start.Add(time.Duration(w.ticks.Load()) * 250 * time.Millisecond) }
	if w.gh, err = standin.Start(ctx, standin.Options{Dir: filepath.Join(dir, "github"), Now: now}); err != nil {
		return nil, err
	}
	w.closers = append(w.closers, w.gh.Close)
	for _, login := range append([]string{"web-flow"}, people...) {
		address := login + "@example.com"
		if login == "web-flow" {
			address = "noreply@github.com"
		}
		u, err := w.gh.CreateUser(login, login, address)
		if err != nil {
			return nil, err
		}
		w.ids[login] = u.ID
	}
	if _, err = w.gh.CreateOrganization("acme", "carol"); err != nil {
		return nil, err
	}
	if _, err = w.gh.CreateTeam("acme", "sre", "bob", "carol", "dave"); err != nil {
		return nil, err
	}
	files := map[string]string{"README.md": "read me\n"}
	for _, p := range []string{"prod/values.yaml", "prod/deploy/app.yaml", "shared/common.yaml", "shared/other.yaml", "stage/values.yaml", "stage/deploy/app.yaml"} {
		files[p] = p + "\n" + lines(8)
	}
	hub, err := w.gh.CreateRepository("acme", "env", standin.RepositoryOptions{Files: files, Author: "carol", Collaborators: map[string]string{
		"alice": "write", "bob": "maintain", "dave": "write", "erin": "write", "mallory": "write",
	}})
	if err != nil {
		return nil, err
	}
	w.repoID, w.baseline, w.git = hub.ID, hub.Head, newRepo(ctx, hub.GitDir)
	w.gh.ReanchorReviews(rng.IntN(2) == 0)
	return w, w.watch(ctx, t, dir, hub, rng)
}

// watch installs the product's App, its witness, mirror and collector.
func (w *world) watch(ctx context.Context, t testing.TB, dir string, hub standin.Repository, rng *mrand.Rand) error {
	key, err := appKey()
	if err != nil {
		return err
	}
	app, err := w.gh.CreateApp(standin.AppOptions{
		Slug: "gatekeeper", Owner: "acme", PrivateKeyPEM: key, LongTokens: true,
		Permissions: map[string]string{"pull_requests": "write", "contents": "read", "checks": "write", "issues": "read", "members": "read"},
		Events:      []string{"pull_request", "pull_request_review", "push"},
	})
	if err != nil {
		return err
	}
	if _, err = w.gh.Install(app.ID, "acme", "env"); err != nil {
		return err
	}
	logger := slog.New(slog.NewTextHandler(testWriter{t}, &slog.HandlerOptions{Level: slog.LevelWarn}))
	client, err := github.NewApp(github.Options{BaseURL: w.gh.APIURL(), AppID: app.ID, PrivateKeyPEM: app.PrivateKeyPEM, Logger: logger})
	if err != nil {
		return err
	}
	m, err := mirror.Open(ctx, mirror.Options{
		Dir: filepath.Join(dir, "mirror.git"), URL: hub.CloneURL, Logger: logger,
		Token: func(ctx context.Context) (string, error) {
			c, err := client.Client(ctx, repoName)
			if err != nil {
				return "", err
			}
			return c.Token(ctx)
		},
	})
	if err != nil {
		return err
	}
	w.closers = append(w.closers, m.Close)
	// Some histories lose every fourth delivery, some all of them.
	w.witness = newWitness([]int{0, 0, 0, 4, 1}[rng.IntN(5)])
	hook := httptest.NewServer(w.witness)
	w.closers = append(w.closers, func() error { hook.Close(); return nil })
	if err := w.gh.SetWebhook(app.ID, hook.URL, secret); err != nil {
		return err
	}
	w.collector, err = collect.New(collect.Options{
		GitHub: client, Witness: w.witness, Logger: logger,
		Mirror:     func(context.Context, approval.RepositoryName) (*mirror.Mirror, error) { return m, nil },
		IndexGrace: time.Nanosecond, MembershipTTL: time.Nanosecond,
	})
	return err
}

type testWriter struct{ t testing.TB }

func (w testWriter) Write(p []byte) (int, error) {
	w.t.Log(string(p))
	return len(p), nil
}

func (w *world) policy() approval.Policy {
	return approval.Policy{
		Gate: "prod", Applications: []approval.Selector{{Project: "prod"}},
		Repositories: []approval.ProtectedRepository{{
			Name: repoName, Branch: "main", EnrolledAt: approval.SHA(w.baseline), Paths: []string{"prod/**", "shared/common.yaml"},
		}},
		Config:  approval.Quorum{Requirements: []approval.Requirement{{Name: "sre", Approvals: w.rules.approvals, Teams: []approval.TeamName{"acme/sre"}}}},
		Exclude: approval.Exclusions{Pushers: w.rules.pushers, Late: w.rules.late, Unwitnessed: w.rules.unwitnessed},
	}
}

// decide asks the product what may be deployed.
func (w *world) decide(ctx context.Context, baseline string) (approval.Decision, error) {
	if err := w.gh.WaitDelivered(ctx); err != nil {
		return approval.Decision{}, err
	}
	p := w.policy()
	teams, users := p.People()
	a, err := w.collector.Collect(ctx, approval.Query{
		Ranges: []approval.Range{{Repository: repoName, Branch: "main", Baseline: approval.SHA(baseline)}},
		Teams:  teams, Users: users, Needs: p.Needs(),
	})
	if err != nil {
		return approval.Decision{}, err
	}
	reads := []approval.Read{{Repository: repoName, Path: "prod/"}, {Repository: repoName, Path: "shared/common.yaml"}}
	f := approval.Facts{
		Application: approval.Application{
			UID: "uid", Namespace: "argocd", Name: "prod", Project: "prod", ResourceVersion: "1", SpecDigest: "spec",
			Sources: []approval.Source{{Kind: approval.SourceGit, RepoURL: "https://github.com/acme/env", Repository: repoName, TargetRevision: "main", Reads: reads}},
		},
		Lines: a.Lines, Directory: a.Directory,
	}
	if c, ok := approval.Prospect(p, f); ok {
		f.Closure = &approval.Closure{Revisions: c.Revisions, Reads: reads}
	}
	return approval.Explain(p, f), nil
}

// witness keeps in memory what webhooks told, as far as they arrive.
type witness struct {
	mu      sync.Mutex
	lose    int // every how manieth delivery is lost; 0 for none
	told    int
	reviews map[int64]approval.WitnessedReview
	heads   map[string]approval.WitnessedHead
	merges  map[approval.SHA]int
}

func newWitness(lose int) *witness {
	return &witness{lose: lose, reviews: map[int64]approval.WitnessedReview{}, heads: map[string]approval.WitnessedHead{}, merges: map[approval.SHA]int{}}
}

func (w *witness) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err == nil {
		err = webhook.Verify([][]byte{[]byte(secret)}, r.Header.Get(webhook.SignatureHeader), body)
	}
	var h approval.Hint
	if err == nil {
		h, err = webhook.Parse(r.Header.Get(webhook.EventHeader), body)
	}
	if err != nil {
		http.Error(rw, err.Error(), http.StatusInternalServerError)
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.told++; w.lose > 0 && w.told%w.lose == 0 {
		return
	}
	if h.Review != nil {
		w.reviews[h.Review.ReviewID] = *h.Review
	}
	if h.Head != nil {
		w.heads[headKey(h.Head.RepositoryID, h.Head.Pull, h.Head.Head)] = *h.Head
	}
	if h.Merge != nil {
		w.merges[h.Merge.Commit] = h.Merge.Pull
	}
}

func headKey(repositoryID int64, pull int, head approval.SHA) string {
	return fmt.Sprint(repositoryID, " ", pull, " ", head)
}

func (w *witness) Review(_ context.Context, _, reviewID int64) (approval.WitnessedReview, bool, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	v, ok := w.reviews[reviewID]
	return v, ok, nil
}

func (w *witness) HeadPush(_ context.Context, repositoryID int64, pull int, head approval.SHA) (approval.WitnessedHead, bool, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	h, ok := w.heads[headKey(repositoryID, pull, head)]
	for _, o := range w.heads {
		if ok && o.RepositoryID == repositoryID && o.Pull == pull && o.Head != head && !o.PushedAt.Before(h.PushedAt) {
			return approval.WitnessedHead{}, false, nil
		}
	}
	return h, ok, nil
}

func (w *witness) MergedPull(_ context.Context, _ int64, commit approval.SHA) (int, bool, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	n, ok := w.merges[commit]
	return n, ok, nil
}

func (w *witness) FormerHead(_ context.Context, repositoryID int64, pull int, head, next approval.SHA, until time.Time) (approval.WitnessedHead, bool, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	h, ok := w.heads[headKey(repositoryID, pull, head)]
	for _, o := range w.heads {
		if ok && o.RepositoryID == repositoryID && o.Pull == pull && o.Head != head && o.Head != next && !o.PushedAt.Before(h.PushedAt) && !o.PushedAt.After(until) {
			return approval.WitnessedHead{}, false, nil
		}
	}
	return h, ok, nil
}
