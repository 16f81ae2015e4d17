package election

import "github.com/prometheus/client_golang/prometheus"

// Metrics say who leads. The zero pointer counts nothing.
type Metrics struct {
	leader  prometheus.Gauge
	changes prometheus.Gauge
}

// NewMetrics makes metrics to be registered.
func NewMetrics() *Metrics {
	return &Metrics{
		leader: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "gatekeeper_leader", Help: "1 on the replica that leads, 0 on the others. Summed over the replicas it is 1.",
		}),
		changes: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "gatekeeper_leader_transitions", Help: "How often another replica took the Lease over, as the Lease says.",
		}),
	}
}

// Describe implements prometheus.Collector.
func (m *Metrics) Describe(ch chan<- *prometheus.Desc) {
	m.leader.Describe(ch)
	m.changes.Describe(ch)
}

// Collect implements prometheus.Collector.
func (m *Metrics) Collect(ch chan<- prometheus.Metric) {
	m.leader.Collect(ch)
	m.changes.Collect(ch)
}

func (m *Metrics) lead(leads bool) {
	if m == nil {
		return
	}
	if leads {
		m.leader.Set(1)
	} else {
		m.leader.Set(0)
	}
}

func (m *Metrics) transitions(n int) {
	if m != nil {
		m.changes.Set(float64(n))
	}
}
