package main

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/internal/tracing/tracingtest"
	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
	"github.com/argo-gatekeeper/gatekeeper/test/e2e/standin"
)

// TestTraceFromReviewToSync: the trace of the review that decides goes to the sync and its
// outcome, over the real inbox, collector, mirror and record. The whole of it, with the real
// Argo CD and over the wire, is the story "traced".
func TestTraceFromReviewToSync(t *testing.T) {
	t.Parallel()
	tracer, spans := tracingtest.New(1)
	w := buildTown(&town{t: t, tracer: tracer}, time.Hour, 1)
	w.decided("the start", func(d approval.Decision) bool { return d.Verdict != "" })
	p, err := w.As("alice").OpenPull(townRepo, standin.PullOptions{Change: pick(2)})
	require.NoError(t, err)
	sha, err := w.As("bob").Merge(townRepo, p.Number, "squash")
	require.NoError(t, err)
	w.decided("it to wait", func(d approval.Decision) bool {
		return d.Verdict == approval.Blocked && len(d.Lines) == 1 && d.Lines[0].Head == approval.SHA(sha)
	})
	w.quiet() // what is under way may sync it, in the trace of what woke it
	_, err = w.As("carol").Review(townRepo, p.Number, "APPROVE", "")
	require.NoError(t, err)
	require.Equal(t, []string{"carol"}, w.deployed(sha))
	require.Eventually(t, func() bool { return len(spans.Named("sync ended")) == 1 }, time.Minute, 5*time.Millisecond)

	guid := ""
	for _, d := range w.Deliveries(w.app.ID) {
		if d.Event == "pull_request_review" {
			guid = d.GUID
		}
	}
	require.NotEmpty(t, guid)
	root := tracer.Delivery(guid)
	synced, ended := spans.One(t, "sync"), spans.One(t, "sync ended")
	require.Equal(t, root.TraceID(), synced.SpanContext().TraceID())
	require.Equal(t, synced.SpanContext().SpanID(), ended.Parent().SpanID())
	require.Equal(t, "succeeded", tracingtest.Attribute(ended, "gatekeeper.result"))
	up := func(s tracingtest.Span) tracingtest.Span {
		for _, other := range spans.All() {
			if other.SpanContext().SpanID() == s.Parent().SpanID() {
				return other
			}
		}
		t.Fatalf("%s has no parent", s.Name())
		return nil
	}
	require.Eventually(t, func() bool { return len(spans.Named("reconcile application")) > 2 }, time.Minute, 5*time.Millisecond)
	w.quiet() // a call's span may end before that of whoever calls
	reconciled := up(synced)
	require.Equal(t, "reconcile application", reconciled.Name())
	require.Equal(t, "argocd/shop", tracingtest.Attribute(reconciled, "gatekeeper.application"))
	require.Equal(t, "allowed", tracingtest.Attribute(reconciled, "gatekeeper.verdict"))
	require.Equal(t, "prod", tracingtest.Attribute(reconciled, "gatekeeper.gate"))
	require.Equal(t, "intake", up(reconciled).Name())
	received := up(up(reconciled))
	require.Equal(t, root.SpanID(), received.SpanContext().SpanID())
	require.Equal(t, guid, tracingtest.Attribute(received, "gatekeeper.delivery"))
	within := map[string]bool{}
	for _, s := range spans.All() {
		if s.SpanContext().TraceID() == root.TraceID() {
			within[up1(s, spans)+" > "+s.Name()] = true
		}
	}
	for _, edge := range []string{
		"reconcile application > collect", "reconcile application > decide", "reconcile application > record append",
		"sync > sync ended",
	} {
		require.Contains(t, within, edge)
	}
	// A report that was under way may have asked at the same moment: then both share its call.
	require.NotEmpty(t, spans.Named("GET /repos/{owner}/{repo}/pulls/{number}/reviews"))
	for _, call := range spans.Named("GET /repos/{owner}/{repo}/pulls/{number}/reviews") {
		require.Contains(t, []string{"collect", "collect pull"}, up1(call, spans))
	}
	// The first look at the pull request fetched it, in a trace of its own delivery.
	require.NotEmpty(t, spans.Named("git fetch"))
	for _, s := range spans.All() {
		require.NotContains(t, s.Name(), w.APIURL(), "no URL")
	}
}

// up1 is the name of the parent.
func up1(s tracingtest.Span, spans tracingtest.Spans) string {
	for _, other := range spans.All() {
		if other.SpanContext().SpanID() == s.Parent().SpanID() {
			return other.Name()
		}
	}
	return ""
}
