package calendar

import (
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
)

// oracle is a window by brute force: it looks at every day for whether the rule
// means it, and at every minute for what the clock shows. It shares nothing with
// the package but the names of weekdays.
type oracle struct {
	kind     approval.WindowKind
	schedule Schedule
	zone     *time.Location
}

func newOracle(t *testing.T, kind approval.WindowKind, s Schedule) oracle {
	t.Helper()
	zone, err := time.LoadLocation(s.Timezone)
	require.NoError(t, err)
	return oracle{kind, s, zone}
}

var dayNames = []string{"SU", "MO", "TU", "WE", "TH", "FR", "SA"}

func (o oracle) part(key string) []string {
	for part := range strings.SplitSeq(o.schedule.RRule, ";") {
		if k, v, _ := strings.Cut(part, "="); k == key {
			return strings.Split(v, ",")
		}
	}
	return nil
}

func (o oracle) numbers(key string) []int {
	var out []int
	for _, text := range o.part(key) {
		n, _ := strconv.Atoi(text)
		out = append(out, n)
	}
	return out
}

// period numbers the periods of the frequency.
func (o oracle) period(day time.Time) int {
	switch o.part("FREQ")[0] {
	case "YEARLY":
		return day.Year()
	case "MONTHLY":
		return day.Year()*12 + int(day.Month())
	case "WEEKLY":
		first := "MO"
		if w := o.part("WKST"); w != nil {
			first = w[0]
		}
		for dayNames[day.Weekday()] != first {
			day = day.AddDate(0, 0, -1)
		}
		return int(day.Unix() / 86400 / 7)
	default:
		return int(day.Unix() / 86400)
	}
}

// nth says whether a day is the nth of its weekday in its month or year.
func (o oracle) nth(day time.Time, n int) bool {
	first := time.Date(day.Year(), day.Month(), 1, 0, 0, 0, 0, time.UTC)
	after := first.AddDate(0, 1, 0)
	if o.part("FREQ")[0] == "YEARLY" && o.part("BYMONTH") == nil {
		first = time.Date(day.Year(), time.January, 1, 0, 0, 0, 0, time.UTC)
		after = first.AddDate(1, 0, 0)
	}
	if n > 0 {
		return int(day.Sub(first).Hours()/24)/7 == n-1
	}
	return int((after.Sub(day).Hours()-24)/24)/7 == -n-1
}

// plain says whether the rule means a day, BYSETPOS aside.
func (o oracle) plain(day time.Time) bool {
	if months := o.numbers("BYMONTH"); months != nil && !slices.Contains(months, int(day.Month())) {
		return false
	}
	if days := o.numbers("BYMONTHDAY"); days != nil {
		length := time.Date(day.Year(), day.Month()+1, 0, 0, 0, 0, 0, time.UTC).Day()
		if !slices.Contains(days, day.Day()) && !slices.Contains(days, day.Day()-length-1) {
			return false
		}
	}
	if days := o.part("BYDAY"); days != nil && !slices.ContainsFunc(days, func(text string) bool {
		n, _ := strconv.Atoi(text[:len(text)-2])
		return text[len(text)-2:] == dayNames[day.Weekday()] && (n == 0 || o.nth(day, n))
	}) {
		return false
	}
	return true
}

// means says whether the rule means a day.
func (o oracle) means(day time.Time) bool {
	if every := o.numbers("INTERVAL"); every != nil && every[0] > 1 {
		from, _ := time.Parse(wallLayout, o.schedule.From)
		if (o.period(day)-o.period(from.Truncate(24*time.Hour)))%every[0] != 0 {
			return false
		}
	}
	if !o.plain(day) {
		return false
	}
	positions := o.numbers("BYSETPOS")
	if positions == nil {
		return true
	}
	var set []time.Time
	for d := day.AddDate(-1, -1, 0); d.Before(day.AddDate(1, 1, 0)); d = d.AddDate(0, 0, 1) {
		if o.period(d) == o.period(day) && o.plain(d) {
			set = append(set, d)
		}
	}
	i := slices.IndexFunc(set, day.Equal)
	return slices.Contains(positions, i+1) || slices.Contains(positions, i-len(set))
}

// first is the first minute at which the clock shows a time or a later one.
func (o oracle) first(wall time.Time) time.Time {
	for t := wall.Add(-30 * time.Hour); ; t = t.Add(time.Minute) {
		if !shown(t, o.zone).Before(wall) {
			return t
		}
	}
}

// last is the last minute at which the clock shows a time, or the first after it.
func (o oracle) last(wall time.Time) time.Time {
	found := o.first(wall)
	for t := found; t.Before(found.Add(48 * time.Hour)); t = t.Add(time.Minute) {
		if shown(t, o.zone).Equal(wall) {
			found = t
		}
	}
	return found
}

func shown(t time.Time, zone *time.Location) time.Time {
	y, mo, d := t.In(zone).Date()
	h, mi, _ := t.In(zone).Clock()
	return time.Date(y, mo, d, h, mi, 0, 0, time.UTC)
}

// minutes are all minutes between two moments at which the window is open.
func (o oracle) minutes(lo, hi time.Time) map[time.Time]bool {
	out := map[time.Time]bool{}
	fill := func(start, end time.Time) {
		from, to := o.first(start), o.first(end)
		if o.kind == approval.WindowDeny {
			to = o.last(end)
		}
		for t := from; t.Before(to); t = t.Add(time.Minute) {
			if !t.Before(lo) && t.Before(hi) {
				out[t] = true
			}
		}
	}
	from, _ := time.Parse(wallLayout, o.schedule.From)
	until, _ := time.Parse(wallLayout, o.schedule.Until)
	if o.schedule.RRule == "" {
		fill(from, until)
		return out
	}
	minutes := o.numbers("BYMINUTE")
	if minutes == nil {
		minutes = []int{0}
	}
	for day := lo.Add(-o.schedule.Duration).AddDate(0, 0, -3).Truncate(24 * time.Hour); day.Before(hi.AddDate(0, 0, 3)); day = day.AddDate(0, 0, 1) {
		if !o.means(day) {
			continue
		}
		for _, h := range o.numbers("BYHOUR") {
			for _, m := range minutes {
				start := day.Add(time.Duration(h)*time.Hour + time.Duration(m)*time.Minute)
				end := start.Add(o.schedule.Duration)
				if o.schedule.From != "" && start.Before(from) || o.schedule.Until != "" && !start.Before(until) {
					continue
				}
				if o.schedule.Until != "" && end.After(until) {
					end = until
				}
				fill(start, end)
			}
		}
	}
	return out
}

func randomSchedule(r *rand.Rand) Schedule {
	pick := func(texts ...string) string { return texts[r.IntN(len(texts))] }
	zones := []string{"UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu", "Pacific/Apia", "America/St_Johns"}
	s := Schedule{Timezone: zones[r.IntN(len(zones))]}
	at := func(day int) string {
		return time.Date(2026, time.March, 1, 0, 0, 0, 0, time.UTC).AddDate(0, 0, day).Add(time.Duration(r.IntN(1440)) * time.Minute).Format(wallLayout)
	}
	if r.IntN(5) == 0 {
		day := r.IntN(40)
		s.From, s.Until = at(day), at(day+1+r.IntN(10))
		return s
	}
	s.RRule = pick(
		"FREQ=DAILY", "FREQ=DAILY;BYDAY=MO,TU,WE,TH,FR", "FREQ=DAILY;BYMONTH=3,4,11", "FREQ=DAILY;INTERVAL=3",
		"FREQ=WEEKLY;BYDAY=MO,WE,SA", "FREQ=WEEKLY;INTERVAL=2;BYDAY=SU,MO", "FREQ=WEEKLY;INTERVAL=3;BYDAY=SU,MO;WKST=SU",
		"FREQ=MONTHLY;BYMONTHDAY=1,15,-1", "FREQ=MONTHLY;BYDAY=1MO,-1FR,3SU", "FREQ=MONTHLY;INTERVAL=2;BYMONTHDAY=8",
		"FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=-1,1,3", "FREQ=YEARLY;BYMONTH=3,11;BYDAY=-1SU,2SU", "FREQ=YEARLY;BYDAY=10MO,45SU",
		"FREQ=YEARLY;BYMONTHDAY=29", "FREQ=MONTHLY;BYDAY=FR;BYMONTHDAY=13", "FREQ=YEARLY;BYMONTH=3,4;BYDAY=SA,SU;BYSETPOS=2,-2",
	) + ";BYHOUR=" + pick("0", "1", "2", "9", "2,14", "23")
	if r.IntN(2) == 0 {
		s.RRule += ";BYMINUTE=" + pick("0", "30", "15,45")
		if strings.Contains(s.RRule, "BYSETPOS") {
			s.RRule = strings.Replace(strings.Replace(s.RRule, "2,14", "14", 1), "15,45", "45", 1)
		}
	} else if strings.Contains(s.RRule, "BYSETPOS") {
		s.RRule = strings.Replace(s.RRule, "2,14", "14", 1)
	}
	s.Duration = time.Duration(1+r.IntN(60*30)) * time.Minute
	if strings.Contains(s.RRule, "INTERVAL") || r.IntN(3) == 0 {
		s.From = at(-60 + r.IntN(80))
	}
	if r.IntN(4) == 0 {
		s.Until = at(30 + r.IntN(20))
	}
	return s
}

// TestWindowsAgainstMinutes compares random windows with an oracle, around the days
// on which clocks are changed, minute by minute: what is open together, that deny
// wins, and that the next opening is the first.
func TestWindowsAgainstMinutes(t *testing.T) {
	for seed := range uint64(24) {
		r := rand.New(rand.NewPCG(seed, 7)) //nolint:gosec // a test must be repeatable
		lo := time.Date(2026, time.March, 5, 0, 0, 0, 0, time.UTC)
		if seed%2 == 1 {
			lo = time.Date(2026, time.October, 20, 0, 0, 0, 0, time.UTC)
		}
		hi := lo.AddDate(0, 0, 32)
		var c Calendar
		var texts []string
		allow, deny, limited := map[time.Time]bool{}, map[time.Time]bool{}, false
		for range 1 + r.IntN(3) {
			kind, into := approval.WindowAllow, allow
			if r.IntN(2) == 0 {
				kind, into = approval.WindowDeny, deny
			}
			limited = limited || kind == approval.WindowAllow
			s := randomSchedule(r)
			texts = append(texts, string(kind)+" "+s.String())
			w, err := NewWindow("w", kind, s)
			require.NoError(t, err, s.String())
			c.windows = append(c.windows, w)
			minutes := newOracle(t, kind, s).minutes(lo, hi)
			got := map[time.Time]bool{}
			for _, span := range w.spans(lo, hi) {
				for m := span.from; m.Before(span.to); m = m.Add(time.Minute) {
					if !m.Before(lo) && m.Before(hi) {
						got[m] = true
					}
				}
			}
			for m := lo; m.Before(hi); m = m.Add(time.Minute) {
				if got[m] != minutes[m] {
					t.Fatalf("seed %d: %s at %s: open is %t", seed, texts[len(texts)-1], m, got[m])
				}
				if minutes[m] {
					into[m] = true
				}
			}
		}
		open := func(m time.Time) bool { return !deny[m] && (allow[m] || !limited) }
		var edges []Edge
		for m := lo.Add(time.Minute); m.Before(hi); m = m.Add(time.Minute) {
			if open(m) != open(m.Add(-time.Minute)) {
				edges = append(edges, Edge{At: m, Opens: open(m)})
			}
		}
		n := len(edges)
		if n > 0 {
			require.Equal(t, edges, c.Edges(lo, n), "seed %d: %v", seed, texts)
		}
		for range 50 {
			at := lo.Add(time.Duration(r.IntN(30*1440)) * time.Minute)
			require.Equal(t, open(at), c.Open(at), "seed %d: %v at %s", seed, texts, at)
			next, ok := c.NextOpening(at)
			if i := slices.IndexFunc(edges, func(e Edge) bool { return e.Opens && e.At.After(at) }); i >= 0 {
				require.True(t, ok)
				require.Equal(t, edges[i].At, next, "seed %d: %v at %s", seed, texts, at)
			} else {
				require.True(t, !ok || !next.Before(hi), "seed %d: %v at %s: %s", seed, texts, at, next)
			}
		}
	}
}
