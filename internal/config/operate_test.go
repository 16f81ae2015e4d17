package config

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
)

const operating = valid + `    windows:
      - name: office-hours
        kind: allow
        timezone: Europe/Berlin
        rrule: "FREQ=WEEKLY;BYDAY=MO,TU,WE,TH;BYHOUR=9;BYMINUTE=0"
        duration: 8h
      - {name: year end, kind: deny, timezone: Europe/Berlin, from: 2026-12-20T00:00, until: 2027-01-06T00:00}
    holds: {teams: [acme/leads]}
    breakGlass: {users: [zoe], teams: [acme/oncall], reviewBy: 8h}
`

func TestLoadOperate(t *testing.T) {
	cfg, err := Load(write(t, operating))
	require.NoError(t, err)
	p := cfg.Policies[0]
	require.Equal(t, []approval.Window{
		{Name: "office-hours", Kind: approval.WindowAllow, Schedule: "timezone=Europe/Berlin rrule=FREQ=WEEKLY;BYDAY=MO,TU,WE,TH;BYHOUR=9;BYMINUTE=0 duration=8h0m0s"},
		{Name: "year end", Kind: approval.WindowDeny, Schedule: "timezone=Europe/Berlin from=2026-12-20T00:00 until=2027-01-06T00:00"},
	}, p.Windows)
	require.Equal(t, approval.Named{Teams: []approval.TeamName{"acme/leads"}}, p.Holders)
	require.Equal(t, &approval.BreakGlass{
		Named:    approval.Named{Teams: []approval.TeamName{"acme/oncall"}, Users: []string{"zoe"}},
		ReviewBy: 8 * time.Hour, ValidFor: time.Hour,
	}, p.BreakGlass)

	rules := strings.Join(cfg.Describe()[0].Rules, "\n")
	require.Contains(t, rules, "syncs are allowed in window office-hours: FREQ=WEEKLY;BYDAY=MO,TU,WE,TH;BYHOUR=9;BYMINUTE=0 for 8h in Europe/Berlin")
	require.Contains(t, rules, "syncs are denied in window year end: from 2026-12-20T00:00 until 2027-01-06T00:00 in Europe/Berlin")
	require.Contains(t, rules, "break-glass by acme/oncall, zoe, valid for 1h, reviewed by somebody else within 8h")

	next, err := Openings(p, time.Date(2026, time.December, 18, 12, 0, 0, 0, time.UTC), 3)
	require.NoError(t, err)
	require.Len(t, next, 3)
	require.Equal(t, "Wed 2027-01-06 09:00 Europe/Berlin (Wed 2027-01-06 08:00 UTC)", next[0].Text)

	cfg, err = Load(write(t, valid))
	require.NoError(t, err)
	require.Nil(t, cfg.Policies[0].BreakGlass, "nobody breaks the glass by default")
	next, err = Openings(cfg.Policies[0], time.Now(), 3)
	require.NoError(t, err)
	require.Empty(t, next)
}

func TestLoadRefusesOperate(t *testing.T) {
	for _, tt := range []struct {
		name, old, new string
		line           int
		want           string
	}{
		{"no name", "name: office-hours", `name: ""`, 25, "the window's name"},
		{"name of two lines", "name: office-hours", `name: "a\nb"`, 25, "the window's name"},
		{"name twice", "name: year end", "name: office-hours", 30, "exists twice"},
		{"kind", "kind: allow", "kind: maybe", 26, "is none of allow, deny"},
		{"no zone", "timezone: Europe/Berlin\n", "timezone: \"\"\n", 27, "timezone is missing"},
		{"unknown zone", "timezone: Europe/Berlin\n", "timezone: Europe/Bärlin\n", 27, "write a name of the IANA database"},
		{"every second", "FREQ=WEEKLY;BYDAY=MO,TU,WE,TH;BYHOUR=9;BYMINUTE=0", "FREQ=SECONDLY", 28, "FREQ=SECONDLY is too often for a window; write FREQ=DAILY"},
		{"no duration", "        duration: 8h\n", "", 25, "duration must be whole minutes"},
		{"no end", ", until: 2027-01-06T00:00", "", 30, "needs from and until"},
		{"holders", "{teams: [acme/leads]}", "{teams: [leads]}", 31, "must be org/slug"},
		{"glass of nobody", "{users: [zoe], teams: [acme/oncall], reviewBy: 8h}", "{reviewBy: 8h}", 32, "names nobody"},
		{"glass of one", ", teams: [acme/oncall]", "", 32, "names one person alone"},
		{"review never", "reviewBy: 8h", "reviewBy: 9000h", 32, "reviewBy must be between"},
		{"valid for ever", "reviewBy: 8h", "validFor: 48h", 32, "validFor must be between"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			require.Contains(t, operating, tt.old, "the test replaces nothing")
			path := write(t, strings.Replace(operating, tt.old, tt.new, 1))
			_, err := Load(path)
			var refused *Error
			require.ErrorAs(t, err, &refused)
			require.Contains(t, err.Error(), tt.want)
			require.Contains(t, err.Error(), fmt.Sprintf("%s:%d: ", path, tt.line))
		})
	}
	var many strings.Builder
	for i := range 21 {
		fmt.Fprintf(&many, "      - {name: w%d, kind: deny, timezone: UTC, from: 2026-12-20T00:00, until: 2027-01-06T00:00}\n", i)
	}
	_, err := Load(write(t, valid+"    windows:\n"+many.String()))
	require.ErrorContains(t, err, "has 21 windows")
}
