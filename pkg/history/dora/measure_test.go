package dora_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/pkg/history/dora"
)

const day = 24 * 60

// TestEmpty: nothing is a number where there is nothing to divide by.
func TestEmpty(t *testing.T) {
	r := report(nil, 0, 14*day)
	require.Nil(t, r.ChangeFailRate.Rate)
	require.Nil(t, r.Rework.Rate)
	require.Nil(t, r.LeadTime.Length.Median)
	require.Nil(t, r.Recovery.Length.Median)
	require.Nil(t, r.Frequency.Interval.Median)
	require.Zero(t, *r.Frequency.PerDay, "no deployment in 14 days is a frequency, which is 0")
	require.Equal(t, 2, r.Frequency.Weeks)
	require.Zero(t, *r.Frequency.ActiveDaysPerWeek)

	short := report(nil, 0, 6*day)
	require.Zero(t, short.Frequency.Weeks)
	require.Nil(t, short.Frequency.ActiveDaysPerWeek, "no whole week")
	none := report(nil, 5, 5)
	require.Nil(t, none.Frequency.PerDay)

	text, err := json.Marshal(r)
	require.NoError(t, err)
	require.Contains(t, string(text), `"changeFailRate":{"rate":null,`)
	require.Contains(t, string(text), `"changeLeadTime":{"changes":0,"length":{"count":0,"medianSeconds":null,"p90Seconds":null},"negative":0,"unknown":0,"segments":[{"segment":"code","length":{"count":0,`)
	require.Contains(t, string(text), `"unrecovered":[]`)
}

// TestFrequency: four deployments in two weeks that are in the window as a whole, on 2 and
// on 1 days, and one in a week that is cut.
func TestFrequency(t *testing.T) {
	a := assess(t, dora.Application{Health: health(t, "0 Healthy"), Operations: []dora.Operation{
		operation("1", 10, 20, "a"), operation("2", 60, 80, "b"), operation("3", 3*day, 3*day+20, "c"),
		operation("4", 9*day, 9*day+20, "d"), operation("5", 15*day, 15*day+20, "e"),
		operation("6", 15*day+60, 15*day+70, "f", failing(dora.AppliedSome)),
	}})
	r := report([]dora.Assessed{a}, 0, 16*day)
	require.Equal(t, 5, r.Frequency.Deployments)
	require.InDelta(t, 5.0/16, *r.Frequency.PerDay, 1e-12)
	require.Equal(t, 2, r.Frequency.Weeks)
	require.InDelta(t, 1.5, *r.Frequency.ActiveDaysPerWeek, 1e-12)
	// 60, 4260, 8640, 8640 minutes.
	require.Equal(t, 4, r.Frequency.Interval.Count)
	require.Equal(t, 6450*time.Minute, *r.Frequency.Interval.Median)
	require.Equal(t, 8640*time.Minute, *r.Frequency.Interval.P90)
	require.InDelta(t, 1.0/6, *r.ChangeFailRate.Rate, 1e-12)
}

// TestActiveDaysInZone: the last minutes of a Sunday in UTC are Monday in Berlin, and the
// week in which clocks change is a week.
func TestActiveDaysInZone(t *testing.T) {
	berlin, err := time.LoadLocation("Europe/Berlin")
	require.NoError(t, err)
	policy := dora.DefaultPolicy()
	policy.Zone = berlin
	monday := time.Date(2026, 3, 23, 0, 0, 0, 0, berlin) // clocks change on the 29th
	app := dora.Application{Operations: []dora.Operation{
		{ID: "1", StartedAt: monday.Add(-time.Hour), FinishedAt: monday, Phase: dora.Succeeded, Target: dora.Target{Revisions: []string{"a"}}},
		{ID: "2", StartedAt: monday, FinishedAt: time.Date(2026, 3, 29, 23, 59, 0, 0, berlin), Phase: dora.Succeeded, Target: dora.Target{Revisions: []string{"b"}}},
	}}
	a, err := dora.Assess(app, policy, monday.AddDate(0, 1, 0))
	require.NoError(t, err)
	measure := func(to time.Time) dora.Frequency {
		return dora.Measure([]dora.Assessed{a}, dora.Scope{Kind: dora.ScopeAll}, dora.Window{From: monday, To: to}, policy).Frequency
	}
	week := measure(monday.AddDate(0, 0, 7))
	require.Equal(t, 1, week.Weeks)
	require.InDelta(t, 2, *week.ActiveDaysPerWeek, 0)
	require.Equal(t, 167.0, monday.AddDate(0, 0, 7).Sub(monday).Hours()) //nolint:testifylint // whole hours
	require.Zero(t, measure(monday.AddDate(0, 0, 7).Add(-time.Second)).Weeks)
	policy.Zone = nil
	require.Zero(t, measure(monday.AddDate(0, 0, 7)).Weeks, "in UTC that week is cut")
}

// TestLeadTime has the segments of three changes, worked out by hand.
func TestLeadTime(t *testing.T) {
	late := change("p#3", 0, 10, 90, 50) // approved after the merge
	a := assess(t, dora.Application{
		Health: health(t, "0 Healthy, 101 Progressing, 110 Healthy"),
		Operations: []dora.Operation{
			operation("1", 100, 102, "a", ships(change("p#1", 0, 20, 50, 60), change("p#2", 40, 50, 70, 80), late)),
		},
	})
	r := report([]dora.Assessed{a}, 0, 200).LeadTime
	require.Equal(t, 3, r.Changes)
	require.Equal(t, 110*time.Minute, *r.Length.Median) // 110, 70, 110
	require.Equal(t, map[dora.Basis]int{dora.BasisCommit: 3}, r.Bases)
	medians := map[dora.Segment]time.Duration{}
	for _, s := range r.Segments {
		medians[s.Segment] = *s.Length.Median
		require.Equal(t, s.Segment == dora.SegmentMerge, s.Negative == 1, s.Segment)
	}
	require.Equal(t, map[dora.Segment]time.Duration{
		dora.SegmentCode:    10 * time.Minute, // 20, 10, 10
		dora.SegmentQuorum:  30 * time.Minute, // 30, 20, 80
		dora.SegmentMerge:   10 * time.Minute, // 10, 10, −40
		dora.SegmentSync:    40 * time.Minute, // 40, 20, 50
		dora.SegmentRollout: 10 * time.Minute,
	}, medians)
}

// TestLeadTimeEdges has one change each.
func TestLeadTimeEdges(t *testing.T) {
	p1 := change("p#1", 0, 1, 2, 3)
	for _, test := range []struct {
		name       string
		health     string
		gaps       []dora.Interval
		operations []dora.Operation
		// lengths in minutes; nil for none.
		want                       []float64
		changes, negative, unknown int
	}{
		{
			name: "healthy at once", health: "0 Healthy",
			operations: []dora.Operation{operation("1", 10, 12, "a", ships(p1))}, want: []float64{12}, changes: 1,
		},
		{
			name: "the commit is younger than the deployment", health: "0 Healthy",
			operations: []dora.Operation{operation("1", 10, 12, "a", ships(change("p#1", 50, 51, 52, 53)))}, changes: 1, negative: 1,
		},
		{
			name: "nobody knows the commit", health: "0 Healthy",
			operations: []dora.Operation{operation("1", 10, 12, "a", ships(dora.Change{ID: "p#1"}))}, changes: 1, unknown: 1,
		},
		{
			name: "never healthy", health: "0 Healthy, 11 Progressing",
			operations: []dora.Operation{operation("1", 10, 12, "a", ships(p1))},
		},
		{
			name: "superseded before it was healthy: the start is kept", health: "0 Healthy, 11 Progressing, 50 Healthy",
			operations: []dora.Operation{operation("1", 10, 12, "a", ships(p1)), operation("2", 20, 21, "b", ships(change("p#2", 15, 16, 17, 18)))},
			want:       []float64{50, 35}, changes: 2,
		},
		{
			name: "a sync that failed delivers nothing, the one after it does", health: "0 Healthy",
			operations: []dora.Operation{operation("1", 10, 12, "a", ships(p1), failing(dora.AppliedSome)), operation("2", 20, 21, "b")},
			want:       []float64{21}, changes: 1,
		},
		{
			name: "a rollback has no lead time and ends what was under way", health: "0 Healthy, 11 Progressing, 50 Healthy",
			operations: []dora.Operation{operation("1", 10, 12, "a", ships(p1)), operation("2", 20, 21, "b", because(dora.Rollback), ships(change("p#0", 0, 1, 2, 3)))},
		},
		{
			name: "shipped again after a rollback", health: "0 Healthy, 11 Progressing, 50 Healthy",
			operations: []dora.Operation{
				operation("1", 10, 12, "a", ships(p1)), operation("2", 20, 21, "b", because(dora.Rollback)), operation("3", 60, 61, "a", ships(p1)),
			},
			want: []float64{61}, changes: 1,
		},
		{
			name: "delivered once", health: "0 Healthy",
			operations: []dora.Operation{operation("1", 10, 12, "a", ships(p1)), operation("2", 20, 21, "b", ships(p1))},
			want:       []float64{12}, changes: 1,
		},
		{
			name: "nobody watched when it became healthy", health: "0 Healthy, 11 Progressing", gaps: []dora.Interval{{From: minute(15), To: minute(20)}},
			operations: []dora.Operation{operation("1", 10, 12, "a", ships(p1)), operation("2", 30, 31, "b", func(op *dora.Operation) {})},
		},
		{
			name: "nobody watched, and then it was", health: "0 Healthy, 11 Progressing, 18 Healthy", gaps: []dora.Interval{{From: minute(15), To: minute(20)}},
			operations: []dora.Operation{operation("1", 10, 12, "a", ships(p1))}, changes: 1, unknown: 1,
		},
		{
			name: "delivered by the next deployment, or while nobody watched the first", health: "0 Healthy, 11 Progressing, 40 Healthy",
			gaps:       []dora.Interval{{From: minute(15), To: minute(20)}},
			operations: []dora.Operation{operation("1", 10, 12, "a", ships(p1)), operation("2", 30, 31, "b")}, changes: 1, unknown: 1,
		},
		{
			name: "an aborted sync delivers nothing", health: "0 Healthy",
			operations: []dora.Operation{operation("1", 10, 12, "a", ships(p1), func(op *dora.Operation) { op.Terminated = true })},
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			a := assess(t, dora.Application{Health: health(t, test.health), Gaps: test.gaps, Operations: test.operations})
			r := report([]dora.Assessed{a}, 0, 1000).LeadTime
			require.Equal(t, []int{test.changes, test.negative, test.unknown}, []int{r.Changes, r.Negative, r.Unknown})
			require.Equal(t, len(test.want), r.Length.Count)
			if len(test.want) > 0 {
				var sum float64
				for _, m := range test.want {
					sum += m
				}
				require.InDelta(t, sum/float64(len(test.want)), r.Length.Median.Minutes(), 1e-9)
			}
		})
	}
}

// TestOneChangeManyApplications: N Applications, one pull request: N deployments and one
// change, which ends where it is Healthy first.
func TestOneChangeManyApplications(t *testing.T) {
	p1 := change("p#1", 0, 1, 2, 3)
	var all []dora.Assessed
	for i, name := range []string{"argocd/c", "argocd/a", "argocd/b"} {
		at := float64(100 - 20*i)
		all = append(all, assess(t, dora.Application{
			Name: name, Gate: map[bool]string{true: "prod", false: "stage"}[i < 2], Teams: []string{"pay"}, Health: health(t, "0 Healthy"),
			Operations: []dora.Operation{operation(name, at, at+2, "a", ships(p1))},
		}))
	}
	r := report(all, 0, 1000)
	require.Equal(t, 3, r.Frequency.Deployments)
	require.Equal(t, 1, r.LeadTime.Changes)
	require.Equal(t, 62*time.Minute, *r.LeadTime.Length.Median)

	scoped := func(kind dora.ScopeKind, name string) dora.Report {
		return dora.Measure(all, dora.Scope{Kind: kind, Name: name}, dora.Window{From: begin, To: minute(1000)}, dora.DefaultPolicy())
	}
	require.Equal(t, 82*time.Minute, *scoped(dora.ScopeGate, "prod").LeadTime.Length.Median)
	require.Equal(t, 102*time.Minute, *scoped(dora.ScopeApplication, "argocd/c").LeadTime.Length.Median)
	require.Equal(t, 62*time.Minute, *scoped(dora.ScopeTeam, "pay").LeadTime.Length.Median)
	require.Equal(t, []int{2, 1, 3, 0}, []int{
		scoped(dora.ScopeGate, "prod").Applications, scoped(dora.ScopeGate, "stage").Applications,
		scoped(dora.ScopeTeam, "pay").Applications, scoped(dora.ScopeTeam, "nobody").Applications,
	})
	require.Zero(t, scoped("", "").Applications)
}

// TestRates: five deployments that are counted, and each kind of rework.
func TestRates(t *testing.T) {
	a := assess(t, dora.Application{
		Health: health(t, "0 Healthy, 120 Degraded, 130 Healthy"), Gaps: []dora.Interval{{From: minute(330), To: minute(350)}},
		Operations: []dora.Operation{
			operation("1", 10, 12, "a"), operation("2", 100, 102, "b"), operation("3", 200, 202, "a", because(dora.Rollback)),
			operation("4", 300, 302, "c", func(op *dora.Operation) { op.Rework = []dora.Rework{dora.BreakGlass, dora.Hotfix, dora.Hotfix} }),
			operation("5", 900, 902, "d"), operation("6", 910, 911, "e", failing(dora.AppliedNone)),
		},
	}, 950)
	r := report([]dora.Assessed{a}, 0, 1000)
	require.Equal(t, dora.ChangeFailRate{
		Rate: r.ChangeFailRate.Rate, Failed: 1, Successful: 2, Open: 1, Undetermined: 1,
		Signals: map[dora.Signal]int{dora.SignalDegraded: 1, dora.SignalRemediated: 1},
	}, r.ChangeFailRate)
	require.InDelta(t, 1.0/3, *r.ChangeFailRate.Rate, 1e-12)
	require.InDelta(t, 2.0/5, *r.Rework.Rate, 1e-12)
	require.Equal(t, map[dora.Rework]int{dora.Rollback: 1, dora.Hotfix: 1, dora.BreakGlass: 1}, r.Rework.Kinds)
	require.Equal(t, map[dora.Outcome]int{dora.OutcomeNotApplied: 1}, r.NotCounted)
	require.Equal(t, 4, r.Frequency.Deployments)
	require.Equal(t, 28*time.Minute, *r.Recovery.Length.Median)
	require.Equal(t, 23*time.Minute, *r.Recovery.Detection.Median)
	require.Equal(t, begin, r.ObservedFrom)
	require.Nil(t, report([]dora.Assessed{a}, 903, 1000).ChangeFailRate.Rate, "an operation that is not counted is no denominator")
}

// TestOpenFailure: what has failed while it is still watched is not in the rate yet, and is
// no deployment for the frequency.
func TestOpenFailure(t *testing.T) {
	a := assess(t, dora.Application{Health: health(t, "0 Healthy, 20 Degraded"), Operations: []dora.Operation{operation("1", 10, 12, "a")}}, 30)
	r := report([]dora.Assessed{a}, 0, 1000)
	require.Equal(t, []int{1, 0}, []int{r.ChangeFailRate.Open, r.ChangeFailRate.Failed})
	require.Nil(t, r.ChangeFailRate.Rate)
	require.Zero(t, r.Frequency.Deployments)
	require.Len(t, r.Recovery.Unrecovered, 1)
}

// TestUnrecovered: what has not recovered is listed, and is no 0 in the median.
func TestUnrecovered(t *testing.T) {
	a := assess(t, dora.Application{
		Health:     health(t, "0 Healthy, 20 Degraded"),
		Operations: []dora.Operation{operation("1", 10, 12, "a"), operation("2", 200, 202, "b", failing(dora.AppliedSome))},
	})
	r := report([]dora.Assessed{a}, 0, 1000).Recovery
	require.Nil(t, r.Length.Median)
	require.Len(t, r.Unrecovered, 1)
	require.Equal(t, []string{"2"}, r.Unrecovered[0].Further)
	text, err := json.Marshal(r.Unrecovered[0])
	require.NoError(t, err)
	require.JSONEq(t, `{"application":"argocd/payments","operation":"1","further":["2"],"finishedAt":"2026-03-02T00:12:00Z",
		"detectedAt":"2026-03-02T00:25:00Z","reasons":[{"signal":"degraded","at":"2026-03-02T00:25:00Z","text":"Degraded"}],"recoverySeconds":null}`, string(text))
}
