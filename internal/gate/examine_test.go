package gate

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
)

// unreadableAt are Closures of which those at one commit cannot be read.
type unreadableAt struct {
	Closures
	commit approval.SHA
}

func (u unreadableAt) Closure(ctx context.Context, a approval.Application, revisions []approval.Revision) (approval.Closure, error) {
	if revisions[0].SHA == u.commit {
		return approval.Closure{}, errDown
	}
	return u.Closures.Closure(ctx, a, revisions)
}

// TestExamine: what is examined is decided as a gate decides it, and leaves nothing behind.
// What the baseline is rendered from adds to a decision and is no part of it.
func TestExamine(t *testing.T) {
	t.Parallel()
	for name, unreadable := range map[string]approval.SHA{"all can be read": "", "the baseline cannot be read": sha(0)} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSetup(t)
			s.hub.land(1)
			s.hub.approve(1, alice)
			x, err := Examiner{
				Policies: []approval.Policy{gatePolicy("prod")}, Applications: s.argo, Collector: s.hub,
				Closures: unreadableAt{s.hub, unreadable}, Record: s.store, Logger: testLogger(t),
			}.Examine(t.Context(), payments)
			require.NoError(t, err)
			require.True(t, x.Decision.Allowed())
			require.Equal(t, sha(1), x.Decision.Candidate.Revisions[0].SHA)
			require.Equal(t, unreadable == "", len(x.Decision.Baseline.Revisions) > 0)
			require.Empty(t, s.entries())
			require.Empty(t, s.argo.stored())
		})
	}
}
