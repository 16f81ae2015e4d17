package evidence_test

import (
	"fmt"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
	"github.com/argo-gatekeeper/gatekeeper/pkg/history"
	"github.com/argo-gatekeeper/gatekeeper/pkg/history/evidence"
	"github.com/argo-gatekeeper/gatekeeper/pkg/history/sqlite"
)

const repository = approval.RepositoryName("acme/env")

// from and to are the time that the tests report on.
func from() time.Time { return time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC) }
func to() time.Time   { return time.Date(2026, 4, 1, 0, 0, 0, 0, time.UTC) }

func person(id int, login string) approval.User {
	return approval.User{ID: approval.UserID(id), Login: login, Type: approval.UserTypePerson}
}

var (
	bob   = person(2, "bob")
	carol = person(3, "carol")
	dave  = person(4, "dave")
)

// app is an Application of a gate.
type app struct{ name, uid, gate string }

var (
	shop    = app{"argocd/shop", "uid-shop", "prod"}
	billing = app{"argocd/billing", "uid-billing", "prod"}
	staging = app{"argocd/shop-staging", "uid-staging", "staging"}
)

// sha is the commit of a landing; the branch starts at sha(0).
func sha(n int) approval.SHA { return approval.SHA(fmt.Sprintf("%07x%033x", 0xabc000+n, n)) }

// world is a record, and what is written to it. Each operation is an hour after the one
// before.
type world struct {
	t     testing.TB
	path  string
	store *sqlite.Store
	at    time.Time
	line  []approval.Landing
	on    []approval.LandingDecision
	ids   int
}

func newWorld(t testing.TB) *world {
	t.Helper()
	path := filepath.Join(t.TempDir(), "record.db")
	store, err := sqlite.Create(t.Context(), path)
	require.NoError(t, err)
	w := &world{t: t, path: path, store: store, at: from().Add(9 * time.Hour)}
	t.Cleanup(func() { _ = w.store.Close() })
	return w
}

func (w *world) append(a app, payloads ...history.Payload) uint64 {
	w.t.Helper()
	head, err := w.store.Head(w.t.Context())
	require.NoError(w.t, err)
	var drafts []history.Draft
	for _, p := range payloads {
		drafts = append(drafts, history.Draft{Time: w.at, Application: a.uid, Payload: p})
	}
	head, err = w.store.Append(w.t.Context(), head, drafts...)
	require.NoError(w.t, err)
	w.at = w.at.Add(time.Hour)
	return head.Sequence
}

// lands a pull request that bob approved, or a commit without one.
func (w *world) lands(edit func(*approval.Landing, *approval.LandingDecision)) int {
	n := len(w.line) + 1
	pr := &approval.PullRequest{
		Repository: repository, Number: n, Title: "Change " + strconv.Itoa(n), URL: "https://github.example/acme/env/pull/" + strconv.Itoa(n), Author: dave,
		Merged: true, Base: "main", BaseRepositoryID: 7, Head: sha(1000 + n), Pushers: []approval.User{dave}, Requested: []approval.UserID{},
		Contributors: []approval.Contributor{{User: &dave, Email: "dave@example.com", Role: "author", Commit: sha(1000 + n)}},
		OpenedAt:     w.at.Add(-5 * time.Hour), HeadPushedAt: w.at.Add(-4 * time.Hour), MergedAt: w.at.Add(-time.Hour),
		Reviews: []approval.Review{{
			ID: int64(n), User: &bob, State: approval.ReviewApproved, Commit: sha(1000 + n), Witnessed: true, Base: "main", SubmittedAt: w.at.Add(-2 * time.Hour),
		}},
	}
	landing := approval.Landing{
		Commit: sha(n), Parent: sha(n - 1), Title: pr.Title, Kind: approval.KindMerge, Proof: approval.Proof{Result: approval.Proven}, Pull: pr,
		Changes: []approval.Change{{
			Path: "apps/shop.yaml", Before: approval.Entry{Mode: "100644", SHA: sha(2000 + n)}, After: approval.Entry{Mode: "100644", SHA: sha(2001 + n)},
			Images: &approval.ImageChange{},
		}},
	}
	decision := approval.LandingDecision{
		Commit: sha(n), Kind: approval.KindMerge, Class: approval.ClassConfig, Pull: n, Verdict: approval.Allowed, Approvers: []approval.User{bob},
	}
	if edit != nil {
		edit(&landing, &decision)
	}
	w.line, w.on = append(w.line, landing), append(w.on, decision)
	return n
}

// unapproved and direct are how landings are edited.
func unapproved(_ *approval.Landing, d *approval.LandingDecision) {
	d.Verdict, d.Approvers = approval.Blocked, nil
}

func direct(l *approval.Landing, d *approval.LandingDecision) {
	l.Pull, l.Kind, d.Kind, d.Pull = nil, approval.KindDirect, approval.KindDirect, 0
	l.Proof = approval.Proof{}
	unapproved(l, d)
}

func (w *world) policy(gate string) approval.Policy {
	return approval.Policy{
		Gate: gate, Applications: []approval.Selector{{Project: "shop"}},
		Repositories: []approval.ProtectedRepository{{Name: repository, Branch: "main", EnrolledAt: sha(0), Paths: []string{"apps/**"}}},
		Config:       approval.Quorum{Requirements: []approval.Requirement{{Name: "sre", Approvals: 1, Users: []string{"bob"}}}},
	}
}

func candidate(a app, n int) approval.Candidate {
	return approval.Candidate{UID: a.uid, SpecDigest: "spec", Revisions: []approval.Revision{{Repository: repository, SHA: sha(n)}}}
}

// edits of what is recorded before a sync.
type edits struct {
	decision func(*approval.Decision)
	intent   func(*history.IntentPayload)
}

// intends records a decision that goes from one landing to another, and the intent.
func (w *world) intends(a app, from, to int, e edits) string {
	w.t.Helper()
	line := approval.Line{Repository: repository, RepositoryID: 7, Branch: "main", Baseline: sha(from), BaselineOnLine: true, Head: sha(len(w.line))}
	decided := approval.LineDecision{Repository: repository, Branch: "main", Baseline: sha(from), Target: sha(to), Head: line.Head}
	line.Landings, decided.Landings = w.line[min(from, len(w.line)):], w.on[min(from, len(w.on)):]
	facts := approval.Facts{
		CollectedAt: w.at, Application: approval.Application{UID: a.uid, Namespace: "argocd", Name: a.name[len("argocd/"):], SpecDigest: "spec"},
		Lines: []approval.Line{line},
	}
	decision := approval.Decision{
		Gate: a.gate, Application: a.name, Verdict: approval.Allowed, Candidate: candidate(a, to), Baseline: candidate(a, from), Advances: true,
		Lines: []approval.LineDecision{decided},
	}
	if e.decision != nil {
		e.decision(&decision)
	}
	p, err := history.NewDecision(w.policy(a.gate), facts, decision)
	require.NoError(w.t, err)
	head, err := w.store.Head(w.t.Context())
	require.NoError(w.t, err)
	w.ids++
	intent := history.IntentPayload{
		ID: "i-" + strconv.Itoa(w.ids), Gate: a.gate, Application: a.name, ResourceVersion: "1", Candidate: decision.Candidate,
		PolicyDigest: p.PolicyDigest, FactsDigest: p.FactsDigest, DecisionSequence: head.Sequence + 1,
		InitiatedBy: "gatekeeper: PR #" + strconv.Itoa(to) + ", approved by bob", Approvers: []approval.User{bob},
	}
	if e.intent != nil {
		e.intent(&intent)
	}
	w.append(a, p, intent)
	return intent.ID
}

// ends records the outcome of an intent, and returns its entry.
func (w *world) ends(a app, intent string, to int, result history.Result) uint64 {
	w.t.Helper()
	phase, message := "Succeeded", ""
	if result == history.ResultFailed {
		phase, message = "Failed", "one or more objects failed to apply"
	}
	return w.append(a, history.OutcomePayload{
		Intent: intent, Result: result, Phase: phase, Message: message, Revisions: []string{string(sha(to))},
		StartedAt: w.at.Add(-time.Minute), FinishedAt: w.at, Health: "Healthy",
	})
}

// deploys goes from one landing to another, approved.
func (w *world) deploys(a app, from, to int) uint64 {
	w.t.Helper()
	return w.ends(a, w.intends(a, from, to, edits{}), to, history.ResultSucceeded)
}

// observes records a sync without the gate.
func (w *world) observes(a app, to int, edit func(*history.ObservedPayload)) uint64 {
	w.t.Helper()
	o := history.ObservedPayload{
		Gate: a.gate, Application: a.name, Phase: "Succeeded", Revisions: []string{string(sha(to))}, StartedAt: w.at.Add(-time.Minute), FinishedAt: w.at,
		InitiatedBy: "mallory", Health: "Healthy",
	}
	if edit != nil {
		edit(&o)
	}
	return w.append(a, o)
}

// orders records what a person ordered.
func (w *world) orders(a app, verb history.Verb, edit func(*history.ActPayload)) uint64 {
	w.t.Helper()
	w.ids++
	act := history.ActPayload{
		ID: "order-" + strconv.Itoa(w.ids), Verb: verb, Gate: a.gate, Application: a.name, Person: history.Person{Name: "alice", ID: 1, Via: history.ViaComment},
		Reason: "customers cannot pay, INC-7",
	}
	if edit != nil {
		edit(&act)
	}
	return w.append(a, act)
}

// breaks orders that a candidate may be synced without its quorum, to be reviewed within
// two days.
func (w *world) breaks(a app, id string, to int) uint64 {
	return w.orders(a, history.VerbBreakGlass, func(p *history.ActPayload) {
		c := candidate(a, to)
		p.ID, p.Candidate, p.Expires, p.ReviewBy = id, &c, w.at.Add(time.Hour), w.at.Add(48*time.Hour)
	})
}

func (w *world) reviews(a app, id, by string) uint64 {
	return w.orders(a, history.VerbReview, func(p *history.ActPayload) {
		p.Of, p.Person, p.Reason = id, history.Person{Name: by, Via: history.ViaConsole}, "looked at it: fine"
	})
}

// overrides deploys by break-glass.
func (w *world) overrides(a app, id string, from, to int, result history.Result) uint64 {
	w.t.Helper()
	return w.ends(a, w.intends(a, from, to, edits{
		decision: func(d *approval.Decision) { d.Override = id },
		intent:   func(i *history.IntentPayload) { i.Act, i.InitiatedBy = id, "gatekeeper: break-glass by alice" },
	}), to, result)
}

// rollsBack orders that an earlier deployment be live again, and carries it out.
func (w *world) rollsBack(a app, intent string, from, to int) uint64 {
	w.t.Helper()
	id := "back-" + strconv.Itoa(w.ids)
	w.orders(a, history.VerbRollback, func(p *history.ActPayload) {
		c := candidate(a, to)
		p.ID, p.Candidate, p.Intent, p.Hold, p.Reason = id, &c, intent, id+"-hold", "errors since the last deployment"
	})
	return w.ends(a, w.intends(a, from, to, edits{intent: func(i *history.IntentPayload) {
		i.Act, i.InitiatedBy = id, "gatekeeper: rollback by alice"
	}}), to, history.ResultSucceeded)
}

func (w *world) options() evidence.Options {
	return evidence.Options{Gate: "prod", From: from(), To: to(), Made: to().Add(time.Hour), Gates: []string{"prod", "staging"}}
}

func (w *world) report() evidence.Report {
	w.t.Helper()
	r, err := evidence.Gather(w.t.Context(), w.store, w.options())
	require.NoError(w.t, err)
	return r
}

// found are the exceptions in few words: "kind@entry".
func found(r evidence.Report) []string {
	out := []string{}
	for _, e := range r.Exceptions {
		out = append(out, fmt.Sprintf("%s@%d", e.Kind, e.Proof.Entry))
	}
	return out
}
