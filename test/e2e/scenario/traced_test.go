package scenario

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/test/e2e/collector"
	"github.com/argo-gatekeeper/gatekeeper/test/e2e/payments"
	"github.com/argo-gatekeeper/gatekeeper/test/e2e/sandbox"
)

// traced: one trace goes from the webhook of the review that decides to the sync and its
// outcome, with what GitHub was asked, what was recorded and what the API server asked in
// between. A collector that nobody reaches changes nothing.
func traced(t *testing.T, s *story) {
	const secret = "token-for-the-collector"
	spans, err := collector.Start(s.ctx)
	require.NoError(t, err)
	t.Cleanup(func() { _ = spans.Close() })
	require.NoError(t, os.WriteFile(filepath.Join(filepath.Dir(s.Config), "collector-headers"), []byte("Authorization: Bearer "+secret+"\n"), 0o600))
	require.NoError(t, s.WriteConfig(s.Sandbox.Kubeconfig(sandbox.Gatekeeper)))
	config, err := os.ReadFile(s.Config)
	require.NoError(t, err)
	tracing := "tracing:\n  endpoint: " + spans.URL() + "\n  headersFile: collector-headers\n"
	require.NoError(t, os.WriteFile(s.Config, append(slices.Clone(config), tracing...), 0o600))
	gatekeeper := s.run()

	pull := s.propose(payments.Alice, payments.Ledger, "5000")
	s.approve(payments.Bob, pull.Number)
	sha := s.merge(pull.Number, "squash")
	s.verdict(payments.Ledger, "blocked", "quorum.missing")
	s.says(pull.Number, "1 of 2", "already merged")
	s.approve(payments.Carol, pull.Number)
	s.runs(payments.Ledger, sha, "5000", 2)
	s.recorded(payments.Ledger, "outcome", 1)
	intent := decode[intentPayload](s, s.carried(payments.Ledger, 1)[0])

	var all []collector.Span
	require.NoError(t, payments.Await(s.ctx, "the span of the outcome", func(context.Context) (bool, string, error) {
		all = spans.Spans()
		found := slices.ContainsFunc(all, func(sp collector.Span) bool {
			return sp.Name == "sync ended" && sp.Attributes["gatekeeper.intent"] == intent.ID
		})
		return found, outline(all), nil
	}))

	// The trace of carol's review, from its root on.
	reviews := slices.DeleteFunc(slices.Clone(all), func(sp collector.Span) bool {
		return sp.Name != "POST /webhooks/github" || sp.Attributes["gatekeeper.event"] != "pull_request_review"
	})
	require.Len(t, reviews, 2, outline(all))
	root := slices.MaxFunc(reviews, func(a, b collector.Span) int { return a.Began.Compare(b.Began) })
	trace := slices.DeleteFunc(slices.Clone(all), func(sp collector.Span) bool { return sp.Trace != root.Trace })
	shape := outline(trace)
	require.Empty(t, root.Parent, shape)
	require.Equal(t, "SPAN_KIND_SERVER", root.Kind)
	require.Equal(t, "202", root.Attributes["http.response.status_code"])
	application := "argocd/" + s.Application("prod", payments.Ledger)

	intake := within(t, trace, root, "intake")
	require.Equal(t, root.Attributes["gatekeeper.delivery"], intake.Attributes["gatekeeper.delivery"])
	reconcile := within(t, trace, intake, "reconcile application")
	require.Equal(t, application, reconcile.Attributes["gatekeeper.application"])
	require.Equal(t, "prod", reconcile.Attributes["gatekeeper.gate"])
	require.Equal(t, "allowed", reconcile.Attributes["gatekeeper.verdict"])
	collect := within(t, trace, reconcile, "collect")
	within(t, trace, reconcile, "decide")
	call := asked(t, all, collect, "GET /repos/{owner}/{repo}/pulls/{number}/reviews")
	require.Equal(t, "SPAN_KIND_CLIENT", call.Kind)
	require.Equal(t, "200", call.Attributes["http.response.status_code"])
	require.Equal(t, "/repos/{owner}/{repo}/pulls/{number}/reviews", call.Attributes["url.template"])
	require.NotEmpty(t, call.Attributes["gatekeeper.github.quota_remaining"])
	require.Equal(t, "2", within(t, trace, reconcile, "record append").Attributes["gatekeeper.entries"], shape)
	require.Equal(t, "OK", map[bool]string{true: "failed", false: "OK"}[within(t, trace, reconcile, "argocd GetApplicationSyncWindows").Failed])
	sync := within(t, trace, reconcile, "sync")
	require.Equal(t, intent.ID, sync.Attributes["gatekeeper.intent"])
	require.Equal(t, "200", within(t, trace, sync, "PATCH applications").Attributes["http.response.status_code"])
	admission := within(t, trace, sync, "admission")
	require.Equal(t, "allowed", admission.Attributes["gatekeeper.verdict"])
	outcome := within(t, trace, sync, "sync ended")
	require.Equal(t, "succeeded", outcome.Attributes["gatekeeper.result"])
	require.Equal(t, application, outcome.Attributes["gatekeeper.application"])
	require.Len(t, outcome.Links, 1, "the reconcile that found it")
	require.NotEqual(t, root.Trace, outcome.Links[0].Trace)
	for _, pair := range [][2]collector.Span{{root, intake}, {intake, reconcile}, {reconcile, collect}, {call, sync}} {
		require.False(t, pair[1].Began.Before(pair[0].Began), "%s before %s", pair[1].Name, pair[0].Name)
	}
	for _, sp := range all {
		require.Equal(t, "gatekeeper", sp.Resource["service.name"])
		require.NotContains(t, fmt.Sprint(sp), secret)
		require.NotContains(t, fmt.Sprint(sp.Attributes), "5000", "no content")
	}
	for _, h := range spans.Headers() {
		require.Equal(t, "Bearer "+secret, h.Get("Authorization"))
	}
	// The log leads to the trace.
	log, err := os.ReadFile(gatekeeper.LogPath())
	require.NoError(t, err)
	for line := range strings.Lines(string(log)) {
		if strings.Contains(line, `"msg":"sync_requested"`) {
			require.Contains(t, line, `"trace_id":"`+root.Trace+`"`)
		}
	}
	require.NotContains(t, string(log), secret)

	// Without the collector the next change is synced all the same.
	require.NoError(t, spans.Close())
	second := s.propose(payments.Alice, payments.Ledger, "6000")
	s.approve(payments.Bob, second.Number)
	s.approve(payments.Carol, second.Number)
	s.runs(payments.Ledger, s.merge(second.Number, "squash"), "6000", 3)
	require.NoError(t, payments.Await(s.ctx, "lost spans to be counted", func(ctx context.Context) (bool, string, error) {
		text, err := s.Metrics(ctx)
		return strings.Contains(text, `gatekeeper_trace_spans_total{result="failed"}`) && !strings.Contains(text, `gatekeeper_trace_spans_total{result="failed"} 0`), text, err
	}))
	require.NoError(t, gatekeeper.Stop(s.ctx))
}

// within finds the first span of a name that has a parent.
func within(t *testing.T, trace []collector.Span, parent collector.Span, name string) collector.Span {
	t.Helper()
	found := slices.DeleteFunc(slices.Clone(trace), func(sp collector.Span) bool { return sp.Parent != parent.ID || sp.Name != name })
	require.NotEmpty(t, found, "no %s within %s:\n%s", name, parent.Name, outline(trace))
	return slices.MinFunc(found, func(a, b collector.Span) int { return a.Began.Compare(b.Began) })
}

// asked finds the call that served a collect: its own, or that of somebody who asked for the
// same at the same moment, which both then share.
func asked(t *testing.T, all []collector.Span, collect collector.Span, name string) collector.Span {
	t.Helper()
	var shared []collector.Span
	for _, sp := range all {
		switch {
		case sp.Name != name:
		case sp.Parent == collect.ID:
			return sp
		case !sp.Ended.Before(collect.Began) && !sp.Ended.After(collect.Ended):
			shared = append(shared, sp)
		}
	}
	require.NotEmpty(t, shared, "no %s during collect:\n%s", name, outline(all))
	return shared[0]
}

// outline writes spans for people who look for one that is missing.
func outline(spans []collector.Span) string {
	var b strings.Builder
	slices.SortStableFunc(spans, func(a, b collector.Span) int { return a.Began.Compare(b.Began) })
	for _, sp := range spans {
		fmt.Fprintf(&b, "%.6s %s<-%s %s %s failed=%t links=%d %v\n", sp.Trace, sp.ID, sp.Parent, sp.Began.Format("15:04:05.000"), sp.Name, sp.Failed, len(sp.Links), sp.Attributes)
	}
	return b.String()
}
