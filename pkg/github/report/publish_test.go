package report_test

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
	"github.com/argo-gatekeeper/gatekeeper/pkg/github"
	"github.com/argo-gatekeeper/gatekeeper/pkg/github/report"
	"github.com/argo-gatekeeper/gatekeeper/pkg/github/webhook/webhooktest"
	"github.com/argo-gatekeeper/gatekeeper/test/e2e/standin"
)

const repoName = "acme/env"

var appKey = sync.OnceValue(func() []byte {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)})
})

// world is a GitHub with one open pull request and a publisher.
type world struct {
	t         *testing.T
	gh        *standin.Server
	app       standin.App
	client    *github.App
	store     *store
	pull      standin.OpenedPull
	publisher *report.Publisher
	calls     atomic.Int64
	// passed is how far the publisher's clock is ahead, in seconds.
	passed atomic.Int64
}

// now is a clock that stands still until somebody publishes.
func (w *world) now() time.Time {
	return time.Date(2026, 11, 21, 8, 0, 0, 0, time.UTC).Add(time.Duration(w.passed.Load()) * time.Second)
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
	_, err = s.CreateUser("alice", "Alice")
	require.NoError(t, err)
	_, err = s.CreateOrganization("acme", "alice")
	require.NoError(t, err)
	_, err = s.CreateRepository("acme", "env", standin.RepositoryOptions{Author: "alice"})
	require.NoError(t, err)
	w.app, err = s.CreateApp(standin.AppOptions{
		Slug: "gatekeeper", Owner: "acme", PrivateKeyPEM: appKey(),
		Permissions: map[string]string{"pull_requests": "write", "checks": "write", "contents": "read"}, Events: []string{"check_run"},
	})
	require.NoError(t, err)
	_, err = s.Install(w.app.ID, "acme", "env")
	require.NoError(t, err)
	w.pull, err = s.As("alice").OpenPull(repoName, standin.PullOptions{Change: standin.Change{Files: map[string]string{"a": "1\n"}}})
	require.NoError(t, err)
	w.client, err = github.NewApp(github.Options{
		BaseURL: s.APIURL(), AppID: w.app.ID, PrivateKeyPEM: w.app.PrivateKeyPEM, Logger: w.logger(),
		Observe: func(context.Context, github.Call) { w.calls.Add(1) },
	})
	require.NoError(t, err)
	w.publisher = report.NewPublisher(w.client, w.store, w.logger(), w.now)
	return w
}

func (w *world) logger() *slog.Logger { return slog.New(slog.NewTextHandler(testWriter{w.t}, nil)) }

type testWriter struct{ t *testing.T }

func (w testWriter) Write(p []byte) (int, error) {
	w.t.Log(strings.TrimRight(string(p), "\n"))
	return len(p), nil
}

// report says of gate prod that so many of two approvals are there.
func (w *world) report(verdict approval.Verdict, met int) approval.PullReport {
	code := map[approval.Verdict]approval.Code{
		approval.Allowed: approval.CodeQuorumMet, approval.Blocked: approval.CodeQuorumMissing, approval.Unknown: approval.CodePusherUnknown,
	}[verdict]
	return approval.PullReport{
		Repository: repoName, Number: w.pull.Number, Head: approval.SHA(w.pull.Head),
		Gates: []approval.GateReport{{
			Gate: "prod", Class: approval.ClassConfig, Met: met, Needed: 2,
			Quorum: approval.Finding{Code: code, Verdict: verdict, Text: fmt.Sprintf("sre: %d of 2 approvals", met)},
		}},
	}
}

func (w *world) publish(r approval.PullReport) {
	w.t.Helper()
	require.NoError(w.t, w.tryPublish(r))
}

// tryPublish publishes when it is no more too early.
func (w *world) tryPublish(r approval.PullReport) error {
	w.passed.Add(60)
	return w.publisher.Publish(w.t.Context(), r)
}

func (w *world) comments() []standin.Comment {
	w.t.Helper()
	out, err := w.gh.Comments(repoName, w.pull.Number)
	require.NoError(w.t, err)
	return out
}

func (w *world) checks() []standin.CheckRun {
	w.t.Helper()
	out, err := w.gh.CheckRuns(repoName, "")
	require.NoError(w.t, err)
	return out
}

// store keeps what was written in memory.
type store struct {
	mu      sync.Mutex
	written map[string]report.Written
	fail    error
}

func newStore() *store { return &store{written: map[string]report.Written{}} }

func storeKey(r approval.RepositoryName, pull int, name string) string {
	return fmt.Sprintf("%s#%d %s", r, pull, name)
}

func (s *store) Written(_ context.Context, r approval.RepositoryName, pull int, name string) (report.Written, bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	w, ok := s.written[storeKey(r, pull, name)]
	return w, ok, s.fail
}

func (s *store) SaveWritten(_ context.Context, r approval.RepositoryName, pull int, name string, w report.Written) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(name) > 80 {
		return errors.New("the name is too long")
	}
	s.written[storeKey(r, pull, name)] = w
	return s.fail
}

func (s *store) EachWritten(_ context.Context, r approval.RepositoryName, name string, each func(pull int, w report.Written)) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for pull := range 10 {
		if w, ok := s.written[storeKey(r, pull, name)]; ok {
			each(pull, w)
		}
	}
	return s.fail
}

func TestPublish(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.publish(w.report(approval.Blocked, 1))
	checks, comments := w.checks(), w.comments()
	require.Len(t, checks, 1)
	require.Equal(t, "gatekeeper/prod", checks[0].Name)
	require.Equal(t, w.pull.Head, checks[0].SHA)
	require.Equal(t, "action_required", checks[0].Conclusion)
	require.Equal(t, w.app.ID, checks[0].AppID)
	require.Len(t, comments, 1)
	require.Equal(t, "gatekeeper[bot]", comments[0].Author)
	require.Contains(t, comments[0].Body, "sre: 1 of 2 approvals")

	before := w.calls.Load()
	w.publish(w.report(approval.Blocked, 1))
	require.Equal(t, before, w.calls.Load(), "nothing changed, so nothing is written")

	// Another process with the same store goes on where this one ended.
	w.publisher = report.NewPublisher(w.client, w.store, w.logger(), w.now)
	w.publish(w.report(approval.Blocked, 1))
	require.Equal(t, before, w.calls.Load())

	w.publish(w.report(approval.Allowed, 2))
	require.Equal(t, before+2, w.calls.Load())
	again := w.checks()
	require.Len(t, again, 1, "the check run is updated in place")
	require.Equal(t, checks[0].ID, again[0].ID)
	require.Equal(t, "success", again[0].Conclusion)
	require.Len(t, w.comments(), 1, "the comment is edited in place")
	require.Equal(t, comments[0].ID, w.comments()[0].ID)
	require.Contains(t, w.comments()[0].Body, "approved")
}

func TestCompletedCheckIsNotOpenedAgain(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.publish(w.report(approval.Unknown, 0))
	require.Equal(t, "in_progress", w.checks()[0].Status)
	w.publish(w.report(approval.Allowed, 2))
	require.Len(t, w.checks(), 1)
	require.Equal(t, "success", w.checks()[0].Conclusion)
	w.publish(w.report(approval.Unknown, 0))
	checks := w.checks()
	require.Len(t, checks, 2)
	require.Equal(t, "success", checks[0].Conclusion, "what was said then stays")
	require.Equal(t, "in_progress", checks[1].Status)
	require.Empty(t, checks[1].Conclusion)
	w.publish(w.report(approval.Blocked, 1))
	require.Len(t, w.checks(), 2)
	require.Equal(t, "action_required", w.checks()[1].Conclusion)
}

func TestNewHeadGetsItsOwnCheck(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.publish(w.report(approval.Allowed, 2))
	head, err := w.gh.As("alice").PushToPull(repoName, w.pull.Number, standin.Change{Files: map[string]string{"a": "2\n"}})
	require.NoError(t, err)
	w.pull.Head = head
	w.publish(w.report(approval.Blocked, 0))
	checks := w.checks()
	require.Len(t, checks, 2)
	require.Equal(t, "success", checks[0].Conclusion)
	require.Equal(t, head, checks[1].SHA)
	require.Equal(t, "action_required", checks[1].Conclusion)
	require.Len(t, w.comments(), 1)
}

func TestDeletedCommentIsWrittenAnew(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.publish(w.report(approval.Blocked, 0))
	require.NoError(t, w.gh.As("alice").EditComment(repoName, w.comments()[0].ID, ""))
	require.Empty(t, w.comments())
	w.publish(w.report(approval.Blocked, 1))
	require.Len(t, w.comments(), 1)
	id := w.comments()[0].ID
	w.publish(w.report(approval.Allowed, 2))
	require.Equal(t, id, w.comments()[0].ID)
}

func TestUnconcernedPullGetsNoComment(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r := w.report(approval.Allowed, 0)
	r.Gates[0].Class = approval.ClassNone
	w.publish(r)
	require.Empty(t, w.comments())
	require.Equal(t, "success", w.checks()[0].Conclusion, "a required check must not wait for ever")

	w.publish(w.report(approval.Blocked, 0))
	require.Len(t, w.comments(), 1)
	w.publish(r)
	require.Contains(t, w.comments()[0].Body, "needs no approval here")
}

func TestOneCommentWhateverHappensAtOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			if err := w.publisher.Publish(t.Context(), w.report(approval.Blocked, i)); err != nil && !errors.Is(err, approval.ErrLater) {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	require.Len(t, w.comments(), 1)
	require.Len(t, w.checks(), 1)
}

func TestFailures(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	remove, err := w.gh.Fail(standin.ServerError500("^POST .*/check-runs$"))
	require.NoError(t, err)
	err = w.tryPublish(w.report(approval.Blocked, 0))
	require.ErrorContains(t, err, "create check run gatekeeper/prod of #1 of acme/env: GitHub answered 500")
	require.Len(t, w.comments(), 1, "the comment is written all the same")
	remove()
	w.publish(w.report(approval.Blocked, 0))
	require.Len(t, w.checks(), 1)

	_, err = w.gh.Fail(standin.SecondaryLimit("^PATCH .*/check-runs/", http.StatusForbidden, time.Minute))
	require.NoError(t, err)
	before := w.calls.Load()
	err = w.tryPublish(w.report(approval.Blocked, 1))
	var retry interface{ RetryAfter() time.Duration }
	require.ErrorAs(t, err, &retry)
	require.Equal(t, time.Minute, retry.RetryAfter())
	require.Equal(t, before+1, w.calls.Load(), "GitHub wants quiet, so the comment waits too")
}

func TestStoreThatFails(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.store.fail = errors.New("disk full")
	require.ErrorContains(t, w.tryPublish(w.report(approval.Blocked, 0)), "disk full")
	require.Empty(t, w.checks(), "what cannot be looked up is not written")
	require.Empty(t, w.comments())
}

func TestReportsThatMakeNoSense(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r := w.report(approval.Allowed, 2)
	r.Head = "main"
	require.Error(t, w.tryPublish(r))
	r = w.report(approval.Allowed, 2)
	r.Number = 0
	require.Error(t, w.tryPublish(r))
	r = w.report(approval.Allowed, 2)
	r.Repository = "acme/.."
	require.Error(t, w.tryPublish(r))
	require.Zero(t, w.calls.Load())
}

// "Re-run" on our check leads back to the pull request.
func TestRerunLeadsBack(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	hints := make(chan approval.Hint, 100)
	webhooktest.Receive(t, w.gh, w.app.ID, func(_ string, h approval.Hint) error {
		if h.Pull != 0 {
			hints <- h
		}
		return nil
	})
	w.publish(w.report(approval.Blocked, 1))
	require.NoError(t, w.gh.As("alice").Rerequest(repoName, w.checks()[0].ID))
	require.NoError(t, w.gh.WaitDelivered(t.Context()))
	h := <-hints
	require.Equal(t, w.pull.Number, h.Pull)
	require.True(t, h.Again)
	require.Empty(t, hints, "what we write ourselves leads nowhere")

	// The suite lost its conclusion, so the run is written although nothing is new.
	before := w.calls.Load()
	w.publisher.Again(repoName, w.pull.Number)
	fail, err := w.gh.Fail(standin.ServerError500("^PATCH .*/check-runs/"))
	require.NoError(t, err)
	require.Error(t, w.tryPublish(w.report(approval.Blocked, 1)))
	fail()
	w.publish(w.report(approval.Blocked, 1))
	require.Len(t, w.checks(), 1)
	require.Equal(t, before+2, w.calls.Load(), "the one that failed, and the check run alone")
	w.publish(w.report(approval.Blocked, 1))
	require.Equal(t, before+2, w.calls.Load())
}

// A comment that somebody deleted or edited is written again although nothing is new,
// and then not once more. What happens to other comments is nothing to us.
func TestChangedCommentIsRestored(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r := w.report(approval.Blocked, 1)
	w.publish(r)
	first := w.comments()[0]
	changed := func(id int64, deleted, want bool) {
		t.Helper()
		ours, err := w.publisher.CommentChanged(t.Context(), repoName, w.pull.Number, approval.ChangedComment{ID: id, Deleted: deleted})
		require.NoError(t, err)
		require.Equal(t, want, ours)
	}
	_, err := w.gh.As("alice").Comment(repoName, w.pull.Number, "Looks good")
	require.NoError(t, err)
	changed(w.comments()[1].ID, true, false)
	before := w.calls.Load()
	w.publish(r)
	require.Equal(t, before, w.calls.Load(), "not ours")

	require.NoError(t, w.gh.As("alice").EditComment(repoName, first.ID, "approved by everybody"))
	changed(first.ID, false, true)
	w.publish(r)
	require.Equal(t, first.Body, w.comments()[0].Body)
	require.Equal(t, before+1, w.calls.Load())

	require.NoError(t, w.gh.As("alice").EditComment(repoName, first.ID, ""))
	changed(first.ID, true, true)
	w.publish(r)
	require.Len(t, w.comments(), 2)
	require.Equal(t, first.Body, w.comments()[1].Body)
	require.Equal(t, before+3, w.calls.Load(), "it is looked for, and written")
	w.publish(r)
	changed(first.ID, true, false) // delivered once more
	w.publish(r)
	require.Equal(t, before+3, w.calls.Load())

	w.store.fail = errors.New("disk full")
	_, err = w.publisher.CommentChanged(t.Context(), repoName, w.pull.Number, approval.ChangedComment{ID: 1})
	require.ErrorContains(t, err, "disk full")
}

// A report that comes too early is not written, and says when to come back.
func TestTooEarly(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	require.Zero(t, w.publisher.Wait(repoName, w.pull.Number))
	w.publish(w.report(approval.Blocked, 0))
	require.Equal(t, time.Second, w.publisher.Wait(repoName, w.pull.Number))
	before := w.calls.Load()
	err := w.publisher.Publish(t.Context(), w.report(approval.Blocked, 1))
	require.ErrorIs(t, err, approval.ErrLater)
	var later report.Later
	require.ErrorAs(t, err, &later)
	require.Equal(t, time.Second, later.RetryAfter())
	require.Equal(t, before, w.calls.Load())
	w.passed.Add(1)
	require.NoError(t, w.publisher.Publish(t.Context(), w.report(approval.Blocked, 2)))
	require.Contains(t, w.comments()[0].Body, "2 of 2")
}

// A merge group gets its check runs and no comment, without waiting for other writes.
func TestPublishGroup(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.publish(w.report(approval.Blocked, 1))
	comments := w.comments()
	head, err := w.gh.Branch(repoName, "main")
	require.NoError(t, err)
	g := approval.GroupReport{
		Repository: repoName, Pull: w.pull.Number, Group: approval.MergeGroup{Branch: "main", Head: approval.SHA(head), Base: approval.SHA(w.pull.Head)},
		Gates: []approval.GroupGate{{Gate: "prod", Pulls: []approval.GroupPull{{Number: w.pull.Number, Report: w.report(approval.Allowed, 2).Gates[0]}}}},
	}
	before := w.calls.Load()
	for range 2 {
		require.NoError(t, w.publisher.PublishGroup(t.Context(), g))
	}
	require.Equal(t, before+1, w.calls.Load(), "one write, and none when nothing changed")
	runs := w.checks()
	require.Len(t, runs, 2)
	require.Equal(t, head, runs[1].SHA)
	require.Equal(t, "success", runs[1].Conclusion)
	require.Equal(t, comments, w.comments())
	g.Pull = 0
	require.Error(t, w.publisher.PublishGroup(t.Context(), g))
	g.Pull, g.Group.Head = 1, "main"
	require.Error(t, w.publisher.PublishGroup(t.Context(), g))
}

// The lines of a change are annotated once, and the buttons lead back. Other lines need
// another check run, because GitHub keeps those that were there.
func TestNotesAndButtons(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r := w.report(approval.Blocked, 1)
	r.Gates[0].Notes = []approval.Note{{Path: "a", First: 1, Last: 1, Title: "This makes it a config change", Text: "it changes at replicas"}}
	w.publish(r)
	w.publish(withMet(r, 2))
	runs := w.checks()
	require.Len(t, runs, 1)
	require.Len(t, runs[0].Annotations, 1, "they are not written twice")
	require.Equal(t, standin.Annotation{Path: "a", StartLine: 1, EndLine: 1, Level: "warning", Title: "This makes it a config change", Message: "it changes at replicas"}, runs[0].Annotations[0])
	require.NoError(t, w.gh.As("alice").ClickAction(repoName, runs[0].ID, "hold"))
	require.NoError(t, w.gh.As("alice").ClickAction(repoName, runs[0].ID, "recheck"))
	require.Error(t, w.gh.As("alice").ClickAction(repoName, runs[0].ID, "sync"), "the gate does not sync on command")

	r.Gates[0].Notes = nil
	r.Gates[0].SyncsOnCommand = true
	r.Gates[0].Stops = []approval.Finding{{Code: approval.CodeHoldActive, Verdict: approval.Blocked, Text: "bob holds gate prod"}}
	w.publish(r)
	runs = w.checks()
	require.Len(t, runs, 2)
	require.Empty(t, runs[1].Annotations)
	require.NoError(t, w.gh.As("alice").ClickAction(repoName, runs[1].ID, "release"))
	require.NoError(t, w.gh.As("alice").ClickAction(repoName, runs[1].ID, "sync"))
	require.Error(t, w.gh.As("alice").ClickAction(repoName, runs[1].ID, "hold"))
}

func withMet(r approval.PullReport, met int) approval.PullReport {
	r.Gates = slices.Clone(r.Gates)
	r.Gates[0].Met = met
	return r
}
