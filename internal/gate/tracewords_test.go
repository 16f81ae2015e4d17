package gate

import (
	"fmt"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/internal/tracing"
	"github.com/argo-gatekeeper/gatekeeper/internal/tracing/tracingtest"
	"github.com/argo-gatekeeper/gatekeeper/pkg/history"
)

// TestSpansHaveNoWordsOfOthers: what Argo CD says of a failed sync, and the reason of a window,
// are texts of others, and go to no collector.
func TestSpansHaveNoWordsOfOthers(t *testing.T) {
	t.Parallel()
	s := newSetup(t)
	tracer, spans := tracingtest.New(1)
	s.gate.tracer = tracer
	look := func() {
		s.gate.queue.Add(Key{Application: payments})
		require.True(t, s.gate.next(t.Context()))
	}
	s.hub.land(1)
	s.hub.approve(1, alice)
	look()
	s.fails("hook said: the password is hunter2")
	look()
	require.Contains(t, s.state(), "hunter2", "people are told")
	s.clock.advance(time.Hour)
	s.argo.window = "hunter2 is on holiday"
	look()
	require.Contains(t, s.state(), "on holiday", "people are told")
	states := map[string]bool{}
	for _, span := range spans.All() {
		for _, a := range span.Attributes() {
			require.NotContains(t, a.Value.Emit(), "hunter2", "%s of %s", a.Key, span.Name())
		}
		states[tracingtest.Attribute(span, tracing.State)] = true
	}
	require.Contains(t, states, "waiting for an Argo CD sync window")
}

// TestLabelsAreFew: what strangers write makes no new time series.
func TestLabelsAreFew(t *testing.T) {
	t.Parallel()
	m := NewMetrics()
	registry := prometheus.NewPedanticRegistry()
	registry.MustRegister(m)
	series := func() (n int) {
		families, err := registry.Gather()
		require.NoError(t, err)
		for _, f := range families {
			n += len(f.GetMetric())
		}
		return n
	}
	write := func(text string) {
		m.delivery(text, "done")
		m.healthSeen(text)
		m.admitted(Admission{Code: text, Text: text, Gate: "prod"}, AdmissionRequest{Verb: Verb(text), User: text})
		m.unasked(history.ObservedPayload{Gate: "prod", Application: text, Phase: text, InitiatedBy: text})
	}
	write("first")
	before := series()
	for i := range 100 {
		write(fmt.Sprintf("event-%d", i))
	}
	require.Equal(t, before, series())
}
