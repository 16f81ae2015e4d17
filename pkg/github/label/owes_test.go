package label

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
)

// TestOwes: labels are owed until they are written, so that they are after a restart.
func TestOwes(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	done := 0
	w.p.options.Done = func(context.Context, approval.RepositoryName, int) { done++ }
	w.p = New(w.p.options)
	report := w.report(map[string]approval.GateReport{"prod": waiting()})
	w.p.Follow(report)
	require.True(t, w.p.Owes(repoName, w.pull))
	require.False(t, w.p.Owes(repoName, w.pull+1))

	w.begin(time.Hour) // another process
	require.False(t, w.p.Owes(repoName, w.pull))
	w.p.options.Done = func(context.Context, approval.RepositoryName, int) { done++ }
	w.p = New(w.p.options)
	w.p.Follow(report)
	w.work()
	require.Equal(t, []string{"gatekeeper/prod: waiting"}, w.labels())
	require.False(t, w.p.Owes(repoName, w.pull))
	require.Equal(t, 1, done)

	w.p.Follow(w.report(map[string]approval.GateReport{"prod": approved()}))
	w.p.Closed(repoName, w.pull)
	w.work()
	require.Equal(t, []string{"gatekeeper/prod: waiting"}, w.labels(), "it is closed")
	require.Equal(t, 1, done)
}
