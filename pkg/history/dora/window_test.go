package dora_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/pkg/history/dora"
)

func TestParseWindow(t *testing.T) {
	now := time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	berlin, err := time.LoadLocation("Europe/Berlin")
	require.NoError(t, err)
	for _, test := range []struct {
		name, from, to, last string
		zone                 *time.Location
		wantFrom, wantTo     string
		err                  string
	}{
		{name: "nothing", wantFrom: "2026-08-23T12:00:00Z", wantTo: "2026-11-21T12:00:00Z"},
		{name: "last", last: "2w", wantFrom: "2026-11-07T12:00:00Z", wantTo: "2026-11-21T12:00:00Z"},
		{name: "hours", last: "36h", wantFrom: "2026-11-20T00:00:00Z", wantTo: "2026-11-21T12:00:00Z"},
		{name: "dates", from: "2026-01-01", to: "2026-07-01", wantFrom: "2026-01-01T00:00:00Z", wantTo: "2026-07-01T00:00:00Z"},
		{name: "dates of a zone", from: "2026-01-01", to: "2026-07-01", zone: berlin, wantFrom: "2025-12-31T23:00:00Z", wantTo: "2026-06-30T22:00:00Z"},
		{name: "moments", from: "2026-01-01T10:00:00+02:00", to: "2026-01-02T00:00:00Z", wantFrom: "2026-01-01T08:00:00Z", wantTo: "2026-01-02T00:00:00Z"},
		{name: "last before to", to: "2026-07-01", last: "1d", wantFrom: "2026-06-30T00:00:00Z", wantTo: "2026-07-01T00:00:00Z"},
		{name: "both", from: "2026-01-01", last: "1d", err: "a beginning or a length, not both"},
		{name: "backwards", from: "2026-07-01", to: "2026-01-01", err: "would end (2026-01-01T00:00:00Z) before it begins"},
		{name: "empty", from: "2026-07-01", to: "2026-07-01", err: "before it begins"},
		{name: "future", to: "2026-11-22", err: "ends in the future"},
		{name: "no unit", last: "90", err: "is not a length of time such as 90d"},
		{name: "zero", last: "0d", err: "is not a length"},
		{name: "sign", last: "-5d", err: "is not a length"},
		{name: "plus", last: "+5d", err: "is not a length"},
		{name: "months", last: "3m", err: "is not a length"},
		{name: "too long", last: "36601d", err: "is longer than 36600 days"},
		{name: "overflow", last: "4294967w", err: "is longer than"},
		{name: "no time", from: "yesterday", err: `"yesterday" is not a time such as`},
		{name: "no time at the end", to: "2026-13-01", err: "is not a time such as"},
		{name: "before time", from: "1969-12-31", err: "is not a time such as"},
	} {
		t.Run(test.name, func(t *testing.T) {
			w, err := dora.ParseWindow(test.from, test.to, test.last, now, test.zone)
			if test.err != "" {
				require.ErrorContains(t, err, test.err)
				return
			}
			require.NoError(t, err)
			require.Equal(t, [2]string{test.wantFrom, test.wantTo},
				[2]string{w.From.UTC().Format(time.RFC3339), w.To.UTC().Format(time.RFC3339)})
		})
	}
}

// FuzzParseWindow: whatever is asked, a window that is accepted begins before it ends, does
// not end in the future, and its length is one that a time.Duration holds.
func FuzzParseWindow(f *testing.F) {
	f.Add("2026-01-01", "", "")
	f.Add("", "2026-07-01T00:00:00Z", "90d")
	f.Add("", "", "36600d")
	f.Add("1970-01-01", "2261-12-31", "")
	f.Fuzz(func(t *testing.T, from, to, last string) {
		now := time.Date(2261, 1, 1, 0, 0, 0, 0, time.UTC)
		w, err := dora.ParseWindow(from, to, last, now, nil)
		if err != nil {
			require.LessOrEqual(t, len(err.Error()), 400)
			require.Zero(t, w)
			return
		}
		require.True(t, w.From.Before(w.To))
		require.False(t, w.To.After(now))
		require.Positive(t, w.Days())
		require.Less(t, w.Days(), 36_601.0)
		require.True(t, w.From.Add(w.To.Sub(w.From)).Equal(w.To))
	})
}

// FuzzParseSpan: what is accepted is a whole number of its unit.
func FuzzParseSpan(f *testing.F) {
	for _, s := range []string{"90d", "12w", "36h", "0d", "", "d", "99999999999999999999d", "1.5d"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		d, err := dora.ParseSpan(s)
		if err != nil {
			require.Zero(t, d)
			return
		}
		require.Positive(t, d)
		require.Zero(t, d%time.Hour)
		require.LessOrEqual(t, d, 36_600*24*time.Hour)
	})
}
