package history_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
	"github.com/argo-gatekeeper/gatekeeper/pkg/history"
	"github.com/argo-gatekeeper/gatekeeper/pkg/history/historytest"
)

// TestRedraft: an entry of any kind can be copied into another record.
func TestRedraft(t *testing.T) {
	t.Parallel()
	entries, err := history.Seal(history.Head{},
		historytest.Decision(t, "a", "prod", approval.Allowed), historytest.Intent(t, "a", "prod", "i-1", 1), historytest.Outcome("a", "i-1", history.ResultFailed),
		historytest.Abandoned("a", "i-1"), historytest.Act("a", "prod", "o-1", history.VerbHold, ""), historytest.Denied("a", "prod"),
		historytest.Observed("a", "prod", time.Minute), historytest.Health("a", 3, "Healthy"))
	require.NoError(t, err)
	kinds := map[history.Kind]bool{}
	var head history.Head
	for _, e := range entries {
		draft, err := e.Redraft()
		require.NoError(t, err)
		again, err := history.Seal(head, draft)
		require.NoError(t, err)
		require.Equal(t, []history.Entry{e}, again)
		head, kinds[e.Kind] = e.Head(), true
	}
	require.Len(t, kinds, 8, "a kind that is new is copied, too")
	strange := entries[0]
	strange.Kind = "strange"
	_, err = strange.Redraft()
	require.ErrorContains(t, err, "unknown kind")
}
