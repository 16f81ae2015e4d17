package sqlite_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
	"github.com/argo-gatekeeper/gatekeeper/pkg/history"
	"github.com/argo-gatekeeper/gatekeeper/pkg/history/historytest"
	"github.com/argo-gatekeeper/gatekeeper/pkg/history/sqlite"
)

// TestLogIsMoved: what was appended goes into the database beside the appends, and the
// write-ahead log stays bounded whether or not they ever pause.
func TestLogIsMoved(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "record.db")
	store := create(t, path)
	draft := historytest.Decision(t, "a", "prod", approval.Blocked)
	payload, ok := draft.Payload.(history.DecisionPayload)
	require.True(t, ok)
	payload.Decision.Findings = []approval.Finding{{Text: strings.Repeat("x", 1<<19)}}
	draft.Payload = payload
	size := func(path string) int64 {
		info, err := os.Stat(path)
		require.NoError(t, err)
		return info.Size()
	}
	var head history.Head
	for range 6 {
		var err error
		head, err = store.Append(t.Context(), head, draft)
		require.NoError(t, err)
	}
	require.Eventually(t, func() bool { return size(path) > 1<<20 }, time.Minute, 5*time.Millisecond, "it is in the database")
	const most = 8192*4096 + 8<<20 // the log's bound, and what one more append adds with its frames' headers
	for range 100 {
		var err error
		head, err = store.Append(t.Context(), head, draft)
		require.NoError(t, err)
		require.Less(t, size(path+"-wal"), int64(most))
	}
	require.NoError(t, store.Close())
	again, err := sqlite.Open(t.Context(), path)
	require.NoError(t, err)
	defer func() { require.NoError(t, again.Close()) }()
	report, err := history.Verify(t.Context(), again, head)
	require.NoError(t, err)
	require.True(t, report.Intact(), "%+v", report.Fault)
}
