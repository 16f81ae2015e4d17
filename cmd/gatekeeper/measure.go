package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"sigs.k8s.io/yaml"

	"github.com/argo-gatekeeper/gatekeeper/internal/config"
	"github.com/argo-gatekeeper/gatekeeper/internal/measures"
	"github.com/argo-gatekeeper/gatekeeper/pkg/history"
	"github.com/argo-gatekeeper/gatekeeper/pkg/history/dora"
)

type measureOptions struct {
	file, app, gate, team string
	from, to, last        string
	output                string
	year                  int
	ascii                 bool
	archives              []string
	now                   func() time.Time
}

func metricsCommand() *cobra.Command {
	o := measureOptions{now: time.Now}
	c := &cobra.Command{
		Use:   "metrics --config FILE",
		Short: "Show the five metrics of DORA, computed from the record",
		Long: `Show the five metrics of DORA over a window: deployment frequency, change lead time,
change fail rate, failed deployment recovery time, rework rate. Without --app, --gate or
--team there is one line for each gate and each of its Applications.

What is not defined, or not known, is shown as a dash and is null with -o json: a rate
without deployments is not 0%. docs/metrics.md has every formula.

The record is only read, which works beside a running gatekeeper.`,
		Example: `  gatekeeper metrics --config gatekeeper.yaml
  gatekeeper metrics --app argocd/payments --last 30d --config gatekeeper.yaml
  gatekeeper metrics --gate prod --from 2026-07-01 --to 2026-10-01 -o json --config gatekeeper.yaml`,
		Args: noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			scope, err := o.scope()
			if err != nil {
				return err
			}
			cfg, err := config.LoadForRecord(o.file, config.RecordSecrets{Checkpoints: len(o.archives) > 0})
			if err != nil {
				return err
			}
			return withArchives(c.Context(), cfg, o.archives, func(r history.Reader) error {
				return showMetrics(c.Context(), c.OutOrStdout(), cfg.File.Metrics, measures.NewLoader(r), scope, o)
			})
		},
	}
	f := c.Flags()
	f.StringVar(&o.file, "config", "", "configuration file (required)")
	archiveFlag(c, &o.archives)
	f.StringVar(&o.app, "app", "", "one Application, as NAMESPACE/NAME")
	f.StringVar(&o.gate, "gate", "", "all Applications of a gate")
	f.StringVar(&o.team, "team", "", "all Applications of a team, as the configuration names it under metrics.teams")
	f.StringVar(&o.from, "from", "", "beginning of the window, for example 2026-07-01 or 2026-07-01T12:00:00Z")
	f.StringVar(&o.to, "to", "", "end of the window (default now)")
	f.StringVar(&o.last, "last", "", "length of the window, for example 90d, 12w or 36h (default 90d)")
	f.StringVarP(&o.output, "output", "o", "text", "text, json or yaml")
	f.IntVar(&o.year, "benchmark", 0, "year of the report whose levels are shown (default the newest)")
	f.BoolVar(&o.ascii, "ascii", false, "draw the charts in ASCII (default when the locale is not UTF-8)")
	return c
}

// scope checks the options, and says what the report is about.
func (o measureOptions) scope() (dora.Scope, error) {
	scope, named := dora.Scope{Kind: dora.ScopeAll}, 0
	for _, s := range []dora.Scope{{Kind: dora.ScopeApplication, Name: o.app}, {Kind: dora.ScopeGate, Name: o.gate}, {Kind: dora.ScopeTeam, Name: o.team}} {
		if s.Name != "" {
			scope, named = s, named+1
		}
	}
	switch {
	case o.file == "":
		return scope, fmt.Errorf("--config is missing; name the configuration file, or set GATEKEEPER_CONFIG: %w", errUsage)
	case named > 1:
		return scope, fmt.Errorf("use one of --app, --gate and --team: %w", errUsage)
	case o.app != "" && strings.Count(o.app, "/") != 1:
		return scope, fmt.Errorf("--app %q is not NAMESPACE/NAME, for example argocd/payments: %w", o.app, errUsage)
	case !slices.Contains([]string{"text", "json", "yaml"}, o.output):
		return scope, fmt.Errorf("--output %q is not text, json or yaml: %w", o.output, errUsage)
	}
	return scope, nil
}

// metricsPolicy is what the configuration says about timings.
func metricsPolicy(m config.Metrics) (dora.Policy, error) {
	zone, err := time.LoadLocation(m.Timezone)
	if err != nil {
		return dora.Policy{}, fmt.Errorf("metrics.timezone: %w", err)
	}
	return dora.Policy{
		Observe: m.Observe, Grace: m.Grace, ProgressDeadline: m.ProgressDeadline, Stable: m.Stable, Attribution: m.Attribution, Zone: zone,
	}, nil
}

// observations is where the command has them from.
type observations interface {
	Applications(ctx context.Context) ([]dora.Application, error)
}

// metricsShown is what is printed with -o json and yaml.
type metricsShown struct {
	Window dora.Window `json:"window"`
	// Policy are the timings.
	Policy    dora.Policy     `json:"policy"`
	Benchmark *dora.Benchmark `json:"benchmark"`
	Reports   []metricsReport `json:"reports"`
}

type metricsReport struct {
	dora.Report
	Levels dora.Levels `json:"levels"`
	// Trend are equal parts of the window, oldest first.
	Trend []metricsPart `json:"trend"`
}

// metricsPart has what is drawn.
type metricsPart struct {
	Window         dora.Window `json:"window"`
	Deployments    int         `json:"deployments"`
	LeadTime       *float64    `json:"changeLeadTimeMedianSeconds"`
	ChangeFailRate *float64    `json:"changeFailRate"`
	Quorum         *float64    `json:"quorumMedianSeconds"`
}

// errNoSuchTeam is of a team that is not configured.
var errNoSuchTeam = errors.New("is not in the configuration under metrics.teams")

// errNoSuchScope is of a scope that the record has nothing of.
var errNoSuchScope = errors.New("the record has no deployment of it")

// measured computes what is shown.
func measured(ctx context.Context, m config.Metrics, from observations, scope dora.Scope, o measureOptions) (metricsShown, error) {
	policy, err := metricsPolicy(m)
	if err != nil {
		return metricsShown{}, err
	}
	now := o.now().UTC()
	window, err := dora.ParseWindow(o.from, o.to, o.last, now, policy.Zone)
	if err != nil {
		return metricsShown{}, fmt.Errorf("%w: %w", err, errUsage)
	}
	benchmark, err := benchmarkOf(o.year)
	if err != nil {
		return metricsShown{}, err
	}
	if scope.Kind == dora.ScopeTeam && !slices.ContainsFunc(m.Teams, func(t config.MetricsTeam) bool { return t.Name == scope.Name }) {
		return metricsShown{}, fmt.Errorf("team %q %w", scope.Name, errNoSuchTeam)
	}
	apps, err := from.Applications(ctx)
	if err != nil {
		return metricsShown{}, err
	}
	var all []dora.Assessed
	for _, app := range apps {
		app.Teams = m.TeamsOf(app.Name)
		a, err := dora.Assess(app, policy, now)
		if err != nil {
			return metricsShown{}, fmt.Errorf("assess %s: %w", app.Name, err)
		}
		all = append(all, a)
	}
	scopes := scopesOf(all, scope)
	if len(scopes) == 0 && scope.Kind != dora.ScopeAll {
		return metricsShown{}, fmt.Errorf("%s %s: %w", scope.Kind, scope.Name, errNoSuchScope)
	}
	shown := metricsShown{Window: window, Policy: policy, Benchmark: benchmark, Reports: []metricsReport{}}
	for _, s := range scopes {
		shown.Reports = append(shown.Reports, measureScope(all, s, window, policy, benchmark))
	}
	return shown, nil
}

func showMetrics(ctx context.Context, w io.Writer, m config.Metrics, from observations, scope dora.Scope, o measureOptions) error {
	shown, err := measured(ctx, m, from, scope, o)
	if err != nil {
		return err
	}
	switch o.output {
	case "json":
		return printJSON(w, shown)
	case "yaml":
		text, err := yaml.Marshal(shown)
		if err == nil {
			_, err = w.Write(text)
		}
		if err != nil {
			return fmt.Errorf("print the metrics: %w", err)
		}
		return nil
	default:
		style := metricsStyle{ascii: o.ascii || !unicodeLocale(os.Getenv), colour: colourful(w, os.Getenv), zone: shown.Policy.Zone}
		_, err := io.WriteString(w, style.text(shown, scope.Kind == dora.ScopeAll))
		if err != nil {
			return fmt.Errorf("print the metrics: %w", err)
		}
		return nil
	}
}

// scopesOf are the scope and, for one of several Applications, each of those; without a
// scope, each gate with its Applications.
func scopesOf(all []dora.Assessed, scope dora.Scope) []dora.Scope {
	var gates []string
	byGate := map[string][]dora.Scope{}
	for _, a := range all {
		if !scope.Has(a) {
			continue
		}
		group := a.Gate
		if scope.Kind != dora.ScopeAll {
			group = ""
		}
		if !slices.Contains(gates, group) {
			gates = append(gates, group)
		}
		own := dora.Scope{Kind: dora.ScopeApplication, Name: a.Name}
		if own != scope && !slices.Contains(byGate[group], own) {
			byGate[group] = append(byGate[group], own)
		}
	}
	slices.Sort(gates)
	var out []dora.Scope
	for _, gate := range gates {
		first := scope
		if scope.Kind == dora.ScopeAll {
			first = dora.Scope{Kind: dora.ScopeGate, Name: gate}
		}
		slices.SortFunc(byGate[gate], func(a, b dora.Scope) int { return strings.Compare(a.Name, b.Name) })
		out = append(append(out, first), byGate[gate]...)
	}
	return out
}

// benchmarkOf is that of a year, or the newest.
func benchmarkOf(year int) (*dora.Benchmark, error) {
	all, err := dora.Benchmarks()
	if err != nil {
		return nil, err
	}
	var years []string
	for _, b := range slices.Backward(all) {
		if year == 0 || b.Year == year {
			return &b, nil
		}
		years = append(years, fmt.Sprint(b.Year))
	}
	return nil, fmt.Errorf("--benchmark %d is none of %s: %w", year, strings.Join(years, ", "), errUsage)
}

// trendParts is in how many parts a window is drawn at most.
const trendParts = 30

func measureScope(all []dora.Assessed, scope dora.Scope, window dora.Window, policy dora.Policy, b *dora.Benchmark) metricsReport {
	r := metricsReport{Report: dora.Measure(all, scope, window, policy), Trend: []metricsPart{}}
	r.Levels = b.Compare(r.Report)
	// Whole days, counted from the end; the first part may be shorter.
	const day = 24 * time.Hour
	length := day * ((window.To.Sub(window.From) + trendParts*day - 1) / (trendParts * day))
	for to := window.To; window.From.Before(to); to = to.Add(-length) {
		part := dora.Window{From: to.Add(-length), To: to}
		if part.From.Before(window.From) {
			part.From = window.From
		}
		p := dora.Measure(all, scope, part, policy)
		r.Trend = append(r.Trend, metricsPart{
			Window: part, Deployments: p.Frequency.Deployments, LeadTime: secondsOrNil(p.LeadTime.Length.Median),
			ChangeFailRate: p.ChangeFailRate.Rate, Quorum: secondsOrNil(p.LeadTime.Segments[1].Length.Median),
		})
	}
	slices.Reverse(r.Trend)
	return r
}

func secondsOrNil(d *time.Duration) *float64 {
	if d == nil {
		return nil
	}
	s := d.Seconds()
	return &s
}
