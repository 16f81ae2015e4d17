package soak_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/pkg/argo/soak"
)

// step is one observation of a made-up history, with what the one who made it up
// knows: whether it counts and what ran. The oracle reads these alone.
type step struct {
	at       time.Time
	uid      string
	counts   bool
	degraded bool
	legible  bool
	images   []string
	health   int // grows whenever the health was another in between
	sync     int // grows with each sync
	compared time.Time
	observed soak.Observation
}

// flaws are what makes an observation count for nothing.
var flaws = []func(*soak.Observation){
	func(o *soak.Observation) { o.Health = "Progressing" },
	func(o *soak.Observation) { o.Health = "Unknown" },
	func(o *soak.Observation) { o.Sync = "OutOfSync" },
	func(o *soak.Observation) { o.Operation.Requested = true },
	func(o *soak.Observation) { o.Operation.Phase = "Failed" },
	func(o *soak.Observation) { o.SpecChanged = true },
	func(o *soak.Observation) { o.HealthSince = time.Time{} },
	func(o *soak.Observation) { o.Revisions = nil },
	func(o *soak.Observation) { o.Deleting = true },
	func(o *soak.Observation) { o.Operation.Finished = o.Reconciled.Add(time.Second) },
}

// history makes one up. Most steps are of an Application that runs well, so that
// runs become long.
func history(t *testing.T, r *rand.Rand) []step {
	now, uid, health, syncs := start, 1, 0, 0
	compared := start.Add(-time.Minute)
	choices := [][]string{{pay1}, {pay1}, {pay1}, {pay1, side}, {pay2}, {pay1, pay2}, {side}, {}}
	images := choices[0]
	var steps []step
	for range 3 + r.IntN(25) {
		now = now.Add(time.Duration(r.IntN(300)) * time.Second)
		one := func(in int) bool { return r.IntN(in) == 0 }
		switch {
		case one(40):
			now = now.Add(-time.Duration(1+r.IntN(400)) * time.Second)
		case one(15):
			now = now.Add(time.Duration(r.IntN(20)) * time.Minute)
		}
		if !one(4) {
			compared = now.Add(-time.Duration(r.IntN(240)) * time.Second)
			if one(30) {
				compared = now.Add(-time.Duration(r.IntN(900)) * time.Second) // may go back
			}
		}
		if one(12) {
			images = choices[r.IntN(len(choices))]
		}
		if one(20) {
			health++
		}
		if one(25) {
			syncs++
		}
		if one(40) {
			uid++
		}
		s := step{at: now, uid: fmt.Sprint("uid-", uid), counts: true, legible: true, images: images, health: health, sync: syncs, compared: compared}
		o := healthy(t, 0, images...)
		o.At, o.UID, o.Reconciled = now, s.uid, compared
		o.HealthSince = at(-50).Add(time.Duration(health) * time.Second)
		o.Operation.Started = at(-600).Add(time.Duration(syncs) * time.Second)
		switch {
		case one(25):
			flaws[r.IntN(len(flaws))](&o)
			s.counts = false
		case one(40):
			o.Health = "Degraded"
			s.counts, s.degraded = false, true
		case one(60):
			o.Problem, o.Images = "x", nil
			s.counts, s.legible = false, false
		case one(80):
			o, s = soak.Observation{At: now}, step{at: now}
		}
		s.observed = o
		steps = append(steps, s)
	}
	return steps
}

// oldest is the moment from which the status of a step is taken to age: when its
// comparison was seen first, or that moment by its own word if that is earlier.
func oldest(steps []step, i int) time.Time {
	basis := steps[i].compared
	for j := i; j >= 0 && steps[j].uid == steps[i].uid && steps[j].compared.Equal(steps[i].compared); j-- {
		if steps[j].at.Before(basis) {
			basis = steps[j].at
		}
	}
	return basis
}

// good says whether an image runs well, and alone, in a step with a fresh status.
func good(steps []step, i int, wanted string) bool {
	s := steps[i]
	runs, beside := false, false
	for _, text := range s.images {
		runs = runs || text == wanted
		beside = beside || text != wanted && text != side
	}
	fresh := !s.at.After(oldest(steps, i).Add(rules.Fresh)) && !s.compared.After(s.at.Add(time.Minute))
	return s.counts && fresh && runs && !beside
}

// covered says whether every moment between a step and the next was a good one.
func covered(steps []step, i int, wanted string) bool {
	a, b := steps[i], steps[i+1]
	return good(steps, i, wanted) && good(steps, i+1, wanted) &&
		a.uid == b.uid && a.health == b.health && a.sync == b.sync &&
		!b.at.Before(a.at) && !b.at.After(oldest(steps, i).Add(rules.Fresh))
}

// oracle looks for windows in the whole history at once, and remembers nothing.
func oracle(steps []step, wanted string) (current, best time.Duration) {
	last := len(steps) - 1
	for i := 0; i <= last; i++ {
		if !good(steps, i, wanted) {
			continue
		}
		end := i
		for end < last && covered(steps, end, wanted) {
			end++
		}
		ran := steps[end].at.Sub(steps[i].at)
		revoked := false
		for j := end + 1; j <= last; j++ {
			running := !steps[j].legible
			for _, text := range steps[j].images {
				running = running || text == wanted
			}
			revoked = revoked || steps[j].uid != steps[end].uid || steps[j].degraded && running
		}
		if end == last && ran > current {
			current = ran
		}
		if !revoked && ran > best {
			best = ran
		}
	}
	return current, best
}

// TestOracle: proven if, and only if, every moment of a whole soak time was covered
// by observations that count; and what is kept in between changes nothing.
func TestOracle(t *testing.T) {
	t.Parallel()
	const histories = 2_000
	proven, past := 0, 0
	for seed := range uint64(histories) {
		r := rand.New(rand.NewPCG(seed, 7))
		steps := history(t, r)
		m := soak.Memory{}
		for i, s := range steps {
			if r.IntN(4) == 0 { // a restart
				data, err := m.Encode()
				require.NoError(t, err)
				m, err = soak.Decode(data)
				require.NoError(t, err, "seed %d", seed)
			}
			m = m.Next(s.observed, rules)
			if i < len(steps)-3 {
				continue
			}
			for _, wanted := range []string{pay1, pay2} {
				current, best := oracle(steps[:i+1], wanted)
				for _, demand := range []soak.Demand{
					{Image: image(t, wanted), Soak: time.Duration(1+r.IntN(30)) * time.Minute},
					{Image: image(t, wanted), Soak: time.Duration(1+r.IntN(30)) * time.Minute, Past: true},
				} {
					ran := current
					if demand.Past {
						ran = best
					}
					e := m.Evidence("x", demand, s.at, rules)
					require.Equal(t, ran, e.Ran, "seed %d, step %d, %s, %+v", seed, i, wanted, demand)
					require.Equal(t, ran >= demand.Soak, e.Proven(), "seed %d, step %d, %s, %+v", seed, i, wanted, demand)
					if e.Proven() && demand.Past {
						past++
					} else if e.Proven() {
						proven++
					}
				}
			}
		}
	}
	require.Greater(t, proven, histories/20, "the histories hardly ever prove anything")
	require.Greater(t, past, proven)
}

// FuzzDecode: whatever is kept, it is refused or proves nothing on its own account.
func FuzzDecode(f *testing.F) {
	data, err := steady(f, soak.Memory{}, 0, 60, pay1, side).Encode()
	require.NoError(f, err)
	f.Add(data)
	f.Add([]byte(`{"layout":1,"memory":{}}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		m, err := soak.Decode(data)
		if err != nil {
			return
		}
		for _, run := range m.Runs {
			e := m.Evidence("x", soak.Demand{Image: run.Image, Soak: 1}, at(60), rules)
			require.False(t, e.Proven() && run.Since.IsZero(), "%s", data)
			next := fold(m, healthy(t, 65, pay2))
			require.Zero(t, next.Evidence("x", soak.Demand{Image: image(t, pay1), Soak: 1}, at(65), rules).Ran)
		}
		again, err := m.Encode()
		require.NoError(t, err)
		require.True(t, json.Valid(again))
	})
}
