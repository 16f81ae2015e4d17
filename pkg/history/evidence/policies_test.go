package evidence_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
	"github.com/argo-gatekeeper/gatekeeper/pkg/history"
	"github.com/argo-gatekeeper/gatekeeper/pkg/history/evidence"
)

// TestPolicyChanges: those of the gate and the time, and that the gate was taken out.
func TestPolicyChanges(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	file := history.Digest("sha256:" + strings.Repeat("f", 64))
	change := func(before history.Digest, p approval.Policy) (uint64, history.Digest) {
		payload, err := history.NewPolicy(p, file, history.CauseReload)
		require.NoError(t, err)
		payload.Before = before
		return w.append(app{}, payload), payload.After
	}
	w.at = from().Add(-time.Hour)
	_, old := change("", approval.Policy{Gate: "prod"})
	w.at = from()
	at := w.at
	entry, now := change(old, approval.Policy{Gate: "prod", DistinctApprovers: true})
	change("", approval.Policy{Gate: "stage"})
	gone := w.append(app{}, history.PolicyPayload{Gate: "prod", Before: now, File: file, Cause: history.CauseStart})
	r := w.report()
	require.Len(t, r.PolicyChanges, 2)
	first := r.PolicyChanges[0]
	require.Equal(t, evidence.PolicyChange{
		At: at, Before: old, After: now, File: file, Cause: history.CauseReload, Proof: evidence.Proof{Entry: entry, Digest: first.Proof.Digest},
	}, first)
	require.NotEmpty(t, first.Proof.Digest)
	require.Equal(t, gone, r.PolicyChanges[1].Proof.Entry)
	require.Empty(t, r.PolicyChanges[1].After)
	var page strings.Builder
	require.NoError(t, evidence.WriteHTML(&page, r))
	require.Contains(t, page.String(), "the gate was taken out")
	require.Contains(t, page.String(), string(now))
}
