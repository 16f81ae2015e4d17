package evidence_test

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
	"github.com/argo-gatekeeper/gatekeeper/pkg/history"
)

// TestComplete: of whatever was written, each completed operation of the gate and the time
// is in the report exactly once, and is among the exceptions unless every change had its
// quorum. What has to be there is found by walking the entries alone.
func TestComplete(t *testing.T) {
	t.Parallel()
	for seed := range uint64(8) {
		w := newWorld(t)
		scribble(w, rand.New(rand.NewPCG(seed, 1)))
		r := w.report()

		operations, unexplained, acts := oracle(t, w)
		reported := map[uint64]int{}
		for _, d := range r.Deployments {
			reported[d.Sequence]++
		}
		require.Equal(t, operations, reported, "seed %d", seed)
		excepted := map[uint64]bool{}
		for _, e := range r.Exceptions {
			excepted[e.Proof.Entry] = true
		}
		for sequence, why := range unexplained {
			require.True(t, excepted[sequence], "seed %d: entry %d, %s, is no exception", seed, sequence, why)
			delete(excepted, sequence)
		}
		require.Empty(t, excepted, "seed %d: exceptions of what needs no explanation", seed)
		ordered := map[uint64]int{}
		for _, o := range r.Orders {
			ordered[o.Proof.Entry]++
		}
		require.Equal(t, acts, ordered, "seed %d", seed)
		if seed == 0 {
			require.NotEmpty(t, operations)
			require.NotEmpty(t, unexplained)
		}
	}
}

// scribble writes operations and orders of all kinds around the borders of the time.
func scribble(w *world, r *rand.Rand) {
	apps := []app{shop, billing, staging, {"argocd/shop", "uid-shop-2", "prod"}, {"argocd/shop", "uid-shop", "staging"}}
	for range 6 {
		w.lands([]func(*approval.Landing, *approval.LandingDecision){nil, nil, unapproved, direct}[r.IntN(4)])
	}
	borders := []time.Time{from().AddDate(0, 0, -3), from().Add(-5 * time.Hour), from(), to().AddDate(0, 0, -4), to().Add(-5 * time.Hour), to()}
	results := []history.Result{history.ResultSucceeded, history.ResultFailed, history.ResultPartial, history.ResultMismatch}
	for n, at := range borders {
		w.at = at
		for k := range 10 {
			a, to := apps[r.IntN(len(apps))], 1+r.IntN(6)
			from := r.IntN(to)
			switch r.IntN(7) {
			case 0, 1:
				w.ends(a, w.intends(a, from, to, edits{}), to, results[r.IntN(4)])
			case 2:
				w.observes(a, to, func(o *history.ObservedPayload) {
					o.Before, o.Partial, o.Late = r.IntN(3) == 0, r.IntN(3) == 0, r.IntN(3) == 0
				})
			case 3:
				id := "g-" + string(rune('a'+n)) + string(rune('a'+k))
				w.breaks(a, id, to)
				if r.IntN(2) == 0 {
					w.overrides(a, id, from, to, results[r.IntN(4)])
				}
				if r.IntN(2) == 0 {
					w.reviews(a, id, []string{"carol", "alice"}[r.IntN(2)])
				}
			case 4:
				w.intends(a, from, to, edits{})
			case 5:
				i := w.intends(a, from, to, edits{})
				if r.IntN(2) == 0 {
					w.append(a, history.AbandonedPayload{Intent: i, Reason: "not sent"})
				}
				if r.IntN(2) == 0 {
					w.ends(a, i, to, history.ResultSucceeded)
				}
			case 6:
				w.orders(a, history.VerbHold, nil)
			}
		}
	}
}

// oracle walks the entries: the operations of the time, what of it needs an explanation,
// and the orders.
func oracle(t *testing.T, w *world) (operations map[uint64]int, unexplained map[uint64]string, acts map[uint64]int) {
	t.Helper()
	entries, err := w.store.Entries(t.Context(), 1, 100_000)
	require.NoError(t, err)
	operations, unexplained, acts = map[uint64]int{}, map[uint64]string{}, map[uint64]int{}
	bySequence, intents := map[uint64]history.Entry{}, map[string]history.IntentPayload{}
	settled, reviewed, glass := map[string]bool{}, map[string]time.Time{}, map[string]string{}
	in := func(at time.Time) bool { return at.Compare(from()) >= 0 && at.Compare(to()) < 0 }
	for _, e := range entries {
		bySequence[e.Sequence] = e
		switch e.Kind {
		case history.KindIntent:
			i, err := history.Decode[history.IntentPayload](e)
			require.NoError(t, err)
			intents[i.ID] = i
		case history.KindOutcome, history.KindAbandoned:
			settled[e.Intent] = true
		case history.KindAct:
			a, err := history.Decode[history.ActPayload](e)
			require.NoError(t, err)
			if a.Verb == history.VerbBreakGlass {
				glass[a.ID] = a.Person.Name
			}
			if a.Verb == history.VerbReview && a.Person.Name != glass[a.Of] {
				reviewed[a.Of] = e.Time
			}
		case history.KindDecision, history.KindDenied, history.KindObserved, history.KindHealth, history.KindPolicy, history.KindArchived:
		}
	}
	for _, e := range entries {
		switch e.Kind {
		case history.KindObserved:
			o, err := history.Decode[history.ObservedPayload](e)
			require.NoError(t, err)
			if o.Gate == "prod" && in(e.Time) {
				operations[e.Sequence], unexplained[e.Sequence] = 1, "without the gate"
			}
		case history.KindIntent:
			if i := intents[e.Intent]; i.Gate == "prod" && in(e.Time) && !settled[i.ID] {
				unexplained[e.Sequence] = "without an outcome"
			}
		case history.KindOutcome:
			i := intents[e.Intent]
			if i.Gate != "prod" || !in(e.Time) {
				continue
			}
			operations[e.Sequence] = 1
			o, err := history.Decode[history.OutcomePayload](e)
			require.NoError(t, err)
			p, err := history.Decode[history.DecisionPayload](bySequence[i.DecisionSequence])
			require.NoError(t, err)
			switch {
			case i.Act != "":
				unexplained[e.Sequence] = "by an order"
			case o.Result == history.ResultMismatch:
				unexplained[e.Sequence] = "a mismatch"
			case !approved(p.Decision, i.Candidate):
				unexplained[e.Sequence] = "not approved"
			}
		case history.KindAct:
			a, err := history.Decode[history.ActPayload](e)
			require.NoError(t, err)
			if a.Gate != "prod" {
				continue
			}
			if in(e.Time) {
				acts[e.Sequence] = 1
			}
			if a.Verb != history.VerbBreakGlass {
				continue
			}
			at, ok := reviewed[a.ID]
			if in(e.Time) || in(a.ReviewBy) && (!ok || at.After(a.ReviewBy)) {
				unexplained[e.Sequence] = "break-glass"
			}
		case history.KindDecision, history.KindDenied, history.KindHealth, history.KindAbandoned, history.KindPolicy, history.KindArchived:
		}
	}
	return operations, unexplained, acts
}

// approved says whether each landing up to the candidate's is.
func approved(d approval.Decision, c approval.Candidate) bool {
	for _, l := range d.Lines[0].Landings {
		if l.Verdict != approval.Allowed {
			return false
		}
		if l.Commit == c.Revisions[0].SHA {
			return true
		}
	}
	return false
}
