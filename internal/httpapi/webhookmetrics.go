package httpapi

import (
	"context"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// WebhookMetrics measure the requests that bring deliveries.
type WebhookMetrics struct {
	duration *prometheus.HistogramVec
}

// The results of a request.
const (
	webhookStored      = "stored"
	webhookBusy        = "busy"
	webhookHeaders     = "headers"
	webhookContentType = "content_type"
	webhookTooLarge    = "too_large"
	webhookUnreadable  = "unreadable"
	webhookSignature   = "signature"
	webhookNotStored   = "not_stored"
)

// NewWebhookMetrics makes the metrics. Register them with a registry.
func NewWebhookMetrics() *WebhookMetrics {
	m := &WebhookMetrics{duration: prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name:    "gatekeeper_webhook_seconds",
		Help:    "Duration of requests with deliveries by result: stored, or why they were refused: busy, headers, content_type, too_large, unreadable, signature, not_stored.",
		Buckets: prometheus.ExponentialBuckets(0.001, 2, 14), // 1 ms to 8 s; GitHub waits for 10 s
	}, []string{"result"})}
	for _, result := range []string{webhookStored, webhookBusy, webhookHeaders, webhookContentType, webhookTooLarge, webhookUnreadable, webhookSignature, webhookNotStored} {
		m.duration.WithLabelValues(result)
	}
	return m
}

// Describe implements prometheus.Collector.
func (m *WebhookMetrics) Describe(ch chan<- *prometheus.Desc) { m.duration.Describe(ch) }

// Collect implements prometheus.Collector.
func (m *WebhookMetrics) Collect(ch chan<- prometheus.Metric) { m.duration.Collect(ch) }

func (m *WebhookMetrics) observe(result string, took time.Duration) {
	if m != nil {
		m.duration.WithLabelValues(result).Observe(took.Seconds())
	}
}

type receivedKey struct{}

// received keeps in a request when it began.
func received(r *http.Request, at time.Time) *http.Request {
	return r.WithContext(context.WithValue(r.Context(), receivedKey{}, at))
}

// Received is when the request with the delivery that Options.Store is given began; otherwise
// it is the other time.
func Received(ctx context.Context, otherwise time.Time) time.Time {
	if at, ok := ctx.Value(receivedKey{}).(time.Time); ok {
		return at
	}
	return otherwise
}
