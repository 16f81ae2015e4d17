package measures

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/argo-gatekeeper/gatekeeper/pkg/history/dora"
)

// Source is where observations are from.
type Source interface {
	Applications(ctx context.Context) ([]dora.Application, error)
}

// Options are what a Collector needs.
type Options struct {
	Source Source
	Policy dora.Policy
	// Protected has the "namespace/name" of the Applications that a gate protects now; only
	// those have series of their own.
	Protected func() []string
	// Most is how many Applications of each gate have series of their own.
	Most int
	Now  func() time.Time
	Log  *slog.Logger
}

// Collector has the metrics of DORA for Prometheus. The labels are bounded: gates by the
// configuration, Applications by Options, windows and the rest by constants. A series of a
// gate as a whole has an empty application, which to Prometheus is none.
//
// A metric that is not defined is not there. What is computed is computed in small pieces,
// with rests in between.
type Collector struct {
	options  Options
	families families
	pace     func() *pace

	mu       sync.Mutex
	computed []prometheus.Metric
	at       time.Time
	failed   float64
}

// Other is the application label of all that have no series of their own.
const Other = "other"

// window is one over which metrics are computed.
type window struct {
	name   string
	length time.Duration
}

func windows() []window {
	return []window{{"7d", 7 * 24 * time.Hour}, {"30d", 30 * 24 * time.Hour}, {"90d", 90 * 24 * time.Hour}}
}

// NewCollector makes a Collector that has computed nothing yet.
func NewCollector(o Options) *Collector {
	return &Collector{options: o, families: newFamilies(), pace: newPace}
}

// refreshEvery is how often the metrics are computed anew: what is open closes by time.
const refreshEvery = time.Minute

// Run computes the metrics, at once and then every minute, until the context ends.
func (c *Collector) Run(ctx context.Context) error {
	tick := time.NewTicker(refreshEvery)
	defer tick.Stop()
	for {
		if err := c.Refresh(ctx); err != nil && ctx.Err() == nil {
			c.options.Log.LogAttrs(ctx, slog.LevelError, "metrics_not_computed", slog.Any("error", err))
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// Refresh computes the metrics once. On an error those from before stay.
func (c *Collector) Refresh(ctx context.Context) error {
	computed, at, err := c.compute(ctx)
	c.mu.Lock()
	defer c.mu.Unlock()
	if err != nil {
		c.failed++
		return err
	}
	c.computed, c.at = computed, at
	return nil
}

func (c *Collector) compute(ctx context.Context) ([]prometheus.Metric, time.Time, error) {
	at := c.options.Now()
	apps, err := c.options.Source.Applications(ctx)
	if err != nil {
		return nil, at, err
	}
	byGate := map[string][]dora.Assessed{}
	pace := c.pace()
	for _, app := range apps {
		if err := pace.breathe(ctx); err != nil {
			return nil, at, err
		}
		a, err := dora.Assess(app, c.options.Policy, at)
		if err != nil {
			return nil, at, fmt.Errorf("assess %s: %w", app.Name, err)
		}
		byGate[a.Gate] = append(byGate[a.Gate], a)
	}
	s := series{families: c.families, now: at, policy: c.options.Policy}
	protected := map[string]bool{}
	for _, name := range c.options.Protected() {
		protected[name] = true
	}
	for gate, all := range byGate {
		if err := s.gate(ctx, pace, gate, all); err != nil {
			return nil, at, err
		}
		own, others, err := c.shown(ctx, pace, all, protected, at)
		if err != nil {
			return nil, at, err
		}
		for _, a := range own {
			if err := s.add(ctx, pace, gate, a[0].Name, a); err != nil {
				return nil, at, err
			}
		}
		if len(others) > 0 {
			if err := s.add(ctx, pace, gate, Other, others); err != nil {
				return nil, at, err
			}
		}
	}
	return s.out, at, s.err
}

// shown tells the Applications with series of their own from the others. Several with one
// name, of which all but one are gone, are shown as one.
func (c *Collector) shown(ctx context.Context, pace *pace, all []dora.Assessed, protected map[string]bool, at time.Time) (own [][]dora.Assessed, others []dora.Assessed, err error) {
	byName := map[string][]dora.Assessed{}
	for _, a := range all {
		if protected[a.Name] {
			byName[a.Name] = append(byName[a.Name], a)
		} else {
			others = append(others, a)
		}
	}
	recent := map[string]int{}
	for name, as := range byName {
		if err := pace.breathe(ctx); err != nil {
			return nil, nil, err
		}
		own = append(own, as)
		recent[name] = dora.Measure(as, dora.Scope{Kind: dora.ScopeAll}, dora.Window{From: at.Add(-90 * 24 * time.Hour), To: at}, c.options.Policy).Rework.Deployments
	}
	slices.SortFunc(own, func(x, y []dora.Assessed) int {
		return cmp.Or(cmp.Compare(recent[y[0].Name], recent[x[0].Name]), cmp.Compare(x[0].Name, y[0].Name))
	})
	for len(own) > c.options.Most {
		others = append(others, own[len(own)-1]...)
		own = own[:len(own)-1]
	}
	return own, others, nil
}

// Describe implements prometheus.Collector.
func (c *Collector) Describe(ch chan<- *prometheus.Desc) {
	for _, f := range c.families.all() {
		ch <- f.desc
	}
}

// Collect implements prometheus.Collector.
func (c *Collector) Collect(ch chan<- prometheus.Metric) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, m := range c.computed {
		ch <- m
	}
	if !c.at.IsZero() {
		ch <- prometheus.MustNewConstMetric(c.families.computedAt.desc, prometheus.GaugeValue, float64(c.at.UnixMilli())/1000)
	}
	ch <- prometheus.MustNewConstMetric(c.families.failures.desc, prometheus.CounterValue, c.failed)
}
