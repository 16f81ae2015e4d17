package historytest

import (
	"fmt"
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
	"github.com/argo-gatekeeper/gatekeeper/pkg/history"
)

// Observed drafts a sync that nobody asked the gate about, which began so long after Start.
func Observed(application, gate string, after time.Duration) history.Draft {
	return history.Draft{Time: Start(), Application: application, Payload: history.ObservedPayload{
		Gate: gate, Application: "argocd/shop", Phase: "Succeeded", Message: "successfully synced", Revisions: []string{string(revision)},
		StartedAt: Start().Add(after), FinishedAt: Start().Add(after + time.Second), InitiatedBy: "admin", Late: true, Health: "Healthy",
	}}
}

// Health drafts how the Application fared after the operation of an entry.
func Health(application string, of uint64, health string) history.Draft {
	return history.Draft{Time: Start(), Application: application, Payload: history.HealthPayload{Of: of, Health: health, At: Start()}}
}

func testObserved(t *testing.T, create Create) {
	record := fresh(t, create)
	deploy(t, record, "a", "prod", "i-1", history.ResultSucceeded) // 1 to 3
	want := []history.Draft{
		Observed("a", "prod", time.Hour), // 4
		Health("a", 4, "Degraded"),       // 5
		Health("a", 3, "Healthy"),        // 6
	}
	head := mustAppend(t, record, want...)
	got := all(t, record)[3:]
	seen, err := history.Decode[history.ObservedPayload](got[0])
	require.NoError(t, err)
	require.Equal(t, want[0].Payload, seen)
	health, err := history.Decode[history.HealthPayload](got[1])
	require.NoError(t, err)
	require.Equal(t, want[1].Payload, health)

	type (
		observed = history.ObservedPayload
		healthy  = history.HealthPayload
	)
	for name, draft := range map[string]history.Draft{
		"seen without gate":        edited(t, want[0], func(p *observed) { p.Gate = "" }),
		"seen without Application": edited(t, want[0], func(p *observed) { p.Application = "" }),
		"seen without phase":       edited(t, want[0], func(p *observed) { p.Phase = "" }),
		"seen without time":        edited(t, want[0], func(p *observed) { p.StartedAt = time.Time{} }),
		"covered by what follows":  edited(t, want[0], func(p *observed) { p.Covers = 7 }),
		"decided by what follows":  edited(t, want[0], func(p *observed) { p.Decision = 7 }),
		"health without health":    edited(t, want[1], func(p *healthy) { p.Health = "" }),
		"health without time":      edited(t, want[1], func(p *healthy) { p.At = time.Time{} }),
		"health of nothing":        edited(t, want[1], func(p *healthy) { p.Of = 0 }),
		"health of what follows":   edited(t, want[1], func(p *healthy) { p.Of = 7 }),
		"health of a decision":     edited(t, want[1], func(p *healthy) { p.Of = 1 }),
		"health of an intent":      edited(t, want[1], func(p *healthy) { p.Of = 2 }),
		"health of another's":      {Time: Start(), Application: "b", Payload: want[1].Payload},
	} {
		_, err := record.Append(t.Context(), head, draft)
		require.ErrorIs(t, err, history.ErrInvalid, name)
	}
	report, err := history.Verify(t.Context(), record)
	require.NoError(t, err)
	require.True(t, report.Intact(), "%+v", report.Fault)
}

func testSelect(t *testing.T, create Create) {
	record := fresh(t, create)
	deploy(t, record, "a", "prod", "i-1", history.ResultSucceeded)                                                                           // 1 to 3
	deploy(t, record, "b", "prod", "i-2", history.ResultFailed)                                                                              // 4 to 6
	mustAppend(t, record, Observed("a", "prod", time.Hour), Health("a", 3, "Degraded"), Decision(t, "a", "prod", approval.Blocked))          // 7 to 9
	mustAppend(t, record, edited(t, Observed("b", "prod", time.Hour), func(p *history.ObservedPayload) { p.Application = "argocd/basket" })) // 10
	deploy(t, record, "a", "prod", "i-3", history.ResultFailed)                                                                              // 11 to 13
	deployed := history.Deployed()
	for _, test := range []struct {
		history.Selection
		limit int
		want  []uint64
		count int
	}{
		{history.Selection{Kinds: deployed, Application: "a"}, 10, []uint64{3, 7, 13}, 3},
		{history.Selection{Kinds: deployed, Application: "a", Newest: true}, 10, []uint64{13, 7, 3}, 3},
		{history.Selection{Kinds: deployed, Application: "a", Newest: true}, 2, []uint64{13, 7}, 3},
		{history.Selection{Kinds: deployed, Application: "a", Skip: 1}, 1, []uint64{7}, 3},
		{history.Selection{Kinds: deployed, Application: "a", Skip: 5}, 1, []uint64{}, 3},
		{history.Selection{Kinds: deployed, Application: "a", From: 7, Before: 13}, 10, []uint64{7}, 1},
		{history.Selection{Kinds: deployed, Application: "a", From: math.MaxUint64}, 10, []uint64{}, 0},
		{history.Selection{Kinds: deployed, Application: "a", Before: math.MaxUint64}, 10, []uint64{3, 7, 13}, 3},
		{history.Selection{Kinds: deployed}, 10, []uint64{3, 6, 7, 10, 13}, 5},
		{history.Selection{Kinds: deployed, Application: "c"}, 10, []uint64{}, 0},
		{history.Selection{Kinds: deployed, Application: "a"}, -1, []uint64{}, 3},
		{history.Selection{Kinds: []history.Kind{history.KindHealth}, Application: "a", From: 3}, 10, []uint64{8}, 1},
		{history.Selection{Kinds: []history.Kind{history.KindIntent, history.KindObserved}, Named: "argocd/shop", Newest: true}, 10, []uint64{12, 7, 5, 2}, 4},
		{history.Selection{Kinds: []history.Kind{history.KindIntent, history.KindObserved}, Named: "argocd/basket"}, 10, []uint64{10}, 1},
		{history.Selection{Kinds: []history.Kind{history.KindIntent}, Named: "argocd/basket"}, 10, []uint64{}, 0},
	} {
		name := fmt.Sprintf("%+v", test)
		found, err := record.Select(t.Context(), test.Selection, test.limit)
		require.NoError(t, err, name)
		require.Equal(t, test.want, sequences(found), name)
		n, err := record.Count(t.Context(), test.Selection)
		require.NoError(t, err, name)
		require.Equal(t, test.count, n, name)
	}
	whole := all(t, record)
	found, err := record.Select(t.Context(), history.Selection{Kinds: []history.Kind{history.KindHealth}}, 1)
	require.NoError(t, err)
	require.Equal(t, whole[7:8], found, "as it is stored")
	for name, s := range map[string]history.Selection{
		"no kind":            {},
		"decisions":          {Kinds: []history.Kind{history.KindDecision}},
		"unknown":            {Kinds: []history.Kind{"x' OR 1 --"}},
		"outcomes by a name": {Kinds: deployed, Named: "argocd/shop"},
		"skips backwards":    {Kinds: deployed, Skip: -1},
	} {
		_, err := record.Select(t.Context(), s, 1)
		require.ErrorIs(t, err, history.ErrInvalid, name)
		_, err = record.Count(t.Context(), s)
		require.ErrorIs(t, err, history.ErrInvalid, name)
	}
}
