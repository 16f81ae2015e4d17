package dora_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/pkg/history/dora"
)

// TestMidnightThatIsSkipped: where clocks go forward at midnight, or back to it, a date is
// its first moment all the same. The days are from the tz database.
func TestMidnightThatIsSkipped(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ zone, date, first string }{
		{"America/Santiago", "2026-09-06", "2026-09-06T01:00:00-03:00"},
		{"America/Havana", "2026-03-08", "2026-03-08T01:00:00-04:00"},
		{"America/Havana", "2026-11-01", "2026-11-01T00:00:00-04:00"},
		{"America/Havana", "2026-11-02", "2026-11-02T00:00:00-05:00"},
		{"Africa/Cairo", "2026-04-24", "2026-04-24T01:00:00+03:00"},
		{"Europe/Berlin", "2026-03-29", "2026-03-29T00:00:00+01:00"},
	} {
		zone, err := time.LoadLocation(test.zone)
		require.NoError(t, err)
		at, err := dora.ParseMoment(test.date, zone)
		require.NoError(t, err)
		require.Equal(t, test.first, at.Format(time.RFC3339), test.zone)
	}
}

// TestWeeksAfterASkippedMidnight: in Iran clocks went forward at the midnight that began
// Monday, the 22nd of March 2021. The weeks after it begin at midnight.
func TestWeeksAfterASkippedMidnight(t *testing.T) {
	t.Parallel()
	tehran, err := time.LoadLocation("Asia/Tehran")
	require.NoError(t, err)
	policy := dora.DefaultPolicy()
	policy.Zone = tehran
	early := time.Date(2021, 3, 29, 0, 30, 0, 0, tehran) // a Monday
	a, err := dora.Assess(dora.Application{Operations: []dora.Operation{
		{ID: "1", StartedAt: early.Add(-time.Minute), FinishedAt: early, Phase: dora.Succeeded, Target: dora.Target{Revisions: []string{"a"}}},
	}}, policy, early.AddDate(0, 1, 0))
	require.NoError(t, err)
	weeks := func(from, to time.Time) dora.Frequency {
		return dora.Measure([]dora.Assessed{a}, dora.Scope{Kind: dora.ScopeAll}, dora.Window{From: from, To: to}, policy).Frequency
	}
	both := weeks(time.Date(2021, 3, 22, 1, 0, 0, 0, tehran), time.Date(2021, 4, 5, 0, 0, 0, 0, tehran))
	require.Equal(t, 2, both.Weeks, "the one of the change is a week")
	require.InDelta(t, 0.5, *both.ActiveDaysPerWeek, 0)
	first := weeks(time.Date(2021, 3, 22, 1, 0, 0, 0, tehran), time.Date(2021, 3, 29, 1, 0, 0, 0, tehran))
	require.Equal(t, 1, first.Weeks)
	require.Zero(t, *first.ActiveDaysPerWeek, "the deployment is of the week that began 30 minutes before it")
}
