package dora_test

import (
	"encoding/json"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/pkg/history/dora"
)

const yearUntil = yearMinutes + 10*day

func assessAll(t testing.TB, apps []dora.Application) []dora.Assessed {
	t.Helper()
	var all []dora.Assessed
	for _, app := range apps {
		a, err := dora.Assess(app, dora.DefaultPolicy(), at(yearUntil))
		require.NoError(t, err)
		all = append(all, a)
	}
	return all
}

func over(all []dora.Assessed, scope dora.Scope, from, to int) dora.Report {
	return dora.Measure(all, scope, dora.Window{From: at(from), To: at(to)}, dora.DefaultPolicy())
}

var everything = dora.Scope{Kind: dora.ScopeAll}

// counts are the numbers of a report that are sums of events.
func counts(r dora.Report) map[string]int {
	out := map[string]int{
		"deployed": r.Frequency.Deployments, "failed": r.ChangeFailRate.Failed, "successful": r.ChangeFailRate.Successful,
		"open": r.ChangeFailRate.Open, "undetermined": r.ChangeFailRate.Undetermined, "rework": r.Rework.Rework, "all": r.Rework.Deployments,
		"changes": r.LeadTime.Changes, "negative": r.LeadTime.Negative, "unknown": r.LeadTime.Unknown, "lead": r.LeadTime.Length.Count,
		"recovered": r.Recovery.Length.Count, "unrecovered": len(r.Recovery.Unrecovered), "unobserved": r.Recovery.Unobserved,
		"detected": r.Recovery.Detection.Count,
	}
	for o, n := range r.NotCounted {
		out["not "+string(o)] = n
	}
	for s, n := range r.ChangeFailRate.Signals {
		out["signal "+string(s)] = n
	}
	for k, n := range r.Rework.Kinds {
		out["kind "+string(k)] = n
	}
	for _, s := range r.LeadTime.Segments {
		out["segment "+string(s.Segment)] = s.Length.Count + 1000*s.Negative + 1_000_000*s.Unknown
	}
	return out
}

// TestSplitWindow: every event is in exactly one of two windows that follow each other.
func TestSplitWindow(t *testing.T) {
	all := assessAll(t, makeYear(11, 8))
	rng := rand.New(rand.NewPCG(4, 4))
	for range 60 {
		cuts := []int{rng.IntN(yearUntil), rng.IntN(yearUntil), rng.IntN(yearUntil)}
		slices.Sort(cuts)
		sum := counts(over(all, everything, cuts[0], cuts[1]))
		for name, n := range counts(over(all, everything, cuts[1], cuts[2])) {
			sum[name] += n
		}
		require.Equal(t, sum, counts(over(all, everything, cuts[0], cuts[2])))
	}
}

// TestScopesAddUp: what is counted of a gate is what is counted of its Applications,
// changes excepted: one change is shipped by several.
func TestScopesAddUp(t *testing.T) {
	all := assessAll(t, makeYear(12, 9))
	gate := counts(over(all, dora.Scope{Kind: dora.ScopeGate, Name: "gate-2"}, 0, yearUntil))
	sum := map[string]int{}
	for _, a := range all {
		if a.Gate == "gate-2" {
			for name, n := range counts(over(all, dora.Scope{Kind: dora.ScopeApplication, Name: a.Name}, 0, yearUntil)) {
				sum[name] += n
			}
		}
	}
	for name, n := range gate {
		switch name {
		case "changes", "lead", "segment code", "segment quorum", "segment merge", "segment sync", "segment rollout", "negative", "unknown":
			require.LessOrEqual(t, n, sum[name], name)
		default:
			require.Equal(t, sum[name], n, name)
		}
	}
}

// TestOrderDoesNotMatter: the same observations in another order give the same report, to
// the byte.
func TestOrderDoesNotMatter(t *testing.T) {
	apps := makeYear(13, 6)
	want, err := json.Marshal(over(assessAll(t, apps), everything, 0, yearUntil))
	require.NoError(t, err)
	rng := rand.New(rand.NewPCG(5, 5))
	for range 5 {
		rng.Shuffle(len(apps), func(i, j int) { apps[i], apps[j] = apps[j], apps[i] })
		for i := range apps {
			a := &apps[i]
			rng.Shuffle(len(a.Operations), func(i, j int) { a.Operations[i], a.Operations[j] = a.Operations[j], a.Operations[i] })
			rng.Shuffle(len(a.Health), func(i, j int) { a.Health[i], a.Health[j] = a.Health[j], a.Health[i] })
			rng.Shuffle(len(a.Gaps), func(i, j int) { a.Gaps[i], a.Gaps[j] = a.Gaps[j], a.Gaps[i] })
			rng.Shuffle(len(a.Marks), func(i, j int) { a.Marks[i], a.Marks[j] = a.Marks[j], a.Marks[i] })
		}
		got, err := json.Marshal(over(assessAll(t, apps), everything, 0, yearUntil))
		require.NoError(t, err)
		require.Equal(t, string(want), string(got))
	}
}

// TestWhatIsBesideDoesNotMatter: operations of other gates change nothing, nor do dry runs,
// partial syncs, syncs that applied nothing and resyncs, except that they are shown.
func TestWhatIsBesideDoesNotMatter(t *testing.T) {
	apps := makeYear(14, 6)
	scope := dora.Scope{Kind: dora.ScopeGate, Name: "gate-0"}
	before := over(assessAll(t, apps), scope, 0, yearUntil)
	beside := makeYear(15, 3)
	for i := range beside {
		beside[i].Name, beside[i].Gate = beside[i].Name+"-beside", "another"
	}
	require.Equal(t, before, over(assessAll(t, append(slices.Clone(apps), beside...)), scope, 0, yearUntil))

	for i := range apps {
		a := &apps[i]
		for n, op := range slices.Clone(a.Operations) {
			if op.FinishedAt.IsZero() || op.FinishedAt.Before(op.StartedAt) {
				continue
			}
			// Right behind each operation, so that nothing comes between.
			idle := dora.Operation{ID: op.ID + "-idle", StartedAt: op.FinishedAt, FinishedAt: op.FinishedAt, Phase: dora.Succeeded, Target: dora.Target{Revisions: []string{"beside"}}}
			switch n % 3 {
			case 0:
				idle.DryRun = true
			case 1:
				idle.Partial = true
			case 2:
				idle.Phase, idle.Applied = dora.Failed, dora.AppliedNone
			}
			a.Operations = append(a.Operations, idle)
		}
	}
	after := over(assessAll(t, apps), scope, 0, yearUntil)
	require.NotEqual(t, before.NotCounted, after.NotCounted)
	after.NotCounted = before.NotCounted
	require.Equal(t, before, after)
}

// TestMarksAreReversible: marking everything and taking it back leaves what was.
func TestMarksAreReversible(t *testing.T) {
	apps := makeYear(16, 4)
	for i := range apps {
		apps[i].Marks = nil
	}
	before := over(assessAll(t, apps), everything, 0, yearUntil)
	for i := range apps {
		for _, op := range apps[i].Operations {
			apps[i].Marks = append(apps[i].Marks, dora.Mark{Operation: op.ID, At: op.StartedAt.Add(time.Hour), By: "x", Failed: true})
		}
	}
	marked := over(assessAll(t, apps), everything, 0, yearUntil)
	require.Zero(t, marked.Frequency.Deployments)
	require.InDelta(t, 1, *marked.ChangeFailRate.Rate, 0)
	for i := range apps {
		for _, op := range apps[i].Operations {
			apps[i].Marks = append(apps[i].Marks, dora.Mark{Operation: op.ID, At: op.StartedAt.Add(2 * time.Hour), By: "y"})
		}
	}
	require.Equal(t, before, over(assessAll(t, apps), everything, 0, yearUntil))
}

// TestMoreGapsKnowLess: whoever watches less never learns of a failure of health that did
// not happen, and what is then called a success was one.
func TestMoreGapsKnowLess(t *testing.T) {
	apps := makeYear(17, 6)
	seen := assessAll(t, apps)
	rng := rand.New(rand.NewPCG(6, 6))
	for i := range apps {
		for m := 0; m < yearMinutes; m += rng.IntN(12 * 60) {
			apps[i].Gaps = append(apps[i].Gaps, dora.Interval{From: at(m), To: at(m + rng.IntN(60))})
		}
	}
	for i, less := range assessAll(t, apps) {
		doubts := 0
		for n, d := range less.Deployments {
			was := seen[i].Deployments[n].Outcome
			switch d.Outcome {
			case dora.OutcomeSucceeded:
				require.Equal(t, dora.OutcomeSucceeded, was, d.ID)
			case dora.OutcomeFailed:
				require.Equal(t, dora.OutcomeFailed, was, d.ID)
			case dora.OutcomeUndetermined:
				doubts++
			default:
			}
		}
		require.Positive(t, doubts)
	}
}

func BenchmarkYear(b *testing.B) {
	apps := makeYear(1, 12)
	n := 0
	for _, a := range apps {
		n += len(a.Operations)
	}
	b.ReportMetric(float64(n), "operations")
	for b.Loop() {
		over(assessAll(b, apps), everything, 0, yearUntil)
	}
}
