package report

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
)

// TestPreviews: the answer to a command has what the report has, within its bounds.
func TestPreviews(t *testing.T) {
	t.Parallel()
	told := 0
	for name, r := range previewReports() {
		for _, limit := range []int{4_000, 50_000} {
			text := Previews(r, limit)
			if text == "" {
				continue
			}
			told++
			require.LessOrEqual(t, len(text), max(limit, 20_000), name)
			if name != "preview-hostile" { // which has the element in what it shows
				require.Equal(t, strings.Count(text, "<details>"), strings.Count(text, "</details>"), name)
			}
			require.True(t, strings.Contains(text, "**What this pull request changes**") || strings.Contains(text, "**What a sync ships**"), name)
		}
	}
	require.NotZero(t, told)
	require.Empty(t, Previews(approval.PullReport{}, 1000))
}
