package reload

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Metrics say whether the configuration that is there is in force.
type Metrics struct {
	successful prometheus.Gauge
	at         prometheus.Gauge
	waits      prometheus.Gauge
}

// NewMetrics makes the metrics. Register them with a registry.
func NewMetrics() *Metrics {
	return &Metrics{
		successful: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "gatekeeper_config_last_reload_successful", Help: "1 when the configuration that was read last is in force, 0 when it was refused and the one before stays.",
		}),
		at: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "gatekeeper_config_last_reload_success_timestamp_seconds", Help: "When the configuration was taken over last.",
		}),
		waits: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "gatekeeper_config_needs_restart", Help: "How many keys of the configuration have a value that waits for a restart.",
		}),
	}
}

// Waits says how many keys wait for a restart.
func (m *Metrics) Waits(keys int) { m.waits.Set(float64(keys)) }

func (m *Metrics) taken(at time.Time) {
	m.successful.Set(1)
	m.at.Set(float64(at.UnixMilli()) / 1000)
}

func (m *Metrics) refused() { m.successful.Set(0) }

func (m *Metrics) collectors() []prometheus.Collector {
	return []prometheus.Collector{m.successful, m.at, m.waits}
}

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
