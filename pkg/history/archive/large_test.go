package archive_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
	"github.com/argo-gatekeeper/gatekeeper/pkg/history"
	"github.com/argo-gatekeeper/gatekeeper/pkg/history/historytest"
)

// TestLargeEntries: a page of entries that are large in the archive is as short as one of
// the record's own, and the rest is on the next pages.
func TestLargeEntries(t *testing.T) {
	t.Parallel()
	w := newWorld(t, random(t))
	const large, most = 1 << 20, 9 << 20
	for range 20 {
		w.append(history.Draft{Application: "a", Payload: history.DeniedPayload{
			Gate: "prod", Application: "argocd/shop", User: "eve", Asked: "a sync", Code: "quorum", Text: strings.Repeat("x", large),
		}})
	}
	w.append(historytest.Decision(t, "a", "prod", approval.Blocked))
	w.day = 2
	w.append(historytest.Decision(t, "a", "prod", approval.Blocked))
	require.True(t, w.archive(1))
	over := w.over(w.store)
	small := func(entries []history.Entry) {
		size := 0
		for _, e := range entries {
			size += len(e.Payload)
		}
		require.LessOrEqual(t, size, most+1<<10)
		require.Greater(t, size, large)
	}
	entries, err := over.Entries(t.Context(), 1, 100)
	require.NoError(t, err)
	small(entries)
	denied := history.Selection{Kinds: []history.Kind{history.KindDenied}}
	found, err := over.Select(t.Context(), denied, 100)
	require.NoError(t, err)
	small(found)
	var all []uint64
	for len(found) > 0 {
		for _, e := range found {
			require.True(t, e.Sealed())
			all = append(all, e.Sequence)
		}
		denied.Skip = len(all)
		found, err = over.Select(t.Context(), denied, 100)
		require.NoError(t, err)
	}
	require.Len(t, all, 20)
	require.Equal(t, uint64(20), all[19])
}
