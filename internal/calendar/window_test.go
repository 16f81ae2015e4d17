package calendar

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
)

func utc(text string) time.Time {
	t, err := time.Parse("2006-01-02 15:04", text)
	if err != nil {
		panic(err)
	}
	return t
}

func window(t *testing.T, kind approval.WindowKind, s Schedule) *Window {
	t.Helper()
	w, err := NewWindow("w", kind, s)
	require.NoError(t, err)
	return w
}

func daily(hour, length string) Schedule {
	d, err := time.ParseDuration(length)
	if err != nil {
		panic(err)
	}
	h, m, _ := strings.Cut(hour, ":")
	return Schedule{Timezone: "Europe/Berlin", RRule: "FREQ=DAILY;BYHOUR=" + strings.TrimPrefix(h, "0") + ";BYMINUTE=" + m, Duration: d}
}

// TestClockChanges pins what a time means that the clock skips or shows twice:
// Berlin, 29 March 2026 at 01:00 UTC and 25 October 2026 at 01:00 UTC.
func TestClockChanges(t *testing.T) {
	for _, tc := range []struct {
		name             string
		kind             approval.WindowKind
		schedule         Schedule
		around, from, to string
	}{
		{"begins in the gap", approval.WindowAllow, daily("2:30", "2h"), "2026-03-29 00:00", "2026-03-29 01:00", "2026-03-29 02:30"},
		{"ends in the gap", approval.WindowDeny, daily("1:30", "1h"), "2026-03-29 00:00", "2026-03-29 00:30", "2026-03-29 01:00"},
		{"spans the gap", approval.WindowAllow, daily("1:00", "4h"), "2026-03-28 23:00", "2026-03-29 00:00", "2026-03-29 03:00"},
		{"begins twice", approval.WindowAllow, daily("2:30", "2h"), "2026-10-25 00:00", "2026-10-25 00:30", "2026-10-25 03:30"},
		{"allow ends twice", approval.WindowAllow, daily("1:30", "1h"), "2026-10-24 23:00", "2026-10-24 23:30", "2026-10-25 00:30"},
		{"deny ends twice", approval.WindowDeny, daily("1:30", "1h"), "2026-10-24 23:00", "2026-10-24 23:30", "2026-10-25 01:30"},
		{"weekend, clocks forward", approval.WindowDeny,
			Schedule{Timezone: "Europe/Berlin", RRule: "FREQ=WEEKLY;BYDAY=FR;BYHOUR=18", Duration: 62 * time.Hour}, "2026-03-27 00:00", "2026-03-27 17:00", "2026-03-30 06:00"},
		{"weekend, clocks back", approval.WindowDeny,
			Schedule{Timezone: "Europe/Berlin", RRule: "FREQ=WEEKLY;BYDAY=FR;BYHOUR=18", Duration: 62 * time.Hour}, "2026-10-23 00:00", "2026-10-23 16:00", "2026-10-26 07:00"},
		{"a freeze", approval.WindowDeny,
			Schedule{Timezone: "Europe/Berlin", From: "2026-12-20T00:00", Until: "2027-01-06T00:00"}, "2026-12-01 00:00", "2026-12-19 23:00", "2027-01-05 23:00"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			w := window(t, tc.kind, tc.schedule)
			state := w.State(utc(tc.around))
			require.False(t, state.Open)
			require.Equal(t, utc(tc.from), state.Next)
			state = w.State(state.Next)
			require.True(t, state.Open)
			require.Equal(t, utc(tc.to), state.Next)
			require.False(t, w.State(state.Next).Open, "the end is not in it")
		})
	}
}

// TestSkippedWhole: a window that lies in the skipped hour does not open that day.
func TestSkippedWhole(t *testing.T) {
	w := window(t, approval.WindowAllow, daily("2:15", "30m"))
	require.Equal(t, utc("2026-03-30 00:15"), w.State(utc("2026-03-28 12:00")).Next)
}

func TestCalendar(t *testing.T) {
	allow := Schedule{Timezone: "Europe/Berlin", RRule: "FREQ=WEEKLY;BYDAY=MO,TU,WE,TH;BYHOUR=9;BYMINUTE=0", Duration: 8 * time.Hour}
	freeze := Schedule{Timezone: "Europe/Berlin", From: "2026-12-20T00:00", Until: "2027-01-06T00:00"}
	windows := []approval.Window{
		{Name: "office", Kind: approval.WindowAllow, Schedule: allow.String()},
		{Name: "year end", Kind: approval.WindowDeny, Schedule: freeze.String()},
	}
	c, err := New(windows)
	require.NoError(t, err)
	at := utc("2026-12-18 12:00")
	require.False(t, c.Open(at), "a Friday")
	next, ok := c.NextOpening(at)
	require.True(t, ok)
	require.Equal(t, utc("2027-01-06 08:00"), next, "Monday 21 December is in the freeze")
	require.Equal(t, "Wed 2027-01-06 09:00 Europe/Berlin (Wed 2027-01-06 08:00 UTC)", Written(next, c.Windows()[0].Zone()))
	require.True(t, c.Open(next))
	require.Equal(t, []approval.WindowState{
		{Name: "office", Next: utc("2026-12-21 08:00")},
		{Name: "year end", Next: utc("2026-12-19 23:00")},
	}, c.States(at))

	var none *Calendar
	require.True(t, none.Open(at))
	require.Empty(t, none.Edges(at, 3))

	shut, err := New([]approval.Window{windows[0], {Name: "always", Kind: approval.WindowDeny,
		Schedule: Schedule{Timezone: "UTC", RRule: "FREQ=DAILY;BYHOUR=0", Duration: 24 * time.Hour}.String()}})
	require.NoError(t, err)
	require.False(t, shut.Open(utc("2026-12-21 10:00")))
	_, ok = shut.NextOpening(at)
	require.False(t, ok)
	require.Zero(t, shut.Windows()[1].State(at).Next, "it never closes")
}

func TestRefused(t *testing.T) {
	rrule := func(text string) Schedule {
		return Schedule{Timezone: "UTC", RRule: text, Duration: time.Hour}
	}
	for _, tc := range []struct {
		schedule  Schedule
		key, says string
	}{
		{Schedule{}, "timezone", "missing"},
		{Schedule{Timezone: "Local"}, "timezone", "missing"},
		{Schedule{Timezone: "Mars/Olympus"}, "timezone", `no timezone "Mars/Olympus"`},
		{Schedule{Timezone: "../../etc/passwd"}, "timezone", "no timezone"},
		{Schedule{Timezone: "UTC"}, "from", "needs from and until"},
		{Schedule{Timezone: "UTC", From: "2026-12-20", Until: "2027-01-01T00:00"}, "from", "must be a time such as"},
		{Schedule{Timezone: "UTC", From: "2026-12-20T00:00", Until: "2026-12-20T00:00"}, "until", "after from"},
		{Schedule{Timezone: "UTC", From: "2026-12-20T00:00", Until: "2026-12-21T00:00", Duration: time.Hour}, "duration", "ends at until"},
		{Schedule{Timezone: "UTC", RRule: "FREQ=DAILY;BYHOUR=1"}, "duration", "whole minutes"},
		{Schedule{Timezone: "UTC", RRule: "FREQ=DAILY;BYHOUR=1", Duration: 800 * time.Hour}, "duration", "whole minutes"},
		{rrule("FREQ=SECONDLY"), "rrule", "too often"},
		{rrule("FREQ=MINUTELY;BYHOUR=1"), "rrule", "too often"},
		{rrule("FREQ=HOURLY;BYHOUR=1"), "rrule", "too often"},
		{rrule("FREQ=DAILY"), "rrule", "says no hour"},
		{rrule("FREQ=WEEKLY;BYHOUR=9"), "rrule", "says no day"},
		{rrule("FREQ=DAILY;BYHOUR=9;COUNT=3"), "rrule", "COUNT in an rrule is not supported"},
		{rrule("FREQ=DAILY;BYHOUR=9;UNTIL=20270101T000000Z"), "rrule", "write from and until"},
		{rrule("FREQ=DAILY;BYHOUR=9;BYSECOND=5"), "rrule", "BYSECOND in an rrule is not supported"},
		{rrule("FREQ=DAILY;BYHOUR=9;BYHOUR=10"), "rrule", "twice"},
		{rrule("FREQ=DAILY;BYHOUR=9;"), "rrule", "KEY=value"},
		{rrule("FREQ=DAILY;BYHOUR=24"), "rrule", "byhour must be between"},
		{rrule("FREQ=SOMETIMES;BYHOUR=9"), "rrule", "not an rrule"},
		{rrule("FREQ=DAILY;BYHOUR=0,1,2,3;BYMINUTE=0,1,2,3,4,5,6"), "rrule", "begins 28 times a day"},
		{rrule("FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30;BYHOUR=9"), "rrule", "no such month has such a day"},
		{rrule("FREQ=MONTHLY;BYDAY=6MO;BYHOUR=9"), "rrule", "no month has more than 5"},
		{rrule("FREQ=MONTHLY;BYDAY=1MO;BYMONTHDAY=20;BYHOUR=9"), "rrule", "may never be"},
		{rrule("FREQ=WEEKLY;BYDAY=1MO;BYHOUR=9"), "rrule", "write FREQ=MONTHLY"},
		{rrule("FREQ=MONTHLY;BYDAY=MO;BYSETPOS=5;BYHOUR=9"), "rrule", "between 1 and 4"},
		{rrule("FREQ=DAILY;BYDAY=MO;BYSETPOS=1;BYHOUR=9"), "rrule", "BYSETPOS chooses"},
		{rrule("FREQ=WEEKLY;INTERVAL=2;BYDAY=MO;BYHOUR=9"), "from", "counts from a day"},
		{rrule("FREQ=WEEKLY;INTERVAL=0;BYDAY=MO;BYHOUR=9"), "rrule", "INTERVAL must be"},
		{rrule("FREQ=WEEKLY;INTERVAL=99;BYDAY=MO;BYHOUR=9"), "rrule", "INTERVAL must be"},
		{Schedule{Timezone: "UTC", RRule: "FREQ=MONTHLY;INTERVAL=12;BYMONTHDAY=31;BYHOUR=1", Duration: time.Hour, From: "2026-02-01T00:00"}, "rrule", "not every month"},
		{Schedule{Timezone: "UTC", RRule: "FREQ=DAILY;INTERVAL=7;BYDAY=MO;BYHOUR=1", Duration: time.Hour, From: "2026-02-03T00:00"}, "rrule", "may never be"},
		{rrule("FREQ=DAILY;BYHOUR=9;BYMONTH=" + strings.Repeat("1,", 200) + "1"), "rrule", "longer than"},
	} {
		_, err := NewWindow("w", approval.WindowAllow, tc.schedule)
		var m *Mistake
		require.ErrorAs(t, err, &m, "%s", tc.schedule)
		require.Equal(t, tc.key, m.Key, "%s: %s", tc.schedule, m.Text)
		require.Contains(t, m.Text, tc.says)
	}
	_, err := NewWindow("w", "maybe", rrule("FREQ=DAILY;BYHOUR=9"))
	require.ErrorContains(t, err, "none of allow, deny")
}

func TestScheduleText(t *testing.T) {
	for _, s := range []Schedule{
		{Timezone: "UTC", From: "2026-12-20T00:00", Until: "2027-01-06T00:00"},
		{Timezone: "Europe/Berlin", RRule: "FREQ=WEEKLY;INTERVAL=2;BYDAY=MO;BYHOUR=9", Duration: 90 * time.Minute, From: "2026-01-05T00:00"},
	} {
		back, err := ParseSchedule(s.String())
		require.NoError(t, err)
		require.Equal(t, s, back)
	}
	for _, text := range []string{"timezone", "timezone=", "timezone=UTC timezone=UTC", "zone=UTC", "duration=long"} {
		_, err := ParseSchedule(text)
		require.Error(t, err, text)
	}
	_, err := New([]approval.Window{{Name: "w", Kind: approval.WindowAllow, Schedule: "hm"}})
	require.ErrorContains(t, err, "window w")
	_, err = New(make([]approval.Window, MaxWindows+1))
	require.ErrorContains(t, err, "the most")
}

// FuzzRRule gives hostile rules: each is refused with a reason, or opens within the
// time that such a rule can take, and quickly.
func FuzzRRule(f *testing.F) {
	for _, seed := range []string{
		"FREQ=WEEKLY;BYDAY=MO,TU,WE,TH;BYHOUR=9;BYMINUTE=0", "FREQ=SECONDLY", "FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=29;BYHOUR=0",
		"FREQ=MONTHLY;BYDAY=FR;BYMONTHDAY=13;BYMONTH=2;BYHOUR=3", "FREQ=YEARLY;BYDAY=53MO;BYHOUR=1", "FREQ=YEARLY;BYMONTH=2;BYDAY=5SU;BYHOUR=1",
		"FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=-1;BYHOUR=23", "FREQ=DAILY;INTERVAL=52;BYHOUR=0", "FREQ=DAILY;BYMONTH=2;BYMONTHDAY=29;BYDAY=SU;BYHOUR=0",
		"FREQ=WEEKLY;INTERVAL=52;BYDAY=MO;WKST=SU;BYHOUR=0", "FREQ=YEARLY;INTERVAL=52;BYMONTH=2;BYMONTHDAY=28;BYHOUR=0",
	} {
		f.Add(seed, uint16(480), "2026-01-05T00:00")
		f.Add(seed, uint16(44640), "")
	}
	f.Fuzz(func(t *testing.T, text string, minutes uint16, from string) {
		s := Schedule{Timezone: "Europe/Berlin", RRule: text, Duration: time.Duration(minutes) * time.Minute, From: from}
		w, err := NewWindow("w", approval.WindowAllow, s)
		if err != nil {
			var m *Mistake
			require.True(t, errors.As(err, &m) && m.Key != "" && m.Text != "")
			return
		}
		if text == "" {
			return
		}
		back, err := ParseSchedule(s.String())
		require.NoError(t, err)
		require.Equal(t, s, back)
		require.NotEmpty(t, w.schedule.rule.starts(utc("2026-01-01 00:00"), utc("2260-01-01 00:00"))[:1], "it never opens")
		c := &Calendar{windows: []*Window{w}}
		at := utc("2026-03-01 00:00")
		for range 3 {
			next, ok := c.NextOpening(at)
			if !ok {
				return
			}
			require.True(t, c.Open(next))
			require.False(t, c.Open(next.Add(-time.Second)))
			at = next
		}
	})
}

func BenchmarkStates(b *testing.B) {
	c, err := New([]approval.Window{
		{Name: "office", Kind: approval.WindowAllow, Schedule: "timezone=Europe/Berlin rrule=FREQ=WEEKLY;BYDAY=MO,TU,WE,TH;BYHOUR=9;BYMINUTE=0 duration=8h0m0s"},
		{Name: "year end", Kind: approval.WindowDeny, Schedule: "timezone=Europe/Berlin from=2026-12-20T00:00 until=2027-01-06T00:00"},
	})
	require.NoError(b, err)
	at := utc("2026-12-18 12:00")
	for b.Loop() {
		c.States(at)
		c.NextOpening(at)
	}
}

// BenchmarkHostile is the most work that a configuration can ask for.
func BenchmarkHostile(b *testing.B) {
	var windows []approval.Window
	for range MaxWindows / 2 {
		windows = append(windows,
			approval.Window{Name: "a", Kind: approval.WindowAllow, Schedule: "timezone=Europe/Berlin rrule=FREQ=DAILY;BYHOUR=0,3,6,9,12,15,18,21 duration=1m"},
			approval.Window{Name: "d", Kind: approval.WindowDeny, Schedule: "timezone=Europe/Berlin rrule=FREQ=DAILY;BYHOUR=0,3,6,9,12,15,18,21 duration=1m"})
	}
	c, err := New(windows)
	require.NoError(b, err)
	for b.Loop() {
		c.NextOpening(utc("2026-12-18 12:00"))
	}
}
