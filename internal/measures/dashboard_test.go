package measures_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/internal/promcheck"
	"github.com/argo-gatekeeper/gatekeeper/pkg/history/dora"
)

// TestDashboard: every query of the dashboard that names a metric of DORA selects series of
// a real exposition, whichever window is chosen. The others are checked where they are
// made, in package gate.
func TestDashboard(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("..", "..", "charts", "gatekeeper", "dashboards", "gatekeeper.json"))
	require.NoError(t, err)
	c := collector(t, &observed{apps: []dora.Application{busy("argocd/shop", "prod", 120), busy("argocd/cart", "prod", 50)}}, 1, "argocd/shop", "argocd/cart")
	require.NoError(t, c.Refresh(t.Context()))
	e := exposition(t, exposed(t, c))
	ours := func(metric string) bool { return strings.HasPrefix(metric, "gatekeeper_dora_") }
	used := map[string]bool{}
	for _, window := range []string{"7d", "30d", "90d"} {
		asked, err := promcheck.ReadDashboard(text, map[string]string{"gate": "prod", "window": window, "__rate_interval": "5m"})
		require.NoError(t, err)
		require.Greater(t, len(asked), 20)
		for _, a := range asked {
			if window == "7d" && a.Where == "Active days a week" {
				continue // seven days to now are no whole week, but at midnight to Monday
			}
			require.NoError(t, a.Check(e, ours), a.Text)
			for _, s := range a.Query.Selectors {
				used[s.Metric] = true
			}
		}
	}
	// And what is computed is shown.
	for _, s := range e {
		name := s.Metric
		for _, suffix := range []string{"_bucket", "_sum", "_count"} {
			name = strings.TrimSuffix(name, suffix)
		}
		if name == "gatekeeper_dora_change_lead_time_all_seconds" {
			continue // for queries over other windows than those computed
		}
		require.True(t, used[name] || used[name+"_bucket"] || used[name+"_sum"], "no panel shows %s", name)
	}
}
