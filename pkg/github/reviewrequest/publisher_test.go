package reviewrequest

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

	gh "github.com/google/go-github/v60/github"
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

// world is a GitHub with an open pull request of alice's, and a publisher.
type world struct {
	t      *testing.T
	gh     *standin.Server
	client *github.App
	store  *store
	pull   int
	people map[string]approval.User
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
	w := &world{t: t, gh: s, store: &store{}, people: map[string]approval.User{}}
	for _, login := range []string{"alice", "bob", "carol", "dave", "eve", "frank"} {
		u, err := s.CreateUser(login, login)
		require.NoError(t, err)
		w.people[login] = approval.User{ID: approval.UserID(u.ID), Login: login, Type: approval.UserTypePerson}
	}
	_, err = s.CreateOrganization("acme", "alice")
	require.NoError(t, err)
	_, err = s.CreateTeam("acme", "sre", "bob", "carol", "dave")
	require.NoError(t, err)
	_, err = s.CreateTeam("acme", "ops", "frank")
	require.NoError(t, err)
	_, err = s.CreateRepository("acme", "env", standin.RepositoryOptions{Author: "alice"})
	require.NoError(t, err)
	require.NoError(t, s.GrantTeam("acme", "sre", string(repoName), "write"))
	require.NoError(t, s.GrantTeam("acme", "ops", string(repoName), "write"))
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
	w.begin(People)
	return w
}

// begin is a new process.
func (w *world) begin(mode Mode) {
	w.p = New(Options{GitHub: w.client, Store: w.store, Gates: func() map[string]Mode { return map[string]Mode{"prod": mode} }, Logger: testLogger(w.t), Pace: errand.NewPace(time.Nanosecond)})
}

func testLogger(t *testing.T) *slog.Logger { return slog.New(slog.NewTextHandler(t.Output(), nil)) }

// lacks is a report on the pull request as GitHub has it, with so many approvals missing of
// people.
func (w *world) lacks(missing int, of ...string) approval.PullReport {
	w.t.Helper()
	r := approval.PullReport{Repository: repoName, Number: w.pull, Asked: w.asked(), Gates: []approval.GateReport{{
		Gate: "prod", Class: approval.ClassConfig, Quorum: approval.Finding{Verdict: approval.Blocked},
	}}}
	if missing > 0 {
		v := approval.Vacancy{Missing: missing, Teams: []approval.TeamName{"acme/sre"}}
		for _, login := range of {
			v.Able = append(v.Able, w.people[login])
		}
		r.Gates[0].Vacancies = []approval.Vacancy{v}
	}
	reviews, err := w.gh.Reviews(string(repoName), w.pull)
	require.NoError(w.t, err)
	for _, review := range reviews {
		r.Reviewed = append(r.Reviewed, w.people[review.Author].ID)
	}
	return r
}

func (w *world) tell(r approval.PullReport) {
	w.t.Helper()
	w.p.Follow(r)
	w.work()
}

func (w *world) work() {
	w.t.Helper()
	for range 50 {
		if w.p.queue.Step(w.t.Context(), time.Now()) > 0 {
			return
		}
	}
	w.t.Fatal("the publisher does not come to rest")
}

func (w *world) asked() approval.RequestedReviewers {
	w.t.Helper()
	client, err := w.client.Client(w.t.Context(), repoName)
	require.NoError(w.t, err)
	list, _, err := client.API().PullRequests.ListReviewers(w.t.Context(), "acme", "env", w.pull, nil)
	require.NoError(w.t, err)
	var out approval.RequestedReviewers
	for _, u := range list.Users {
		out.Users = append(out.Users, w.people[u.GetLogin()])
	}
	for _, t := range list.Teams {
		out.Teams = append(out.Teams, approval.TeamName("acme/"+t.GetSlug()))
	}
	return out
}

// waits are the logins and teams whose review is waited for.
func (w *world) waits() []string {
	w.t.Helper()
	a := w.asked()
	names := answer{users: a.Users, teams: a.Teams}.names()
	slices.Sort(names)
	return names
}

// requests counts the requests for reviews. Those of the test itself are not among them.
func (w *world) requests() int { return int(w.calls.writes.Load()) }

func (w *world) remove(login string) {
	w.t.Helper()
	client, err := w.client.Client(w.t.Context(), repoName)
	require.NoError(w.t, err)
	_, err = client.API().PullRequests.RemoveReviewers(w.t.Context(), "acme", "env", w.pull, gh.ReviewersRequest{Reviewers: []string{login}})
	require.NoError(w.t, err)
}

// counts are the calls that the App made, by the client's own count: the stand-in writes
// its log after it has answered.
type counts struct{ reads, writes atomic.Int64 }

func (c *counts) observe(_ context.Context, call github.Call) {
	switch {
	case strings.Contains(call.Endpoint, "access_tokens"), strings.HasSuffix(call.Endpoint, "/installation"):
	case strings.HasPrefix(call.Endpoint, "GET "):
		c.reads.Add(1)
	case strings.HasPrefix(call.Endpoint, "POST "):
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

// TestAskedOnce: as many as are missing, in one request, and then nobody again.
func TestAskedOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	before := w.lacks(2, "bob", "carol", "dave")
	w.tell(before)
	asked := w.waits()
	require.Len(t, asked, 2)
	require.Equal(t, 1, w.requests())
	for range 3 {
		w.tell(w.lacks(2, "bob", "carol", "dave"))
	}
	w.tell(before) // an old report comes late
	w.begin(People)
	w.tell(before)
	w.tell(w.lacks(2, "bob", "carol", "dave"))
	require.Equal(t, asked, w.waits())
	require.Equal(t, 1, w.requests())

	// One reviews; he is off the list, and nobody takes his place.
	_, err := w.gh.As(asked[0]).Review(string(repoName), w.pull, "COMMENT", "Hm.")
	require.NoError(t, err)
	w.tell(w.lacks(2, "bob", "carol", "dave"))
	w.tell(before)
	require.Equal(t, asked[1:], w.waits())
	// The other one takes himself off; now a third one is asked, and not him.
	w.remove(asked[1])
	w.tell(w.lacks(2, "bob", "carol", "dave"))
	third := w.waits()
	require.Len(t, third, 1)
	require.NotContains(t, asked, third[0])
	w.remove(third[0])
	w.tell(w.lacks(2, "bob", "carol", "dave"))
	require.Empty(t, w.waits(), "nobody is left")
	require.Equal(t, 2, w.requests())
}

func TestNobodyIsAsked(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	full := func() approval.PullReport { return w.lacks(2, "bob", "carol") }
	for name, change := range map[string]func(*approval.PullReport){
		"draft":   func(r *approval.PullReport) { r.Draft = true },
		"merged":  func(r *approval.PullReport) { r.Merged = true },
		"met":     func(r *approval.PullReport) { r.Gates[0].Vacancies = nil },
		"unknown": func(r *approval.PullReport) { r.Gates[0].Quorum.Verdict = approval.Unknown },
		"none":    func(r *approval.PullReport) { r.Gates[0].Class = approval.ClassNone },
		"other":   func(r *approval.PullReport) { r.Gates[0].Gate = "stage" },
		"asked":   func(r *approval.PullReport) { r.Asked.Users = []approval.User{w.people["bob"], w.people["carol"]} },
	} {
		r := full()
		change(&r)
		w.store = &store{}
		w.begin(People)
		calls := w.calls.all()
		w.tell(r)
		require.Equal(t, calls, w.calls.all(), name)
	}
	w.store = &store{}
	w.begin(People)
	w.tell(full())
	require.Equal(t, []string{"bob", "carol"}, w.waits())
}

// TestTeam: the team is asked once, and not again when a member has reviewed.
func TestTeam(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.begin(Team)
	w.tell(w.lacks(2, "bob", "carol", "dave"))
	require.Equal(t, []string{"acme/sre"}, w.waits())
	_, err := w.gh.As("bob").Review(string(repoName), w.pull, "APPROVE", "")
	require.NoError(t, err)
	w.tell(w.lacks(1, "carol", "dave"))
	w.begin(Team)
	w.tell(w.lacks(1, "carol", "dave"))
	require.Equal(t, 1, w.requests())
}

// TestNotACollaborator: GitHub refuses the whole list, so each is asked alone, and
// somebody else instead of who cannot be asked.
func TestNotACollaborator(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.p.open[key{repoName, 99}] = idsOf([]approval.User{w.people["bob"], w.people["carol"]})
	w.tell(w.lacks(2, "eve", "bob", "carol"))
	require.Equal(t, []string{"bob", "carol"}, w.waits())
	n := w.requests()
	w.tell(w.lacks(2, "eve", "bob", "carol"))
	require.Equal(t, n, w.requests())
}

// TestLeastLoaded: who has the least to do, as far as reports told.
func TestLeastLoaded(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	busy := func(pull int, logins ...string) approval.PullReport {
		r := approval.PullReport{Repository: repoName, Number: pull}
		for _, login := range logins {
			r.Asked.Users = append(r.Asked.Users, w.people[login])
		}
		return r
	}
	w.tell(busy(50, "bob", "carol"))
	w.tell(busy(51, "bob", "dave"))
	w.tell(busy(52, "carol", "bob", "dave"))
	merged := busy(52, "carol", "bob", "dave")
	merged.Merged = true
	w.tell(merged)
	w.tell(busy(51, "bob"))
	w.tell(w.lacks(1, "bob", "carol", "dave"))
	require.Equal(t, []string{"dave"}, w.waits())
}

// TestLostAnswer: the request was made, its answer was lost, and nobody else is asked.
func TestLostAnswer(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	remove, err := w.gh.Fail(standin.Fault{Match: "^POST .*/requested_reviewers$", AfterEffect: true, Reset: true})
	require.NoError(t, err)
	r := w.lacks(1, "bob", "carol", "dave")
	w.tell(r)
	asked := w.waits()
	require.Len(t, asked, 1)
	remove()
	w.p.queue.Hurry()
	w.work()
	require.Zero(t, w.p.queue.Len())
	require.Equal(t, asked, w.waits())
	require.Equal(t, 1, w.requests())
}
