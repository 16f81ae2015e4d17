// Package collector is an OpenTelemetry collector for tests: it takes spans by OTLP over HTTP
// and keeps them. What comes in is decoded with OpenTelemetry's own protobuf definitions, so
// that a test sees what a real collector would.
package collector

import (
	"compress/gzip"
	"context"
	"encoding/hex"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"sync"
	"time"

	collecting "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	common "go.opentelemetry.io/proto/otlp/common/v1"
	traces "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"
)

// limit bounds one request.
const limit = 16 << 20

// Span is a span as it came.
type Span struct {
	Trace, ID, Parent, Name string
	Kind                    string
	Began, Ended            time.Time
	Attributes              map[string]string
	// Failed is true for the status Error.
	Failed bool
	Links  []Link
	// Resource are the attributes of who sent it.
	Resource map[string]string
}

// Link names another span.
type Link struct{ Trace, ID string }

// Collector takes spans. Close it.
type Collector struct {
	server   *http.Server
	listener net.Listener

	mu      sync.Mutex
	spans   []Span
	headers []http.Header
}

// Start listens on a loopback address.
func Start(ctx context.Context) (*Collector, error) {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("listen for spans: %w", err)
	}
	c := &Collector{listener: listener}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /v1/traces", c.receive)
	c.server = &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second}
	go func() { _ = c.server.Serve(listener) }()
	return c, nil
}

// URL is the endpoint to configure.
func (c *Collector) URL() string { return "http://" + c.listener.Addr().String() }

// Close stops listening.
func (c *Collector) Close() error { return c.server.Close() }

// Spans returns all that came so far.
func (c *Collector) Spans() []Span {
	c.mu.Lock()
	defer c.mu.Unlock()
	return append([]Span(nil), c.spans...)
}

// Headers are those of each request so far.
func (c *Collector) Headers() []http.Header {
	c.mu.Lock()
	defer c.mu.Unlock()
	return append([]http.Header(nil), c.headers...)
}

func (c *Collector) receive(w http.ResponseWriter, r *http.Request) {
	body, err := read(r)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	var request collecting.ExportTraceServiceRequest
	if err := proto.Unmarshal(body, &request); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	c.mu.Lock()
	c.headers = append(c.headers, r.Header.Clone())
	for _, resource := range request.GetResourceSpans() {
		for _, scope := range resource.GetScopeSpans() {
			for _, s := range scope.GetSpans() {
				c.spans = append(c.spans, span(s, attributes(resource.GetResource().GetAttributes())))
			}
		}
	}
	c.mu.Unlock()
	answer, err := proto.Marshal(&collecting.ExportTraceServiceResponse{})
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/x-protobuf")
	_, _ = w.Write(answer)
}

func read(r *http.Request) ([]byte, error) {
	if kind := r.Header.Get("Content-Type"); kind != "application/x-protobuf" {
		return nil, fmt.Errorf("content type %q", kind)
	}
	var body io.Reader = r.Body
	if r.Header.Get("Content-Encoding") == "gzip" {
		unzipped, err := gzip.NewReader(r.Body)
		if err != nil {
			return nil, fmt.Errorf("unzip: %w", err)
		}
		body = unzipped
	}
	return io.ReadAll(io.LimitReader(body, limit))
}

func span(s *traces.Span, resource map[string]string) Span {
	out := Span{
		Trace: hex.EncodeToString(s.GetTraceId()), ID: hex.EncodeToString(s.GetSpanId()), Parent: hex.EncodeToString(s.GetParentSpanId()),
		Name: s.GetName(), Kind: s.GetKind().String(), Attributes: attributes(s.GetAttributes()), Resource: resource,
		Began: time.Unix(0, int64(s.GetStartTimeUnixNano())), Ended: time.Unix(0, int64(s.GetEndTimeUnixNano())),
		Failed: s.GetStatus().GetCode() == traces.Status_STATUS_CODE_ERROR,
	}
	for _, l := range s.GetLinks() {
		out.Links = append(out.Links, Link{hex.EncodeToString(l.GetTraceId()), hex.EncodeToString(l.GetSpanId())})
	}
	return out
}

func attributes(pairs []*common.KeyValue) map[string]string {
	out := map[string]string{}
	for _, p := range pairs {
		switch v := p.GetValue().GetValue().(type) {
		case *common.AnyValue_StringValue:
			out[p.GetKey()] = v.StringValue
		case *common.AnyValue_IntValue:
			out[p.GetKey()] = strconv.FormatInt(v.IntValue, 10)
		default:
			out[p.GetKey()] = p.GetValue().String()
		}
	}
	return out
}
