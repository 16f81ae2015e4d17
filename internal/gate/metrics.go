package gate

import (
	"errors"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
	"github.com/argo-gatekeeper/gatekeeper/pkg/history"
)

// Metrics count what the gate does. The labels are bounded by the number of
// gates and by constants.
type Metrics struct {
	decisions  *prometheus.CounterVec
	syncs      *prometheus.CounterVec
	deliveries *prometheus.CounterVec
	admissions *prometheus.CounterVec
	reconciles *prometheus.HistogramVec
	depth      prometheus.GaugeFunc
	oldest     prometheus.GaugeFunc
	waits      *prometheus.HistogramVec
	retries    *prometheus.CounterVec
	queueAge   func() time.Duration
	unreviewed *prometheus.GaugeVec
	overdue    *prometheus.GaugeVec
	stuck      *prometheus.GaugeVec
	outdated   prometheus.GaugeFunc
	ungated    *prometheus.CounterVec
	health     *prometheus.CounterVec
	queueLen   func() int
	// outdatedPulls is how many open pull requests are to be judged anew.
	outdatedPulls func() int
}

// NewMetrics makes the gate's metrics. Register them with a registry.
func NewMetrics() *Metrics {
	m := &Metrics{
		decisions: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "gatekeeper_decisions_total", Help: "Decisions on Applications by gate and verdict.",
		}, []string{"gate", "verdict"}),
		syncs: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "gatekeeper_syncs_total", Help: "Syncs by gate and result: requested, refused, succeeded, failed, mismatch.",
		}, []string{"gate", "result"}),
		deliveries: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "gatekeeper_deliveries_total", Help: "Webhook deliveries by event and result: done, failed.",
		}, []string{"event", "result"}),
		admissions: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "gatekeeper_admissions_total", Help: "Answers to the API server by gate, verb of the request, and answer: allowed, denied.",
		}, []string{"gate", "verb", "answer"}),
		reconciles: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "gatekeeper_reconcile_seconds", Help: "Duration of reconciles by kind of key and result: ok, postponed, error.",
			Buckets: prometheus.ExponentialBuckets(0.005, 2, 14),
		}, []string{"kind", "result"}),
		unreviewed: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "gatekeeper_breakglass_unreviewed", Help: "Uses of break-glass that nobody has reviewed, by gate.",
		}, []string{"gate"}),
		overdue: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "gatekeeper_breakglass_overdue", Help: "Those of which the review is overdue, by gate.",
		}, []string{"gate"}),
		stuck: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "gatekeeper_operations_stuck", Help: "Applications whose operation in Argo CD is not picked up or does not end, by gate.",
		}, []string{"gate"}),
		ungated: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "gatekeeper_ungated_syncs_total",
			Help: "Syncs that Argo CD carried out and that the gate was not asked about, by gate, by whether their revisions were approved, and by whether they were found afterwards.",
		}, []string{"gate", "approved", "late"}),
		health: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "gatekeeper_health_changes_total", Help: "Changes of health after deployments that were recorded, by health.",
		}, []string{"health"}),
		waits: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "gatekeeper_queue_wait_seconds", Help: "How long keys waited to be worked on, by kind: application, pull, group.",
			Buckets: prometheus.ExponentialBuckets(0.001, 3, 12), // 1 ms to 3 min
		}, []string{"kind"}),
		retries: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "gatekeeper_queue_retries_total",
			Help: "Keys that were put back, by reason: raced (somebody else was faster), later (told a moment ago), asked (a peer named a time), policy (what changed of it is not on record yet), failed.",
		}, []string{"reason"}),
		queueLen: func() int { return 0 }, queueAge: func() time.Duration { return 0 },
		outdatedPulls: func() int { return 0 },
	}
	m.depth = prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "gatekeeper_queue_depth", Help: "Keys that wait to be reconciled.",
	}, func() float64 { return float64(m.queueLen()) })
	m.oldest = prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "gatekeeper_queue_oldest_seconds", Help: "How long the key that is next has waited; 0 when none waits.",
	}, func() float64 { return m.queueAge().Seconds() })
	for _, reason := range []string{retryRaced, retryLater, retryAsked, retryPolicy, retryFailed} {
		m.retries.WithLabelValues(reason)
	}
	m.outdated = prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "gatekeeper_open_pulls_outdated", Help: "Open pull requests that are to be judged again although nothing happened to them.",
	}, func() float64 { return float64(m.outdatedPulls()) })
	return m
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

func (m *Metrics) collectors() []prometheus.Collector {
	return []prometheus.Collector{m.decisions, m.syncs, m.deliveries, m.admissions, m.reconciles, m.depth, m.oldest, m.waits, m.retries, m.outdated, m.unreviewed, m.overdue, m.stuck, m.ungated, m.health}
}

func (m *Metrics) watch(queueLen, outdated func() int, oldest func() time.Duration) {
	m.queueLen, m.outdatedPulls, m.queueAge = queueLen, outdated, oldest
}

// Why keys are put back.
const (
	retryRaced  = "raced"
	retryLater  = "later"
	retryAsked  = "asked"
	retryPolicy = "policy"
	retryFailed = "failed"
)

func (m *Metrics) retried(reason string) { m.retries.WithLabelValues(reason).Inc() }

func (m *Metrics) waited(k Key, wait time.Duration) {
	m.waits.WithLabelValues(k.kind()).Observe(wait.Seconds())
}

func (m *Metrics) decided(gate string, v approval.Verdict) {
	m.decisions.WithLabelValues(gate, string(v)).Inc()
}

func (m *Metrics) admitted(a Admission, r AdmissionRequest) {
	verb, answer := string(r.Verb), "denied"
	switch {
	case r.Start != nil:
		verb = "sync"
	case r.Verb != VerbCreate && r.Verb != VerbUpdate && r.Verb != VerbDelete:
		verb = "other"
	}
	if a.Allowed {
		answer = "allowed"
	}
	m.admissions.WithLabelValues(a.Gate, verb, answer).Inc()
}

// owed sets what each gate's Applications owe of reviews.
func (m *Metrics) owed(policies []approval.Policy, counts map[string]owedCount) {
	for _, p := range policies {
		m.unreviewed.WithLabelValues(p.Gate).Set(float64(counts[p.Gate].unreviewed))
		m.overdue.WithLabelValues(p.Gate).Set(float64(counts[p.Gate].overdue))
	}
}

// gone forgets a gate that there is not any more. What was counted stays.
func (m *Metrics) gone(gate string) {
	for _, v := range []*prometheus.GaugeVec{m.unreviewed, m.overdue, m.stuck} {
		v.DeleteLabelValues(gate)
	}
}

// stuckNow sets how many operations of each gate's Applications are stuck.
func (m *Metrics) stuckNow(policies []approval.Policy, counts map[string]int) {
	for _, p := range policies {
		m.stuck.WithLabelValues(p.Gate).Set(float64(counts[p.Gate]))
	}
}

// unasked counts a sync that the gate was not asked about.
func (m *Metrics) unasked(o history.ObservedPayload) {
	m.ungated.WithLabelValues(o.Gate, strconv.FormatBool(o.Covers > 0), strconv.FormatBool(o.Late)).Inc()
}

// healthSeen counts a change of health. Argo CD has these, and no others.
func (m *Metrics) healthSeen(health string) {
	switch health {
	case "Healthy", "Progressing", "Degraded", "Suspended", "Missing":
	default:
		health = "Unknown"
	}
	m.health.WithLabelValues(health).Inc()
}

func (m *Metrics) synced(gate, result string) { m.syncs.WithLabelValues(gate, result).Inc() }

func (m *Metrics) reconciled(k Key, err error, took time.Duration) {
	result := "ok"
	switch {
	case err == nil:
	case errors.Is(err, approval.ErrStale) || errors.Is(err, errRaced) || retryAfter(err) > 0:
		result = "postponed"
	default:
		result = "error"
	}
	m.reconciles.WithLabelValues(k.kind(), result).Observe(took.Seconds())
}

// knownEvents bounds the event label: the header is the sender's text.
var knownEvents = map[string]bool{
	"ping": true, "push": true, "pull_request": true, "pull_request_review": true, "issue_comment": true,
	"check_run": true, "check_suite": true, "membership": true, "team": true, "organization": true, "member": true,
	"installation": true, "installation_repositories": true, "repository": true, "merge_group": true,
}

func (m *Metrics) delivery(event, result string) {
	if !knownEvents[event] {
		event = "other"
	}
	m.deliveries.WithLabelValues(event, result).Inc()
}
