package archive_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
	"github.com/argo-gatekeeper/gatekeeper/pkg/history"
	"github.com/argo-gatekeeper/gatekeeper/pkg/history/archive"
	"github.com/argo-gatekeeper/gatekeeper/pkg/history/historytest"
)

// wander is grow, where besides an operation that was given up ends after all, or somebody
// goes back to an older one.
func (w *world) wander() {
	w.t.Helper()
	w.grow()
	lost, settled := map[string]string{}, []history.Entry{}
	for _, e := range w.entries(w.store) {
		switch e.Kind {
		case history.KindAbandoned:
			lost[e.Intent] = e.Application
		case history.KindOutcome:
			delete(lost, e.Intent)
			settled = append(settled, e)
		default:
		}
	}
	w.made++
	switch w.r.IntN(12) {
	case 0:
		for id, app := range lost {
			w.append(historytest.Outcome(app, id, history.ResultSucceeded))
			return
		}
	case 1:
		if len(settled) > 0 {
			e := settled[w.r.IntN(len(settled))]
			back := historytest.Act(e.Application, "prod", fmt.Sprintf("back-%d", w.made), history.VerbRollback, "")
			act := back.Payload.(history.ActPayload)
			act.Intent = e.Intent
			back.Payload = act
			w.append(back)
		}
	}
}

// whole says which entries up to one stay, by what is written about it, with the whole
// record at hand.
func whole(t *testing.T, entries []history.Entry, from, to uint64) (stays []uint64) {
	t.Helper()
	newest := func(application string, kinds []history.Kind, is func(history.Entry) bool) (found []history.Entry) {
		for _, e := range slices.Backward(entries) {
			if e.Application == application && slices.Contains(kinds, e.Kind) && (is == nil || is(e)) && len(found) < kept {
				found = append(found, e)
			}
		}
		return found
	}
	succeeded := func(e history.Entry) bool {
		p, err := history.Decode[history.OutcomePayload](e)
		require.NoError(t, err)
		return p.Result == history.ResultSucceeded
	}
	var intents []string
	rollbacks, decisions := map[string]string{}, map[string]uint64{}
	for _, app := range []string{"a", "b", "c"} {
		for _, some := range [][]history.Entry{
			newest(app, []history.Kind{history.KindOutcome, history.KindObserved}, nil), newest(app, []history.Kind{history.KindOutcome}, nil),
			newest(app, []history.Kind{history.KindOutcome}, succeeded), newest(app, []history.Kind{history.KindIntent}, nil),
		} {
			for _, e := range some {
				stays = append(stays, e.Sequence)
				intents = append(intents, e.Intent)
			}
		}
	}
	last, settled := map[string]uint64{}, map[string]bool{}
	for _, e := range entries {
		switch e.Kind {
		case history.KindDecision:
			p, err := history.Decode[history.DecisionPayload](e)
			require.NoError(t, err)
			decisions[e.Application+" "+p.Gate] = e.Sequence
		case history.KindAct:
			p, err := history.Decode[history.ActPayload](e)
			require.NoError(t, err)
			if p.Verb == history.VerbRollback {
				rollbacks[e.Application] = p.Intent
			}
			stays = append(stays, e.Sequence)
		case history.KindPolicy, history.KindArchived:
			stays = append(stays, e.Sequence)
		case history.KindIntent, history.KindOutcome, history.KindAbandoned:
			last[e.Intent], settled[e.Intent] = e.Sequence, e.Kind != history.KindIntent
		default:
		}
	}
	for _, sequence := range decisions {
		stays = append(stays, sequence)
	}
	for _, id := range rollbacks {
		intents = append(intents, id)
	}
	for id, sequence := range last {
		if !settled[id] || sequence > to {
			intents = append(intents, id)
		}
	}
	for _, e := range entries {
		if e.Intent == "" || !slices.Contains(intents, e.Intent) {
			continue
		}
		stays = append(stays, e.Sequence)
		if e.Kind == history.KindIntent {
			p, err := history.Decode[history.IntentPayload](e)
			require.NoError(t, err)
			stays = append(stays, p.DecisionSequence)
		}
	}
	for _, e := range entries {
		if e.Kind == history.KindHealth {
			p, err := history.Decode[history.HealthPayload](e)
			require.NoError(t, err)
			if slices.Contains(stays, p.Of) {
				stays = append(stays, e.Sequence)
			}
		}
	}
	slices.Sort(stays)
	return slices.DeleteFunc(slices.Compact(stays), func(n uint64) bool { return n < from || n > to })
}

// TestKept compares what stays with what is found with the whole record in memory.
func TestKept(t *testing.T) {
	t.Parallel()
	compared := 0
	for range 6 {
		w := newWorld(t, random(t))
		for range 120 {
			w.wander()
		}
		entries := w.entries(w.store)
		for day := range w.day {
			plan, err := archive.Keeping(t.Context(), w.store, w.at(day), w.now(), kept)
			if err != nil {
				require.ErrorIs(t, err, archive.ErrNothing)
				continue
			}
			require.Equal(t, whole(t, entries, plan.From, plan.To), plan.Kept, "before day %d", day)
			compared++
		}
	}
	require.Greater(t, compared, 30)
}

// TestIntentsHeld: what is in memory does not grow with the operations on record, on
// whichever side of the range's end they are.
func TestIntentsHeld(t *testing.T) {
	t.Parallel()
	w := newWorld(t, random(t))
	const days = 4
	var lost struct{ app, id string }
	for ; w.day < days; w.day++ {
		for i := range 60 {
			head, err := w.store.Head(t.Context())
			require.NoError(t, err)
			app, id := []string{"a", "b", "c"}[i%3], fmt.Sprintf("i-%d-%d", w.day, i)
			if i%10 == 0 { // given up when it is none of the newest any more
				if lost.id != "" {
					head = w.append(historytest.Abandoned(lost.app, lost.id))
				}
				lost.app, lost.id = app, id
				w.append(historytest.Decision(t, app, "prod", approval.Allowed), historytest.Intent(t, app, "prod", id, head.Sequence+1))
				continue
			}
			w.append(historytest.Deployment(t, head, app, "prod", id, history.ResultSucceeded)...)
		}
	}
	// Of each Application so many that succeeded, or may have, and one that is under way.
	const bound = 3 * (2*kept + 1)
	for day := 1; day <= days; day++ {
		held, err := archive.Held(t.Context(), w.store, w.at(day), w.now(), kept)
		require.NoError(t, err)
		require.LessOrEqual(t, held, bound)
		require.GreaterOrEqual(t, held, 3*kept)
	}
}
