package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"github.com/argo-gatekeeper/gatekeeper/internal/config"
	"github.com/argo-gatekeeper/gatekeeper/internal/gate"
	"github.com/argo-gatekeeper/gatekeeper/internal/httpapi"
	"github.com/argo-gatekeeper/gatekeeper/internal/inbox"
	"github.com/argo-gatekeeper/gatekeeper/internal/instrument"
	"github.com/argo-gatekeeper/gatekeeper/internal/tracing"
	"github.com/argo-gatekeeper/gatekeeper/internal/tracing/otlp"
)

// instruments say what happens: the log, the metrics, and the traces if they are on.
type instruments struct {
	log      *slog.Logger
	registry *prometheus.Registry
	// tracer is nil when tracing is off.
	tracer   *tracing.Tracer
	calls    *instrument.Calls
	webhooks *httpapi.WebhookMetrics
	close    func() error
}

// flushTimeout is for the last spans at the end.
const flushTimeout = 5 * time.Second

// connectInstruments makes no request.
func connectInstruments(ctx context.Context, cfg config.Config, stderr io.Writer) (instruments, error) {
	handler := tracing.Log(slog.NewJSONHandler(stderr, nil))
	out := instruments{registry: prometheus.NewRegistry(), webhooks: httpapi.NewWebhookMetrics(), close: func() error { return nil }}
	out.registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}), out.webhooks)
	out.log = slog.New(handler)
	if cfg.File.Tracing != nil {
		exporter, err := connectTracing(ctx, cfg, out.log)
		if err != nil {
			return instruments{}, err
		}
		out.registry.MustRegister(exporter)
		out.tracer = exporter.Tracer
		out.close = func() error {
			flushing, cancel := context.WithTimeout(context.WithoutCancel(ctx), flushTimeout)
			defer cancel()
			return exporter.Close(flushing)
		}
		out.log.LogAttrs(ctx, slog.LevelInfo, "tracing", slog.String("endpoint", cfg.File.Tracing.Endpoint), slog.Float64("ratio", cfg.File.Tracing.SampledRatio()))
	}
	out.calls = instrument.NewCalls(out.tracer)
	out.registry.MustRegister(out.calls)
	return out, nil
}

// connectTracing makes no request.
func connectTracing(ctx context.Context, cfg config.Config, log *slog.Logger) (*otlp.Exporter, error) {
	t := cfg.File.Tracing
	o := otlp.Options{Endpoint: t.Endpoint, Ratio: t.SampledRatio(), Version: currentVersion().Version, Headers: map[string]string{}, Logger: log}
	for name, value := range cfg.Secrets.TracingHeaders {
		o.Headers[name] = string(value.Reveal())
	}
	if t.CAFile != "" {
		pem, err := os.ReadFile(cfg.Path(t.CAFile))
		if err != nil {
			return nil, fmt.Errorf("read tracing.caFile: %w", err)
		}
		o.CAPEM = pem
	}
	// Of several replicas, each says which it is; a pod's name is its host's.
	var err error
	if o.Instance, err = os.Hostname(); err != nil {
		return nil, fmt.Errorf("read the host's name: %w", err)
	}
	return otlp.New(ctx, o)
}

// putter keeps deliveries; *inbox.Store does.
type putter interface {
	Put(ctx context.Context, d inbox.Delivery) (fresh bool, err error)
}

// store keeps verified deliveries, and begins the trace of each.
func (i instruments) store(box putter, wake func()) func(ctx context.Context, guid, event string, body []byte) error {
	return func(ctx context.Context, guid, event string, body []byte) error {
		now := time.Now()
		fresh, err := box.Put(ctx, inbox.Delivery{GUID: guid, Event: event, Received: now, Body: body})
		if err != nil {
			return err
		}
		span := i.tracer.Stored(ctx, guid, fresh, httpapi.Received(ctx, now))
		if span.On() {
			span.Text("http.request.method", "POST")
			span.Text("http.route", "/webhooks/github")
			span.Number("http.response.status_code", 202)
			span.Text(tracing.Delivery, guid)
			span.Text(tracing.Event, event)
		}
		span.End()
		wake()
		return nil
	}
}

// observers are those who are told what is new about Applications.
func (i instruments) observers(others ...gate.Observer) []gate.Observer {
	if i.tracer == nil {
		return others
	}
	return append(others, instrument.Outcomes{Tracer: i.tracer})
}
