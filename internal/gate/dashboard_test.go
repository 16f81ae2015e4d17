package gate

import (
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/internal/promcheck"
	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
)

// TestDashboard: the queries of the dashboard that name metrics of the gate select series
// of a real exposition. Those of the metrics of DORA are checked in package measures.
func TestDashboard(t *testing.T) {
	m := NewMetrics()
	m.decided("prod", approval.Allowed)
	m.synced("prod", "succeeded")
	m.owed([]approval.Policy{{Gate: "prod"}}, map[string]owedCount{})
	registry := prometheus.NewPedanticRegistry()
	require.NoError(t, registry.Register(m))
	answer := httptest.NewRecorder()
	promhttp.HandlerFor(registry, promhttp.HandlerOpts{}).ServeHTTP(answer, httptest.NewRequestWithContext(t.Context(), "GET", "/metrics", nil))
	e, err := promcheck.ReadExposition(answer.Body.String())
	require.NoError(t, err)

	text, err := os.ReadFile(filepath.Join("..", "..", "charts", "gatekeeper", "dashboards", "gatekeeper.json"))
	require.NoError(t, err)
	asked, err := promcheck.ReadDashboard(text, map[string]string{"gate": "prod", "window": "30d", "__rate_interval": "5m"})
	require.NoError(t, err)
	checked := 0
	for _, a := range asked {
		require.NoError(t, a.Check(e, func(metric string) bool {
			ours := !strings.HasPrefix(metric, "gatekeeper_dora_")
			if ours {
				checked++
			}
			return ours
		}), a.Text)
	}
	require.Positive(t, checked)
}
