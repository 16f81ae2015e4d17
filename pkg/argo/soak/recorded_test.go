package soak_test

import (
	"encoding/json"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/pkg/argo/soak"
)

// event is one of a watch of an Application on a real Argo CD, recorded on
// 2026-11-21 with the API server's moment of delivery: two Deployments one after the
// other, the second beside a commit that does not touch them, then an image that
// cannot be pulled. Histories and lists of resources are left out.
type event struct {
	At     time.Time      `json:"at"`
	Type   string         `json:"type"`
	Step   string         `json:"step"`
	Object map[string]any `json:"object"`
}

func recorded(t testing.TB, version string) []event {
	t.Helper()
	data, err := os.ReadFile("testdata/payments-stage-" + version + ".jsonl")
	require.NoError(t, err)
	var events []event
	for line := range strings.Lines(string(data)) {
		var e event
		require.NoError(t, json.Unmarshal([]byte(line), &e))
		events = append(events, e)
	}
	require.NotEmpty(t, events)
	return events
}

// TestRecorded follows what the controllers of 2.14 and 3.2 write.
func TestRecorded(t *testing.T) {
	t.Parallel()
	first := image(t, "registry.example.com/acme/pay@sha256:"+strings.Repeat("a", 64))
	second, broken := image(t, "registry.example.com/acme/pay:1.1.0"), image(t, "registry.example.com/acme/pay:broken")
	for _, version := range []string{"2.14.21", "3.2.11"} {
		t.Run(version, func(t *testing.T) {
			t.Parallel()
			m := soak.Memory{}
			ran := map[soak.Image]time.Duration{}
			reasons := map[string][]string{}
			for _, e := range recorded(t, version) {
				if e.Type == "DELETED" {
					break
				}
				o := soak.Observe(e.Object, e.At)
				require.Empty(t, o.Problem)
				require.False(t, o.SpecChanged && o.Health != "", "what the controller compared with is the spec")
				m = m.Next(o, rules)
				for _, i := range []soak.Image{first, second, broken} {
					evidence := m.Evidence("payments-stage", soak.Demand{Image: i, Soak: time.Second}, e.At, rules)
					ran[i] = max(ran[i], evidence.Ran)
					if evidence.State == soak.StateRunning || evidence.Proven() {
						require.Equal(t, []soak.Image{i}, o.Images)
						require.Equal(t, "Healthy", o.Health)
						require.False(t, o.Operation.Requested)
						require.False(t, i == first && e.Step == "sync 1.1.0", "what was Healthy before the sync is not what it deployed")
					} else if !slices.Contains(reasons[e.Step], evidence.Reason) {
						reasons[e.Step] = append(reasons[e.Step], evidence.Reason)
					}
				}
			}
			// Ten seconds from Healthy to the request of the next sync, over a refresh and over
			// a commit that moves the revision and nothing else.
			require.Greater(t, ran[first], 9*time.Second)
			require.Less(t, ran[first], 15*time.Second)
			require.Greater(t, ran[second], 5*time.Second)
			require.Zero(t, ran[broken])
			all := strings.Join(reasons["sync 1.1.0"], "\n")
			require.Contains(t, all, "it is being synced")
			require.Contains(t, all, "its status is older than its last sync")
			require.Contains(t, all, "it is Progressing")
			require.Contains(t, strings.Join(reasons["sync broken"], "\n"), "it is Degraded")
			require.False(t, m.Evidence("x", soak.Demand{Image: second, Soak: time.Second, Past: true}, m.Seen, rules).Proven(), "it was Degraded while it ran")
		})
	}
}
