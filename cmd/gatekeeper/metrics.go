package main

import (
	"strconv"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/argo-gatekeeper/gatekeeper/pkg/github"
)

// githubMetrics count the calls to GitHub, which are a budget.
type githubMetrics struct {
	calls     *prometheus.HistogramVec
	remaining prometheus.Gauge
}

func newGitHubMetrics() *githubMetrics {
	return &githubMetrics{
		calls: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "gatekeeper_github_request_seconds", Help: "Requests to GitHub by endpoint and status.",
			Buckets: prometheus.ExponentialBuckets(0.01, 2, 11),
		}, []string{"endpoint", "status"}),
		remaining: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "gatekeeper_github_rate_limit_remaining", Help: "What GitHub said last is left of the hourly rate limit.",
		}),
	}
}

func (m *githubMetrics) observe(c github.Call) {
	m.calls.WithLabelValues(c.Endpoint, strconv.Itoa(c.Status)).Observe(c.Duration.Seconds())
	if c.Remaining >= 0 {
		m.remaining.Set(float64(c.Remaining))
	}
}

// Describe implements prometheus.Collector.
func (m *githubMetrics) Describe(ch chan<- *prometheus.Desc) {
	m.calls.Describe(ch)
	m.remaining.Describe(ch)
}

// Collect implements prometheus.Collector.
func (m *githubMetrics) Collect(ch chan<- prometheus.Metric) {
	m.calls.Collect(ch)
	m.remaining.Collect(ch)
}
