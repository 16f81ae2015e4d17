package measures_test

import (
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
	"github.com/argo-gatekeeper/gatekeeper/pkg/history"
	"github.com/argo-gatekeeper/gatekeeper/pkg/history/sqlite"
)

const repository = approval.RepositoryName("acme/env")

func start() time.Time { return time.Date(2026, 8, 3, 9, 0, 0, 0, time.UTC) }

func sha(n int) approval.SHA { return approval.SHA(fmt.Sprintf("%040d", n)) }

var bob = approval.User{ID: 2, Login: "bob", Type: approval.UserTypePerson}

// world is a real record, and what is written to it.
type world struct {
	t     testing.TB
	store *sqlite.Store
	at    time.Time
	n     int
	// title of pull requests, by number.
	title  map[int]string
	labels map[int][]string
}

func newWorld(t testing.TB) *world {
	t.Helper()
	store, err := sqlite.Create(t.Context(), filepath.Join(t.TempDir(), "record.db"))
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, store.Close()) })
	return &world{t: t, store: store, at: start()}
}

func (w *world) append(application string, payload history.Payload) history.Head {
	w.t.Helper()
	head, err := w.store.Head(w.t.Context())
	require.NoError(w.t, err)
	head, err = w.store.Append(w.t.Context(), head, history.Draft{Time: w.at, Application: application, Payload: payload})
	require.NoError(w.t, err)
	return head
}

// decide records that a pull request with that number may be synced, and returns the
// intent, which is not on record yet.
func (w *world) decide(gate, name string, pull int) history.IntentPayload {
	w.t.Helper()
	uid := "uid-" + name
	policy := approval.Policy{
		Gate: gate, Applications: []approval.Selector{{Project: "pay"}}, Repositories: []approval.ProtectedRepository{{Name: repository, Branch: "main"}},
		Config: approval.Quorum{Requirements: []approval.Requirement{{Name: "sre", Approvals: 1, Users: []string{"bob"}}}},
	}
	landing := approval.Landing{Commit: sha(pull), Parent: sha(pull - 1), Kind: approval.KindMerge, Pull: &approval.PullRequest{
		Repository: repository, Number: pull, Title: w.title[pull], Labels: w.labels[pull],
		FirstCommitAt: w.at.Add(-9 * time.Hour), OpenedAt: w.at.Add(-5 * time.Hour), MergedAt: w.at.Add(-time.Hour),
		Reviews: []approval.Review{
			{ID: 1, User: &bob, State: approval.ReviewApproved, SubmittedAt: w.at.Add(-3 * time.Hour)},
			{ID: 2, User: &bob, State: approval.ReviewApproved, SubmittedAt: w.at.Add(-2 * time.Hour)},
			{ID: 3, User: &bob, State: approval.ReviewCommented, SubmittedAt: w.at.Add(-time.Hour)},
		},
	}}
	facts := approval.Facts{
		CollectedAt: w.at,
		Application: approval.Application{UID: uid, Namespace: "argocd", Name: name, Project: "pay", ResourceVersion: "1", SpecDigest: "spec", Health: "Healthy"},
		Lines:       []approval.Line{{Repository: repository, Branch: "main", Baseline: sha(pull - 1), BaselineOnLine: true, Head: sha(pull), Landings: []approval.Landing{landing}}},
	}
	candidate := approval.Candidate{UID: uid, SpecDigest: "spec", Revisions: []approval.Revision{{Repository: repository, SHA: sha(pull)}}}
	decision := approval.Decision{
		Gate: gate, Application: "argocd/" + name, Verdict: approval.Allowed, Candidate: candidate, Advances: true,
		Lines: []approval.LineDecision{{Repository: repository, Baseline: sha(pull - 1), Target: sha(pull), Head: sha(pull), Landings: []approval.LandingDecision{
			{Commit: sha(pull), Kind: approval.KindMerge, Class: approval.ClassConfig, Pull: pull, Verdict: approval.Allowed, Approvers: []approval.User{bob}},
		}}},
	}
	payload, err := history.NewDecision(policy, facts, decision)
	require.NoError(w.t, err)
	head := w.append(uid, payload)
	w.n++
	return history.IntentPayload{
		ID: fmt.Sprintf("intent-%d", w.n), Gate: gate, Application: "argocd/" + name, ResourceVersion: "1", Candidate: candidate,
		PolicyDigest: payload.PolicyDigest, FactsDigest: payload.FactsDigest, DecisionSequence: head.Sequence, InitiatedBy: "gatekeeper",
	}
}

// fares records the health after the outcome at that entry, that many minutes after now.
func (w *world) fares(application string, of uint64, minutes int, health string, change func(*history.HealthPayload)) {
	w.t.Helper()
	p := history.HealthPayload{Of: of, Health: health, At: w.at.Add(time.Duration(minutes) * time.Minute)}
	if change != nil {
		change(&p)
	}
	w.append(application, p)
}

// sync records an intent and its outcome, and lets two hours pass. It returns the entry of
// the outcome.
func (w *world) sync(intent history.IntentPayload, change func(*history.OutcomePayload)) uint64 {
	w.t.Helper()
	uid := intent.Candidate.UID
	w.append(uid, intent)
	o := history.OutcomePayload{
		Intent: intent.ID, Result: history.ResultSucceeded, Phase: "Succeeded", Message: "successfully synced",
		StartedAt: w.at.Add(time.Second), FinishedAt: w.at.Add(time.Minute),
	}
	for _, r := range intent.Candidate.Revisions {
		o.Revisions = append(o.Revisions, string(r.SHA))
	}
	if change != nil {
		change(&o)
	}
	head := w.append(uid, o)
	w.at = w.at.Add(2 * time.Hour)
	return head.Sequence
}
