package historytest

import (
	"time"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
	"github.com/argo-gatekeeper/gatekeeper/pkg/history"
)

// TestingT is the part of *testing.T and *testing.B that the drafts need.
type TestingT interface {
	require.TestingT
	Helper()
}

// Start is the time of all drafts.
func Start() time.Time { return time.Date(2026, 8, 3, 9, 30, 0, 123456789, time.UTC) }

const revision = approval.SHA("1111111111111111111111111111111111111111")

func candidate(application string) approval.Candidate {
	return approval.Candidate{
		UID: application, SpecDigest: "spec-1",
		Revisions: []approval.Revision{{Repository: "acme/deploy", SHA: revision}},
	}
}

// Decision drafts a gate's decision about an Application, which allows a
// candidate if the verdict does.
func Decision(t TestingT, application, gate string, verdict approval.Verdict) history.Draft {
	t.Helper()
	policy := approval.Policy{
		Gate:         gate,
		Applications: []approval.Selector{{Project: "shop"}},
		Repositories: []approval.ProtectedRepository{{Name: "acme/deploy", Branch: "main"}},
		Config:       approval.Quorum{Requirements: []approval.Requirement{{Name: "sre", Approvals: 2, Teams: []approval.TeamName{"acme/sre"}}}},
	}
	facts := approval.Facts{
		CollectedAt: Start(),
		Application: approval.Application{UID: application, Namespace: "argocd", Name: "shop", Project: "shop", ResourceVersion: "41", SpecDigest: "spec-1"},
		Lines:       []approval.Line{{Repository: "acme/deploy", RepositoryID: 7, Branch: "main", Baseline: revision, BaselineOnLine: true, Head: revision}},
	}
	decision := approval.Decision{Gate: gate, Application: "argocd/shop", Verdict: verdict}
	if verdict == approval.Allowed {
		decision.Candidate, decision.Advances = candidate(application), true
	}
	payload, err := history.NewDecision(policy, facts, decision)
	require.NoError(t, err)
	return history.Draft{Time: Start(), Application: application, Payload: payload}
}

// Intent drafts an intent that rests on the Decision with the verdict Allowed
// which is the given entry of the record.
func Intent(t TestingT, application, gate, id string, decision uint64) history.Draft {
	t.Helper()
	grounds, ok := Decision(t, application, gate, approval.Allowed).Payload.(history.DecisionPayload)
	require.True(t, ok)
	return history.Draft{Time: Start(), Application: application, Payload: history.IntentPayload{
		ID: id, Gate: gate, Application: "argocd/shop", ResourceVersion: "41",
		Candidate:    candidate(application),
		PolicyDigest: grounds.PolicyDigest, FactsDigest: grounds.FactsDigest, DecisionSequence: decision,
		InitiatedBy: "gatekeeper (#42, approved by ada)",
		Approvers:   []approval.User{{ID: 9, Login: "ada", Type: approval.UserTypePerson}},
	}}
}

// Outcome drafts what became of an intent.
func Outcome(application, intent string, result history.Result) history.Draft {
	return history.Draft{Time: Start(), Application: application, Payload: history.OutcomePayload{
		Intent: intent, Result: result, Phase: "Succeeded", Message: "successfully synced",
		Revisions: []string{string(revision)}, StartedAt: Start(), FinishedAt: Start().Add(time.Second), Health: "Healthy",
	}}
}

// Abandoned drafts that an intent was not acted on.
func Abandoned(application, intent string) history.Draft {
	return history.Draft{Time: Start(), Application: application, Payload: history.AbandonedPayload{
		Intent: intent, Reason: "the Application changed before the sync was requested",
	}}
}

// Deployment drafts a decision, its intent and its outcome, to be appended
// together after the head.
func Deployment(t TestingT, after history.Head, application, gate, id string, result history.Result) []history.Draft {
	t.Helper()
	return []history.Draft{
		Decision(t, application, gate, approval.Allowed),
		Intent(t, application, gate, id, after.Sequence+1),
		Outcome(application, id, result),
	}
}
