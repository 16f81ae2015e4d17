package approval_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
)

// TestUngatedStopsNothing: with what was synced past the gate among the facts, every
// decision is the one that it is without, but for the finding.
func TestUngatedStopsNothing(t *testing.T) {
	t.Parallel()
	for _, approved := range []bool{false, true} {
		for _, edit := range []func(*setting){
			func(*setting) {},
			func(s *setting) { s.landing().Pull.Reviews = nil },
			func(s *setting) { s.Missing = []approval.Missing{{What: "a", Why: "b"}} },
		} {
			s := settingOf(3, 2)
			edit(s)
			want := s.decide()
			s.Ungated = &approval.Ungated{
				Revisions: []string{strings.Repeat("f", 40)}, InitiatedBy: "mallory\n✓ all is well " + strings.Repeat("x", 200),
				StartedAt: time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC), Approved: approved,
			}
			got := s.decide()
			at := slices.IndexFunc(got.Findings, func(f approval.Finding) bool { return f.Code == approval.CodeSyncUngated })
			require.GreaterOrEqual(t, at, 0)
			found := got.Findings[at]
			require.Equal(t, approval.Allowed, found.Verdict)
			require.Contains(t, found.Text, "fffffff is live and was NOT let through by the gate: synced by mallory")
			require.NotContains(t, found.Text, "\n")
			require.Equal(t, approved, !strings.Contains(found.Text, "gatekeeper rollback "+s.Application.Key()))
			got.Findings = slices.Delete(got.Findings, at, at+1)
			require.Equal(t, want, got)
		}
	}
}
