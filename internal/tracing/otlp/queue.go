package otlp

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	sdk "go.opentelemetry.io/otel/sdk/trace"
)

// queue collects spans that ended and sends them in batches. It is a SpanProcessor of the
// SDK; the SDK's own one does not say how many spans it dropped.
type queue struct {
	sender  sdk.SpanExporter
	log     *slog.Logger
	spans   chan sdk.ReadOnlySpan
	stop    chan struct{} // closed to end
	stopped chan struct{} // closed when run has ended
	once    sync.Once
	// sending ends with the time that Shutdown has.
	sending context.Context //nolint:containedctx // it is that of a goroutine, see run
	abort   context.CancelFunc

	count   *prometheus.CounterVec
	waiting prometheus.GaugeFunc

	mu     sync.Mutex
	warned time.Time
	lost   int
}

func newQueue(sender sdk.SpanExporter, log *slog.Logger) *queue {
	q := &queue{
		sender: sender, log: log, spans: make(chan sdk.ReadOnlySpan, queued), stop: make(chan struct{}), stopped: make(chan struct{}),
		count: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "gatekeeper_trace_spans_total", Help: "Spans by result: exported, failed (the collector did not take them), dropped (too many waited).",
		}, []string{"result"}),
	}
	q.waiting = prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "gatekeeper_trace_spans_waiting", Help: "Spans that wait to be sent.",
	}, func() float64 { return float64(len(q.spans)) })
	for _, result := range []string{"exported", "failed", "dropped"} {
		q.count.WithLabelValues(result)
	}
	q.sending, q.abort = context.WithCancel(context.Background())
	go q.run()
	return q
}

// OnStart implements sdk.SpanProcessor.
func (*queue) OnStart(context.Context, sdk.ReadWriteSpan) {}

// OnEnd implements sdk.SpanProcessor. It never waits.
func (q *queue) OnEnd(s sdk.ReadOnlySpan) {
	if !s.SpanContext().IsSampled() {
		return
	}
	select {
	case q.spans <- s:
	default:
		q.lose("dropped", 1, errFull)
	}
}

type constError string

func (e constError) Error() string { return string(e) }

const errFull = constError("too many spans wait to be sent")

func (q *queue) run() {
	defer close(q.stopped)
	tick := time.NewTicker(every)
	defer tick.Stop()
	batch := make([]sdk.ReadOnlySpan, 0, together)
	send := func() {
		q.send(batch)
		clear(batch)
		batch = batch[:0]
	}
	for {
		select {
		case s := <-q.spans:
			if batch = append(batch, s); len(batch) == together {
				send()
			}
		case <-tick.C:
			send()
		case <-q.stop:
			for {
				select {
				case s := <-q.spans:
					if batch = append(batch, s); len(batch) == together {
						send()
					}
				default:
					send()
					return
				}
			}
		}
	}
}

func (q *queue) send(batch []sdk.ReadOnlySpan) {
	if len(batch) == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(q.sending, exportTimeout)
	defer cancel()
	if err := q.sender.ExportSpans(ctx, batch); err != nil {
		q.lose("failed", len(batch), err)
		return
	}
	q.count.WithLabelValues("exported").Add(float64(len(batch)))
}

// lose counts spans that nobody will see.
func (q *queue) lose(result string, n int, why error) {
	q.count.WithLabelValues(result).Add(float64(n))
	q.mu.Lock()
	defer q.mu.Unlock()
	q.lost += n
	now := time.Now()
	if !q.warned.IsZero() && now.Sub(q.warned) < warnEvery {
		return
	}
	q.warned = now
	q.log.LogAttrs(context.Background(), slog.LevelWarn, "spans_lost", slog.Int("spans", q.lost), slog.Any("error", why))
	q.lost = 0
}

// ForceFlush implements sdk.SpanProcessor; nobody asks for it.
func (*queue) ForceFlush(context.Context) error { return nil }

// Shutdown implements sdk.SpanProcessor: it sends what waits, until the context ends.
func (q *queue) Shutdown(ctx context.Context) error {
	q.once.Do(func() { close(q.stop) })
	select {
	case <-q.stopped:
	case <-ctx.Done():
		q.abort() // what is being sent fails, and so does the rest, at once
		<-q.stopped
	}
	q.abort()
	if err := q.sender.Shutdown(context.WithoutCancel(ctx)); err != nil {
		return fmt.Errorf("end the connection to the collector: %w", err)
	}
	return nil
}
