package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/argo-gatekeeper/gatekeeper/internal/sparkline"
	"github.com/argo-gatekeeper/gatekeeper/pkg/history/dora"
)

// metricsStyle is how the metrics are printed for people.
type metricsStyle struct {
	ascii, colour bool
	zone          *time.Location
}

// unicodeLocale says whether the locale's characters are those of UTF-8. LC_ALL goes before
// LC_CTYPE, and that before LANG (POSIX, 8.2). Where none is set, as in a container, it is
// taken for one.
func unicodeLocale(environment func(string) string) bool {
	for _, name := range []string{"LC_ALL", "LC_CTYPE", "LANG"} {
		if value := environment(name); value != "" {
			value = strings.ToLower(value)
			return strings.Contains(value, "utf-8") || strings.Contains(value, "utf8")
		}
	}
	return true
}

// dash is a number that is not defined, or not known.
func (s metricsStyle) dash() string {
	if s.ascii {
		return "-"
	}
	return "–"
}

// text has the first report in full, and a line for each of the others; or lines alone.
func (s metricsStyle) text(m metricsShown, lines bool) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s to %s (%s days)\n", s.moment(m.Window.From), s.moment(m.Window.To), twoDecimals(m.Window.Days()))
	rest := m.Reports
	if len(m.Reports) == 0 {
		b.WriteString("The record has no deployments.\n")
		return b.String()
	}
	if !lines {
		s.report(&b, m.Reports[0], m.Benchmark.Year)
		rest = m.Reports[1:]
	}
	if len(rest) > 0 {
		b.WriteByte('\n')
		s.table(&b, rest)
	}
	return b.String()
}

func (s metricsStyle) moment(at time.Time) string {
	at = at.In(s.zone)
	if at.Equal(time.Date(at.Year(), at.Month(), at.Day(), 0, 0, 0, 0, s.zone)) {
		return at.Format(time.DateOnly)
	}
	return at.Format("2006-01-02 15:04 MST")
}

// table has one line for each report.
func (s metricsStyle) table(b *strings.Builder, reports []metricsReport) {
	t := tabwriter.NewWriter(b, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintln(t, "\tPER DAY\tLEAD TIME\tFAIL RATE\tRECOVERY\tREWORK\tDEPLOYMENTS")
	for _, r := range reports {
		name := r.Scope.Name
		if r.Scope.Kind == dora.ScopeApplication {
			name = "  " + name
		}
		_, _ = fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\t%s\n", name, s.float(r.Frequency.PerDay), s.length(r.LeadTime.Length.Median),
			s.percent(r.ChangeFailRate.Rate), s.length(r.Recovery.Length.Median), s.percent(r.Rework.Rate),
			sparkline.Line(deploymentTrend(r.Trend), s.ascii))
	}
	_ = t.Flush() // a strings.Builder takes everything
}

func deploymentTrend(trend []metricsPart) []*float64 {
	out := make([]*float64, len(trend))
	for i, p := range trend {
		n := float64(p.Deployments)
		out[i] = &n
	}
	return out
}

// report is everything about one scope.
func (s metricsStyle) report(b *strings.Builder, r metricsReport, year int) {
	what := map[dora.ScopeKind]string{dora.ScopeApplication: "Application", dora.ScopeGate: "Gate", dora.ScopeTeam: "Team"}[r.Scope.Kind]
	fmt.Fprintf(b, "%s %s", what, r.Scope.Name)
	if r.Scope.Kind != dora.ScopeApplication {
		fmt.Fprintf(b, ", %s", howMany(r.Applications, "Application"))
	}
	b.WriteByte('\n')
	if r.ObservedFrom.After(r.Window.From) {
		fmt.Fprintf(b, "Nothing is known of the time before %s.\n", s.moment(r.ObservedFrom))
	}
	if r.ArchivedUntil.After(r.Window.From) {
		fmt.Fprintf(b, "What was recorded until %s is archived in part, and not in these figures; --archive FILE reads it.\n", s.moment(r.ArchivedUntil))
	}
	s.headline(b, "Deployment frequency", s.float(r.Frequency.PerDay)+" per day", r.Levels.DeploymentFrequency, year)
	s.detail(b, "%s; on %s days a week (median of %s); one every %s (median)", howMany(r.Frequency.Deployments, "deployment"),
		s.float(r.Frequency.ActiveDaysPerWeek), howMany(r.Frequency.Weeks, "whole week"), s.length(r.Frequency.Interval.Median))
	s.chart(b, deploymentTrend(r.Trend))

	s.headline(b, "Change lead time", s.length(r.LeadTime.Length.Median)+" median, "+s.length(r.LeadTime.Length.P90)+" p90", r.Levels.ChangeLeadTime, year)
	s.detail(b, "%s; %d not known, %d negative", howMany(r.LeadTime.Changes, "change"), r.LeadTime.Unknown, r.LeadTime.Negative)
	s.segments(b, r.LeadTime)
	s.chart(b, trendOf(r.Trend, func(p metricsPart) *float64 { return p.LeadTime }))

	c := r.ChangeFailRate
	s.headline(b, "Change fail rate", s.percent(c.Rate), r.Levels.ChangeFailRate, year)
	s.detail(b, "%d of %d failed%s; %d still watched, %d not known", c.Failed, c.Failed+c.Successful, tally(c.Signals), c.Open, c.Undetermined)
	s.chart(b, trendOf(r.Trend, func(p metricsPart) *float64 { return p.ChangeFailRate }))

	s.headline(b, "Failed deployment recovery time", s.length(r.Recovery.Length.Median)+" median, "+s.length(r.Recovery.Length.P90)+" p90", r.Levels.RecoveryTime, year)
	s.detail(b, "%d recovered, %d not yet, %d not known; detected after %s (median)", r.Recovery.Length.Count, len(r.Recovery.Unrecovered),
		r.Recovery.Unobserved, s.length(r.Recovery.Detection.Median))
	for _, f := range r.Recovery.Unrecovered {
		s.detail(b, "not recovered: %s, synced %s, %s", f.Application, s.moment(f.FinishedAt), f.Reasons[0].Signal)
	}

	s.headline(b, "Rework rate", s.percent(r.Rework.Rate), "", year)
	s.detail(b, "%d of %s%s", r.Rework.Rework, howMany(r.Rework.Deployments, "deployment"), tally(r.Rework.Kinds))
	if text := tally(r.NotCounted); text != "" {
		fmt.Fprintf(b, "\nNot counted%s\n", strings.Replace(text, " (", ": ", 1)[:len(text)-1])
	}
}

func trendOf(trend []metricsPart, of func(metricsPart) *float64) []*float64 {
	out := make([]*float64, len(trend))
	for i, p := range trend {
		out[i] = of(p)
	}
	return out
}

// yellow is of ECMA-48, SGR.
const yellow = "\x1b[33m"

// headline is a metric with its figure and level.
func (s metricsStyle) headline(b *strings.Builder, name, figure string, level dora.Level, year int) {
	line := fmt.Sprintf("\n%-33s%s", name, figure)
	if level != "" {
		shade := map[dora.Level]string{dora.Elite: green, dora.High: green, dora.Medium: yellow, dora.Low: red}[level]
		text := fmt.Sprintf("%s (%d)", level, year)
		if s.colour {
			text = shade + text + plain
		}
		line += "  " + text
	}
	b.WriteString(line + "\n")
}

func (s metricsStyle) detail(b *strings.Builder, format string, args ...any) {
	fmt.Fprintf(b, "  "+format+"\n", args...)
}

// chart draws the parts of the window, if any of them has a number.
func (s metricsStyle) chart(b *strings.Builder, values []*float64) {
	if line := sparkline.Line(values, s.ascii); strings.TrimSpace(line) != "" {
		s.detail(b, "%s", strings.TrimRight(line, " "))
	}
}

const barWidth = 30

// segments draws the median of each part of the way of a change.
func (s metricsStyle) segments(b *strings.Builder, l dora.LeadTime) {
	most := 0.0
	for _, p := range l.Segments {
		if p.Length.Median != nil {
			most = max(most, p.Length.Median.Seconds())
		}
	}
	names := map[dora.Segment]string{
		dora.SegmentCode: "commit to pull request", dora.SegmentQuorum: "pull request to quorum", dora.SegmentMerge: "quorum to merge",
		dora.SegmentSync: "merge to sync", dora.SegmentRollout: "sync to Healthy",
	}
	for _, p := range l.Segments {
		if p.Length.Median == nil {
			continue
		}
		note := ""
		if p.Negative > 0 {
			note = fmt.Sprintf(" (%d negative)", p.Negative)
		}
		s.detail(b, "%-24s%10s  %s%s", names[p.Segment], s.length(p.Length.Median), sparkline.Bar(p.Length.Median.Seconds(), most, barWidth, s.ascii), note)
	}
}

// tally is " (2 degraded, 1 marked)", or nothing.
func tally[K ~string](counts map[K]int) string {
	var parts []string
	for _, k := range slices.Sorted(maps.Keys(counts)) {
		if counts[k] > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", counts[k], k))
		}
	}
	if len(parts) == 0 {
		return ""
	}
	return " (" + strings.Join(parts, ", ") + ")"
}

func howMany(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

func twoDecimals(f float64) string {
	return strings.TrimSuffix(strings.TrimRight(fmt.Sprintf("%.2f", f), "0"), ".")
}

func (s metricsStyle) float(f *float64) string {
	if f == nil {
		return s.dash()
	}
	return twoDecimals(*f)
}

func (s metricsStyle) percent(f *float64) string {
	if f == nil {
		return s.dash()
	}
	return twoDecimals(*f*100) + "%"
}

// length has the two largest units, for people.
func (s metricsStyle) length(d *time.Duration) string {
	if d == nil {
		return s.dash()
	}
	switch r := d.Round(time.Second); {
	case r >= 24*time.Hour:
		r = d.Round(time.Hour)
		return fmt.Sprintf("%dd%dh", r/(24*time.Hour), r%(24*time.Hour)/time.Hour)
	case r >= time.Hour:
		r = d.Round(time.Minute)
		return fmt.Sprintf("%dh%dm", r/time.Hour, r%time.Hour/time.Minute)
	case r >= time.Minute:
		return fmt.Sprintf("%dm%ds", r/time.Minute, r%time.Minute/time.Second)
	default:
		return fmt.Sprintf("%ds", r/time.Second)
	}
}
