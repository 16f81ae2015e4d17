package gate

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/internal/tracing"
	"github.com/argo-gatekeeper/gatekeeper/internal/tracing/tracingtest"
)

// TestOneReconcileServesSeveralDeliveries: it is within the trace of the newest, linked to
// the others, and each of their traces shows the way; what failed is tried again within the
// same trace, and the log names the deliveries.
func TestOneReconcileServesSeveralDeliveries(t *testing.T) {
	t.Parallel()
	m := newMailroom(t)
	tracer, spans := tracingtest.New(1)
	m.gate.tracer = tracer
	var log bytes.Buffer
	m.gate.log = slog.New(tracing.Log(slog.NewTextHandler(&log, nil)))
	m.hub.land(1)
	m.hub.approve(1, alice)
	m.hub.fail(errors.New("GitHub is down"))
	m.deliver("push", pushed)
	m.deliver("push", pushed)
	m.drain()
	require.True(t, m.gate.next(t.Context()))
	m.hub.fail(nil)
	m.gate.queue.Add(Key{Application: payments}) // as the rate limiter would
	require.True(t, m.gate.next(t.Context()))

	taken := spans.Named("intake")
	require.Len(t, taken, 2)
	tries := spans.Named("reconcile application")
	require.Len(t, tries, 2)
	first, newest := taken[0].SpanContext(), taken[1].SpanContext()
	for i, class := range []string{"_OTHER", ""} {
		require.Equal(t, newest.SpanID(), tries[i].Parent().SpanID())
		require.Equal(t, newest.TraceID(), tries[i].SpanContext().TraceID())
		require.Len(t, tries[i].Links(), 1)
		require.Equal(t, first, tries[i].Links()[0].SpanContext.WithRemote(first.IsRemote()))
		require.Equal(t, class, tracingtest.Attribute(tries[i], "error.type"))
		require.Equal(t, payments, tracingtest.Attribute(tries[i], tracing.Application))
	}
	require.Equal(t, "allowed", tracingtest.Attribute(tries[1], tracing.Verdict))
	pointers := spans.Named("reconciled with another")
	require.Len(t, pointers, 2)
	require.Equal(t, first.TraceID(), pointers[1].SpanContext().TraceID())
	require.Equal(t, tries[1].SpanContext().SpanID(), pointers[1].Links()[0].SpanContext.SpanID())
	require.NotEmpty(t, spans.Named("decide"))

	// Nothing is left: the next look is a trace of its own.
	require.NotEmpty(t, m.queued(), "the pull request is told")
	m.gate.queue.Add(Key{Application: payments})
	require.True(t, m.gate.next(t.Context()))
	require.False(t, spans.Named("reconcile application")[2].Parent().IsValid())

	var guids []string
	for _, s := range taken {
		guids = append(guids, tracingtest.Attribute(s, tracing.Delivery))
	}
	for _, event := range []string{"reconcile_failed", "sync_requested", "application_decided"} {
		line := ""
		for l := range strings.Lines(log.String()) {
			if strings.Contains(l, "msg="+event) {
				line = l
			}
		}
		require.Contains(t, line, `deliveries="[`+strings.Join(guids, " ")+`]"`, event)
		require.Contains(t, line, "application="+payments, event)
		require.Contains(t, line, "trace_id="+newest.TraceID().String(), event)
	}
}

// TestWhoIsToldIsTraced: a pull request that is told because of a decision is within its trace.
func TestWhoIsToldIsTraced(t *testing.T) {
	t.Parallel()
	s := newSetup(t)
	tracer, spans := tracingtest.New(1)
	s.gate.tracer = tracer
	ctx, cause := tracer.Taken(t.Context(), "guid")
	s.gate.tell(ctx, Key{Repository: repository, Pull: 1})
	cause.End()
	require.True(t, s.gate.next(context.WithoutCancel(t.Context())))
	told := spans.One(t, "reconcile pull")
	require.Equal(t, tracer.Delivery("guid").TraceID(), told.SpanContext().TraceID())
	require.Equal(t, fmt.Sprintf("%s#1", repository), tracingtest.Attribute(told, tracing.Pull))
}
