package instrument

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/argo-gatekeeper/gatekeeper/internal/tracing"
	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
	"github.com/argo-gatekeeper/gatekeeper/pkg/github"
	"github.com/argo-gatekeeper/gatekeeper/pkg/github/mirror"
)

// Calls are counted and traced.
type Calls struct {
	tracer     *tracing.Tracer
	github     *prometheus.HistogramVec
	remaining  *prometheus.GaugeVec
	reset      *prometheus.GaugeVec
	limited    *prometheus.CounterVec
	argocd     *prometheus.HistogramVec
	kubernetes *prometheus.HistogramVec
	fetches    *prometheus.HistogramVec
	appends    *prometheus.HistogramVec
}

// NewCalls makes Calls. The tracer may be nil. Register them with a registry.
func NewCalls(tracer *tracing.Tracer) *Calls {
	buckets := prometheus.ExponentialBuckets(0.01, 2, 11) // 10 ms to 10 s
	return &Calls{
		tracer: tracer,
		github: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "gatekeeper_github_request_seconds", Help: "Requests to GitHub by endpoint and status.",
			Buckets: buckets,
		}, []string{"endpoint", "status"}),
		remaining: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "gatekeeper_github_rate_limit_remaining", Help: "What GitHub said last is left of the hourly rate limit, by the account that the App is installed on.",
		}, []string{"account"}),
		reset: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "gatekeeper_github_rate_limit_reset_timestamp_seconds", Help: "When that limit begins anew, by account.",
		}, []string{"account"}),
		limited: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "gatekeeper_github_limited_total", Help: "Requests that GitHub refused because of a limit: hourly, secondary.",
		}, []string{"limit"}),
		argocd: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "gatekeeper_argocd_request_seconds", Help: "Requests to Argo CD's API by method and gRPC code.",
			Buckets: buckets,
		}, []string{"method", "code"}),
		kubernetes: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "gatekeeper_kubernetes_request_seconds", Help: "Requests to the API server by method, resource and status, without watches.",
			Buckets: prometheus.ExponentialBuckets(0.002, 2, 12), // 2 ms to 4 s
		}, []string{"method", "resource", "status"}),
		fetches: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "gatekeeper_git_fetch_seconds", Help: "Fetches into the git mirrors by result: ok, denied, missing, timeout, failed.",
			Buckets: prometheus.ExponentialBuckets(0.02, 2, 13), // 20 ms to 82 s
		}, []string{"result"}),
		appends: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "gatekeeper_record_append_seconds", Help: "Appends to the record by result: ok, conflict (somebody else was faster; it is done again), failed.",
			Buckets: prometheus.ExponentialBuckets(0.0005, 2, 14), // 0.5 ms to 4 s
		}, []string{"result"}),
	}
}

func (c *Calls) collectors() []prometheus.Collector {
	return []prometheus.Collector{c.github, c.remaining, c.reset, c.limited, c.argocd, c.kubernetes, c.fetches, c.appends}
}

// Describe implements prometheus.Collector.
func (c *Calls) Describe(ch chan<- *prometheus.Desc) {
	for _, one := range c.collectors() {
		one.Describe(ch)
	}
}

// Collect implements prometheus.Collector.
func (c *Calls) Collect(ch chan<- prometheus.Metric) {
	for _, one := range c.collectors() {
		one.Collect(ch)
	}
}

// GitHub is told of a call that is over.
func (c *Calls) GitHub(ctx context.Context, call github.Call) {
	c.github.WithLabelValues(call.Endpoint, strconv.Itoa(call.Status)).Observe(call.Duration.Seconds())
	account := call.Account
	if account == "" {
		account = "app"
	}
	if call.Remaining >= 0 {
		c.remaining.WithLabelValues(account).Set(float64(call.Remaining))
	}
	if !call.Reset.IsZero() {
		c.reset.WithLabelValues(account).Set(float64(call.Reset.Unix()))
	}
	if call.Limited != "" {
		c.limited.WithLabelValues(call.Limited).Inc()
	}
	TraceGitHub(ctx, c.tracer, call)
}

// TraceGitHub makes the span of a call to GitHub that is over.
func TraceGitHub(ctx context.Context, tracer *tracing.Tracer, call github.Call) {
	span := tracer.Past(ctx, call.Endpoint, trace.SpanKindClient, call.Began)
	if !span.On() {
		return
	}
	method, route, _ := strings.Cut(call.Endpoint, " ")
	httpCall(span, method, route, call.Status)
	span.Text("peer.service", "github")
	if call.Remaining >= 0 {
		span.Number(tracing.Quota, call.Remaining)
		span.Text(tracing.Account, call.Account)
	}
	if call.Limited != "" {
		span.FailAs("limit_" + call.Limited)
	}
	span.EndAt(call.Began.Add(call.Duration))
}

// httpCall sets what OpenTelemetry's conventions for HTTP clients ask for. The URL itself is
// left out: its query may say what is nobody's business.
func httpCall(span tracing.Span, method, route string, code int) {
	span.Text("http.request.method", method)
	if route != "" {
		span.Text("url.template", route)
	}
	switch {
	case code == 0:
		span.FailAs("no_answer")
	case code >= http.StatusBadRequest:
		span.Number("http.response.status_code", code)
		span.FailAs(strconv.Itoa(code))
	default:
		span.Number("http.response.status_code", code)
	}
}

// Kubernetes counts requests to the API server, and hands the trace on to it.
func (c *Calls) Kubernetes(next http.RoundTripper) http.RoundTripper { return kubernetes{c, next} }

type kubernetes struct {
	*Calls
	next http.RoundTripper
}

func (k kubernetes) RoundTrip(req *http.Request) (*http.Response, error) {
	if req.URL.Query().Get("watch") != "" {
		return k.next.RoundTrip(req) // it lasts as long as it may
	}
	resource, route := resourceOf(req.URL.Path)
	ctx, span := k.tracer.Child(req.Context(), req.Method+" "+resource, trace.SpanKindClient)
	defer span.End()
	if span.On() {
		req = req.Clone(ctx) // a RoundTripper changes nothing of its request
		propagation.TraceContext{}.Inject(ctx, propagation.HeaderCarrier(req.Header))
	}
	start := time.Now()
	resp, err := k.next.RoundTrip(req)
	code := 0
	if err == nil {
		code = resp.StatusCode
	}
	k.kubernetes.WithLabelValues(method(req.Method), resource, strconv.Itoa(code)).Observe(time.Since(start).Seconds())
	if span.On() {
		httpCall(span, req.Method, route, code)
		span.Text("peer.service", "kubernetes")
	}
	return resp, err //nolint:wrapcheck // it is the other's word
}

// method bounds the label.
func method(m string) string {
	switch m {
	case http.MethodGet, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete:
		return m
	default:
		return "other"
	}
}

// known are the resources that we ask for; others are counted together.
func known(resource string) bool {
	switch resource {
	case "applications", "applicationsets", "appprojects", "secrets", "events", "namespaces", "leases",
		"validatingadmissionpolicies", "validatingadmissionpolicybindings", "validatingwebhookconfigurations",
		"tokenreviews", "subjectaccessreviews", "selfsubjectaccessreviews", "selfsubjectrulesreviews":
		return true
	default:
		return false
	}
}

// resourceOf takes a path of Kubernetes' API apart: the resource, and the path with
// placeholders for names.
func resourceOf(path string) (resource, route string) {
	parts := strings.Split(strings.Trim(path, "/"), "/")
	at := 3 // apis/group/version/...
	if parts[0] == "api" {
		at = 2
	} else if parts[0] != "apis" {
		return "other", ""
	}
	if len(parts) > at+2 && parts[at] == "namespaces" {
		parts[at+1] = "{namespace}"
		at += 2
	}
	if len(parts) <= at || !known(parts[at]) {
		return "other", ""
	}
	resource = parts[at]
	if len(parts) > at+1 {
		parts[at+1] = "{name}"
	}
	return resource, "/" + strings.Join(parts[:min(len(parts), at+3)], "/")
}

// ArgoCD counts calls of Argo CD's API, and hands the trace on to it.
func (c *Calls) ArgoCD(ctx context.Context, method string, req, reply any, cc *grpc.ClientConn, invoke grpc.UnaryInvoker, opts ...grpc.CallOption) error {
	short := method[strings.LastIndexByte(method, '/')+1:]
	ctx, span := c.tracer.Child(ctx, "argocd "+short, trace.SpanKindClient)
	defer span.End()
	if span.On() {
		carrier := propagation.MapCarrier{}
		propagation.TraceContext{}.Inject(ctx, carrier)
		for key, value := range carrier {
			ctx = metadata.AppendToOutgoingContext(ctx, key, value)
		}
		span.Text("rpc.system", "grpc")
		span.Text("rpc.method", short)
		span.Text("rpc.service", strings.TrimPrefix(strings.TrimSuffix(method, "/"+short), "/"))
		span.Text("peer.service", "argocd")
	}
	start := time.Now()
	err := invoke(ctx, method, req, reply, cc, opts...)
	code := status.Code(err)
	c.argocd.WithLabelValues(short, code.String()).Observe(time.Since(start).Seconds())
	span.Number("rpc.grpc.status_code", int(code))
	if err != nil {
		span.FailAs(code.String())
	}
	return err //nolint:wrapcheck // it is the other's word
}

// Fetched is told of a fetch into a git mirror that is over.
func (c *Calls) Fetched(ctx context.Context, repository approval.RepositoryName, began time.Time, err error) {
	result := "ok"
	switch {
	case err == nil:
	case errors.Is(err, mirror.ErrDenied):
		result = "denied"
	case errors.Is(err, approval.ErrNotFound):
		result = "missing"
	case errors.Is(err, context.DeadlineExceeded):
		result = "timeout"
	default:
		result = "failed"
	}
	now := time.Now()
	c.fetches.WithLabelValues(result).Observe(now.Sub(began).Seconds())
	span := c.tracer.Past(ctx, "git fetch", trace.SpanKindClient, began)
	if !span.On() {
		return
	}
	span.Text("vcs.repository.name", string(repository))
	if err != nil {
		span.FailAs(result)
	}
	span.EndAt(now)
}
