// Package tracingtest keeps spans in memory, for tests.
package tracingtest

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"

	"github.com/argo-gatekeeper/gatekeeper/internal/tracing"
)

// Span is a span that ended.
type Span = sdk.ReadOnlySpan

// Spans are those that ended.
type Spans struct{ recorder *tracetest.SpanRecorder }

// New makes a tracer of which a part of the traces is kept, from 0 to 1.
func New(ratio float64) (*tracing.Tracer, Spans) {
	spans := Spans{tracetest.NewSpanRecorder()}
	sampler := sdk.TraceIDRatioBased(ratio)
	provider := sdk.NewTracerProvider(sdk.WithSampler(sdk.ParentBased(sampler)), sdk.WithIDGenerator(tracing.IDs{}), sdk.WithSpanProcessor(spans.recorder))
	return tracing.New(provider, func(id trace.TraceID) bool {
		return sampler.ShouldSample(sdk.SamplingParameters{ParentContext: context.Background(), TraceID: id}).Decision == sdk.RecordAndSample
	}), spans
}

// All returns every span that ended.
func (s Spans) All() []sdk.ReadOnlySpan { return s.recorder.Ended() }

// Named returns those of a name.
func (s Spans) Named(name string) []sdk.ReadOnlySpan {
	var found []sdk.ReadOnlySpan
	for _, one := range s.All() {
		if one.Name() == name {
			found = append(found, one)
		}
	}
	return found
}

// One returns the only span of a name.
func (s Spans) One(t testing.TB, name string) sdk.ReadOnlySpan {
	t.Helper()
	found := s.Named(name)
	require.Len(t, found, 1, name)
	return found[0]
}

// Attribute is the value of an attribute as text, empty when there is none.
func Attribute(s sdk.ReadOnlySpan, key string) string {
	for _, a := range s.Attributes() {
		if string(a.Key) == key {
			return a.Value.Emit()
		}
	}
	return ""
}
