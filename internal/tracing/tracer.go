package tracing

import (
	"context"
	"crypto/sha256"
	"sync"
	"time"

	"go.opentelemetry.io/otel/trace"
)

// Tracer makes spans. A nil Tracer makes none. It is safe for concurrent use.
type Tracer struct {
	tracer  trace.Tracer
	sampled func(trace.TraceID) bool

	mu   sync.Mutex
	kept map[string]trace.SpanContext
	// order are the names in kept, oldest first.
	order []string
}

// keptMost bounds how many spans are remembered by name. A span is needed again seconds or
// minutes later.
const keptMost = 4096

// New makes a tracer. Sampled decides by its ID whether a trace is exported; it must be the
// decision that the provider makes for a root, so that a process that only derives an ID
// from a delivery comes to the same one. The provider must make its IDs with IDs.
func New(provider trace.TracerProvider, sampled func(trace.TraceID) bool) *Tracer {
	return &Tracer{tracer: provider.Tracer("github.com/argo-gatekeeper/gatekeeper"), sampled: sampled, kept: map[string]trace.SpanContext{}}
}

// Delivery is the span that stored a delivery: both of its IDs are derived from GitHub's
// GUID, so that every process and every restart knows them without anything being stored.
//
// The IDs are a hash because samplers, ours and those of collectors, take the last bytes of
// a trace's ID for random (W3C Trace Context level 2, "random-trace-id"), and those of
// GitHub's GUIDs, which are UUIDs of version 1, are the same for all of one host.
func (t *Tracer) Delivery(guid string) trace.SpanContext {
	if t == nil || guid == "" {
		return trace.SpanContext{}
	}
	sum := sha256.Sum256([]byte("gatekeeper delivery\x00" + guid))
	config := trace.SpanContextConfig{TraceID: trace.TraceID(sum[:16]), SpanID: trace.SpanID(sum[16:24]), Remote: true}
	if t.sampled(config.TraceID) {
		config.TraceFlags = trace.FlagsSampled
	}
	return trace.NewSpanContext(config)
}

// Stored makes the span of the request that brought a delivery, after it was stored: what
// was refused has no span, since anybody may send that. The one that made the delivery fresh
// is the root of its trace; a redelivery of a known one is its child.
func (t *Tracer) Stored(ctx context.Context, guid string, fresh bool, began time.Time) Span {
	root := t.Delivery(guid)
	if !root.IsSampled() {
		return Span{}
	}
	if fresh {
		ctx = withIDs(trace.ContextWithSpanContext(ctx, trace.SpanContext{}), root.TraceID(), root.SpanID())
	} else {
		ctx = trace.ContextWithRemoteSpanContext(ctx, root)
	}
	_, span := t.tracer.Start(ctx, "POST /webhooks/github", trace.WithSpanKind(trace.SpanKindServer), trace.WithTimestamp(began))
	return Span{span}
}

// Taken begins the span of a delivery's way from the inbox to the keys that it wakes.
func (t *Tracer) Taken(ctx context.Context, guid string) (context.Context, Span) {
	if t == nil {
		return ctx, Span{}
	}
	return t.start(trace.ContextWithRemoteSpanContext(ctx, t.Delivery(guid)), "intake", trace.SpanKindConsumer)
}

// Reconcile begins the span of work on a key. Its parent is the newest of the spans that woke
// the key, since one that failed comes back beside what happened meanwhile; it links the
// others. Without any it is the root of a trace of its own: a timer, or a change in the
// cluster, woke the key.
func (t *Tracer) Reconcile(ctx context.Context, kind string, causes []trace.SpanContext) (context.Context, Span) {
	if t == nil {
		return ctx, Span{}
	}
	options := []trace.SpanStartOption{}
	parent := trace.SpanContext{}
	if n := len(causes); n > 0 {
		parent = causes[n-1]
		for _, other := range causes[:n-1] {
			options = append(options, trace.WithLinks(trace.Link{SpanContext: other}))
		}
	}
	ctx, span := t.tracer.Start(trace.ContextWithSpanContext(ctx, parent), "reconcile "+kind, options...)
	made := recording(span)
	// Whoever follows another of the deliveries finds the way, too.
	for i, other := range causes {
		if made.span == nil || other.TraceID() == parent.TraceID() || seen(causes[:i], other.TraceID()) {
			continue
		}
		_, pointer := t.tracer.Start(trace.ContextWithRemoteSpanContext(context.WithoutCancel(ctx), other), "reconciled with another",
			trace.WithLinks(trace.Link{SpanContext: span.SpanContext()}))
		pointer.End()
	}
	return ctx, made
}

func seen(earlier []trace.SpanContext, id trace.TraceID) bool {
	for _, e := range earlier {
		if e.TraceID() == id {
			return true
		}
	}
	return false
}

// Child begins a span within the one of the context. Without one that is exported it begins
// none, so that what is done outside of any trace makes no traces of one span.
func (t *Tracer) Child(ctx context.Context, name string, kind trace.SpanKind) (context.Context, Span) {
	if t == nil || !trace.SpanContextFromContext(ctx).IsSampled() {
		return ctx, Span{}
	}
	return t.start(ctx, name, kind)
}

// Past makes a span within the one of the context, of something that is over.
func (t *Tracer) Past(ctx context.Context, name string, kind trace.SpanKind, began time.Time) Span {
	if t == nil || !trace.SpanContextFromContext(ctx).IsSampled() {
		return Span{}
	}
	_, span := t.tracer.Start(ctx, name, trace.WithSpanKind(kind), trace.WithTimestamp(began))
	return recording(span)
}

// Keep remembers the context's span under a name, such as the ID of an intent, for those who
// go on with it: in this process, until there are too many newer ones.
func (t *Tracer) Keep(ctx context.Context, name string) {
	if t == nil {
		return
	}
	span := trace.SpanContextFromContext(ctx)
	if !span.IsSampled() {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if _, known := t.kept[name]; !known {
		if len(t.order) == keptMost {
			delete(t.kept, t.order[0])
			t.order = t.order[1:]
		}
		t.order = append(t.order, name)
	}
	t.kept[name] = span
}

// Resume begins a span within the one that was kept under a name. When none was, as after a
// restart, it is within that of the context, or a root.
func (t *Tracer) Resume(ctx context.Context, kept, name string, kind trace.SpanKind, began time.Time) (context.Context, Span) {
	if t == nil {
		return ctx, Span{}
	}
	t.mu.Lock()
	parent, known := t.kept[kept]
	t.mu.Unlock()
	options := []trace.SpanStartOption{trace.WithSpanKind(kind)}
	if !began.IsZero() {
		options = append(options, trace.WithTimestamp(began))
	}
	if known {
		if here := trace.SpanContextFromContext(ctx); here.IsSampled() && here.TraceID() != parent.TraceID() {
			options = append(options, trace.WithLinks(trace.Link{SpanContext: here}))
		}
		ctx = trace.ContextWithRemoteSpanContext(ctx, parent)
	}
	ctx, span := t.tracer.Start(ctx, name, options...)
	return ctx, recording(span)
}

func (t *Tracer) start(ctx context.Context, name string, kind trace.SpanKind) (context.Context, Span) {
	ctx, span := t.tracer.Start(ctx, name, trace.WithSpanKind(kind))
	return ctx, recording(span)
}
