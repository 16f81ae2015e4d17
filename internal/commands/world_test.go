package commands_test

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/internal/adopt"
	"github.com/argo-gatekeeper/gatekeeper/internal/commands"
	"github.com/argo-gatekeeper/gatekeeper/internal/inbox"
	"github.com/argo-gatekeeper/gatekeeper/internal/operate"
	"github.com/argo-gatekeeper/gatekeeper/internal/orders"
	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
	"github.com/argo-gatekeeper/gatekeeper/pkg/github"
	"github.com/argo-gatekeeper/gatekeeper/pkg/github/conversation"
	"github.com/argo-gatekeeper/gatekeeper/pkg/github/errand"
	"github.com/argo-gatekeeper/gatekeeper/pkg/github/reviewrequest"
	"github.com/argo-gatekeeper/gatekeeper/pkg/github/webhook/webhooktest"
	"github.com/argo-gatekeeper/gatekeeper/pkg/history"
	"github.com/argo-gatekeeper/gatekeeper/pkg/history/sqlite"
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

const (
	repository = "acme/env"
	spec       = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
)

// world is a GitHub with one pull request of alice on acme/env, an inbox, a record, and
// gates that say what the test has them say. Bob and carol are in acme/sre; mallory may
// write, and eve may read alone.
type world struct {
	t       *testing.T
	gh      *standin.Server
	app     standin.App
	hub     *conversation.Conversation
	box     *inbox.Store
	record  *sqlite.Store
	pull    standin.OpenedPull
	options commands.Options
	ahead   time.Duration // how far our own clock is ahead
	desks   time.Duration // how far that of the desk is

	mu       sync.Mutex
	apps     []approval.Application
	policies []approval.Policy
	report   approval.PullReport
	pushed   time.Time
	woken    []string
	past     []history.Deployment
	peopleBy error
	lookBy   error
	asks     []string // what was parsed of deliveries
	before   func()   // called before each look
	judged   *approval.Decision
	stands   map[string]string // of Applications that do not wait for somebody to say sync
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{t: t, desks: -2 * time.Second, pushed: time.Now().Add(-time.Hour)}
	var err error
	w.gh, err = standin.Start(context.WithoutCancel(t.Context()), standin.Options{Dir: t.TempDir()})
	require.NoError(t, err)
	t.Cleanup(func() {
		require.NoError(t, w.gh.Close())
		require.Empty(t, w.gh.ClientViolations())
	})
	for _, login := range []string{"alice", "bob", "carol", "mallory", "eve"} {
		_, err := w.gh.CreateUser(login, strings.ToUpper(login[:1])+login[1:], login+"@example.com")
		require.NoError(t, err)
	}
	_, err = w.gh.CreateOrganization("acme", "carol")
	require.NoError(t, err)
	_, err = w.gh.CreateTeam("acme", "sre", "bob", "carol")
	require.NoError(t, err)
	_, err = w.gh.CreateRepository("acme", "env", standin.RepositoryOptions{
		Files: map[string]string{"prod/values.yaml": "replicas: 1\n"}, Author: "carol",
		Collaborators: map[string]string{"alice": "write", "bob": "maintain", "mallory": "write", "eve": "read"},
	})
	require.NoError(t, err)
	require.NoError(t, w.gh.GrantTeam("acme", "sre", repository, "write"))
	w.app, err = w.gh.CreateApp(standin.AppOptions{
		Slug: "gatekeeper", Owner: "acme", PrivateKeyPEM: appKey(),
		Permissions: map[string]string{"pull_requests": "write", "contents": "read", "checks": "write", "issues": "write", "members": "read"},
		Events:      []string{"issue_comment", "check_run"},
	})
	require.NoError(t, err)
	_, err = w.gh.Install(w.app.ID, "acme", "env")
	require.NoError(t, err)
	w.pull, err = w.gh.As("alice").OpenPull(repository, standin.PullOptions{Title: "More", Change: standin.Change{Files: map[string]string{"prod/values.yaml": "replicas: 2\n"}, Message: "More"}})
	require.NoError(t, err)

	dir := t.TempDir()
	w.box, err = inbox.Open(t.Context(), filepath.Join(dir, "inbox.db"))
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, w.box.Close()) })
	w.record, err = sqlite.Create(t.Context(), filepath.Join(dir, "record.db"))
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, w.record.Close()) })
	w.listen()

	w.apps = []approval.Application{application("shop"), application("pay")}
	w.apps[1].Project = "pay" // of the other gate
	sre := []approval.TeamName{"acme/sre"}
	w.policies = []approval.Policy{{
		Gate: "prod", Applications: []approval.Selector{{Project: "prod"}},
		Repositories: []approval.ProtectedRepository{{Name: repository, Branch: "main"}},
		Config:       approval.Quorum{Requirements: []approval.Requirement{{Name: "sre", Approvals: 2, Teams: sre, Methods: []approval.Method{approval.MethodReview, approval.MethodComment}}}},
		BreakGlass:   &approval.BreakGlass{Named: approval.Named{Users: []string{"carol"}}, ReviewBy: 24 * time.Hour, ValidFor: time.Hour},
		Adopters:     approval.Named{Users: []string{"bob"}},
	}}
	pay := w.policies[0]
	pay.Gate, pay.Applications = "pay", []approval.Selector{{Project: "pay"}}
	w.policies = append(w.policies, pay)
	w.report = approval.PullReport{Repository: repository, Number: w.pull.Number, Gates: []approval.GateReport{{
		Gate: "prod", Class: approval.ClassConfig, Met: 0, Needed: 2,
		Quorum:       approval.Finding{Code: approval.CodeQuorumMissing, Verdict: approval.Blocked, Text: "sre: 0 of 2 approvals; waiting for 2 more of acme/sre"},
		Affected:     []string{"argocd/shop"},
		Applications: []approval.ApplicationReport{{Application: "argocd/shop", Verdict: approval.Blocked, State: "waiting for #1"}},
	}}}
	app, err := github.NewApp(github.Options{BaseURL: w.gh.APIURL(), AppID: w.app.ID, PrivateKeyPEM: w.app.PrivateKeyPEM, Logger: w.logger()})
	require.NoError(t, err)
	w.hub = conversation.New(app)
	w.options = commands.Options{Store: w.box, Hub: w.hub, Asker: w.asker(app), Gates: w, Logger: w.logger(), Now: func() time.Time { return time.Now().Add(w.ahead) }}
	return w
}

// asker asks for reviews, for no gate by itself.
func (w *world) asker(app *github.App) *reviewrequest.Publisher {
	return reviewrequest.New(reviewrequest.Options{
		GitHub: app, Store: w.box, Gates: func() map[string]reviewrequest.Mode { return nil }, Logger: w.logger(), Pace: errand.NewPace(time.Nanosecond),
	})
}

func application(name string) approval.Application {
	return approval.Application{
		UID: "uid-" + name, Namespace: "argocd", Name: name, Project: "prod", SpecDigest: spec,
		Sources: []approval.Source{{Kind: approval.SourceGit, Repository: repository}},
	}
}

func (w *world) logger() *slog.Logger { return slog.New(slog.NewTextHandler(w.t.Output(), nil)) }

// listen keeps what deliveries ask for, as the intake does.
func (w *world) listen() {
	webhooktest.Receive(w.t, w.gh, w.app.ID, func(guid string, h approval.Hint) error {
		if h.Asked == nil {
			return nil
		}
		return w.ask(*h.Asked, guid)
	})
}

func (w *world) ask(a approval.Asked, guid string) error {
	id := "press-" + guid
	if a.Comment != 0 {
		id = "comment-" + strconv.FormatInt(a.Comment, 10)
	}
	w.mu.Lock()
	w.asks = append(w.asks, id)
	w.mu.Unlock()
	_, err := w.box.Ask(context.WithoutCancel(w.t.Context()), id, a, time.Now().Add(w.ahead))
	return err
}

// processor makes one, as after a start. The edits put failures into its way.
func (w *world) processor(edits ...func(*commands.Options)) *commands.Processor {
	o := w.options
	record := history.Record(w.record)
	o.Desk = w.desk(record)
	for _, edit := range edits {
		edit(&o)
	}
	o.Policies = func() []approval.Policy { return w.policies }
	o.Operator = operate.New(operate.Options{Policies: o.Policies, Applications: w, People: w, Judge: w, Waiting: w, History: w, Desk: o.Desk, Logger: w.logger()})
	o.Adopter = adopt.New(adopt.Options{Policies: o.Policies, Applications: w, Desk: o.Desk, Logger: w.logger()})
	return commands.New(o)
}

// desk takes orders. Its clock is behind by default, so that what is on record was given
// before the comment that follows, whose time has whole seconds.
func (w *world) desk(record history.Record) *orders.Desk {
	return orders.NewDesk(orders.Options{Record: record, Now: func() time.Time { return time.Now().Add(w.desks) }})
}

// comment writes a comment and waits until it was delivered.
func (w *world) comment(person, body string) int64 {
	w.t.Helper()
	id, err := w.gh.As(person).Comment(repository, w.pull.Number, body)
	require.NoError(w.t, err)
	require.NoError(w.t, w.gh.WaitDelivered(w.t.Context()))
	return id
}

// says comments, has it carried out, and returns the one reply without its first line.
func (w *world) says(person, body string) string {
	w.t.Helper()
	id := w.comment(person, body)
	w.drain(w.processor())
	return w.replyTo(id)
}

func (w *world) drain(p *commands.Processor) {
	w.t.Helper()
	require.NoError(w.t, p.Drain(w.t.Context()))
	left, err := w.box.Requests(w.t.Context(), 10)
	require.NoError(w.t, err)
	require.Empty(w.t, left)
}

func (w *world) replyTo(comment int64) string {
	w.t.Helper()
	replies := w.replies()
	found := ""
	for _, r := range replies {
		if rest, ok := strings.CutPrefix(r, conversation.ReplyTo(fmt.Sprintf("comment-%d", comment))); ok {
			require.Empty(w.t, found, "two replies")
			found = rest
		}
	}
	return found
}

// replies are all comments of the App.
func (w *world) replies() []string {
	w.t.Helper()
	all, err := w.gh.Comments(repository, w.pull.Number)
	require.NoError(w.t, err)
	var out []string
	for _, c := range all {
		if c.Author == "gatekeeper[bot]" {
			out = append(out, c.Body)
		}
	}
	return out
}

func (w *world) reactions(comment int64) []string {
	w.t.Helper()
	got, err := w.gh.Reactions(repository, comment, "gatekeeper[bot]")
	require.NoError(w.t, err)
	return got
}

// acts are the orders on record.
func (w *world) acts() []history.ActPayload {
	w.t.Helper()
	entries, err := w.record.Acts(w.t.Context())
	require.NoError(w.t, err)
	var out []history.ActPayload
	for _, e := range entries {
		act, err := history.Decode[history.ActPayload](e)
		require.NoError(w.t, err)
		out = append(out, act)
	}
	return out
}

// The gates, Argo CD and people, as the test has them.

func (w *world) Configured(_ int64, name approval.RepositoryName) (approval.RepositoryName, bool) {
	return name, name == repository
}

func (w *world) LookAt(_ context.Context, _ approval.RepositoryName, number int) (approval.PullReport, approval.PullAnswer, error) {
	if w.before != nil {
		w.before()
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.lookBy != nil {
		return approval.PullReport{}, approval.PullAnswer{}, w.lookBy
	}
	p, err := w.gh.Pull(repository, number)
	if err != nil {
		return approval.PullReport{}, approval.PullAnswer{}, err
	}
	report := w.report
	report.Head = approval.SHA(p.Head)
	return report, approval.PullAnswer{Open: p.State == "open", Pull: approval.PullRequest{Head: approval.SHA(p.Head), Base: p.Base, HeadPushedAt: w.pushed}}, nil
}

func (w *world) Protected(approval.RepositoryName) []approval.Application { return w.apps }

func (w *world) WakePull(_ context.Context, _ approval.RepositoryName, number int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.woken = append(w.woken, "#"+strconv.Itoa(number))
}

func (w *world) WakeKey(_ context.Context, app string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.woken = append(w.woken, app)
}

func (w *world) Get(_ context.Context, namespace, name string) (approval.Application, error) {
	for _, a := range w.apps {
		if a.Namespace == namespace && a.Name == name {
			return a, nil
		}
	}
	return approval.Application{}, approval.ErrNotFound
}

func (w *world) Spec(ctx context.Context, namespace, name string) (approval.Application, []approval.SpecField, error) {
	a, err := w.Get(ctx, namespace, name)
	return a, []approval.SpecField{{Path: "source.path", Digest: "d", Value: "prod"}}, err
}

func (w *world) Specs(context.Context, func(approval.Application, []approval.SpecField) error) error {
	return errors.New("all are not asked for")
}

func (w *world) Teams(context.Context, []approval.TeamName) (approval.Directory, error) {
	if w.peopleBy != nil {
		return approval.Directory{}, w.peopleBy
	}
	return approval.Directory{Teams: []approval.Team{{Name: "acme/sre", Members: []approval.User{w.user("bob"), w.user("carol")}}}}, nil
}

func (w *world) user(login string) approval.User {
	for _, a := range w.gh.Accounts() {
		if a.Login == login {
			return approval.User{ID: approval.UserID(a.ID), Login: login, Type: approval.UserTypePerson}
		}
	}
	panic("no user " + login)
}

func (w *world) Try(_ context.Context, _ string, o approval.Override) (approval.Decision, error) {
	if w.judged != nil {
		return *w.judged, nil
	}
	return approval.Decision{Verdict: approval.Allowed, Candidate: o.Candidate, Override: o.ID}, nil
}

func (w *world) Deployments(context.Context, string, int) ([]history.Deployment, error) {
	return w.past, nil
}
