package gate

import (
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
	"github.com/argo-gatekeeper/gatekeeper/pkg/history/sqlite"
)

const (
	repository   = approval.RepositoryName("acme/deploy")
	repositoryID = int64(1001)
	payments     = "argocd/payments"
)

// sha is a commit of the tests: number 0 is where the gate was enrolled, number
// n the landing of pull request #n.
func sha(n int) approval.SHA { return approval.SHA(fmt.Sprintf("%07d%033d", n, 0)) }

func number(s approval.SHA) int {
	n, err := strconv.Atoi(string(s[:7]))
	if err != nil {
		panic(err)
	}
	return n
}

func blob(n int) approval.SHA { return approval.SHA(fmt.Sprintf("b%039d", n)) }

func person(id int, login string) approval.User {
	return approval.User{ID: approval.UserID(id), Login: login, Type: approval.UserTypePerson}
}

var (
	alice = person(1, "alice")
	bob   = person(2, "bob")
	dave  = person(9, "dave")
)

// start is when every test begins.
var start = time.Date(2026, time.November, 21, 8, 0, 0, 0, time.UTC)

// clock is moved by hand.
type clock struct {
	mu sync.Mutex
	at time.Time
}

func newClock() *clock { return &clock{at: start} }

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(d)
}

func gatePolicy(name string) approval.Policy {
	return approval.Policy{
		Gate:         name,
		Applications: []approval.Selector{{Project: "payments"}},
		Repositories: []approval.ProtectedRepository{{
			Name: repository, Branch: "main", EnrolledAt: sha(0), Paths: []string{"apps/prod/**"},
		}},
		Config: approval.Quorum{Requirements: []approval.Requirement{{
			Name: "production", Approvals: 1, Teams: []approval.TeamName{"acme/sre"},
		}}},
	}
}

func application(name string) approval.Application {
	return approval.Application{
		UID: "uid-" + name, Namespace: "argocd", Name: name, Project: "payments",
		Server: "https://prod.example", DestinationNamespace: name,
		ResourceVersion: "1", SpecDigest: "5bec", Health: "Healthy",
		Sources: []approval.Source{{
			Kind: approval.SourceGit, RepoURL: "https://github.com/acme/deploy", Repository: repository,
			TargetRevision: "main", Reads: []approval.Read{{Repository: repository, Path: "apps/prod/"}},
		}},
	}
}

// setup is a gate with everything around it.
type setup struct {
	t          testing.TB
	clock      *clock
	argo       *argo
	hub        *hub
	reports    *reports
	path       string
	store      *sqlite.Store
	record     *watched
	gate       *Gate
	judgements Judgements
	// policies are those of new gates, if not one that lets people do nothing.
	policies []approval.Policy
}

func newSetup(t testing.TB) *setup {
	t.Helper()
	s := &setup{t: t, clock: newClock(), hub: newHub(), reports: &reports{}, path: filepath.Join(t.TempDir(), "record.db")}
	s.argo = newArgo(s.clock, application("payments"))
	store, err := sqlite.Create(t.Context(), s.path)
	require.NoError(t, err)
	s.store = store
	t.Cleanup(func() { _ = s.store.Close() })
	s.record = &watched{Record: store}
	s.gate = s.newGate()
	return s
}

func testLogger(t testing.TB) *slog.Logger {
	return slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelDebug}))
}

func (s *setup) newGate(policies ...approval.Policy) *Gate {
	if len(policies) == 0 {
		policies = s.policies
	}
	if len(policies) == 0 {
		policies = []approval.Policy{gatePolicy("prod")}
	}
	g := New(Options{
		Rules: Rules{Policies: policies}, Applications: s.argo, Collector: s.hub, Closures: s.hub, Record: s.record, Reporter: s.reports,
		Judgements: s.judgements, Logger: testLogger(s.t), Metrics: NewMetrics(), Now: s.clock.now, Workers: 2, Resync: time.Hour,
	})
	s.t.Cleanup(func() { shutDown(g) })
	return g
}

// shutDown ends the queue of a gate that was never run; Run does it itself.
func shutDown(g *Gate) {
	if !g.queue.ShuttingDown() {
		g.queue.ShutDown()
	}
}

// restart closes the record, opens it again, and makes a new gate: what a crash
// leaves behind.
func (s *setup) restart() {
	s.t.Helper()
	require.NoError(s.t, s.store.Close())
	store, err := sqlite.Open(s.t.Context(), s.path)
	require.NoError(s.t, err)
	s.store, s.record.Record = store, store
	s.gate.queue.ShutDown()
	s.gate = s.newGate()
}

// reconcile reconciles payments once.
func (s *setup) reconcile() (time.Duration, error) {
	s.t.Helper()
	return s.gate.reconcile(s.t.Context(), Key{Application: payments})
}

func (s *setup) reconciled() time.Duration {
	s.t.Helper()
	again, err := s.reconcile()
	require.NoError(s.t, err)
	return again
}

// deploy lands a pull request, approved, and brings it to the cluster.
func (s *setup) deploy(pull int) {
	s.t.Helper()
	s.hub.land(pull)
	s.hub.approve(pull, alice)
	s.reconciled()
	require.Equal(s.t, sha(pull), s.argo.last().revision(), "synced")
	s.argo.run(payments, phaseSucceeded)
	s.reconciled()
}

func (s *setup) state() string {
	known, _ := s.gate.memory.get(payments)
	return known.state
}

// queued takes all keys that are to be reconciled now.
func (s *setup) queued() []Key {
	var keys []Key
	for s.gate.queue.Len() > 0 {
		k, _ := s.gate.queue.Get()
		s.gate.queue.Done(k)
		keys = append(keys, k)
	}
	return keys
}

// work reconciles what is queued until nothing is.
func (s *setup) work() {
	for s.gate.queue.Len() > 0 {
		s.gate.next(s.t.Context())
	}
}

var errDown = errors.New("the peer is down")

// limited is an error that asks to wait.
type limited struct{ wait time.Duration }

func (l limited) Error() string { return "rate limit, wait " + l.wait.String() }

func (l limited) RetryAfter() time.Duration { return l.wait }
