package historytest

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
	"github.com/argo-gatekeeper/gatekeeper/pkg/history"
)

// testOnCommand: where a decision waits for somebody to say sync, or was asked for, an
// intent has to agree. What people sync themselves needs no word.
func testOnCommand(t *testing.T, create Create) {
	type (
		decided  = history.DecisionPayload
		intended = history.IntentPayload
		act      = history.ActPayload
	)
	record := fresh(t, create)
	decision := Decision(t, "a", "prod", approval.Allowed)
	other := candidate("a")
	other.Revisions = []approval.Revision{{Repository: "acme/deploy", SHA: "ffffffffffffffffffffffffffffffffffffffff"}}
	head := mustAppend(t, record,
		edited(t, decision, func(p *decided) { p.Decision.Waits = true }),     // entry 1
		edited(t, decision, func(p *decided) { p.Decision.Asked = "sync" }),   // entry 2
		edited(t, decision, func(p *decided) { p.Decision.Asked = "hold" }),   // entry 3
		edited(t, decision, func(p *decided) { p.Decision.Asked = "other" }),  // entry 4
		edited(t, decision, func(p *decided) { p.Decision.Asked = "theirs" }), // entry 5
		Act("a", "prod", "sync", history.VerbSync, ""), Act("a", "prod", "hold", history.VerbHold, ""), Act("b", "prod", "theirs", history.VerbSync, ""),
		edited(t, Act("a", "prod", "other", history.VerbSync, ""), func(p *act) { p.Candidate = &other }),
	)
	asked := func(decision uint64, order string) history.Draft {
		return edited(t, Intent(t, "a", "prod", "i-1", decision), func(p *intended) { p.Asked = order })
	}
	admitted := func(draft history.Draft) history.Draft {
		return edited(t, draft, func(p *intended) { p.Admitted = &history.Admission{User: "carol"} })
	}
	for name, draft := range map[string]history.Draft{
		"it waits":                  asked(1, ""),
		"it waits, and names one":   asked(1, "sync"),
		"asked for and not named":   asked(2, ""),
		"another order is named":    asked(2, "other"),
		"the order is none to sync": asked(3, "hold"),
		"of another candidate":      asked(4, "other"),
		"of another Application":    asked(5, "theirs"),
		"a person's with an order":  admitted(asked(2, "sync")),
	} {
		_, err := record.Append(t.Context(), head, draft)
		require.ErrorIs(t, err, history.ErrInvalid, name)
		require.Equal(t, head, mustHead(t, record), name)
	}
	mustAppend(t, record, asked(2, "sync"))
	mustAppend(t, record, edited(t, admitted(asked(1, "")), func(p *intended) { p.ID = "i-2" }))
}
