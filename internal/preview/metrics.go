package preview

import (
	"context"
	"errors"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
	"github.com/argo-gatekeeper/gatekeeper/pkg/argo/manifestdiff"
)

// Metrics count what is rendered for people. All labels are constants.
type Metrics struct {
	renders  *prometheus.HistogramVec
	inFlight prometheus.Gauge
	cache    *prometheus.CounterVec
	waiting  prometheus.Gauge
}

// NewMetrics makes the metrics. Register them with a registry.
func NewMetrics() *Metrics {
	m := &Metrics{
		renders: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "gatekeeper_preview_render_seconds",
			Help: "Duration of renderings by Argo CD for previews by result: rendered, refused, stale, timeout, unavailable, panicked.",
			// 10 ms to 164 s; a comparison has 100 s.
			Buckets: prometheus.ExponentialBuckets(0.01, 2, 15),
		}, []string{"result"}),
		inFlight: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "gatekeeper_preview_renders_in_flight", Help: "Renderings that Argo CD is asked for now.",
		}),
		cache: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "gatekeeper_preview_cache_total",
			Help: "What was wanted by cache (comparison, rendering) and result: hit, miss.",
		}, []string{"cache", "result"}),
		waiting: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "gatekeeper_previews_waiting", Help: "Comparisons that wait or are being made.",
		}),
	}
	for _, result := range []string{"rendered", "refused", "stale", "timeout", "unavailable", "panicked"} {
		m.renders.WithLabelValues(result)
	}
	for _, cache := range []string{cacheComparison, cacheRendering} {
		for _, result := range []string{"hit", "miss"} {
			m.cache.WithLabelValues(cache, result)
		}
	}
	return m
}

// The caches.
const (
	cacheComparison = "comparison"
	cacheRendering  = "rendering"
)

// Describe implements prometheus.Collector.
func (m *Metrics) Describe(ch chan<- *prometheus.Desc) {
	for _, c := range m.collectors() {
		c.Describe(ch)
	}
}

// Collect implements prometheus.Collector.
func (m *Metrics) Collect(ch chan<- prometheus.Metric) {
	for _, c := range m.collectors() {
		c.Collect(ch)
	}
}

func (m *Metrics) collectors() []prometheus.Collector {
	return []prometheus.Collector{m.renders, m.inFlight, m.cache, m.waiting}
}

// rendering counts one.
func (m *Metrics) rendering(render func() (manifestdiff.Manifests, error)) (out manifestdiff.Manifests, err error) {
	m.inFlight.Inc()
	start := time.Now()
	err = errPanic // as long as it has not returned
	defer func() {
		m.inFlight.Dec()
		m.renders.WithLabelValues(resultOf(err)).Observe(time.Since(start).Seconds())
	}()
	out, err = render()
	return out, err
}

func resultOf(err error) string {
	if err == nil {
		return "rendered"
	}
	_, unavailable := Explain(err)
	switch {
	case errors.Is(err, errPanic):
		return "panicked"
	case errors.Is(err, approval.ErrStale):
		return "stale"
	case errors.Is(err, context.DeadlineExceeded):
		return "timeout"
	case unavailable:
		return "unavailable"
	default:
		return "refused"
	}
}

func (m *Metrics) asked(cache string, hit bool) {
	result := "miss"
	if hit {
		result = "hit"
	}
	m.cache.WithLabelValues(cache, result).Inc()
}
