package enforce

import "github.com/prometheus/client_golang/prometheus"

// Metrics count drift.
type Metrics struct {
	drift   *prometheus.CounterVec
	inPlace *prometheus.GaugeVec
}

// NewMetrics makes the metrics. Register them with a registry.
func NewMetrics() *Metrics {
	return &Metrics{
		drift: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "gatekeeper_enforcement_drift_total", Help: "How often an object of the enforcement was changed by somebody else, by kind.",
		}, []string{"kind"}),
		inPlace: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "gatekeeper_enforcement_in_place", Help: "1 when the object of the enforcement is as it should be, by kind.",
		}, []string{"kind"}),
	}
}

// Describe implements prometheus.Collector.
func (m *Metrics) Describe(ch chan<- *prometheus.Desc) {
	m.drift.Describe(ch)
	m.inPlace.Describe(ch)
}

// Collect implements prometheus.Collector.
func (m *Metrics) Collect(ch chan<- prometheus.Metric) {
	m.drift.Collect(ch)
	m.inPlace.Collect(ch)
}

func (m *Metrics) set(kind string, inPlace bool) {
	value := 0.0
	if inPlace {
		value = 1
	}
	m.inPlace.WithLabelValues(kind).Set(value)
}
