package tracing_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/trace"

	"github.com/argo-gatekeeper/gatekeeper/internal/tracing"
	"github.com/argo-gatekeeper/gatekeeper/internal/tracing/tracingtest"
	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
)

const guid = "72d3162e-cc78-11e3-81ab-4c9367dc0958"

// TestDeliveryIsTheSameEverywhere: another process, before or after a restart, comes to the
// same IDs, which are pinned because replicas of two versions run side by side.
func TestDeliveryIsTheSameEverywhere(t *testing.T) {
	first, _ := tracingtest.New(1)
	second, _ := tracingtest.New(1)
	require.Equal(t, first.Delivery(guid), second.Delivery(guid))
	require.True(t, first.Delivery(guid).IsSampled())
	require.True(t, first.Delivery(guid).IsValid())
	require.Equal(t, "9577eb5a91df18f04efefc407dbdd8c9", first.Delivery(guid).TraceID().String())
	require.NotEqual(t, first.Delivery(guid).TraceID(), first.Delivery("72d3162f-cc78-11e3-81ab-4c9367dc0958").TraceID())
	require.False(t, first.Delivery("").IsValid())
}

// TestSamplingAgrees: whoever only derives the IDs decides as the one who made the root.
func TestSamplingAgrees(t *testing.T) {
	tracer, spans := tracingtest.New(0.25)
	sampled := 0
	for i := range 2000 {
		// Of one host, and one after the other, as GitHub's are.
		id := fmt.Sprintf("%08x-cc78-11e3-81ab-4c9367dc0958", 0x72d30000+i)
		stored := tracer.Stored(t.Context(), id, true, time.Now())
		stored.End()
		_, taken := tracer.Taken(t.Context(), id)
		taken.End()
		require.Equal(t, stored.On(), taken.On())
		require.Equal(t, stored.On(), tracer.Delivery(id).IsSampled())
		if stored.On() {
			sampled++
		}
	}
	require.InDelta(t, 500, sampled, 120)
	require.Len(t, spans.All(), 2*sampled)
}

func TestFromDeliveryToOutcome(t *testing.T) {
	tracer, spans := tracingtest.New(1)
	began := time.Now().Add(-time.Second)
	tracer.Stored(t.Context(), guid, true, began).End()
	tracer.Stored(t.Context(), guid, false, began).End() // a redelivery

	var causes tracing.Causes[string]
	ctx, span := tracer.Taken(t.Context(), guid)
	causes.Add(ctx, "argocd/shop")
	span.End()
	other, span := tracer.Taken(t.Context(), "another")
	causes.Add(other, "argocd/shop")
	causes.Add(ctx, "argocd/shop") // the newest
	span.End()
	taken := causes.Take("argocd/shop")
	require.Len(t, taken, 3)
	require.Empty(t, causes.Take("argocd/shop"))

	ctx, reconcile := tracer.Reconcile(t.Context(), "application", taken)
	_, child := tracer.Child(ctx, "decide", trace.SpanKindInternal)
	child.Fail(fmt.Errorf("token ghs_secret: %w", approval.ErrStale))
	child.End()
	syncing, sync := tracer.Child(ctx, "sync", trace.SpanKindClient)
	tracer.Keep(syncing, "intent")
	sync.End()
	reconcile.End()
	elsewhere, later := tracer.Reconcile(t.Context(), "application", nil)
	_, ended := tracer.Resume(elsewhere, "intent", "sync ended", trace.SpanKindInternal, began)
	ended.EndAt(began.Add(time.Millisecond))
	later.End()

	root := tracer.Delivery(guid)
	var roots, redelivered int
	for _, s := range spans.All() {
		switch {
		case s.Name() != "POST /webhooks/github":
		case s.SpanContext().SpanID() == root.SpanID():
			roots++
			require.False(t, s.Parent().IsValid())
			require.Equal(t, root.TraceID(), s.SpanContext().TraceID())
			require.WithinDuration(t, began, s.StartTime(), 0)
		default:
			redelivered++
			require.Equal(t, root.SpanID(), s.Parent().SpanID())
		}
	}
	require.Equal(t, []int{1, 1}, []int{roots, redelivered})
	decide, synced, outcome := spans.One(t, "decide"), spans.One(t, "sync"), spans.One(t, "sync ended")
	require.Equal(t, root.TraceID(), decide.SpanContext().TraceID())
	require.Equal(t, "stale", tracingtest.Attribute(decide, "error.type"))
	require.NotContains(t, fmt.Sprint(decide.Attributes(), decide.Status(), decide.Events()), "ghs_secret")
	require.Equal(t, synced.SpanContext().SpanID(), outcome.Parent().SpanID())
	require.Equal(t, root.TraceID(), outcome.SpanContext().TraceID())
	require.Len(t, outcome.Links(), 1)
	require.Equal(t, time.Millisecond, outcome.EndTime().Sub(outcome.StartTime()))
	// The other delivery's trace shows the way.
	pointer := spans.One(t, "reconciled with another")
	require.Equal(t, tracer.Delivery("another").TraceID(), pointer.SpanContext().TraceID())
	require.Equal(t, root.TraceID(), pointer.Links()[0].SpanContext.TraceID())
}

func TestWhatIsNotKnownIsARoot(t *testing.T) {
	tracer, spans := tracingtest.New(1)
	_, span := tracer.Resume(t.Context(), "an intent of before the restart", "sync ended", trace.SpanKindInternal, time.Time{})
	span.End()
	require.False(t, spans.One(t, "sync ended").Parent().IsValid())
	_, none := tracer.Child(t.Context(), "record append", trace.SpanKindClient)
	require.False(t, none.On())
}

func TestKeptIsBounded(t *testing.T) {
	tracer, spans := tracingtest.New(1)
	ctx, span := tracer.Taken(t.Context(), guid)
	defer span.End()
	for i := range 5000 {
		tracer.Keep(ctx, fmt.Sprint(i))
	}
	for name, known := range map[string]bool{"0": false, "903": false, "904": true, "4999": true} {
		_, resumed := tracer.Resume(t.Context(), name, "resumed "+name, trace.SpanKindInternal, time.Time{})
		resumed.End()
		require.Equal(t, known, spans.One(t, "resumed "+name).Parent().IsValid(), name)
	}
}

func TestCausesAreBounded(t *testing.T) {
	tracer, _ := tracingtest.New(1)
	var causes tracing.Causes[int]
	for i := range 100 {
		ctx, span := tracer.Taken(t.Context(), fmt.Sprint(i))
		causes.Add(ctx, 1)
		span.End()
	}
	taken := causes.Take(1)
	require.Len(t, taken, 32)
	require.Equal(t, tracer.Delivery("99").TraceID(), taken[31].TraceID())
	ctx, span := tracer.Taken(t.Context(), "newer")
	span.End()
	causes.Add(ctx, 1)
	causes.GiveBack(1, taken[:2])
	taken = causes.Take(1)
	require.Equal(t, tracer.Delivery("newer").TraceID(), taken[2].TraceID(), "what failed comes back as older")
	causes.Add(t.Context(), 1)
	require.Empty(t, causes.Take(1), "nothing without a span")
}

func TestLogNamesTheSpan(t *testing.T) {
	tracer, _ := tracingtest.New(1)
	var text strings.Builder
	log := slog.New(tracing.Log(slog.NewJSONHandler(&text, nil))).With(slog.String("part", "gate"))
	log.LogAttrs(t.Context(), slog.LevelInfo, "outside")
	require.NotContains(t, text.String(), "trace_id")
	ctx, span := tracer.Taken(t.Context(), guid)
	defer span.End()
	log.LogAttrs(ctx, slog.LevelInfo, "inside")
	require.Contains(t, text.String(), `"trace_id":"`+tracer.Delivery(guid).TraceID().String()+`"`)
	require.Contains(t, text.String(), `"part":"gate"`)
	require.NotContains(t, text.String(), "deliveries")
	log.LogAttrs(tracing.Serving(t.Context(), []string{"1", "2", "3", "4", "5", "6", "7", "8", "9", guid}), slog.LevelInfo, "serving")
	require.Contains(t, text.String(), `"deliveries":["3","4","5","6","7","8","9","`+guid+`"]`)
}

func TestClassesOfErrors(t *testing.T) {
	tracer, spans := tracingtest.New(1)
	ctx, parent := tracer.Taken(t.Context(), guid)
	defer parent.End()
	for want, err := range map[string]error{
		"timeout": context.DeadlineExceeded, "canceled": context.Canceled, "not_found": fmt.Errorf("x: %w", approval.ErrNotFound),
		"later": approval.ErrLater, "_OTHER": errors.New("GET https://api.github.com/?token=x"),
	} {
		_, span := tracer.Child(ctx, want, trace.SpanKindInternal)
		span.Fail(err)
		span.End()
		require.Equal(t, want, tracingtest.Attribute(spans.One(t, want), "error.type"))
	}
}

// TestOffCostsNothing: a tracer that is off allocates nothing, whatever it is asked for.
func TestOffCostsNothing(t *testing.T) {
	var tracer *tracing.Tracer
	var causes tracing.Causes[string]
	ctx, now := t.Context(), time.Now()
	require.Zero(t, testing.AllocsPerRun(100, func() { everything(ctx, tracer, &causes, now) }))
}

func BenchmarkOff(b *testing.B) {
	var tracer *tracing.Tracer
	var causes tracing.Causes[string]
	ctx, now := b.Context(), time.Now()
	b.ReportAllocs()
	for b.Loop() {
		everything(ctx, tracer, &causes, now)
	}
}

// everything is what one delivery asks of the tracer on its way.
func everything(ctx context.Context, tracer *tracing.Tracer, causes *tracing.Causes[string], now time.Time) {
	stored := tracer.Stored(ctx, guid, true, now)
	stored.Text(tracing.Delivery, guid)
	stored.End()
	ctx, span := tracer.Taken(ctx, guid)
	span.Number(tracing.Woken, 2)
	causes.Add(ctx, "argocd/shop")
	span.End()
	taken := causes.Take("argocd/shop")
	ctx, span = tracer.Reconcile(ctx, "application", taken)
	causes.GiveBack("argocd/shop", taken)
	_, child := tracer.Child(ctx, "collect", trace.SpanKindInternal)
	child.Fail(context.Canceled)
	child.End()
	tracer.Past(ctx, "GET /", trace.SpanKindClient, now).End()
	tracer.Keep(ctx, "intent")
	_, resumed := tracer.Resume(ctx, "intent", "sync ended", trace.SpanKindInternal, now)
	resumed.EndAt(now)
	tracing.From(ctx).Text(tracing.Gate, "prod")
	span.End()
}
