package deployments_test

import (
	"fmt"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
	"github.com/argo-gatekeeper/gatekeeper/pkg/history"
	"github.com/argo-gatekeeper/gatekeeper/pkg/history/deployments"
	"github.com/argo-gatekeeper/gatekeeper/pkg/history/sqlite"
)

const (
	shop       = "argocd/shop"
	uid        = "uid-1"
	repository = approval.RepositoryName("acme/deploy")
)

// start is when every test begins; each operation is an hour after the one before.
func start() time.Time { return time.Date(2026, 8, 3, 9, 0, 0, 0, time.UTC) }

func sha(n int) approval.SHA { return approval.SHA(fmt.Sprintf("%040d", n)) }

func person(id int, login string) approval.User {
	return approval.User{ID: approval.UserID(id), Login: login, Type: approval.UserTypePerson}
}

var (
	dave  = person(4, "dave")
	bob   = person(2, "bob")
	carol = person(3, "carol")
)

// world is a record, and what is written to it.
type world struct {
	t     testing.TB
	store *sqlite.Store
	model *deployments.Model
	at    time.Time
	// line are the landings after the enrolment, which is sha(0).
	line []landing
	// intents counts those on record.
	intents int
}

type landing struct {
	facts    approval.Landing
	decision approval.LandingDecision
}

func newWorld(t testing.TB) *world {
	t.Helper()
	store, err := sqlite.Create(t.Context(), filepath.Join(t.TempDir(), "record.db"))
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, store.Close()) })
	return &world{t: t, store: store, model: deployments.New(store), at: start()}
}

func (w *world) append(payloads ...history.Payload) history.Head {
	w.t.Helper()
	head, err := w.store.Head(w.t.Context())
	require.NoError(w.t, err)
	var drafts []history.Draft
	for _, p := range payloads {
		drafts = append(drafts, history.Draft{Time: w.at, Application: uid, Payload: p})
	}
	head, err = w.store.Append(w.t.Context(), head, drafts...)
	require.NoError(w.t, err)
	return head
}

// lands a pull request of a class, approved by bob, and by carol as well if it is mixed.
func (w *world) lands(class approval.ChangeClass, images ...approval.ImageMove) {
	n := len(w.line) + 1
	approvers := []approval.User{bob}
	if class == approval.ClassMixed {
		approvers = []approval.User{bob, carol}
	}
	pr := &approval.PullRequest{
		Repository: repository, Number: n, Title: "Change " + strconv.Itoa(n), URL: "https://github.example/" + strconv.Itoa(n), Author: dave,
		Merged: true, Base: "main", BaseRepositoryID: 7, Head: sha(1000 + n), Pushers: []approval.User{dave}, Requested: []approval.UserID{},
		Contributors: []approval.Contributor{{User: &dave, Email: "dave@example.com", Role: "author", Commit: sha(1000 + n)}},
		Labels:       []string{"hotfix"}, FirstCommitAt: w.at.Add(-5 * time.Hour), OpenedAt: w.at.Add(-4 * time.Hour),
		HeadPushedAt: w.at.Add(-3 * time.Hour), MergedAt: w.at.Add(-time.Hour),
	}
	for i, u := range approvers {
		pr.Reviews = append(pr.Reviews, approval.Review{
			ID: int64(10*n + i), User: &u, State: approval.ReviewApproved, Commit: pr.Head, Witnessed: true, Base: "main",
			SubmittedAt: w.at.Add(-2*time.Hour + time.Duration(i)*time.Minute),
		})
	}
	change := approval.Change{Path: "apps/shop.yaml", Before: approval.Entry{Mode: "100644", SHA: sha(2000 + n)}, After: approval.Entry{Mode: "100644", SHA: sha(2001 + n)}}
	change.Images = &approval.ImageChange{Only: class == approval.ClassImage, Touches: len(images) > 0, Moves: images}
	w.line = append(w.line, landing{
		facts: approval.Landing{
			Commit: sha(n), Parent: sha(n - 1), Title: pr.Title, Kind: approval.KindMerge, Proof: approval.Proof{Result: approval.Proven}, Pull: pr,
			Changes: []approval.Change{change},
		},
		decision: approval.LandingDecision{
			Commit: sha(n), Kind: approval.KindMerge, Class: class, Pull: n, Verdict: approval.Allowed, Approvers: approvers,
		},
	})
}

func (w *world) policy() approval.Policy {
	one := func(name, login string) []approval.Requirement {
		return []approval.Requirement{{Name: name, Approvals: 1, Users: []string{login}}}
	}
	return approval.Policy{
		Gate: "prod", Applications: []approval.Selector{{Project: "shop"}},
		Repositories: []approval.ProtectedRepository{{Name: repository, Branch: "main", EnrolledAt: sha(0), Paths: []string{"apps/**"}}},
		Config:       approval.Quorum{Requirements: one("sre", "bob")}, Image: &approval.ImagePolicy{Requirements: one("release", "carol")},
	}
}

// decides records a decision that goes from one landing to another, and returns its entry.
func (w *world) decides(from, to int) (history.DecisionPayload, uint64) {
	w.t.Helper()
	line := approval.Line{Repository: repository, RepositoryID: 7, Branch: "main", Baseline: sha(from), BaselineOnLine: true, Head: sha(len(w.line))}
	decided := approval.LineDecision{Repository: repository, Branch: "main", Baseline: sha(from), Target: sha(to), Head: line.Head}
	for _, l := range w.line[min(from, len(w.line)):] {
		line.Landings, decided.Landings = append(line.Landings, l.facts), append(decided.Landings, l.decision)
	}
	candidate := approval.Candidate{UID: uid, SpecDigest: "spec", Revisions: []approval.Revision{{Repository: repository, SHA: sha(to)}}}
	facts := approval.Facts{
		CollectedAt: w.at, Application: approval.Application{UID: uid, Namespace: "argocd", Name: "shop", SpecDigest: "spec"},
		Lines: []approval.Line{line}, Directory: approval.Directory{Users: []approval.User{bob, carol}, Roles: []approval.RepositoryRole{
			{RepositoryID: 7, User: bob.ID, Role: "write"}, {RepositoryID: 7, User: carol.ID, Role: "write"},
		}},
		Images: []approval.ImageEvidence{{Image: image("2"), Digest: "sha256:two"}},
	}
	p, err := history.NewDecision(w.policy(), facts, approval.Decision{
		Gate: "prod", Application: shop, Verdict: approval.Allowed, Candidate: candidate, Advances: true, Lines: []approval.LineDecision{decided},
	})
	require.NoError(w.t, err)
	return p, w.append(p).Sequence
}

// intends records a decision that goes from one landing to another, and the intent.
func (w *world) intends(from, to int, edit func(*history.IntentPayload)) string {
	w.t.Helper()
	p, sequence := w.decides(from, to)
	w.intents++
	intent := history.IntentPayload{
		ID: "i-" + strconv.Itoa(w.intents), Gate: "prod", Application: shop, ResourceVersion: "1", Candidate: p.Decision.Candidate,
		PolicyDigest: p.PolicyDigest, FactsDigest: p.FactsDigest, DecisionSequence: sequence, InitiatedBy: "gatekeeper: PR #" + strconv.Itoa(to),
		Approvers: []approval.User{bob},
	}
	if edit != nil {
		edit(&intent)
	}
	w.append(intent)
	return intent.ID
}

// ends records the outcome of an intent, and returns its entry.
func (w *world) ends(intent string, to int, result history.Result) uint64 {
	w.t.Helper()
	phase, message := "Succeeded", ""
	if result == history.ResultFailed {
		phase, message = "Failed", "one or more objects failed to apply"
	}
	head := w.append(history.OutcomePayload{
		Intent: intent, Result: result, Phase: phase, Message: message, Revisions: []string{string(sha(to))},
		StartedAt: w.at, FinishedAt: w.at.Add(time.Minute), Health: "Healthy",
	})
	w.at = w.at.Add(time.Hour)
	return head.Sequence
}

// deploys goes from one landing to another.
func (w *world) deploys(from, to int, result history.Result) uint64 {
	w.t.Helper()
	return w.ends(w.intends(from, to, nil), to, result)
}

// sees records a sync without the gate.
func (w *world) sees(to int, edit func(*history.ObservedPayload)) uint64 {
	w.t.Helper()
	o := history.ObservedPayload{
		Gate: "prod", Application: shop, Phase: "Succeeded", Revisions: []string{string(sha(to))}, StartedAt: w.at, FinishedAt: w.at.Add(time.Minute),
		InitiatedBy: "mallory", Health: "Healthy",
	}
	if edit != nil {
		edit(&o)
	}
	head := w.append(o)
	w.at = w.at.Add(time.Hour)
	return head.Sequence
}

func (w *world) get(n int) deployments.Deployment {
	w.t.Helper()
	d, err := w.model.Get(w.t.Context(), uid, n)
	require.NoError(w.t, err)
	return d
}

func image(tag string) approval.Image {
	return approval.Image{Repository: "ghcr.io/acme/shop", Tag: tag}
}

func moves(from, to string) approval.ImageMove {
	return approval.ImageMove{Place: "image", From: image(from), To: image(to)}
}
