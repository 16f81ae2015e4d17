package historytest

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
	"github.com/argo-gatekeeper/gatekeeper/pkg/history"
)

// Policy drafts that a gate is judged by another policy, or that it is gone if that is nil.
func Policy(t *testing.T, gate string, before history.Digest, after *approval.Policy) history.Draft {
	t.Helper()
	file := history.Digest("sha256:" + strings.Repeat("f", 64))
	p := history.PolicyPayload{Gate: gate, File: file, Cause: history.CauseReload}
	if after != nil {
		var err error
		p, err = history.NewPolicy(*after, file, history.CauseStart)
		require.NoError(t, err)
	}
	p.Before = before
	return history.Draft{Time: Start(), Payload: p}
}

func testPolicies(t *testing.T, create Create) {
	record := fresh(t, create)
	one, two := approval.Policy{Gate: "prod"}, approval.Policy{Gate: "prod", DistinctApprovers: true}
	first := Policy(t, "prod", "", &one)
	began, ok := first.Payload.(history.PolicyPayload)
	require.True(t, ok)
	next := Policy(t, "prod", began.After, &two)
	changed, ok := next.Payload.(history.PolicyPayload)
	require.True(t, ok)
	gone := Policy(t, "prod", changed.After, nil)
	want := []history.Draft{first, next, gone}
	mustAppend(t, record, first)
	deploy(t, record, "a", "prod", "i-1", history.ResultSucceeded)
	head := mustAppend(t, record, next, gone)

	found, err := record.Select(t.Context(), history.Selection{Kinds: []history.Kind{history.KindPolicy}}, 10)
	require.NoError(t, err)
	require.Equal(t, []uint64{1, 5, 6}, sequences(found))
	for i, e := range found {
		require.Empty(t, e.Application)
		p, err := history.Decode[history.PolicyPayload](e)
		require.NoError(t, err)
		require.Equal(t, want[i].Payload, p)
		draft, err := e.Redraft()
		require.NoError(t, err)
		again, err := history.Seal(history.Head{Sequence: e.Sequence - 1, Digest: e.Previous}, draft)
		require.NoError(t, err)
		require.Equal(t, e, again[0])
	}
	n, err := record.Count(t.Context(), history.Selection{Kinds: []history.Kind{history.KindPolicy}, From: 2})
	require.NoError(t, err)
	require.Equal(t, 2, n)
	acts, err := record.Acts(t.Context())
	require.NoError(t, err)
	require.Empty(t, acts)

	type changing = history.PolicyPayload
	for name, draft := range map[string]history.Draft{
		"zero":                  {Time: Start(), Payload: changing{}},
		"about an Application":  {Time: Start(), Application: "a", Payload: first.Payload},
		"no gate":               edited(t, first, func(p *changing) { p.Gate, p.Policy = "", &approval.Policy{} }),
		"no cause":              edited(t, first, func(p *changing) { p.Cause = "" }),
		"unknown cause":         edited(t, first, func(p *changing) { p.Cause = "whim" }),
		"no file":               edited(t, first, func(p *changing) { p.File = "" }),
		"policy without digest": edited(t, first, func(p *changing) { p.After = "" }),
		"digest without policy": edited(t, first, func(p *changing) { p.Policy = nil }),
		"digest of another":     edited(t, first, func(p *changing) { p.After = changed.After }),
		"policy of another":     edited(t, first, func(p *changing) { p.Policy = &approval.Policy{Gate: "stage"} }),
		"before is no digest":   edited(t, first, func(p *changing) { p.Before = "md5:1" }),
		"keys are no digest":    edited(t, first, func(p *changing) { p.Keys = "none" }),
		"gone and never there":  edited(t, gone, func(p *changing) { p.Before = "" }),
		"gone with keys":        edited(t, gone, func(p *changing) { p.Keys = p.File }),
	} {
		_, err := record.Append(t.Context(), head, draft)
		require.ErrorIs(t, err, history.ErrInvalid, name)
	}
	report, err := history.Verify(t.Context(), record)
	require.NoError(t, err)
	require.True(t, report.Intact(), "%+v", report.Fault)
}
