package tracing

import (
	"context"
	"crypto/rand"

	"go.opentelemetry.io/otel/trace"
)

// IDs makes the IDs of spans; it is an IDGenerator of OpenTelemetry's SDK.
type IDs struct{}

type idsKey struct{}

type ids struct {
	trace trace.TraceID
	span  trace.SpanID
}

// withIDs has the next root that is begun with the context get these.
func withIDs(ctx context.Context, t trace.TraceID, s trace.SpanID) context.Context {
	return context.WithValue(ctx, idsKey{}, ids{t, s})
}

// NewIDs are those of a root.
func (IDs) NewIDs(ctx context.Context) (t trace.TraceID, s trace.SpanID) {
	if given, ok := ctx.Value(idsKey{}).(ids); ok {
		return given.trace, given.span
	}
	fill(t[:])
	return t, newSpanID()
}

// NewSpanID is that of a child.
func (IDs) NewSpanID(context.Context, trace.TraceID) trace.SpanID { return newSpanID() }

func newSpanID() (s trace.SpanID) {
	fill(s[:])
	return s
}

// fill never leaves zeros alone, which are no ID.
func fill(b []byte) {
	for {
		_, _ = rand.Read(b) // it never fails (crypto/rand, since Go 1.24)
		for _, one := range b {
			if one != 0 {
				return
			}
		}
	}
}
