package instrument

import (
	"context"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/trace"

	"github.com/argo-gatekeeper/gatekeeper/internal/gate"
	"github.com/argo-gatekeeper/gatekeeper/internal/tracing/tracingtest"
	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
	"github.com/argo-gatekeeper/gatekeeper/pkg/history"
)

// world is what the gate works with; it fails as it is told to and keeps the span that it
// was called within.
type world struct {
	gate.Applications
	gate.Collector
	gate.Reporter
	err    error
	within trace.SpanContext
}

func (w *world) saw(ctx context.Context) error {
	w.within = trace.SpanContextFromContext(ctx)
	return w.err
}

func (w *world) Sync(ctx context.Context, _ approval.Release) error { return w.saw(ctx) }
func (w *world) Collect(ctx context.Context, _ approval.Query) (approval.Answer, error) {
	return approval.Answer{}, w.saw(ctx)
}

func (w *world) CollectPull(ctx context.Context, _ approval.RepositoryName, _ int, _ approval.Query) (approval.PullAnswer, error) {
	return approval.PullAnswer{}, w.saw(ctx)
}

func (w *world) CollectGroup(ctx context.Context, _ approval.RepositoryName, _ approval.MergeGroup, _ approval.Query) (approval.GroupAnswer, error) {
	return approval.GroupAnswer{}, w.saw(ctx)
}
func (w *world) Publish(ctx context.Context, _ approval.PullReport) error { return w.saw(ctx) }

func (w *world) PublishGroup(ctx context.Context, _ approval.GroupReport) error { return w.saw(ctx) }

// TestWrapped: each call is a span within the caller's, what it calls is within that, and an
// error comes back as it was.
func TestWrapped(t *testing.T) {
	for name, call := range map[string]func(ctx context.Context, w *world, spans *wrapped) error{
		"sync": func(ctx context.Context, _ *world, s *wrapped) error {
			return s.Sync(ctx, approval.Release{})
		},
		"collect": func(ctx context.Context, _ *world, s *wrapped) error {
			_, err := s.Collect(ctx, approval.Query{})
			return err
		},
		"collect pull": func(ctx context.Context, _ *world, s *wrapped) error {
			_, err := s.CollectPull(ctx, "acme/env", 1, approval.Query{})
			return err
		},
		"collect group": func(ctx context.Context, _ *world, s *wrapped) error {
			_, err := s.CollectGroup(ctx, "acme/env", approval.MergeGroup{}, approval.Query{})
			return err
		},
		"report": func(ctx context.Context, _ *world, s *wrapped) error {
			return s.Publish(ctx, approval.PullReport{})
		},
		"report group": func(ctx context.Context, _ *world, s *wrapped) error {
			return s.PublishGroup(ctx, approval.GroupReport{})
		},
	} {
		t.Run(name, func(t *testing.T) {
			tracer, spans := tracingtest.New(1)
			w := &world{err: approval.ErrStale}
			s := &wrapped{Applications(tracer, w), Collector(tracer, w), Reporter(tracer, w)}
			ctx, parent := tracer.Taken(t.Context(), "guid")
			require.ErrorIs(t, call(ctx, w, s), approval.ErrStale)
			parent.End()
			span := spans.One(t, name)
			require.Equal(t, trace.SpanContextFromContext(ctx).SpanID(), span.Parent().SpanID())
			require.Equal(t, span.SpanContext().SpanID(), w.within.SpanID())
			require.Equal(t, "stale", tracingtest.Attribute(span, "error.type"))
		})
	}
}

type wrapped struct {
	gate.Applications
	gate.Collector
	gate.Reporter
}

// TestOffIsNothing: without a tracer nothing is wrapped.
func TestOffIsNothing(t *testing.T) {
	w := &world{}
	require.Same(t, w, Applications(nil, w))
	require.Same(t, w, Collector(nil, w))
	require.Same(t, w, Reporter(nil, w))
	handler := http.NewServeMux()
	require.Same(t, handler, Continued(nil, handler))
	Outcomes{}.Ended(t.Context(), approval.Application{}, history.IntentPayload{}, history.OutcomePayload{})
}

// TestOutcome: the end of a sync is within its span, begins and ends as the operation did, and
// links the work that found it.
func TestOutcome(t *testing.T) {
	tracer, spans := tracingtest.New(1)
	ctx, syncing := tracer.Taken(t.Context(), "guid")
	tracer.Keep(ctx, "intent")
	syncing.End()
	finding, found := tracer.Reconcile(t.Context(), "application", nil)
	began := time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)
	app := approval.Application{Namespace: "argocd", Name: "payments"}
	o := Outcomes{Tracer: tracer}
	o.Ended(finding, app, history.IntentPayload{ID: "intent", Gate: "prod"}, history.OutcomePayload{Result: history.ResultFailed, StartedAt: began, FinishedAt: began.Add(time.Minute)})
	o.Ended(finding, app, history.IntentPayload{ID: "of another process"}, history.OutcomePayload{Result: history.ResultSucceeded})
	found.End()
	ended := spans.Named("sync ended")
	require.Equal(t, trace.SpanContextFromContext(ctx).SpanID(), ended[0].Parent().SpanID())
	require.Equal(t, []string{"failed", "failed", "argocd/payments"}, []string{
		tracingtest.Attribute(ended[0], "gatekeeper.result"), tracingtest.Attribute(ended[0], "error.type"), tracingtest.Attribute(ended[0], "gatekeeper.application"),
	})
	require.Equal(t, time.Minute, ended[0].EndTime().Sub(ended[0].StartTime()))
	require.Equal(t, trace.SpanContextFromContext(finding).SpanID(), ended[0].Links()[0].SpanContext.SpanID())
	require.Equal(t, trace.SpanContextFromContext(finding).SpanID(), ended[1].Parent().SpanID(), "within what found it")
}

// TestAdmissions: an answer about a sync of ours is within that sync; another one is within
// the API server's own trace, or a root.
func TestAdmissions(t *testing.T) {
	tracer, spans := tracingtest.New(1)
	admit := Admit(tracer, func(_ context.Context, r gate.AdmissionRequest) gate.Admission {
		return gate.Admission{Allowed: r.Start != nil, Gate: "prod"}
	})
	ctx, syncing := tracer.Taken(t.Context(), "guid")
	tracer.Keep(ctx, "intent")
	syncing.End()
	app := &approval.Application{Namespace: "argocd", Name: "payments"}
	require.True(t, admit(t.Context(), gate.AdmissionRequest{Verb: gate.VerbUpdate, After: app, Start: &gate.Start{Intent: "intent"}}).Allowed)

	const theirs = "0af7651916cd43dd8448eb211c80319c"
	allowed := false
	served := Continued(tracer, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		allowed = allowed || admit(r.Context(), gate.AdmissionRequest{Verb: gate.VerbDelete, Before: app}).Allowed
	}))
	request := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/admission", nil)
	request.Header.Set("Traceparent", "00-"+theirs+"-b7ad6b7169203331-01")
	served.ServeHTTP(httptest.NewRecorder(), request)
	request.Header.Set("Traceparent", "nonsense")
	served.ServeHTTP(httptest.NewRecorder(), request)

	require.False(t, allowed)
	answers := spans.Named("admission")
	require.Len(t, answers, 3)
	require.Equal(t, trace.SpanContextFromContext(ctx).SpanID(), answers[0].Parent().SpanID())
	require.Equal(t, []string{"allowed", "prod", "argocd/payments"}, []string{
		tracingtest.Attribute(answers[0], "gatekeeper.verdict"), tracingtest.Attribute(answers[0], "gatekeeper.gate"), tracingtest.Attribute(answers[0], "gatekeeper.application"),
	})
	require.Equal(t, theirs, answers[1].SpanContext().TraceID().String())
	require.Equal(t, "denied", tracingtest.Attribute(answers[1], "gatekeeper.verdict"))
	require.False(t, answers[2].Parent().IsValid())
}
