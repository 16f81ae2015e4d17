package instrument

import (
	"context"
	"errors"
	"strings"
	"time"

	"go.opentelemetry.io/otel/trace"

	"github.com/argo-gatekeeper/gatekeeper/internal/gate"
	"github.com/argo-gatekeeper/gatekeeper/internal/tracing"
	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
	"github.com/argo-gatekeeper/gatekeeper/pkg/history"
)

// Record times what is appended to a record.
func (c *Calls) Record(r history.Record) history.Record { return record{r, c} }

type record struct {
	history.Record
	calls *Calls
}

// Append implements history.Record.
func (r record) Append(ctx context.Context, expect history.Head, drafts ...history.Draft) (history.Head, error) {
	ctx, span := r.calls.tracer.Child(ctx, "record append", trace.SpanKindClient)
	defer span.End()
	start := time.Now()
	head, err := r.Record.Append(ctx, expect, drafts...)
	took := time.Since(start).Seconds()
	span.Number(tracing.Entries, len(drafts))
	switch {
	case err == nil:
		r.calls.appends.WithLabelValues("ok").Observe(took)
		span.Number(tracing.Sequence, int(head.Sequence)) //nolint:gosec // a count of entries
	case errors.Is(err, history.ErrConflict):
		r.calls.appends.WithLabelValues("conflict").Observe(took)
		span.FailAs("conflict")
	default:
		r.calls.appends.WithLabelValues("failed").Observe(took)
		span.Fail(err)
	}
	return head, err //nolint:wrapcheck // callers know its errors
}

// within makes a call in a span of its own, which fails with it.
func within[A any](ctx context.Context, t *tracing.Tracer, name string, call func(context.Context) (A, error)) (A, error) {
	ctx, span := t.Child(ctx, name, trace.SpanKindInternal)
	defer span.End()
	answer, err := call(ctx)
	span.Fail(err)
	return answer, err //nolint:wrapcheck // callers know its errors
}

// Collector makes spans of what is collected; without tracing it is the collector itself.
func Collector(t *tracing.Tracer, next gate.Collector) gate.Collector {
	if t == nil {
		return next
	}
	return collector{next, t}
}

type collector struct {
	gate.Collector
	tracer *tracing.Tracer
}

// Collect implements gate.Collector.
func (c collector) Collect(ctx context.Context, q approval.Query) (approval.Answer, error) {
	return within(ctx, c.tracer, "collect", func(ctx context.Context) (approval.Answer, error) {
		return c.Collector.Collect(ctx, q)
	})
}

// CollectPull implements gate.Collector.
func (c collector) CollectPull(ctx context.Context, repository approval.RepositoryName, number int, q approval.Query) (approval.PullAnswer, error) {
	return within(ctx, c.tracer, "collect pull", func(ctx context.Context) (approval.PullAnswer, error) {
		return c.Collector.CollectPull(ctx, repository, number, q)
	})
}

// CollectGroup implements gate.Collector.
func (c collector) CollectGroup(ctx context.Context, repository approval.RepositoryName, group approval.MergeGroup, q approval.Query) (approval.GroupAnswer, error) {
	return within(ctx, c.tracer, "collect group", func(ctx context.Context) (approval.GroupAnswer, error) {
		return c.Collector.CollectGroup(ctx, repository, group, q)
	})
}

// Applications makes spans of syncs, and keeps each under the ID of its intent, so that
// what the API server asks about it and its outcome are found to belong to it.
func Applications(t *tracing.Tracer, next gate.Applications) gate.Applications {
	if t == nil {
		return next
	}
	return applications{next, t}
}

type applications struct {
	gate.Applications
	tracer *tracing.Tracer
}

// Sync implements gate.Applications.
func (a applications) Sync(ctx context.Context, r approval.Release) error {
	ctx, span := a.tracer.Child(ctx, "sync", trace.SpanKindClient)
	defer span.End()
	if span.On() {
		app := r.Application()
		span.Text(tracing.Application, app.Key())
		span.Text(tracing.Intent, r.Intent())
		span.Text(tracing.Revision, revisions(r.Candidate()))
		a.tracer.Keep(ctx, r.Intent()) // before it is sent: the API server asks while it is
	}
	err := a.Applications.Sync(ctx, r)
	span.Fail(err)
	return err //nolint:wrapcheck // callers know its errors
}

func revisions(c approval.Candidate) string {
	short := make([]string, len(c.Revisions))
	for i, r := range c.Revisions {
		short[i] = r.SHA.Short()
	}
	return strings.Join(short, ", ")
}

// Outcomes makes a span of each sync that ended.
type Outcomes struct{ Tracer *tracing.Tracer }

// Decided implements gate.Observer.
func (Outcomes) Decided(context.Context, approval.Application, approval.Decision, bool) {}

// Ended implements gate.Observer. The span is of the sync's own trace, which the reconcile
// that found its end is linked to; it begins and ends as the operation did.
func (o Outcomes) Ended(ctx context.Context, app approval.Application, intent history.IntentPayload, outcome history.OutcomePayload) {
	if o.Tracer == nil {
		return
	}
	began, ended := outcome.StartedAt, outcome.FinishedAt
	_, span := o.Tracer.Resume(ctx, intent.ID, "sync ended", trace.SpanKindInternal, began)
	span.Text(tracing.Application, app.Key())
	span.Text(tracing.Gate, intent.Gate)
	span.Text(tracing.Intent, intent.ID)
	span.Text(tracing.Revision, revisions(intent.Candidate))
	span.Text(tracing.Result, string(outcome.Result))
	if outcome.Result != history.ResultSucceeded {
		span.FailAs(string(outcome.Result))
	}
	if ended.IsZero() || ended.Before(began) {
		span.End()
		return
	}
	span.EndAt(ended)
}

// Reporter makes spans of what people are told; without tracing it is the reporter itself.
func Reporter(t *tracing.Tracer, next gate.Reporter) gate.Reporter {
	if t == nil {
		return next
	}
	return reporter{next, t}
}

type reporter struct {
	gate.Reporter
	tracer *tracing.Tracer
}

// Publish implements gate.Reporter.
func (r reporter) Publish(ctx context.Context, report approval.PullReport) error {
	_, err := within(ctx, r.tracer, "report", func(ctx context.Context) (struct{}, error) {
		return struct{}{}, r.Reporter.Publish(ctx, report)
	})
	return err
}

// PublishGroup implements gate.Reporter.
func (r reporter) PublishGroup(ctx context.Context, report approval.GroupReport) error {
	_, err := within(ctx, r.tracer, "report group", func(ctx context.Context) (struct{}, error) {
		return struct{}{}, r.Reporter.PublishGroup(ctx, report)
	})
	return err
}
