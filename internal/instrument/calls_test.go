package instrument

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/argo-gatekeeper/gatekeeper/internal/tracing/tracingtest"
	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
	"github.com/argo-gatekeeper/gatekeeper/pkg/github"
	"github.com/argo-gatekeeper/gatekeeper/pkg/github/mirror"
	"github.com/argo-gatekeeper/gatekeeper/pkg/history"
)

// exposed is what Prometheus would read.
func exposed(t *testing.T, c prometheus.Collector) string {
	t.Helper()
	registry := prometheus.NewPedanticRegistry()
	require.NoError(t, registry.Register(c))
	w := httptest.NewRecorder()
	promhttp.HandlerFor(registry, promhttp.HandlerOpts{}).ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/metrics", nil))
	return w.Body.String()
}

func TestGitHubCalls(t *testing.T) {
	tracer, spans := tracingtest.New(1)
	c := NewCalls(tracer)
	ctx, parent := tracer.Taken(t.Context(), "guid")
	began := time.Now().Add(-time.Minute)
	c.GitHub(ctx, github.Call{
		Endpoint: "GET /repos/{owner}/{repo}/pulls/{number}/reviews", Status: 200, Began: began, Duration: 250 * time.Millisecond,
		Account: "acme", Remaining: 4321, Reset: time.Unix(1_800_000_000, 0),
	})
	c.GitHub(ctx, github.Call{Endpoint: "POST /graphql", Status: 403, Began: began, Account: "acme", Remaining: -1, Limited: github.LimitSecondary})
	c.GitHub(ctx, github.Call{Endpoint: "GET /app", Began: began, Remaining: -1})
	c.GitHub(t.Context(), github.Call{Endpoint: "GET /app/hook/deliveries", Status: 200, Remaining: 17}) // of no delivery
	parent.End()

	reviews := spans.One(t, "GET /repos/{owner}/{repo}/pulls/{number}/reviews")
	require.Equal(t, "GET", tracingtest.Attribute(reviews, "http.request.method"))
	require.Equal(t, "/repos/{owner}/{repo}/pulls/{number}/reviews", tracingtest.Attribute(reviews, "url.template"))
	require.Equal(t, "4321", tracingtest.Attribute(reviews, "gatekeeper.github.quota_remaining"))
	require.Equal(t, 250*time.Millisecond, reviews.EndTime().Sub(reviews.StartTime()))
	require.Equal(t, "limit_secondary", tracingtest.Attribute(spans.One(t, "POST /graphql"), "error.type"))
	require.Equal(t, "no_answer", tracingtest.Attribute(spans.One(t, "GET /app"), "error.type"))
	require.Len(t, spans.All(), 4, "what belongs to no trace makes none")
	text := exposed(t, c)
	for _, line := range []string{
		`gatekeeper_github_rate_limit_remaining{account="acme"} 4321`, `gatekeeper_github_rate_limit_remaining{account="app"} 17`,
		`gatekeeper_github_rate_limit_reset_timestamp_seconds{account="acme"} 1.8e+09`, `gatekeeper_github_limited_total{limit="secondary"} 1`,
		`gatekeeper_github_request_seconds_count{endpoint="POST /graphql",status="403"} 1`,
	} {
		require.Contains(t, text, line)
	}
}

// TestGitHubIsNotToldOfTraces: no header with an ID leaves for GitHub.
func TestGitHubIsNotToldOfTraces(t *testing.T) {
	tracer, spans := tracingtest.New(1)
	c := NewCalls(tracer)
	var sent []http.Header
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		sent = append(sent, r.Header.Clone())
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write([]byte(`{"id": 7}`))
	}))
	t.Cleanup(server.Close)
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(t, err)
	app, err := github.NewApp(github.Options{
		BaseURL: server.URL, AppID: 7, Observe: c.GitHub, Logger: slog.New(slog.DiscardHandler),
		PrivateKeyPEM: pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)}),
	})
	require.NoError(t, err)
	ctx, span := tracer.Taken(t.Context(), "guid")
	_, _, err = app.API().Apps.Get(ctx, "")
	span.End()
	require.NoError(t, err)
	require.Len(t, sent, 1)
	require.Empty(t, sent[0].Get("Traceparent"))
	require.Equal(t, "200", tracingtest.Attribute(spans.One(t, "GET /app"), "http.response.status_code"))
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func TestKubernetesCalls(t *testing.T) {
	tracer, spans := tracingtest.New(1)
	c := NewCalls(tracer)
	var seen *http.Request
	fail := error(nil)
	rt := c.Kubernetes(roundTrip(func(r *http.Request) (*http.Response, error) {
		seen = r
		if fail != nil {
			return nil, fail
		}
		return &http.Response{StatusCode: http.StatusConflict, Body: http.NoBody}, nil
	}))
	send := func(ctx context.Context, method, url string) *http.Request {
		req, err := http.NewRequestWithContext(ctx, method, url, nil)
		require.NoError(t, err)
		resp, err := rt.RoundTrip(req)
		require.ErrorIs(t, err, fail)
		if err == nil {
			require.NoError(t, resp.Body.Close())
		}
		return req
	}
	const app = "https://10.0.0.1/apis/argoproj.io/v1alpha1/namespaces/argocd/applications/payments"
	send(t.Context(), http.MethodGet, app)
	require.Empty(t, seen.Header.Get("Traceparent"), "nothing outside of a trace")
	send(t.Context(), http.MethodGet, "https://10.0.0.1/apis/argoproj.io/v1alpha1/applications?watch=true")
	ctx, span := tracer.Taken(t.Context(), "guid")
	req := send(ctx, http.MethodPatch, app+"?fieldManager=gatekeeper")
	require.Empty(t, req.Header.Get("Traceparent"), "the request is not changed")
	id := tracer.Delivery("guid").TraceID().String()
	require.Contains(t, seen.Header.Get("Traceparent"), "00-"+id+"-")
	fail = errors.New("connection refused")
	send(ctx, http.MethodPost, "https://10.0.0.1/api/v1/namespaces/argocd/events")
	span.End()

	patch := spans.One(t, "PATCH applications")
	require.Equal(t, "409", tracingtest.Attribute(patch, "http.response.status_code"))
	require.Equal(t, "/apis/argoproj.io/v1alpha1/namespaces/{namespace}/applications/{name}", tracingtest.Attribute(patch, "url.template"))
	require.Contains(t, seen.Header.Get("Traceparent"), spans.One(t, "POST events").SpanContext().SpanID().String())
	require.Equal(t, "no_answer", tracingtest.Attribute(spans.One(t, "POST events"), "error.type"))
	text := exposed(t, c)
	for _, line := range []string{
		`gatekeeper_kubernetes_request_seconds_count{method="GET",resource="applications",status="409"} 1`,
		`gatekeeper_kubernetes_request_seconds_count{method="PATCH",resource="applications",status="409"} 1`,
		`gatekeeper_kubernetes_request_seconds_count{method="POST",resource="events",status="0"} 1`,
	} {
		require.Contains(t, text, line)
	}
}

// TestResourceOf: whatever the path, the label is one of few.
func TestResourceOf(t *testing.T) {
	for path, want := range map[string][2]string{
		"/api/v1/namespaces/argocd/secrets/x":                                  {"secrets", "/api/v1/namespaces/{namespace}/secrets/{name}"},
		"/api/v1/namespaces/argocd":                                            {"namespaces", "/api/v1/namespaces/{name}"},
		"/api/v1/namespaces":                                                   {"namespaces", "/api/v1/namespaces"},
		"/apis/argoproj.io/v1alpha1/applications":                              {"applications", "/apis/argoproj.io/v1alpha1/applications"},
		"/apis/argoproj.io/v1alpha1/namespaces/a/applications/b/status":        {"applications", "/apis/argoproj.io/v1alpha1/namespaces/{namespace}/applications/{name}/status"},
		"/apis/coordination.k8s.io/v1/namespaces/gatekeeper/leases/gatekeeper": {"leases", "/apis/coordination.k8s.io/v1/namespaces/{namespace}/leases/{name}"},
		"/apis/evil/v1/whatever/x":                                             {"other", ""},
		"/apis/a":                                                              {"other", ""},
		"/healthz":                                                             {"other", ""},
		"":                                                                     {"other", ""},
		"/":                                                                    {"other", ""},
	} {
		resource, route := resourceOf(path)
		require.Equal(t, want, [2]string{resource, route}, path)
	}
}

func FuzzResourceOf(f *testing.F) {
	f.Add("/apis/argoproj.io/v1alpha1/namespaces/argocd/applications/payments")
	f.Add("/api/v1/namespaces//secrets")
	f.Fuzz(func(t *testing.T, path string) {
		resource, route := resourceOf(path)
		require.True(t, resource == "other" || known(resource))
		require.LessOrEqual(t, strings.Count(route, "/"), 8)
	})
}

func TestArgoCDCalls(t *testing.T) {
	tracer, spans := tracingtest.New(1)
	c := NewCalls(tracer)
	var sent metadata.MD
	call := func(ctx context.Context, err error) {
		got := c.ArgoCD(metadata.AppendToOutgoingContext(ctx, "token", "x"), "/application.ApplicationService/GetApplicationSyncWindows", nil, nil, nil,
			func(ctx context.Context, _ string, _, _ any, _ *grpc.ClientConn, _ ...grpc.CallOption) error {
				sent, _ = metadata.FromOutgoingContext(ctx)
				return err
			})
		require.Equal(t, err, got)
	}
	call(t.Context(), nil)
	require.Empty(t, sent.Get("traceparent"))
	ctx, span := tracer.Taken(t.Context(), "guid")
	call(ctx, status.Error(codes.Unavailable, "restarting"))
	span.End()
	require.Contains(t, sent.Get("traceparent")[0], tracer.Delivery("guid").TraceID().String())
	require.Equal(t, []string{"x"}, sent.Get("token"))
	asked := spans.One(t, "argocd GetApplicationSyncWindows")
	require.Equal(t, "application.ApplicationService", tracingtest.Attribute(asked, "rpc.service"))
	require.Equal(t, "Unavailable", tracingtest.Attribute(asked, "error.type"))
	require.Equal(t, "14", tracingtest.Attribute(asked, "rpc.grpc.status_code"))
	require.Contains(t, exposed(t, c), `gatekeeper_argocd_request_seconds_count{code="Unavailable",method="GetApplicationSyncWindows"} 1`)
}

func TestFetches(t *testing.T) {
	tracer, spans := tracingtest.New(1)
	c := NewCalls(tracer)
	ctx, span := tracer.Taken(t.Context(), "guid")
	for _, err := range []error{
		nil, fmt.Errorf("fetch: %w", mirror.ErrDenied), fmt.Errorf("fetch: %w", approval.ErrNotFound), context.DeadlineExceeded, errors.New("https://x:ghs_secret@github.com"),
	} {
		c.Fetched(ctx, "acme/env", time.Now(), err)
	}
	span.End()
	text := exposed(t, c)
	for _, result := range []string{"ok", "denied", "missing", "timeout", "failed"} {
		require.Contains(t, text, `gatekeeper_git_fetch_seconds_count{result="`+result+`"} 1`)
	}
	require.Len(t, spans.Named("git fetch"), 5)
	for _, s := range spans.Named("git fetch") {
		require.NotContains(t, fmt.Sprint(s.Attributes(), s.Status(), s.Events()), "ghs_secret")
	}
}

// ledger appends as it is told to.
type ledger struct {
	history.Record
	err error
}

func (l ledger) Append(_ context.Context, expect history.Head, drafts ...history.Draft) (history.Head, error) {
	return history.Head{Sequence: expect.Sequence + uint64(len(drafts))}, l.err
}

func TestAppends(t *testing.T) {
	tracer, spans := tracingtest.New(1)
	c := NewCalls(tracer)
	ctx, span := tracer.Taken(t.Context(), "guid")
	for _, err := range []error{nil, history.ErrConflict, errors.New("disk full")} {
		head, got := c.Record(ledger{err: err}).Append(ctx, history.Head{Sequence: 6}, history.Draft{}, history.Draft{})
		require.ErrorIs(t, got, err)
		require.Equal(t, uint64(8), head.Sequence)
	}
	span.End()
	text := exposed(t, c)
	for _, result := range []string{"ok", "conflict", "failed"} {
		require.Contains(t, text, `gatekeeper_record_append_seconds_count{result="`+result+`"} 1`)
	}
	appends := spans.Named("record append")
	require.Equal(t, []string{"", "conflict", "_OTHER"}, []string{
		tracingtest.Attribute(appends[0], "error.type"), tracingtest.Attribute(appends[1], "error.type"), tracingtest.Attribute(appends[2], "error.type"),
	})
	require.Equal(t, "8", tracingtest.Attribute(appends[0], "gatekeeper.sequence"))
}
