package historytest

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
	"github.com/argo-gatekeeper/gatekeeper/pkg/history"
)

// Act drafts an order about an Application, or about the whole gate if that is
// empty, with everything that its verb needs.
func Act(application, gate, id string, verb history.Verb, of string) history.Draft {
	act := history.ActPayload{
		ID: id, Verb: verb, Gate: gate, Of: of,
		Person: history.Person{Name: "ada", Via: history.ViaConsole}, Reason: "incident 7",
	}
	if application != "" {
		act.Application = "argocd/shop"
	}
	c := candidate(application)
	switch verb {
	case history.VerbAdopt:
		act.SpecDigest = "spec-1"
	case history.VerbBreakGlass:
		act.Candidate, act.Expires, act.ReviewBy = &c, Start().Add(time.Hour), Start().Add(24*time.Hour)
	case history.VerbRollback:
		act.Candidate, act.Intent, act.Hold = &c, "i-1", "hold"
	case history.VerbPermit:
		act.Permit, act.Expires = history.PermitDelete, Start().Add(time.Hour)
	case history.VerbSync:
		act.Candidate, act.Expires = &c, Start().Add(time.Hour)
	case history.VerbMark:
		act.Deployment, act.Mark = 3, history.MarkFailed
	case history.VerbHold, history.VerbRelease, history.VerbReview:
	}
	return history.Draft{Time: Start(), Application: application, Payload: act}
}

// Denied drafts that a request was refused.
func Denied(application, gate string) history.Draft {
	return history.Draft{Time: Start(), Application: application, Payload: history.DeniedPayload{
		Gate: gate, Application: "argocd/shop", User: "system:serviceaccount:argocd:argocd-server", InitiatedBy: "mallory",
		Asked: "sync to 1111111", Code: "quorum.missing", Text: "not approved",
	}}
}

func testActs(t *testing.T, create Create) {
	record := fresh(t, create)
	want := []history.Draft{
		Act("a", "prod", "adopt", history.VerbAdopt, ""),
		Act("", "prod", "freeze", history.VerbHold, ""),
		Act("", "prod", "thaw", history.VerbRelease, "freeze"),
		Act("a", "prod", "hold", history.VerbHold, ""),
		Act("a", "prod", "go", history.VerbRelease, "hold"),
		Act("a", "prod", "glass", history.VerbBreakGlass, ""),
		Act("a", "prod", "looked", history.VerbReview, "glass"),
		Act("a", "prod", "back", history.VerbRollback, ""),
		Act("a", "prod", "gone", history.VerbPermit, ""),
		Act("a", "prod", "sync", history.VerbSync, ""),
	}
	mustAppend(t, record, Decision(t, "a", "prod", approval.Blocked))
	for _, draft := range want {
		mustAppend(t, record, draft)
	}
	mustAppend(t, record, Denied("a", "prod"))
	acts, err := record.Acts(t.Context())
	require.NoError(t, err)
	require.Len(t, acts, len(want))
	for i, entry := range acts {
		got, err := history.Decode[history.ActPayload](entry)
		require.NoError(t, err)
		require.Equal(t, want[i].Payload, got)
		require.Equal(t, want[i].Application, entry.Application)
		require.Equal(t, uint64(i+2), entry.Sequence)
	}
	report, err := history.Verify(t.Context(), record)
	require.NoError(t, err)
	require.True(t, report.Intact(), "%+v", report.Fault)
}

func testInvalidActs(t *testing.T, create Create) {
	type act = history.ActPayload
	record := fresh(t, create)
	mustAppend(t, record,
		Act("a", "prod", "hold", history.VerbHold, ""), Act("a", "prod", "held", history.VerbHold, ""), Act("a", "prod", "go", history.VerbRelease, "held"),
		Act("", "prod", "freeze", history.VerbHold, ""), Act("a", "prod", "glass", history.VerbBreakGlass, ""))
	head := mustHead(t, record)
	hold, adopt := Act("a", "prod", "new", history.VerbHold, ""), Act("a", "prod", "new", history.VerbAdopt, "")
	glass, permit := Act("a", "prod", "new", history.VerbBreakGlass, ""), Act("a", "prod", "new", history.VerbPermit, "")
	back, sync := Act("a", "prod", "new", history.VerbRollback, ""), Act("a", "prod", "new", history.VerbSync, "")
	for name, draft := range map[string]history.Draft{
		"zero":                     {Time: Start(), Application: "a", Payload: act{}},
		"ID is used":               Act("a", "prod", "hold", history.VerbHold, ""),
		"nobody":                   edited(t, hold, func(p *act) { p.Person.Name = "" }),
		"known by nothing":         edited(t, hold, func(p *act) { p.Person.Via = "" }),
		"no reason":                edited(t, hold, func(p *act) { p.Reason = "" }),
		"no gate":                  edited(t, hold, func(p *act) { p.Gate = "" }),
		"no Application":           edited(t, hold, func(p *act) { p.Application = "" }),
		"unknown verb":             edited(t, hold, func(p *act) { p.Verb = "approve" }),
		"hold with a candidate":    edited(t, hold, func(p *act) { p.Candidate = &approval.Candidate{UID: "a"} }),
		"hold with a permit":       edited(t, hold, func(p *act) { p.Permit = "anything" }),
		"adopts nothing":           edited(t, adopt, func(p *act) { p.SpecDigest = "" }),
		"adopts a gate":            Act("", "prod", "new", history.VerbAdopt, ""),
		"glass of nothing":         edited(t, glass, func(p *act) { p.Candidate = nil }),
		"glass of another":         edited(t, glass, func(p *act) { p.Candidate = &approval.Candidate{UID: "b"} }),
		"glass for ever":           edited(t, glass, func(p *act) { p.Expires = time.Time{} }),
		"glass without a review":   edited(t, glass, func(p *act) { p.ReviewBy = time.Time{} }),
		"rollback to nothing":      edited(t, back, func(p *act) { p.Candidate = nil }),
		"rollback without intent":  edited(t, back, func(p *act) { p.Intent = "" }),
		"rollback without hold":    edited(t, back, func(p *act) { p.Hold = "" }),
		"permits nothing":          edited(t, permit, func(p *act) { p.Permit = "" }),
		"permits for ever":         edited(t, permit, func(p *act) { p.Expires = time.Time{} }),
		"syncs nothing":            edited(t, sync, func(p *act) { p.Candidate = nil }),
		"syncs another":            edited(t, sync, func(p *act) { p.Candidate = &approval.Candidate{UID: "b"} }),
		"syncs for ever":           edited(t, sync, func(p *act) { p.Expires = time.Time{} }),
		"syncs a gate":             Act("", "prod", "new", history.VerbSync, ""),
		"releases nothing":         Act("a", "prod", "new", history.VerbRelease, "other"),
		"releases for another":     Act("b", "prod", "new", history.VerbRelease, "hold"),
		"releases for the gate":    Act("", "prod", "new", history.VerbRelease, "hold"),
		"releases another gate's":  Act("a", "test", "new", history.VerbRelease, "hold"),
		"releases a second time":   Act("a", "prod", "new", history.VerbRelease, "held"),
		"releases broken glass":    Act("a", "prod", "new", history.VerbRelease, "glass"),
		"reviews a hold":           Act("a", "prod", "new", history.VerbReview, "hold"),
		"denial of nothing":        {Time: Start(), Application: "a", Payload: history.DeniedPayload{}},
		"denial of no Application": {Time: Start(), Payload: Denied("a", "prod").Payload},
	} {
		_, err := record.Append(t.Context(), head, draft)
		require.ErrorIs(t, err, history.ErrInvalid, name)
		require.Equal(t, head, mustHead(t, record), name)
	}
	_, err := record.Append(t.Context(), head, Act("a", "prod", "one", history.VerbRelease, "hold"), Act("a", "prod", "two", history.VerbRelease, "hold"))
	require.ErrorIs(t, err, history.ErrInvalid, "two releases in one append")

	// What the table breaks is sound without the edit.
	mustAppend(t, record, hold, Act("", "prod", "thaw", history.VerbRelease, "freeze"), Act("a", "prod", "looked", history.VerbReview, "glass"))
}

func testDenied(t *testing.T, create Create) {
	record := fresh(t, create)
	mustAppend(t, record, Denied("a", "prod"))
	got, err := history.Decode[history.DeniedPayload](all(t, record)[0])
	require.NoError(t, err)
	require.Equal(t, Denied("a", "prod").Payload, got)
}

func testDeployments(t *testing.T, create Create) {
	record := fresh(t, create)
	deploy(t, record, "a", "prod", "i-1", history.ResultSucceeded)
	deploy(t, record, "b", "prod", "i-2", history.ResultSucceeded)
	deploy(t, record, "a", "prod", "i-3", history.ResultPartial)
	deploy(t, record, "a", "prod", "i-4", history.ResultFailed)
	deploy(t, record, "a", "prod", "i-5", history.ResultSucceeded)
	for _, test := range []struct {
		application string
		limit       int
		want        []string
	}{
		{"a", 10, []string{"i-5", "i-1"}}, {"a", 1, []string{"i-5"}}, {"b", 10, []string{"i-2"}}, {"c", 10, nil}, {"a", 0, nil}, {"a", -1, nil},
	} {
		found, err := record.Deployments(t.Context(), test.application, test.limit)
		require.NoError(t, err)
		var ids []string
		for _, d := range found {
			ids = append(ids, d.Intent.ID)
			require.Equal(t, d.Intent.ID, d.Outcome.Intent)
			require.Equal(t, Start(), d.Recorded)
		}
		require.Equal(t, test.want, ids, "%+v", test)
	}
}
