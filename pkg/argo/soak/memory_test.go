package soak_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/pkg/argo/soak"
)

const (
	pay1 = "ghcr.io/acme/pay:1.0"
	pay2 = "ghcr.io/acme/pay:2.0"
	side = "ghcr.io/acme/sidecar:1.0"
)

// ask is for half an hour of an image that still runs.
func ask(t testing.TB, m soak.Memory, minutes float64, text string) soak.Evidence {
	t.Helper()
	return m.Evidence("payments-stage", soak.Demand{Image: image(t, text), Soak: 30 * time.Minute}, at(minutes), rules)
}

// askPast also takes runs that have ended.
func askPast(t testing.TB, m soak.Memory, minutes float64, text string) soak.Evidence {
	t.Helper()
	return m.Evidence("payments-stage", soak.Demand{Image: image(t, text), Soak: 30 * time.Minute, Past: true}, at(minutes), rules)
}

// steady observes an image every five minutes.
func steady(t testing.TB, m soak.Memory, from, to float64, images ...string) soak.Memory {
	t.Helper()
	for minutes := from; minutes <= to; minutes += 5 {
		m = fold(m, healthy(t, minutes, images...))
	}
	return m
}

func TestProven(t *testing.T) {
	t.Parallel()
	m := fold(soak.Memory{}, healthy(t, 0, pay1, side))
	require.Equal(t, soak.Evidence{State: soak.StateRunning, Reason: "ran Healthy in payments-stage for 0 of 30 minutes", Ready: at(30)}, ask(t, m, 0, pay1))
	m = steady(t, m, 5, 10, pay1, side)
	require.Equal(t, soak.Evidence{State: soak.StateRunning, Ran: 10 * time.Minute, Reason: "ran Healthy in payments-stage for 10 of 30 minutes", Ready: at(30)},
		ask(t, m, 14, pay1), "time that nobody watched yet does not count")
	m = fold(steady(t, m, 15, 25, pay1, side), healthy(t, 29.99, pay1, side))
	require.Equal(t, "ran Healthy in payments-stage for 29 of 30 minutes", ask(t, m, 30, pay1).Reason)
	require.False(t, ask(t, m, 30, pay1).Proven())
	m = fold(m, healthy(t, 30, pay1, side))
	require.Equal(t, soak.Evidence{State: soak.StateProven, Ran: 30 * time.Minute, Reason: "ran Healthy in payments-stage for 30 minutes"}, ask(t, m, 30, pay1))
	require.True(t, ask(t, m, 38, pay1).Proven())
	require.False(t, ask(t, m, 40, pay1).Proven(), "the status is stale by then")
	require.False(t, ask(t, m, 29, pay1).Proven(), "our clock went back")
	require.Equal(t, soak.StateAbsent, ask(t, m, 30, pay2).State)
	require.Equal(t, "does not run in payments-stage, which runs ghcr.io/acme/pay:1.0; it ran Healthy there for 0 of 30 minutes", ask(t, m, 30, pay2).Reason)
}

// TestInterruptions: each of them ends the run, and the time before it is lost, also
// if the next observation is as if nothing had happened.
func TestInterruptions(t *testing.T) {
	t.Parallel()
	set := func(change func(*soak.Observation)) func(soak.Observation) soak.Observation {
		return func(o soak.Observation) soak.Observation { change(&o); return o }
	}
	health := func(status string) func(soak.Observation) soak.Observation {
		return set(func(o *soak.Observation) { o.Health = status })
	}
	phase := func(p string) func(soak.Observation) soak.Observation {
		return set(func(o *soak.Observation) { o.Operation.Phase = p })
	}
	images := func(list ...string) func(soak.Observation) soak.Observation {
		return set(func(o *soak.Observation) {
			o.Images = nil
			for _, text := range list {
				o.Images = append(o.Images, image(t, text))
			}
		})
	}
	const broken, unknown = soak.StateInterrupted, soak.StateUnknown
	for _, tt := range []struct {
		name   string
		change func(soak.Observation) soak.Observation
		state  soak.State
		reason string
	}{
		{"progressing", health("Progressing"), broken, "it is Progressing"},
		{"degraded", health("Degraded"), broken, "it is Degraded"},
		{"missing", health("Missing"), broken, "it is Missing"},
		{"suspended", health("Suspended"), broken, "it is Suspended"},
		{"unknown health", health("Unknown"), broken, "it is Unknown"},
		{"a health of tomorrow", health(strings.Repeat("Fine", 20)), broken, "it is FineFineFineFineFineFineFineFineFineFine…"},
		{"no health", health(""), unknown, "whether it is Synced and Healthy"},
		{"out of sync", set(func(o *soak.Observation) { o.Sync = "OutOfSync" }), broken, "it is OutOfSync"},
		{"no sync status", set(func(o *soak.Observation) { o.Sync = "" }), unknown, "whether it is Synced and Healthy"},
		{"no revision", set(func(o *soak.Observation) { o.Revisions = nil }), unknown, "which revision"},
		{"no transition time", set(func(o *soak.Observation) { o.HealthSince = time.Time{} }), unknown, "since when it is Healthy"},
		{"requested", set(func(o *soak.Observation) { o.Operation.Requested = true }), broken, "it is being synced"},
		{"running", phase("Running"), broken, "it is being synced"},
		{"terminating", phase("Terminating"), broken, "it is being synced"},
		{"failed", phase("Failed"), broken, "its last sync ended as Failed"},
		{"error", phase("Error"), broken, "its last sync ended as Error"},
		{"never synced", phase(""), unknown, "no sync of it"},
		{"no end", set(func(o *soak.Observation) { o.Operation.Finished = time.Time{} }), unknown, "when it was compared and synced last"},
		{"never compared", set(func(o *soak.Observation) { o.Reconciled = time.Time{} }), unknown, "when it was compared and synced last"},
		{"health of the revision before", set(func(o *soak.Observation) { o.Operation.Finished = o.Reconciled.Add(time.Second) }), unknown, "older than its last sync"},
		{"in the second of the sync, for another revision", set(func(o *soak.Observation) { o.Operation.Finished = o.Reconciled }), unknown, "older than its last sync"},
		{"stale", set(func(o *soak.Observation) { o.Reconciled = o.At.Add(-10*time.Minute - time.Second) }), unknown, "has not been renewed since 2026-11-21T12:09:59Z"},
		{"future", set(func(o *soak.Observation) { o.Reconciled = o.At.Add(61 * time.Second) }), unknown, "from the future"},
		{"spec changed", set(func(o *soak.Observation) { o.SpecChanged = true }), unknown, "its spec was changed"},
		{"unreadable", set(func(o *soak.Observation) { o.Problem = "status is not an object" }), unknown, "status is not an object"},
		{"deleting", set(func(o *soak.Observation) { o.Deleting = true }), broken, "it is being deleted"},
		{"gone", func(o soak.Observation) soak.Observation { return soak.Observation{At: o.At} }, soak.StateAbsent, "there is no such Application"},
		{"another one of this name", set(func(o *soak.Observation) { o.UID = "uid-2" }), soak.StateRunning, "for 0 of 30 minutes"},
		{"without UID", set(func(o *soak.Observation) { o.UID, o.Problem = "", "it has no UID" }), unknown, "it has no UID"},
		{"image gone", images(side), soak.StateAbsent, "does not run in payments-stage"},
		{"no images", images(), soak.StateAbsent, "does not run in payments-stage"},
		{"mixed", images(pay1, pay2, side), broken, pay2 + " runs beside it"},
		{"mixed with a digest", images(pay1, pay1+"@sha256:"+sum), broken, "ghcr.io/acme/pay@sha256:0123456789ab runs beside it"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			m := steady(t, soak.Memory{}, 0, 15, pay1, side)
			m = fold(m, tt.change(healthy(t, 20, pay1, side)))
			e := ask(t, m, 20, pay1)
			require.Equal(t, tt.state, e.State, e.Reason)
			require.Contains(t, e.Reason, tt.reason)
			require.Zero(t, e.Ran)
			require.LessOrEqual(t, askPast(t, m, 20, pay1).Ran, 15*time.Minute, "the interruption itself does not count")
			m = steady(t, m, 25, 50, pay1, side)
			require.False(t, ask(t, m, 50, pay1).Proven())
			require.LessOrEqual(t, ask(t, m, 50, pay1).Ran, 25*time.Minute)
			m = fold(m, healthy(t, 54, pay1, side))
			require.False(t, ask(t, m, 54, pay1).Proven())
			require.True(t, ask(t, fold(m, healthy(t, 55, pay1, side)), 55, pay1).Proven())
		})
	}
}

// TestInBetween: two observations that count, between which something happened.
func TestInBetween(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name   string
		goesOn bool
		next   func() soak.Observation
	}{
		{"nothing", true, func() soak.Observation { return healthy(t, 20, pay1) }},
		{"another revision, without a sync", true, func() soak.Observation {
			o := healthy(t, 20, pay1)
			o.Revisions = []string{"cccc"}
			return o
		}},
		{"as late as the status was fresh", true, func() soak.Observation { return healthy(t, 24, pay1) }},
		{"later", false, func() soak.Observation { return healthy(t, 24.01, pay1) }},
		{"its health was another", false, func() soak.Observation {
			o := healthy(t, 20, pay1)
			o.HealthSince = at(17)
			return o
		}},
		{"a sync", false, func() soak.Observation {
			o := healthy(t, 20, pay1)
			o.Operation.Started, o.Operation.Finished = at(16), at(17)
			return o
		}},
		{"a sync in the same second of another revision", false, func() soak.Observation {
			o := healthy(t, 20, pay1)
			o.Operation.Revisions = []string{"cccc"}
			return o
		}},
		{"our clock went back", false, func() soak.Observation { return healthy(t, 14, pay1) }},
		{"another one of this name", false, func() soak.Observation {
			o := healthy(t, 20, pay1)
			o.UID = "uid-2"
			return o
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			m := steady(t, soak.Memory{}, 0, 15, pay1)
			next := tt.next()
			m = fold(m, next)
			e := m.Evidence("x", soak.Demand{Image: image(t, pay1), Soak: time.Hour}, next.At, rules)
			require.Equal(t, soak.StateRunning, e.State, e.Reason)
			if tt.goesOn {
				require.Equal(t, next.At.Sub(at(0)), e.Ran)
			} else {
				require.Zero(t, e.Ran)
			}
		})
	}
}

// TestStaleByOurClock: a status that says it is fresh is not believed for longer than
// it was seen unchanged.
func TestStaleByOurClock(t *testing.T) {
	t.Parallel()
	o := healthy(t, 0, pay1)
	o.Reconciled = at(0.9) // the controller's clock is ahead
	m := fold(soak.Memory{}, o)
	require.Equal(t, soak.StateRunning, ask(t, m, 10, pay1).State)
	require.Equal(t, soak.StateUnknown, ask(t, m, 10.01, pay1).State)
	o.At = at(9)
	m = fold(m, o)
	require.Equal(t, 9*time.Minute, ask(t, m, 9, pay1).Ran)
	require.Equal(t, soak.StateUnknown, ask(t, m, 10.01, pay1).State, "to see it again does not make it newer")
	o.At = at(10.5)
	require.Equal(t, soak.StateUnknown, ask(t, fold(m, o), 10.5, pay1).State)
}

func TestSameSecondAsTheSync(t *testing.T) {
	t.Parallel()
	o := healthy(t, 0, pay1)
	o.Operation.Finished = o.Reconciled
	o.Operation.Revisions = o.Revisions
	require.Equal(t, soak.StateRunning, ask(t, fold(soak.Memory{}, o), 0, pay1).State)
}

func TestDigestOrTag(t *testing.T) {
	t.Parallel()
	pinned := "@sha256:" + sum
	for _, tt := range []struct{ runs, wanted, reason string }{
		{pay1, pay1, ""},
		{pay1 + pinned, pay1 + pinned, ""},
		{pay2 + pinned, pay1 + pinned, ""}, // nothing that pulls it looks at the tag
		{"ghcr.io/acme/pay" + pinned, pay1 + pinned, ""},
		{"nginx", "docker.io/library/nginx:latest", ""},
		{pay1, pay1 + pinned, "which runs ghcr.io/acme/pay:1.0 without saying by which digest"},
		{pay1 + pinned, pay1, "which runs ghcr.io/acme/pay@sha256:0123456789ab"},
		{pay1 + pinned, pay1 + "@sha256:" + strings.Repeat("a", 64), "which runs ghcr.io/acme/pay@sha256:0123456789ab;"},
		{"ghcr.io/acme/pay:1.0", "ghcr.io/acme/pay2:1.0", "does not run in payments-stage; it ran"},
		{"acme/pay:1.0", "ghcr.io/acme/pay:1.0", "does not run in payments-stage; it ran"},
	} {
		m := steady(t, soak.Memory{}, 0, 30, tt.runs)
		e := ask(t, m, 30, tt.wanted)
		require.Equal(t, tt.reason == "", e.Proven(), "%+v", tt)
		require.Contains(t, e.Reason, tt.reason)
	}
}

func TestPast(t *testing.T) {
	t.Parallel()
	m := steady(t, soak.Memory{}, 0, 30, pay1)
	mixed := healthy(t, 35, pay1, pay2)
	mixed.Health = "Progressing"
	m = fold(m, mixed)
	m = steady(t, m, 40, 45, pay2)
	require.False(t, ask(t, m, 45, pay1).Proven())
	require.Equal(t, soak.Evidence{State: soak.StateProven, Ran: 30 * time.Minute,
		Reason: "ran Healthy in payments-stage for 30 minutes, until 2026-11-21 12:30 UTC"}, askPast(t, m, 45, pay1))
	require.Equal(t, "ran Healthy in payments-stage for 5 of 30 minutes", askPast(t, m, 45, pay2).Reason)

	// It is rolled out again; the shorter run does not take the place of the longer.
	again := steady(t, m, 50, 55, pay1)
	require.True(t, askPast(t, again, 55, pay1).Proven())
	require.Equal(t, 5*time.Minute, ask(t, again, 55, pay1).Ran)

	// Degraded while it runs: what was proven is not any more.
	failed := healthy(t, 60, pay1)
	failed.Health = "Degraded"
	require.False(t, askPast(t, fold(again, failed), 60, pay1).Proven())
	require.True(t, askPast(t, fold(m, func() soak.Observation {
		o := healthy(t, 60, pay2)
		o.Health = "Degraded"
		return o
	}()), 60, pay1).Proven(), "when it does not run, it is not its fault")
	failed.Problem = "status.summary.images has an item that is not an image"
	require.False(t, askPast(t, fold(m, failed), 60, pay1).Proven(), "nobody knows whose fault it is")

	// It is not forgotten while the Application is unreadable, and is with it.
	require.True(t, askPast(t, fold(m, soak.Observation{At: at(60), UID: "uid-1", Problem: "x"}), 60, pay1).Proven())
	require.False(t, askPast(t, fold(m, soak.Observation{At: at(60)}), 60, pay1).Proven())
	remade := healthy(t, 60, pay1)
	remade.UID = "uid-2"
	require.False(t, askPast(t, fold(m, remade), 60, pay1).Proven())

	// Retained for a day.
	day := 24 * 60.0
	require.True(t, askPast(t, fold(m, healthy(t, day+35, pay2)), day+35, pay1).Proven())
	require.False(t, askPast(t, fold(m, healthy(t, day+35.1, pay2)), day+35.1, pay1).Proven())

	// Interrupted, and still not long enough.
	short := fold(steady(t, soak.Memory{}, 0, 10, pay1), healthy(t, 15, pay1, pay2))
	require.Equal(t, "ran Healthy in payments-stage for 10 of 30 minutes, and now its time does not count: "+pay2+" runs beside it", askPast(t, short, 15, pay1).Reason)
	require.Equal(t, "ran Healthy in payments-stage for 10 of 30 minutes and runs there again", askPast(t, fold(short, healthy(t, 20, pay1)), 20, pay1).Reason)
}

// TestUnreadable: of an Application that cannot be read whole nothing new is
// remembered.
func TestUnreadable(t *testing.T) {
	t.Parallel()
	o := healthy(t, 0, pay1)
	o.Problem = "status.health.status is not a string"
	require.Empty(t, fold(soak.Memory{}, o).Runs)
}

// TestZero: nothing that is missing proves anything.
func TestZero(t *testing.T) {
	t.Parallel()
	require.False(t, soak.Evidence{}.Proven())
	m := steady(t, soak.Memory{}, 0, 60, pay1)
	for _, demand := range []soak.Demand{{}, {Image: image(t, pay1)}, {Soak: time.Nanosecond}, {Image: image(t, pay1), Soak: -1},
		{Image: soak.Image{Repository: "ghcr.io/acme/pay"}, Soak: 1}, {Image: soak.Image{Tag: "1.0"}, Soak: 1}} {
		for _, past := range []bool{false, true} {
			demand.Past = past
			e := m.Evidence("x", demand, at(60), rules)
			require.Equal(t, soak.StateUnknown, e.State, "%+v", demand)
			require.Zero(t, e.Ran)
			require.Zero(t, e.Ready)
		}
	}
	for _, o := range []soak.Observation{{}, {At: at(0)}, {UID: "uid-1"}, {At: at(0), UID: "uid-1"}, {At: at(0), UID: "uid-1", Images: []soak.Image{image(t, pay1)}}} {
		e := ask(t, fold(soak.Memory{}, o, o), 0, pay1)
		require.NotEqual(t, soak.StateRunning, e.State)
		require.NotEqual(t, soak.StateProven, e.State)
	}
	require.Equal(t, "ran Healthy in payments-stage for 0 of 30 minutes, and now its time does not count: it was not seen yet", ask(t, soak.Memory{}, 0, pay1).Reason)
	require.Error(t, soak.Rules{}.Check())
	require.Error(t, soak.Rules{Fresh: 48 * time.Hour}.Check())
	require.Error(t, soak.Rules{Fresh: time.Hour, Retain: -1}.Check())
	require.NoError(t, rules.Check())
}

func TestLength(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		soak time.Duration
		want string
	}{
		{90 * time.Second, "for 30 of 90 seconds"},
		{time.Minute, "for 30 of 60 seconds"},
		{30 * time.Minute, "for 0 of 30 minutes"},
		{24 * time.Hour, "for 0 of 1440 minutes"},
	} {
		m := fold(soak.Memory{}, healthy(t, 0, pay1), healthy(t, 0.5, pay1))
		require.Contains(t, m.Evidence("x", soak.Demand{Image: image(t, pay1), Soak: tt.soak}, at(0.5), rules).Reason, tt.want)
	}
	m := steady(t, soak.Memory{}, 0, 125, pay1)
	require.Contains(t, m.Evidence("x", soak.Demand{Image: image(t, pay1), Soak: 24 * time.Hour}, at(125), rules).Reason, "for 2 of 24 hours")
}

// TestBounds: what is remembered stays small.
func TestBounds(t *testing.T) {
	t.Parallel()
	m := soak.Memory{}
	for i := range 300 {
		m = fold(m, healthy(t, float64(i), pay1, fmt.Sprintf("ghcr.io/acme/%s/job:%d", strings.Repeat("a", 200), i)))
	}
	require.Len(t, m.Runs, 100)
	require.Equal(t, 299*time.Minute, ask(t, m, 299, pay1).Ran, "what runs is kept")
	data, err := m.Encode()
	require.NoError(t, err)
	require.Less(t, len(data), 128<<10)
}

// TestEncode: what is remembered comes back as it was, and what cannot be is refused.
func TestEncode(t *testing.T) {
	t.Parallel()
	m := fold(steady(t, soak.Memory{}, 0, 20, pay1, side), healthy(t, 25, pay2, side))
	data, err := m.Encode()
	require.NoError(t, err)
	again, err := soak.Decode(data)
	require.NoError(t, err)
	require.Equal(t, m, again)
	for name, change := range map[string]func(map[string]any){
		"layout":   func(e map[string]any) { e["layout"] = 2 },
		"no UID":   func(e map[string]any) { e["memory"].(map[string]any)["uid"] = "" },
		"standing": func(e map[string]any) { e["memory"].(map[string]any)["standing"] = "interrupted" },
		"seen":     func(e map[string]any) { e["memory"].(map[string]any)["seen"] = "2026-11-21T11:00:00Z" },
		"image": func(e map[string]any) {
			run(e, 0)["image"] = map[string]any{"Repository": "Ghcr.io/acme/pay", "Tag": "1.0"}
		},
		"twice":      func(e map[string]any) { run(e, 0)["image"] = run(e, 1)["image"] },
		"beside":     func(e map[string]any) { run(e, 1)["beside"] = "x" },
		"no running": func(e map[string]any) { run(e, 1)["running"] = false },
		"longest":    func(e map[string]any) { run(e, 0)["longest"] = -1 },
		"no end":     func(e map[string]any) { delete(run(e, 0), "ended") },
	} {
		var e map[string]any
		require.NoError(t, json.Unmarshal(data, &e))
		change(e)
		changed, err := json.Marshal(e)
		require.NoError(t, err)
		_, err = soak.Decode(changed)
		require.Error(t, err, name)
	}
	_, err = soak.Decode([]byte("{"))
	require.Error(t, err)
	_, err = soak.Decode(nil)
	require.Error(t, err)
}

func run(e map[string]any, i int) map[string]any {
	return e["memory"].(map[string]any)["runs"].([]any)[i].(map[string]any)
}
