package otlp

import (
	"compress/gzip"
	"context"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"
	collecting "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	"google.golang.org/protobuf/proto"
)

// taker is a collector: what it is sent, and with which headers.
type taker struct {
	mu      sync.Mutex
	names   []string
	traces  []string
	path    string
	headers http.Header
}

func (c *taker) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	unzipped, err := gzip.NewReader(r.Body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	body, _ := io.ReadAll(unzipped)
	var request collecting.ExportTraceServiceRequest
	if err := proto.Unmarshal(body, &request); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.path, c.headers = r.URL.Path, r.Header.Clone()
	for _, resource := range request.GetResourceSpans() {
		for _, s := range resource.GetScopeSpans()[0].GetSpans() {
			c.names = append(c.names, s.GetName())
			c.traces = append(c.traces, hex.EncodeToString(s.GetTraceId()))
		}
	}
	w.Header().Set("Content-Type", "application/x-protobuf")
}

// spans is how many had a result.
func spans(t *testing.T, e *Exporter, result string) float64 {
	t.Helper()
	registry := prometheus.NewPedanticRegistry()
	require.NoError(t, registry.Register(e))
	families, err := registry.Gather()
	require.NoError(t, err)
	for _, f := range families {
		for _, m := range f.GetMetric() {
			if len(m.GetLabel()) == 1 && m.GetLabel()[0].GetValue() == result {
				return m.GetCounter().GetValue()
			}
		}
	}
	t.Fatalf("no spans are counted as %s", result)
	return 0
}

func logTo(t *testing.T) *slog.Logger { return slog.New(slog.NewTextHandler(t.Output(), nil)) }

func TestSpansArriveOverTLS(t *testing.T) {
	c := &taker{}
	server := httptest.NewTLSServer(c)
	t.Cleanup(server.Close)
	ca := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	e, err := New(t.Context(), Options{
		Endpoint: server.URL, CAPEM: ca, Headers: map[string]string{"Authorization": "Bearer x"}, Ratio: 1, Version: "v1", Instance: "pod-1", Logger: logTo(t),
	})
	require.NoError(t, err)
	e.Stored(t.Context(), "a delivery", true, time.Now()).End()
	_, span := e.Taken(t.Context(), "a delivery")
	span.End()
	require.NoError(t, e.Close(t.Context()))
	require.Equal(t, []string{"POST /webhooks/github", "intake"}, c.names)
	id := e.Delivery("a delivery").TraceID().String()
	require.Equal(t, []string{id, id}, c.traces)
	require.Equal(t, "/v1/traces", c.path)
	require.Equal(t, "Bearer x", c.headers.Get("Authorization"))
	require.InDelta(t, 2, spans(t, e, "exported"), 0)
}

// TestRedirectIsRefused: the collector, or whoever answers in its place, has what is sent to it
// sent to somebody else. A header of any name may be a secret.
func TestRedirectIsRefused(t *testing.T) {
	for _, status := range []int{http.StatusMovedPermanently, http.StatusFound, http.StatusSeeOther, http.StatusTemporaryRedirect, http.StatusPermanentRedirect} {
		var asked atomic.Int32
		elsewhere := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked.Add(1) }))
		t.Cleanup(elsewhere.Close)
		collector := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, elsewhere.URL, status)
		}))
		t.Cleanup(collector.Close)
		ca := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: collector.Certificate().Raw})
		e, err := New(t.Context(), Options{Endpoint: collector.URL, CAPEM: ca, Headers: map[string]string{"X-Key": "secret"}, Ratio: 1, Logger: logTo(t)})
		require.NoError(t, err)
		e.Stored(t.Context(), "a delivery", true, time.Now()).End()
		require.NoError(t, e.Close(t.Context()))
		require.Zero(t, asked.Load(), "status %d", status)
		require.InDelta(t, 1, spans(t, e, "failed"), 0, "status %d", status)
	}
}

func TestRatioZeroSendsNothing(t *testing.T) {
	c := &taker{}
	server := httptest.NewServer(c)
	t.Cleanup(server.Close)
	e, err := New(t.Context(), Options{Endpoint: server.URL, Ratio: 0, Logger: logTo(t)})
	require.NoError(t, err)
	e.Stored(t.Context(), "a delivery", true, time.Now()).End()
	_, span := e.Reconcile(t.Context(), "application", nil)
	require.False(t, span.On())
	require.NoError(t, e.Close(t.Context()))
	require.Empty(t, c.names)
}

func TestWrongOptions(t *testing.T) {
	for _, o := range []Options{{Endpoint: "https://x", Ratio: 2}, {Endpoint: "https://x", CAPEM: []byte("no certificate")}, {Endpoint: "http://\x00"}} {
		_, err := New(t.Context(), o)
		require.Error(t, err)
	}
}

// TestNobodyWaitsForTheCollector: one that accepts connections and never answers delays
// nobody, and at the end the process goes when its time is over.
func TestNobodyWaitsForTheCollector(t *testing.T) {
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { _ = listener.Close() })
	e, err := New(t.Context(), Options{Endpoint: "http://" + listener.Addr().String(), Ratio: 1, Logger: logTo(t)})
	require.NoError(t, err)
	const many = 3 * queued
	for range many {
		_, span := e.Taken(t.Context(), "a delivery")
		span.End()
	}
	dropped := spans(t, e, "dropped")
	require.GreaterOrEqual(t, dropped, float64(many-queued-2*together))
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	require.NoError(t, e.Close(ctx))
	failed := spans(t, e, "failed")
	require.InDelta(t, many, dropped+failed, 0, "each is counted")
}

// stuck takes nothing until it is let go.
type stuck struct{ err error }

func (s stuck) ExportSpans(context.Context, []sdk.ReadOnlySpan) error { return s.err }
func (stuck) Shutdown(context.Context) error                          { return nil }

// TestOneWarningAnHour: what is lost is in the log once an hour, with how many since.
func TestOneWarningAnHour(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var lines strings.Builder
		q := newQueue(stuck{errors.New("connection refused")}, slog.New(slog.NewTextHandler(&lines, nil)))
		span := tracetest.SpanStub{SpanContext: trace.NewSpanContext(trace.SpanContextConfig{
			TraceID: trace.TraceID{1}, SpanID: trace.SpanID{1}, TraceFlags: trace.FlagsSampled,
		})}.Snapshot()
		for range 59 {
			q.OnEnd(span)
			time.Sleep(time.Minute)
		}
		synctest.Wait()
		require.Equal(t, 1, strings.Count(lines.String(), "spans_lost"), lines.String())
		for range 2 {
			q.OnEnd(span)
			time.Sleep(time.Minute)
		}
		synctest.Wait()
		require.Equal(t, 2, strings.Count(lines.String(), "spans_lost"), lines.String())
		require.Contains(t, lines.String(), "spans=60")
		require.NoError(t, q.Shutdown(t.Context()))
	})
}
