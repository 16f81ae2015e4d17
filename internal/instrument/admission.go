package instrument

import (
	"context"
	"net/http"
	"time"

	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"

	"github.com/argo-gatekeeper/gatekeeper/internal/gate"
	"github.com/argo-gatekeeper/gatekeeper/internal/tracing"
)

// Continued takes over the trace of whoever asks, for the API server's questions: with
// tracing it says which request of its own a question belongs to. Without tracing it is the
// handler itself. It is not for what anybody may send.
func Continued(t *tracing.Tracer, next http.Handler) http.Handler {
	if t == nil {
		return next
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		next.ServeHTTP(w, r.WithContext(propagation.TraceContext{}.Extract(r.Context(), propagation.HeaderCarrier(r.Header))))
	})
}

// Admit makes a span of each answer to the API server; without tracing it is admit itself.
// The span of an answer about a sync of our own belongs to that sync.
func Admit(t *tracing.Tracer, admit func(context.Context, gate.AdmissionRequest) gate.Admission) func(context.Context, gate.AdmissionRequest) gate.Admission {
	if t == nil {
		return admit
	}
	return func(ctx context.Context, r gate.AdmissionRequest) gate.Admission {
		intent, app := "", r.After
		if r.Start != nil {
			intent = r.Start.Intent
		}
		if app == nil {
			app = r.Before
		}
		// Anybody may write an intent's ID into an operation; that gives them a span.
		ctx, span := t.Resume(ctx, intent, "admission", trace.SpanKindServer, time.Time{})
		defer span.End()
		if app != nil {
			span.Text(tracing.Application, app.Key())
		}
		answer := admit(ctx, r)
		span.Text("gatekeeper.admission.verb", string(r.Verb))
		span.Text(tracing.Gate, answer.Gate)
		verdict := "denied"
		if answer.Allowed {
			verdict = "allowed"
		}
		span.Text(tracing.Verdict, verdict)
		return answer
	}
}
