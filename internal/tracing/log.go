package tracing

import (
	"context"
	"log/slog"

	"go.opentelemetry.io/otel/trace"
)

// servingMost bounds how many deliveries one line names: the newest.
const servingMost = 8

type servingKey struct{}

// Serving says which deliveries, by GUID, the work with the context is done for.
func Serving(ctx context.Context, guids []string) context.Context {
	return context.WithValue(ctx, servingKey{}, guids[max(0, len(guids)-servingMost):])
}

// Log adds to each line which deliveries it is about, if the context says so, and trace_id
// and span_id if it is written within an exported span, so that one leads to the other.
func Log(next slog.Handler) slog.Handler { return logHandler{next} }

type logHandler struct{ slog.Handler }

// Handle implements slog.Handler.
func (h logHandler) Handle(ctx context.Context, r slog.Record) error {
	if guids, ok := ctx.Value(servingKey{}).([]string); ok {
		r = r.Clone()
		r.AddAttrs(slog.Any("deliveries", guids))
	}
	if span := trace.SpanContextFromContext(ctx); span.IsSampled() {
		r = r.Clone()
		r.AddAttrs(slog.String("trace_id", span.TraceID().String()), slog.String("span_id", span.SpanID().String()))
	}
	return h.Handler.Handle(ctx, r) //nolint:wrapcheck // it is the other's word
}

// WithAttrs implements slog.Handler.
func (h logHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return logHandler{h.Handler.WithAttrs(attrs)}
}

// WithGroup implements slog.Handler.
func (h logHandler) WithGroup(name string) slog.Handler { return logHandler{h.Handler.WithGroup(name)} }
