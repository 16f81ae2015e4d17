package tracing

import (
	"context"
	"errors"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
)

// The attributes of ours. Others are OpenTelemetry's semantic conventions.
const (
	Delivery    = "gatekeeper.delivery"    // GitHub's GUID
	Event       = "gatekeeper.event"       // GitHub's name of the event
	Gate        = "gatekeeper.gate"        // the gate's name
	Application = "gatekeeper.application" // namespace/name
	Pull        = "gatekeeper.pull"        // owner/name#number
	Verdict     = "gatekeeper.verdict"     // allowed, blocked, unknown
	State       = "gatekeeper.state"       // how it stands, in words of ours
	Intent      = "gatekeeper.intent"      // the ID of the intent on record
	Revision    = "gatekeeper.revision"    // short commits, one for each source
	Result      = "gatekeeper.result"      // of a sync: succeeded, failed, ...
	Entries     = "gatekeeper.entries"     // how many entries were appended
	Sequence    = "gatekeeper.sequence"    // of the newest entry after an append
	Quota       = "gatekeeper.github.quota_remaining"
	Account     = "gatekeeper.github.account" // whose installation's quota that is
	Woken       = "gatekeeper.woken"          // how many keys a delivery woke
	Request     = "gatekeeper.request"        // the ID of what was asked for by a comment
)

// Span is a span, or nothing: the zero Span, which is what there is when tracing is off or
// the trace is not sampled.
type Span struct{ span trace.Span }

// recording is a span only if somebody will see it.
func recording(s trace.Span) Span {
	if !s.IsRecording() {
		return Span{}
	}
	return Span{s}
}

// From is the span of a context that this process is making, to add to it.
func From(ctx context.Context) Span { return recording(trace.SpanFromContext(ctx)) }

// On says whether somebody will see it, for what costs something to say.
func (s Span) On() bool { return s.span != nil }

// Text sets an attribute.
func (s Span) Text(key, value string) {
	if s.span != nil {
		s.span.SetAttributes(attribute.String(key, value))
	}
}

// Number sets an attribute.
func (s Span) Number(key string, value int) {
	if s.span != nil {
		s.span.SetAttributes(attribute.Int(key, value))
	}
}

// Fail marks the span as failed, with the class of the error; nil does nothing.
func (s Span) Fail(err error) {
	if s.span != nil && err != nil {
		s.FailAs(classOf(err))
	}
}

// FailAs marks the span as failed with a class, which is one of few.
func (s Span) FailAs(class string) {
	if s.span != nil {
		s.span.SetStatus(codes.Error, "")
		s.span.SetAttributes(attribute.String("error.type", class))
	}
}

// End ends the span.
func (s Span) End() {
	if s.span != nil {
		s.span.End()
	}
}

// EndAt ends the span at a time.
func (s Span) EndAt(at time.Time) {
	if s.span != nil {
		s.span.End(trace.WithTimestamp(at))
	}
}

// classOf is what error.type says: words of ours, and never the error's text.
func classOf(err error) string {
	var waits interface{ RetryAfter() time.Duration }
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return "timeout"
	case errors.Is(err, context.Canceled):
		return "canceled"
	case errors.Is(err, approval.ErrStale):
		return "stale"
	case errors.Is(err, approval.ErrNotFound):
		return "not_found"
	case errors.Is(err, approval.ErrLater), errors.As(err, &waits) && waits.RetryAfter() > 0:
		return "later"
	default:
		return "_OTHER" // OpenTelemetry's word for what has no class
	}
}
