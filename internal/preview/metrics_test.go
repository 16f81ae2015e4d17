package preview

import (
	"context"
	"errors"
	"fmt"
	"sort"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
)

// counted are the metrics that are not 0, as "name{label values} value", without what
// durations were.
func counted(t *testing.T, m *Metrics) string {
	t.Helper()
	registry := prometheus.NewPedanticRegistry()
	require.NoError(t, registry.Register(m))
	families, err := registry.Gather()
	require.NoError(t, err)
	var out []string
	for _, f := range families {
		for _, metric := range f.GetMetric() {
			value := metric.GetCounter().GetValue() + metric.GetGauge().GetValue() + float64(metric.GetHistogram().GetSampleCount())
			if value == 0 {
				continue
			}
			var labels []string
			for _, l := range metric.GetLabel() {
				labels = append(labels, l.GetValue())
			}
			out = append(out, fmt.Sprintf("%s{%s} %v", strings.TrimPrefix(f.GetName(), "gatekeeper_preview"), strings.Join(labels, " "), value))
		}
	}
	sort.Strings(out)
	return strings.Join(out, ", ")
}

// TestMetrics: renderings are counted by how they end, caches by whether they had it, and
// what is under way while it is.
func TestMetrics(t *testing.T) {
	t.Parallel()
	play(t, func(t *testing.T, s *Service, w *world, ask func(name string, wanted ...approval.Comparison) []approval.Preview) {
		require.Empty(t, counted(t, s.metrics))
		w.set(time.Second, nil)
		ask("1", comparison("a", 1, 2))
		synctest.Wait()
		require.Equal(t, "_cache_total{comparison miss} 1, _cache_total{rendering miss} 1, _renders_in_flight{} 1, s_waiting{} 1", counted(t, s.metrics))
		time.Sleep(time.Minute)
		synctest.Wait()
		const first = "_render_seconds{rendered} 2"
		require.Equal(t, "_cache_total{comparison miss} 1, _cache_total{rendering miss} 2, "+first, counted(t, s.metrics))
		ask("1", comparison("a", 1, 2))
		ask("1", comparison("a", 1, 3))
		time.Sleep(time.Minute)
		synctest.Wait()
		require.Equal(t, "_cache_total{comparison hit} 1, _cache_total{comparison miss} 2, _cache_total{rendering hit} 1, _cache_total{rendering miss} 3, _render_seconds{rendered} 3", counted(t, s.metrics))
		ask("1")

		// What nobody wants any more does not wait.
		w.set(time.Second, func(string, string) error { panic("no") })
		ask("2", comparison("b", 1, 2))
		time.Sleep(time.Minute)
		synctest.Wait()
		got := counted(t, s.metrics)
		require.Contains(t, got, "_render_seconds{panicked} 1")
		require.NotContains(t, got, "in_flight")
		require.NotContains(t, got, "waiting")
	})
}

func TestResults(t *testing.T) {
	t.Parallel()
	for want, err := range map[string]error{
		"rendered": nil, "refused": fmt.Errorf("render: %w", Unfit("it has a plugin")), "stale": fmt.Errorf("render: %w", approval.ErrStale),
		"timeout": fmt.Errorf("render: %w", context.DeadlineExceeded), "unavailable": errors.New("connection refused"), "panicked": errPanic,
	} {
		require.Equal(t, want, resultOf(err))
	}
}
