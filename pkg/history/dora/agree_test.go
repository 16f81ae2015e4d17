package dora_test

import (
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/pkg/history/dora"
)

// flat is a report in the oracle's form.
func flat(r dora.Report) oracleReport {
	in := func(d *time.Duration) float64 {
		if d == nil {
			return -1
		}
		return d.Minutes()
	}
	times := func(t dora.Times) oracleTimes {
		return oracleTimes{Count: t.Length.Count, Negative: t.Negative, Unknown: t.Unknown, Median: in(t.Length.Median)}
	}
	out := oracleReport{
		Deployments: r.Frequency.Deployments, Failed: r.ChangeFailRate.Failed, Successful: r.ChangeFailRate.Successful,
		Open: r.ChangeFailRate.Open, Undetermined: r.ChangeFailRate.Undetermined, Rework: r.Rework.Rework, All: r.Rework.Deployments,
		NotCounted: r.NotCounted, Signals: r.ChangeFailRate.Signals, Kinds: r.Rework.Kinds, Weeks: r.Frequency.Weeks, ActiveDays: -1,
		Intervals: r.Frequency.Interval.Count, Interval: in(r.Frequency.Interval.Median), Changes: r.LeadTime.Changes, Bases: r.LeadTime.Bases,
		Recovered: r.Recovery.Length.Count, Recovery: in(r.Recovery.Length.Median), Unobserved: r.Recovery.Unobserved,
	}
	if r.Frequency.ActiveDaysPerWeek != nil {
		out.ActiveDays = *r.Frequency.ActiveDaysPerWeek
	}
	out.Lead[0] = times(r.LeadTime.Times)
	for i, s := range r.LeadTime.Segments {
		out.Lead[i+1] = times(s.Times)
	}
	for _, f := range r.Recovery.Unrecovered {
		out.Unrecovered = append(out.Unrecovered, f.Operation)
	}
	slices.Sort(out.Unrecovered)
	return out
}

// TestYear: a year of thousands of operations gives the same as the oracle, for each
// operation and for each scope and window.
func TestYear(t *testing.T) {
	apps := makeYear(1, 9)
	compareYear(t, apps, yearMinutes+10*day)
	compareYear(t, apps, yearMinutes/2+17)
	compareYear(t, makeYear(2, 9), yearMinutes+10*day)
}

func compareYear(t *testing.T, apps []dora.Application, until int) {
	t.Helper()
	var all []dora.Assessed
	var oracles []*oracleApp
	seen := map[dora.Outcome]int{}
	signals := map[dora.Signal]int{}
	for _, app := range apps {
		a, err := dora.Assess(app, dora.DefaultPolicy(), at(until))
		require.NoError(t, err)
		o := newOracle(app, until)
		require.Len(t, a.Deployments, len(o.ops))
		for i, d := range a.Deployments {
			require.Equal(t, o.ops[i].ID, d.ID)
			require.Equal(t, o.outcome(i), d.Outcome, "%s of %s", d.ID, app.Name)
			if d.Counted {
				require.Equal(t, o.open[i], d.Open, "%s of %s", d.ID, app.Name)
			}
			seen[d.Outcome]++
			known := map[dora.Signal]int{}
			for _, r := range d.Reasons {
				if _, found := known[r.Signal]; !found {
					known[r.Signal] = minuteOf(r.At)
				}
				signals[r.Signal]++
			}
			if len(known) > 0 {
				require.Equal(t, o.reasons[i], known, "%s of %s", d.ID, app.Name)
			}
		}
		all, oracles = append(all, a), append(oracles, o)
	}
	for _, outcome := range []dora.Outcome{
		dora.OutcomeSucceeded, dora.OutcomeFailed, dora.OutcomeUndetermined, dora.OutcomeDryRun, dora.OutcomeRunning, dora.OutcomePartial,
		dora.OutcomeAborted, dora.OutcomeNotApplied, dora.OutcomeSameRevision, dora.OutcomeRetry, dora.OutcomeAppliedUnknown, dora.OutcomeContradictory,
	} {
		require.Positive(t, seen[outcome], "the year has no %s", outcome)
	}
	for _, s := range []dora.Signal{dora.SignalSync, dora.SignalDegraded, dora.SignalNeverHealthy, dora.SignalRemediated, dora.SignalMarked} {
		require.Positive(t, signals[s], "the year has no %s", s)
	}
	scopes := []struct {
		scope dora.Scope
		in    func(dora.Application) bool
	}{
		{dora.Scope{Kind: dora.ScopeAll}, func(dora.Application) bool { return true }},
		{dora.Scope{Kind: dora.ScopeApplication, Name: "argocd/app-03"}, func(a dora.Application) bool { return a.Name == "argocd/app-03" }},
		{dora.Scope{Kind: dora.ScopeGate, Name: "gate-1"}, func(a dora.Application) bool { return a.Gate == "gate-1" }},
		{dora.Scope{Kind: dora.ScopeTeam, Name: "all"}, func(a dora.Application) bool { return slices.Contains(a.Teams, "all") }},
	}
	windows := [][2]int{{0, until}, {30*day + 5, 120 * day}, {until - 2*day, until}, {100 * day, 107 * day}, {200*day + 1, 200*day + 700}}
	for _, s := range scopes {
		for _, w := range windows {
			window := dora.Window{From: at(w[0]), To: at(w[1])}
			want := oracle(oracles, s.in, w[0], w[1])
			require.Equal(t, want, flat(dora.Measure(all, s.scope, window, dora.DefaultPolicy())), "%v over %v", s.scope, w)
		}
	}
}
