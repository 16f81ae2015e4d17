package otlp

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/sdk/resource"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"

	"github.com/argo-gatekeeper/gatekeeper/internal/tracing"
)

// Options say where spans go.
type Options struct {
	// Endpoint is the collector's URL, such as https://collector:4318. Without a path,
	// /v1/traces is meant.
	Endpoint string
	// CAPEM holds the authorities that may have signed the collector's certificate; those of
	// the system when empty.
	CAPEM []byte
	// Headers are sent with each request.
	Headers map[string]string
	// Ratio is the part of the traces that is sent, from 0 to 1.
	Ratio float64
	// Version and Instance describe this process.
	Version, Instance string
	Logger            *slog.Logger
}

// Limits of what is sent.
const (
	// queued spans wait at most: a few megabytes.
	queued = 4096
	// together are sent in one request.
	together = 512
	// every is how long a span waits for others.
	every = time.Second
	// exportTimeout is for one batch, what is tried again included.
	exportTimeout = 10 * time.Second
	// warnEvery is how often the log says that spans are lost.
	warnEvery = time.Hour
	// Most attributes, events and links of one span, and the longest text.
	mostAttributes, longestText = 64, 1024
)

// Exporter makes spans and sends them. Close it.
type Exporter struct {
	*tracing.Tracer
	provider *sdk.TracerProvider
	spans    *queue
}

// New makes an exporter. It makes no request before there are spans.
func New(ctx context.Context, o Options) (*Exporter, error) {
	if o.Ratio < 0 || o.Ratio > 1 {
		return nil, fmt.Errorf("set up tracing: a ratio of %g", o.Ratio)
	}
	client, err := clientOptions(o)
	if err != nil {
		return nil, fmt.Errorf("set up tracing: %w", err)
	}
	sender, err := otlptracehttp.New(ctx, client...)
	if err != nil {
		return nil, fmt.Errorf("set up tracing: %w", err)
	}
	sampler := sdk.TraceIDRatioBased(o.Ratio)
	limits := sdk.NewSpanLimits()
	limits.AttributeCountLimit, limits.AttributeValueLengthLimit = mostAttributes, longestText
	e := &Exporter{spans: newQueue(sender, o.Logger)} //nolint:contextcheck // spans are sent until Close, whatever becomes of this context
	e.provider = sdk.NewTracerProvider(
		sdk.WithSampler(sdk.ParentBased(sampler)), sdk.WithIDGenerator(tracing.IDs{}), sdk.WithRawSpanLimits(limits),
		sdk.WithSpanProcessor(e.spans),
		// Only what is said here: not what the environment or the machine would add.
		sdk.WithResource(resource.NewSchemaless(
			attribute.String("service.name", "gatekeeper"), attribute.String("service.version", o.Version),
			attribute.String("service.instance.id", o.Instance),
		)),
	)
	e.Tracer = tracing.New(e.provider, func(id trace.TraceID) bool {
		return sampler.ShouldSample(sdk.SamplingParameters{ParentContext: context.Background(), TraceID: id}).Decision == sdk.RecordAndSample
	})
	return e, nil
}

func clientOptions(o Options) ([]otlptracehttp.Option, error) {
	u, err := url.Parse(o.Endpoint)
	if err != nil {
		return nil, errors.New("the collector's URL is not valid") // the error would quote it
	}
	if strings.Trim(u.Path, "/") == "" {
		u.Path = "/v1/traces"
	}
	out := []otlptracehttp.Option{
		otlptracehttp.WithEndpoint(u.Host), otlptracehttp.WithURLPath(u.Path), otlptracehttp.WithHeaders(o.Headers),
		otlptracehttp.WithCompression(otlptracehttp.GzipCompression), otlptracehttp.WithTimeout(exportTimeout),
		otlptracehttp.WithRetry(otlptracehttp.RetryConfig{Enabled: true, InitialInterval: time.Second, MaxInterval: 5 * time.Second, MaxElapsedTime: exportTimeout}),
		otlptracehttp.WithProxy(direct),
	}
	if u.Scheme != "https" {
		return append(out, otlptracehttp.WithInsecure()), nil
	}
	config := &tls.Config{MinVersion: tls.VersionTLS12}
	if len(o.CAPEM) > 0 {
		config.RootCAs = x509.NewCertPool()
		if !config.RootCAs.AppendCertsFromPEM(o.CAPEM) {
			return nil, errors.New("the file of the collector's authority holds no certificate")
		}
	}
	return append(out, otlptracehttp.WithTLSClientConfig(config)), nil
}

// errRedirected says that the collector wants what it was sent to go elsewhere.
var errRedirected = errors.New("the collector redirects; name the address that it redirects to")

// direct is which proxy a request goes through, and refuses one that follows a redirect: Go
// takes all headers along to whatever host that names but those that it knows for secrets, and
// a collector's key may have any name. The exporter has no other place to say so (otlptracehttp
// v1.33.0, 2026-11-22).
func direct(r *http.Request) (*url.URL, error) {
	if r.Response != nil {
		return nil, errRedirected
	}
	return http.ProxyFromEnvironment(r) //nolint:wrapcheck // it says all
}

// Close sends what is left, within the context's limit, and ends.
func (e *Exporter) Close(ctx context.Context) error {
	if err := e.provider.Shutdown(ctx); err != nil {
		return fmt.Errorf("send the last spans: %w", err)
	}
	return nil
}

// Describe implements prometheus.Collector.
func (e *Exporter) Describe(ch chan<- *prometheus.Desc) {
	e.spans.count.Describe(ch)
	e.spans.waiting.Describe(ch)
}

// Collect implements prometheus.Collector.
func (e *Exporter) Collect(ch chan<- prometheus.Metric) {
	e.spans.count.Collect(ch)
	e.spans.waiting.Collect(ch)
}
