package httpapi

import "github.com/prometheus/client_golang/prometheus"

// AdmissionMetrics measure the answers to the API server.
type AdmissionMetrics struct {
	duration *prometheus.HistogramVec
	inFlight prometheus.Gauge
}

// NewAdmissionMetrics makes the metrics. Register them with a registry.
func NewAdmissionMetrics() *AdmissionMetrics {
	return &AdmissionMetrics{
		duration: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "gatekeeper_admission_seconds",
			Help:    "Duration of answers to the API server by verdict: allowed, denied, late, failed, busy, too_large, unreadable.",
			Buckets: []float64{.0005, .001, .002, .003, .005, .01, .025, .05, .1, .25, .5, .75, 1},
		}, []string{"verdict"}),
		inFlight: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "gatekeeper_admission_in_flight", Help: "Requests of the API server that are being answered.",
		}),
	}
}

// Describe implements prometheus.Collector.
func (m *AdmissionMetrics) Describe(ch chan<- *prometheus.Desc) {
	m.duration.Describe(ch)
	m.inFlight.Describe(ch)
}

// Collect implements prometheus.Collector.
func (m *AdmissionMetrics) Collect(ch chan<- prometheus.Metric) {
	m.duration.Collect(ch)
	m.inFlight.Collect(ch)
}
