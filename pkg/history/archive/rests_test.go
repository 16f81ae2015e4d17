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

// TestWhatWholeEntriesRestOn: an operation that stays whole can be read to the end: its
// intent, its decision and its health stay as well, on whichever side of the range's end
// they are.
func TestWhatWholeEntriesRestOn(t *testing.T) {
	t.Parallel()
	deploys := func(w *world, id string, result history.Result) uint64 {
		head, err := w.store.Head(t.Context())
		require.NoError(t, err)
		return w.append(historytest.Deployment(t, head, "a", "prod", id, result)...).Sequence
	}
	// Those that come after it leave it no place among the newest.
	follow := func(w *world, result history.Result) {
		for i := range kept {
			deploys(w, fmt.Sprintf("i-%d", i), result)
		}
	}
	for name, test := range map[string]struct {
		// begins is on the first day, which is archived, and ends is after it.
		begins, ends func(w *world)
		// kept are of the first day.
		kept []uint64
	}{
		"an intent after its decision": {
			func(w *world) { w.append(historytest.Decision(t, "a", "prod", approval.Allowed)) },
			func(w *world) {
				w.append(historytest.Intent(t, "a", "prod", "late", 1))
				w.append(historytest.Outcome("a", "late", history.ResultSucceeded))
				follow(w, history.ResultSucceeded)
			},
			[]uint64{1},
		},
		"an outcome after its intent": {
			func(w *world) {
				w.append(historytest.Decision(t, "a", "prod", approval.Allowed))
				w.append(historytest.Intent(t, "a", "prod", "late", 1))
			},
			func(w *world) {
				w.append(historytest.Outcome("a", "late", history.ResultSucceeded))
				follow(w, history.ResultSucceeded)
			},
			[]uint64{1, 2},
		},
		"the health of one that is kept for having succeeded": {
			func(w *world) {
				of := deploys(w, "well", history.ResultSucceeded)
				w.append(historytest.Health("a", of, "Degraded"))
			},
			func(w *world) { follow(w, history.ResultFailed) },
			[]uint64{1, 2, 3, 4},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, random(t))
			test.begins(w)
			w.append(historytest.Decision(t, "z", "prod", approval.Blocked), historytest.Decision(t, "z", "prod", approval.Blocked))
			w.day = 3
			test.ends(w)
			plan, err := archive.Keeping(t.Context(), w.store, w.at(1), w.now(), kept)
			require.NoError(t, err)
			last := plan.To // the newest decision about z
			require.Equal(t, slices.Concat(test.kept, []uint64{last}), plan.Kept)
		})
	}
}
