package historytest

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
	"github.com/argo-gatekeeper/gatekeeper/pkg/history"
)

// edited changes the payload of a draft.
func edited[P history.Payload](t *testing.T, draft history.Draft, edit func(*P)) history.Draft {
	t.Helper()
	payload, ok := draft.Payload.(P)
	require.True(t, ok)
	edit(&payload)
	draft.Payload = payload
	return draft
}

func testInvalidDrafts(t *testing.T, create Create) {
	record := fresh(t, create)
	head := mustAppend(t, record, Decision(t, "a", "prod", approval.Allowed))
	decision, intent := Decision(t, "a", "prod", approval.Allowed), Intent(t, "a", "prod", "i-1", 1)
	head, err := record.Append(t.Context(), head, intent)
	require.NoError(t, err)
	intent = Intent(t, "a", "prod", "i-2", 1)
	outcome, abandoned := Outcome("a", "i-1", history.ResultSucceeded), Abandoned("a", "i-1")

	with := func(draft history.Draft, edit func(*history.Draft)) history.Draft { edit(&draft); return draft }
	type (
		decided  = history.DecisionPayload
		intended = history.IntentPayload
		ended    = history.OutcomePayload
		given    = history.AbandonedPayload
	)
	for name, draft := range map[string]history.Draft{
		"zero":                        {},
		"no time":                     with(decision, func(d *history.Draft) { d.Time = time.Time{} }),
		"time too late":               with(decision, func(d *history.Draft) { d.Time = d.Time.AddDate(300, 0, 0) }),
		"no Application":              with(decision, func(d *history.Draft) { d.Application = "" }),
		"other Application":           with(decision, func(d *history.Draft) { d.Application = "b" }),
		"no payload":                  with(decision, func(d *history.Draft) { d.Payload = nil }),
		"payload by pointer":          with(outcome, func(d *history.Draft) { d.Payload = &history.OutcomePayload{} }),
		"nil payload by pointer":      with(outcome, func(d *history.Draft) { d.Payload = (*history.OutcomePayload)(nil) }),
		"zero decision":               with(decision, func(d *history.Draft) { d.Payload = decided{} }),
		"zero intent":                 with(intent, func(d *history.Draft) { d.Payload = intended{} }),
		"zero outcome":                with(outcome, func(d *history.Draft) { d.Payload = ended{} }),
		"zero abandonment":            with(abandoned, func(d *history.Draft) { d.Payload = given{} }),
		"decision without verdict":    edited(t, decision, func(p *decided) { p.Decision.Verdict = "" }),
		"decision of another gate":    edited(t, decision, func(p *decided) { p.Decision.Gate = "staging" }),
		"decision without gate":       edited(t, decision, func(p *decided) { p.Gate, p.Policy.Gate, p.Decision.Gate = "", "", "" }),
		"candidate of another":        edited(t, decision, func(p *decided) { p.Decision.Candidate.UID = "b" }),
		"policy is not of its digest": edited(t, decision, func(p *decided) { p.Policy.Applications = nil }),
		"facts are not of the digest": edited(t, decision, func(p *decided) { p.Facts.Application.Name = "other" }),
		"text is not UTF-8":           edited(t, decision, func(p *decided) { p.Decision.Findings = []approval.Finding{{Text: "caf\xe9"}} }),
		"intent without ID":           edited(t, intent, func(p *intended) { p.ID = "" }),
		"intent with a long ID":       edited(t, intent, func(p *intended) { p.ID = string(make([]byte, history.MaxName+1)) }),
		"intent without gate":         edited(t, intent, func(p *intended) { p.Gate = "" }),
		"intent without Application":  edited(t, intent, func(p *intended) { p.Application = "" }),
		"intent without version":      edited(t, intent, func(p *intended) { p.ResourceVersion = "" }),
		"intent without initiator":    edited(t, intent, func(p *intended) { p.InitiatedBy = "" }),
		"intent for another":          edited(t, intent, func(p *intended) { p.Candidate.UID = "b" }),
		"intent without spec":         edited(t, intent, func(p *intended) { p.Candidate.SpecDigest = "" }),
		"intent without revisions":    edited(t, intent, func(p *intended) { p.Candidate.Revisions = nil }),
		"intent with empty revision":  edited(t, intent, func(p *intended) { p.Candidate.Revisions = make([]approval.Revision, 1) }),
		"intent without digests":      edited(t, intent, func(p *intended) { p.PolicyDigest = "" }),
		"intent without decision":     edited(t, intent, func(p *intended) { p.DecisionSequence = 0 }),
		"intent before its decision":  edited(t, intent, func(p *intended) { p.DecisionSequence = 3 }),
		"outcome without result":      edited(t, outcome, func(p *ended) { p.Result = "" }),
		"outcome with another result": edited(t, outcome, func(p *ended) { p.Result = "fine" }),
		"success without revisions":   edited(t, outcome, func(p *ended) { p.Revisions = nil }),
		"outcome without intent":      edited(t, outcome, func(p *ended) { p.Intent = "" }),
		"abandonment without reason":  edited(t, abandoned, func(p *given) { p.Reason = "" }),
	} {
		_, err := record.Append(t.Context(), head, draft)
		require.ErrorIs(t, err, history.ErrInvalid, name)
	}
	_, err = record.Append(t.Context(), head)
	require.ErrorIs(t, err, history.ErrInvalid, "no draft")
	require.Equal(t, head, mustHead(t, record))

	// What the table breaks is sound without the edit.
	mustAppend(t, record, decision, intent, outcome)
}

func testReferences(t *testing.T, create Create) {
	record := fresh(t, create)
	mustAppend(t, record,
		Decision(t, "a", "prod", approval.Allowed),    // 1
		Decision(t, "a", "prod", approval.Blocked),    // 2
		Decision(t, "b", "prod", approval.Allowed),    // 3
		Decision(t, "a", "staging", approval.Allowed), // 4
		Intent(t, "a", "prod", "open", 1),             // 5
		Intent(t, "a", "prod", "done", 1),             // 6
		Outcome("a", "done", history.ResultFailed),    // 7
		Intent(t, "a", "prod", "lost", 1),             // 8
		Abandoned("a", "lost"),                        // 9
		edited(t, Decision(t, "a", "prod", approval.Allowed), func(p *history.DecisionPayload) { p.Decision.Verdict = approval.Blocked }), // 10
		edited(t, Decision(t, "a", "prod", approval.Blocked), func(p *history.DecisionPayload) { p.Decision.Baseline = candidate("a") }),  // 11
	)
	again := edited(t, Intent(t, "a", "prod", "again", 11), func(p *history.IntentPayload) { p.Admitted = &history.Admission{User: "argocd-server"} })
	head := mustHead(t, record)
	for name, draft := range map[string]history.Draft{
		"decision blocks":                 Intent(t, "a", "prod", "i", 2),
		"decision blocks its candidate":   Intent(t, "a", "prod", "i", 10),
		"baseline by Gatekeeper itself":   Intent(t, "a", "prod", "i", 11),
		"baseline by an order":            edited(t, again, func(p *history.IntentPayload) { p.Act = "glass" }),
		"baseline of another spec":        edited(t, again, func(p *history.IntentPayload) { p.Candidate.SpecDigest = "spec-2" }),
		"decision without a baseline":     edited(t, again, func(p *history.IntentPayload) { p.DecisionSequence = 10 }),
		"decision about another":          Intent(t, "a", "prod", "i", 3),
		"decision of another gate":        Intent(t, "a", "prod", "i", 4),
		"decision is an intent":           Intent(t, "a", "prod", "i", 5),
		"decision of other facts":         edited(t, Intent(t, "a", "prod", "i", 1), func(p *history.IntentPayload) { p.FactsDigest = p.PolicyDigest }),
		"decision of another policy":      edited(t, Intent(t, "a", "prod", "i", 1), func(p *history.IntentPayload) { p.PolicyDigest = p.FactsDigest }),
		"decision of another candidate":   edited(t, Intent(t, "a", "prod", "i", 1), func(p *history.IntentPayload) { p.Candidate.Revisions[0].SHA = "2" }),
		"ID is open":                      Intent(t, "a", "prod", "open", 1),
		"ID is used":                      Intent(t, "a", "prod", "done", 1),
		"ID is another Application's":     Intent(t, "b", "prod", "open", 3),
		"outcome of nothing":              Outcome("a", "i", history.ResultFailed),
		"outcome for another Application": Outcome("b", "open", history.ResultFailed),
		"second outcome":                  Outcome("a", "done", history.ResultSucceeded),
		"abandonment of nothing":          Abandoned("a", "i"),
		"abandonment for another":         Abandoned("b", "open"),
		"abandonment after an outcome":    Abandoned("a", "done"),
		"second abandonment":              Abandoned("a", "lost"),
	} {
		_, err := record.Append(t.Context(), head, draft)
		require.ErrorIs(t, err, history.ErrInvalid, name)
		require.Equal(t, head, mustHead(t, record), name)
	}
	mustAppend(t, record, again, Intent(t, "a", "prod", "i", 1), Outcome("a", "i", history.ResultMismatch),
		Outcome("a", "lost", history.ResultFailed), Abandoned("a", "open"))
	_, err := record.Append(t.Context(), mustHead(t, record), Outcome("a", "lost", history.ResultFailed))
	require.ErrorIs(t, err, history.ErrInvalid, "second outcome after an abandonment")
}
