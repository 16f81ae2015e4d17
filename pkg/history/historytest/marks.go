package historytest

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
	"github.com/argo-gatekeeper/gatekeeper/pkg/history"
)

// testMarks: a mark is of an operation of its Application that is on record.
func testMarks(t *testing.T, create Create) {
	record := fresh(t, create)
	deploy(t, record, "a", "prod", "i-1", history.ResultFailed)    // 1 to 3
	deploy(t, record, "b", "prod", "i-2", history.ResultSucceeded) // 4 to 6
	mark := Act("a", "prod", "m-1", history.VerbMark, "")
	back := edited(t, Act("a", "prod", "m-2", history.VerbMark, ""), func(p *history.ActPayload) { p.Mark = history.MarkNotFailed })
	head := mustAppend(t, record, mark, back)
	for i, want := range []history.Draft{mark, back} {
		got, err := history.Decode[history.ActPayload](all(t, record)[6+i])
		require.NoError(t, err)
		require.Equal(t, want.Payload, got)
	}
	for name, edit := range map[string]func(*history.ActPayload){
		"another's":       func(p *history.ActPayload) { p.Deployment = 6 },
		"of an intent":    func(p *history.ActPayload) { p.Deployment = 2 },
		"of what is next": func(p *history.ActPayload) { p.Deployment = 9 },
		"of nothing":      func(p *history.ActPayload) { p.Deployment = 0 },
		"without a mark":  func(p *history.ActPayload) { p.Mark = "" },
		"another mark":    func(p *history.ActPayload) { p.Mark = "perhaps" },
		"of a hold":       func(p *history.ActPayload) { p.Verb = history.VerbHold },
	} {
		draft := edited(t, mark, func(p *history.ActPayload) { p.ID = "m-3" })
		_, err := record.Append(t.Context(), head, edited(t, draft, edit))
		require.ErrorIs(t, err, history.ErrInvalid, name)
	}
}

// testResources: what became of the resources comes back, and entries of versions that did
// not write it down stay what they are.
func testResources(t *testing.T, create Create) {
	record := fresh(t, create)
	mustAppend(t, record, Decision(t, "a", "prod", approval.Allowed), Intent(t, "a", "prod", "i-1", 1))
	outcome := edited(t, Outcome("a", "i-1", history.ResultFailed), func(p *history.OutcomePayload) {
		p.Phase, p.Resources = "Failed", &approval.ResourceResults{Applied: 3, Failed: 1}
	})
	seen := edited(t, Observed("a", "prod", 0), func(p *history.ObservedPayload) { p.Resources = &approval.ResourceResults{} })
	head := mustAppend(t, record, outcome, seen, Observed("a", "prod", 1))
	entries := all(t, record)
	gotOutcome, err := history.Decode[history.OutcomePayload](entries[2])
	require.NoError(t, err)
	require.Equal(t, outcome.Payload, gotOutcome)
	gotSeen, err := history.Decode[history.ObservedPayload](entries[3])
	require.NoError(t, err)
	require.Equal(t, seen.Payload, gotSeen, "none is not unknown")
	without, err := history.Decode[history.ObservedPayload](entries[4])
	require.NoError(t, err)
	require.Nil(t, without.Resources)
	require.NotContains(t, string(entries[4].Payload), "resources")
	_, err = record.Append(t.Context(), head, edited(t, seen, func(p *history.ObservedPayload) { p.Resources = &approval.ResourceResults{Applied: -1} }))
	require.ErrorIs(t, err, history.ErrInvalid)
}
