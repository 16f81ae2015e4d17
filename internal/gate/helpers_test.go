package gate

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
	"github.com/argo-gatekeeper/gatekeeper/pkg/history"
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

// hub stands for GitHub: one protected branch on which pull requests land.
type hub struct {
	mu sync.Mutex
	// landed are the pull requests on the branch, oldest first; approved tells
	// who approved which.
	landed   []int
	approved map[int][]approval.User
	// unsettled is true for landings that GitHub has not indexed yet.
	unsettled map[int]bool
	// failure answers every call, if set.
	failure    error
	calls      int
	pulls      int
	closureErr error
	forgets    int
	pullOf     map[int]approval.PullAnswer
	groupOf    map[approval.SHA]approval.GroupAnswer
	// bases are those of open pull requests; compared counts how often they were asked for.
	bases    map[int]string
	compared int
	// heard counts events, shared has of each query whether it shares.
	heard  int
	shared []bool
	// onAnswer runs after the facts were read and before they are answered.
	onAnswer func()
}

func newHub() *hub {
	return &hub{approved: map[int][]approval.User{}, unsettled: map[int]bool{}, pullOf: map[int]approval.PullAnswer{}, groupOf: map[approval.SHA]approval.GroupAnswer{}}
}

func (h *hub) land(pulls ...int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.landed = append(h.landed, pulls...)
}

func (h *hub) approve(pull int, by ...approval.User) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.approved[pull] = append(h.approved[pull], by...)
}

func (h *hub) dismiss(pull int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.approved, pull)
}

// index says whether GitHub has indexed a landing.
func (h *hub) index(pull int, done bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.unsettled[pull] = !done
}

func (h *hub) fail(err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.failure = err
}

func (h *hub) counts() (calls, pulls, forgets int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.calls, h.pulls, h.forgets
}

func (h *hub) pull(n int) approval.PullRequest {
	pr := approval.PullRequest{
		Repository: repository, Number: n, Title: "Change " + strconv.Itoa(n), BaseRepositoryID: repositoryID, Base: "main",
		Merged: true, Head: blob(n), HeadPushedAt: start.Add(-time.Hour), Author: dave, Pusher: new(dave),
		Contributors: []approval.Contributor{{User: new(dave), Email: "dave@example.com", Role: "author", Commit: blob(n)}},
	}
	for i, u := range h.approved[n] {
		pr.Reviews = append(pr.Reviews, approval.Review{
			ID: int64(n*100 + i), User: new(u), State: approval.ReviewApproved, Base: "main", Commit: pr.Head, Witnessed: true,
			SubmittedAt: start.Add(-time.Minute),
		})
	}
	return pr
}

func (h *hub) directory() approval.Directory {
	d := approval.Directory{Teams: []approval.Team{{Name: "acme/sre", Members: []approval.User{alice, bob}}}}
	for _, u := range []approval.User{alice, bob, dave} {
		d.Roles = append(d.Roles, approval.RepositoryRole{RepositoryID: repositoryID, User: u.ID, Role: "write"})
	}
	return d
}

func (h *hub) Collect(_ context.Context, q approval.Query) (approval.Answer, error) {
	answer, hook, err := h.collect(q)
	if hook != nil {
		hook()
	}
	return answer, err
}

func (h *hub) collect(q approval.Query) (approval.Answer, func(), error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.calls++
	h.shared = append(h.shared, q.Shared)
	if h.failure != nil {
		return approval.Answer{}, h.onAnswer, h.failure
	}
	answer := approval.Answer{Directory: h.directory()}
	for _, r := range q.Ranges {
		line := approval.Line{
			Repository: r.Repository, RepositoryID: repositoryID, Branch: r.Branch, DefaultBranch: true,
			Baseline: r.Baseline, Head: r.Baseline, BaselineOnLine: r.Baseline == sha(0),
		}
		parent := sha(0)
		for _, n := range h.landed {
			if line.BaselineOnLine {
				landing := approval.Landing{
					Commit: sha(n), Parent: parent, Title: "Merge #" + strconv.Itoa(n), Kind: approval.KindMerge,
					Proof: approval.Proof{Result: approval.Proven}, Pull: new(h.pull(n)),
					Tree: "e" + sha(n)[1:], ParentTree: "e" + parent[1:],
					Changes: []approval.Change{{
						Path:  "apps/prod/" + strconv.Itoa(n) + ".yaml",
						After: approval.Entry{Mode: "100644", SHA: blob(n)},
					}},
				}
				if h.unsettled[n] {
					landing.Unsettled = "GitHub has not indexed it yet"
				}
				line.Landings, line.Head = append(line.Landings, landing), sha(n)
			}
			line.BaselineOnLine = line.BaselineOnLine || r.Baseline == sha(n)
			parent = sha(n)
		}
		answer.Lines = append(answer.Lines, line)
	}
	return answer, h.onAnswer, nil
}

func (h *hub) CollectPull(_ context.Context, _ approval.RepositoryName, n int, _ approval.Query) (approval.PullAnswer, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.pulls++
	if h.failure != nil {
		return approval.PullAnswer{}, h.failure
	}
	answer, ok := h.pullOf[n]
	if !ok && slices.Contains(h.landed, n) {
		answer, ok = approval.PullAnswer{
			Pull: h.pull(n), MergeCommit: sha(n), Directory: h.directory(),
			Changes: []approval.Change{{Path: "apps/prod/" + strconv.Itoa(n) + ".yaml", After: approval.Entry{Mode: "100644", SHA: blob(n)}}},
		}, true
	}
	if !ok {
		return approval.PullAnswer{}, fmt.Errorf("read #%d: %w", n, approval.ErrNotFound)
	}
	return answer, nil
}

// Heard counts.
func (h *hub) Heard() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.heard++
}

// Bases are those that the test put there.
func (h *hub) Bases(_ context.Context, _ approval.RepositoryName, _ string, pulls []int) (map[int]string, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.compared++
	out := map[int]string{}
	for _, n := range pulls {
		if basis, ok := h.bases[n]; ok {
			out[n] = basis
		}
	}
	return out, h.failure
}

// Closure says that an Application is rendered from what its sources name.
func (h *hub) Closure(_ context.Context, a approval.Application, revisions []approval.Revision) (approval.Closure, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closureErr != nil {
		return approval.Closure{}, h.closureErr
	}
	c := approval.Closure{Revisions: revisions}
	for _, s := range a.Sources {
		c.Reads = append(c.Reads, s.Reads...)
	}
	return c, nil
}

func (h *hub) Forget() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.forgets++
}

// newestAllowed is the newest landing up to which all are approved that come
// after one that is trusted; that one if there is none.
func (h *hub) newestAllowed(trusted int) int {
	h.mu.Lock()
	defer h.mu.Unlock()
	newest := trusted
	for _, n := range h.landed {
		if n <= trusted {
			continue
		}
		if len(h.approved[n]) == 0 {
			break
		}
		newest = n
	}
	return newest
}

// reports keeps what was published.
type reports struct {
	mu        sync.Mutex
	published []approval.PullReport
	groups    []approval.GroupReport
	changed   []approval.ChangedComment
	again     []int
	// suites are the gates whose suites are to run again, atHead is what was reported on.
	suites []string
	atHead map[approval.SHA]struct {
		pulls  []int
		groups []approval.MergeGroup
	}
	wait    time.Duration
	failure error
}

func (r *reports) PublishGroup(_ context.Context, report approval.GroupReport) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.failure == nil {
		r.groups = append(r.groups, report)
	}
	return r.failure
}

func (r *reports) Wait(approval.RepositoryName, int) time.Duration {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.wait
}

// ourComment is the ID of our comment on every pull request.
const ourComment = 77

func (r *reports) CommentChanged(_ context.Context, _ approval.RepositoryName, _ int, c approval.ChangedComment) (bool, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.failure == nil {
		r.changed = append(r.changed, c)
	}
	return c.ID == ourComment, r.failure
}

func (r *reports) Again(_ approval.RepositoryName, pull int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.again = append(r.again, pull)
}

func (r *reports) Publish(_ context.Context, report approval.PullReport) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.failure != nil {
		return r.failure
	}
	r.published = append(r.published, report)
	return nil
}

func (r *reports) AgainGroup(_ approval.RepositoryName, head approval.SHA) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.again = append(r.again, number(head))
}

// AgainSuite finds what the test says was reported on.
func (r *reports) AgainSuite(_ context.Context, _ approval.RepositoryName, head approval.SHA, gates []string) ([]int, []approval.MergeGroup, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.suites = append(r.suites, gates...)
	return r.atHead[head].pulls, r.atHead[head].groups, r.failure
}

// last is what is published on a pull request now.
func (r *reports) last(pull int) (approval.PullReport, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, report := range slices.Backward(r.published) {
		if report.Number == pull {
			return report, true
		}
	}
	return approval.PullReport{}, false
}

func (r *reports) count() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.published)
}

// watched is a record with a hook before and after each call, for failures,
// crashes, and what others do meanwhile.
type watched struct {
	history.Record
	before func(call string) error
	after  func(call string) error
}

func (w *watched) enter(call string) error {
	if w.before == nil {
		return nil
	}
	return w.before(call)
}

func (w *watched) Head(ctx context.Context) (history.Head, error) {
	if err := w.enter("head"); err != nil {
		return history.Head{}, err
	}
	return w.Record.Head(ctx)
}

func (w *watched) OpenIntentsOf(ctx context.Context, uid string) ([]history.Entry, error) {
	if err := w.enter("open"); err != nil {
		return nil, err
	}
	return w.Record.OpenIntentsOf(ctx, uid)
}

func (w *watched) Deployments(ctx context.Context, uid string, limit int) ([]history.Deployment, error) {
	if err := w.enter("deployed"); err != nil {
		return nil, err
	}
	return w.Record.Deployments(ctx, uid, limit)
}

func (w *watched) Append(ctx context.Context, expect history.Head, drafts ...history.Draft) (history.Head, error) {
	if err := w.enter("append"); err != nil {
		return history.Head{}, err
	}
	head, err := w.Record.Append(ctx, expect, drafts...)
	if err == nil && w.after != nil {
		if err := w.after("append"); err != nil {
			return history.Head{}, err
		}
	}
	return head, err
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

// entries are all entries, and kinds their kinds.
func (s *setup) entries() []history.Entry {
	s.t.Helper()
	entries, err := s.store.Entries(s.t.Context(), 1, 100_000)
	require.NoError(s.t, err)
	return entries
}

func (s *setup) kinds() []history.Kind {
	s.t.Helper()
	var kinds []history.Kind
	for _, e := range s.entries() {
		kinds = append(kinds, e.Kind)
	}
	return kinds
}

func (s *setup) state() string {
	known, _ := s.gate.memory.get(payments)
	return known.state
}

func payloads[P history.DecisionPayload | history.IntentPayload | history.OutcomePayload | history.AbandonedPayload | history.PolicyPayload](s *setup, kind history.Kind) []P {
	s.t.Helper()
	var out []P
	for _, e := range s.entries() {
		if e.Kind == kind {
			out = append(out, decode[P](s.t, e))
		}
	}
	return out
}

func decode[P history.DecisionPayload | history.IntentPayload | history.OutcomePayload | history.AbandonedPayload | history.PolicyPayload](t testing.TB, e history.Entry) P {
	t.Helper()
	var payload any
	var err error
	switch any(*new(P)).(type) {
	case history.DecisionPayload:
		payload, err = history.Decode[history.DecisionPayload](e)
	case history.IntentPayload:
		payload, err = history.Decode[history.IntentPayload](e)
	case history.OutcomePayload:
		payload, err = history.Decode[history.OutcomePayload](e)
	case history.AbandonedPayload:
		payload, err = history.Decode[history.AbandonedPayload](e)
	case history.PolicyPayload:
		payload, err = history.Decode[history.PolicyPayload](e)
	}
	require.NoError(t, err)
	typed, ok := payload.(P)
	require.True(t, ok)
	return typed
}

func (s *setup) intents() []history.IntentPayload {
	s.t.Helper()
	return payloads[history.IntentPayload](s, history.KindIntent)
}

func (s *setup) outcomes() []history.OutcomePayload {
	s.t.Helper()
	return payloads[history.OutcomePayload](s, history.KindOutcome)
}

func (s *setup) abandoned() []history.AbandonedPayload {
	s.t.Helper()
	return payloads[history.AbandonedPayload](s, history.KindAbandoned)
}

func (s *setup) decisions() []history.DecisionPayload {
	s.t.Helper()
	return payloads[history.DecisionPayload](s, history.KindDecision)
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

func (l limited) Error() string             { return "rate limit, wait " + l.wait.String() }
func (l limited) RetryAfter() time.Duration { return l.wait }

// CollectGroup answers with what the test put under the head.
func (h *hub) CollectGroup(_ context.Context, _ approval.RepositoryName, g approval.MergeGroup, _ approval.Query) (approval.GroupAnswer, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.failure != nil {
		return approval.GroupAnswer{}, h.failure
	}
	answer, ok := h.groupOf[g.Head]
	if !ok {
		return approval.GroupAnswer{}, fmt.Errorf("read the group: %w", approval.ErrNotFound)
	}
	return answer, nil
}
