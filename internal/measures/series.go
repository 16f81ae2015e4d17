package measures

import (
	"context"
	"errors"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/argo-gatekeeper/gatekeeper/pkg/history/dora"
)

// family is one metric name.
type family struct{ desc *prometheus.Desc }

func newFamily(name, help string, labels ...string) family {
	return family{prometheus.NewDesc("gatekeeper_dora_"+name, help, labels, nil)}
}

// families are all metrics. Lengths are in seconds; quantile is 0.5, the median, or 0.9.
type families struct {
	deployments, perDay, activeDays, interval, changes, leadTime, segment, failRate, recoveryTime, unrecovered, reworkRate, rework family
	// Histograms.
	leadTimes, quorumTimes, recoveryTimes family
	computedAt, failures                  family
}

func newFamilies() families {
	return families{
		deployments:   newFamily("deployments", "Deployments in the window by outcome: succeeded, failed, open (still watched), undetermined.", "gate", "application", "window", "outcome"),
		perDay:        newFamily("deployments_per_day", "Deployments that are not known to have failed, per day of the window.", "gate", "application", "window"),
		activeDays:    newFamily("active_days_per_week", "Median number of days with a deployment, over the whole weeks in the window.", "gate", "application", "window"),
		interval:      newFamily("deployment_interval_seconds", "Median time between one deployment and the next.", "gate", "application", "window"),
		changes:       newFamily("changes", "Changes that became Healthy in the window.", "gate", "application", "window"),
		leadTime:      newFamily("change_lead_time_seconds", "Time from the first commit of a change until it is Healthy.", "gate", "application", "window", "quantile"),
		segment:       newFamily("change_segment_seconds", "Median time of a change in each segment: code, quorum, merge, sync, rollout.", "gate", "application", "window", "segment"),
		failRate:      newFamily("change_fail_rate", "Failed deployments of those whose watch has ended, from 0 to 1.", "gate", "application", "window"),
		recoveryTime:  newFamily("recovery_seconds", "Time from the end of the sync of a failed deployment until the Application is Healthy again.", "gate", "application", "window", "quantile"),
		unrecovered:   newFamily("unrecovered", "Failed deployments of the window that nothing has recovered from yet.", "gate", "application", "window"),
		reworkRate:    newFamily("rework_rate", "Deployments that were made because of an earlier one, of all, from 0 to 1.", "gate", "application", "window"),
		rework:        newFamily("rework", "Deployments in the window by why they were made: rollback, revert, hotfix, break-glass.", "gate", "application", "window", "kind"),
		leadTimes:     newFamily("change_lead_time_all_seconds", "Time from the first commit of a change until it is Healthy, of all changes on record.", "gate"),
		quorumTimes:   newFamily("quorum_all_seconds", "Time from the opening of a pull request until its quorum was met, of all changes on record.", "gate"),
		recoveryTimes: newFamily("recovery_all_seconds", "Time from the end of the sync of a failed deployment until the Application is Healthy again, of all on record.", "gate"),
		computedAt:    newFamily("computed_timestamp_seconds", "When these metrics were computed last."),
		failures:      newFamily("compute_failures_total", "How often they could not be computed."),
	}
}

func (f families) all() []family {
	return []family{
		f.deployments, f.perDay, f.activeDays, f.interval, f.changes, f.leadTime, f.segment, f.failRate, f.recoveryTime, f.unrecovered, f.reworkRate, f.rework,
		f.leadTimes, f.quorumTimes, f.recoveryTimes, f.computedAt, f.failures,
	}
}

// bounds are the buckets of the histograms, in seconds: minutes to months.
func bounds() []float64 {
	var out []float64
	for _, d := range []time.Duration{
		5 * time.Minute, 15 * time.Minute, time.Hour, 4 * time.Hour, 12 * time.Hour, 24 * time.Hour, 3 * 24 * time.Hour,
		7 * 24 * time.Hour, 14 * 24 * time.Hour, 30 * 24 * time.Hour, 90 * 24 * time.Hour,
	} {
		out = append(out, d.Seconds())
	}
	return out
}

// series collects what is computed.
type series struct {
	families
	now    time.Time
	policy dora.Policy
	out    []prometheus.Metric
	err    error
}

func (s *series) gauge(f family, value float64, labels ...string) {
	m, err := prometheus.NewConstMetric(f.desc, prometheus.GaugeValue, value, labels...)
	s.err = errors.Join(s.err, err)
	s.out = append(s.out, m)
}

// maybe leaves out what is not defined.
func (s *series) maybe(f family, value *float64, labels ...string) {
	if value != nil {
		s.gauge(f, *value, labels...)
	}
}

func (s *series) length(f family, d *time.Duration, labels ...string) {
	if d != nil {
		s.gauge(f, d.Seconds(), labels...)
	}
}

// gate adds what a gate has as a whole.
func (s *series) gate(ctx context.Context, pace *pace, name string, all []dora.Assessed) error {
	if err := s.add(ctx, pace, name, "", all); err != nil {
		return err
	}
	lead, quorum, recovered := dora.Lengths(all)
	s.histogram(s.leadTimes, lead, name)
	s.histogram(s.quorumTimes, quorum, name)
	s.histogram(s.recoveryTimes, recovered, name)
	return pace.breathe(ctx)
}

func (s *series) histogram(f family, lengths []time.Duration, labels ...string) {
	buckets := map[float64]uint64{}
	var sum float64
	for _, bound := range bounds() {
		buckets[bound] = 0
	}
	for _, d := range lengths {
		sum += d.Seconds()
		for bound := range buckets {
			if d.Seconds() <= bound {
				buckets[bound]++
			}
		}
	}
	m, err := prometheus.NewConstHistogram(f.desc, uint64(len(lengths)), sum, buckets, labels...)
	s.err = errors.Join(s.err, err)
	s.out = append(s.out, m)
}

// add has the metrics of some Applications over each window.
func (s *series) add(ctx context.Context, pace *pace, gate, application string, all []dora.Assessed) error {
	for _, w := range windows() {
		if err := pace.breathe(ctx); err != nil {
			return err
		}
		r := dora.Measure(all, dora.Scope{Kind: dora.ScopeAll}, dora.Window{From: s.now.Add(-w.length), To: s.now}, s.policy)
		at := []string{gate, application, w.name}
		with := func(label string) []string { return []string{gate, application, w.name, label} }
		for outcome, n := range map[dora.Outcome]int{
			dora.OutcomeSucceeded: r.ChangeFailRate.Successful, dora.OutcomeFailed: r.ChangeFailRate.Failed,
			dora.OutcomeOpen: r.ChangeFailRate.Open, dora.OutcomeUndetermined: r.ChangeFailRate.Undetermined,
		} {
			s.gauge(s.deployments, float64(n), with(string(outcome))...)
		}
		s.maybe(s.perDay, r.Frequency.PerDay, at...)
		s.maybe(s.activeDays, r.Frequency.ActiveDaysPerWeek, at...)
		s.length(s.interval, r.Frequency.Interval.Median, at...)
		s.gauge(s.changes, float64(r.LeadTime.Changes), at...)
		s.length(s.leadTime, r.LeadTime.Length.Median, with("0.5")...)
		s.length(s.leadTime, r.LeadTime.Length.P90, with("0.9")...)
		for _, part := range r.LeadTime.Segments {
			s.length(s.segment, part.Length.Median, with(string(part.Segment))...)
		}
		s.maybe(s.failRate, r.ChangeFailRate.Rate, at...)
		s.length(s.recoveryTime, r.Recovery.Length.Median, with("0.5")...)
		s.length(s.recoveryTime, r.Recovery.Length.P90, with("0.9")...)
		s.gauge(s.unrecovered, float64(len(r.Recovery.Unrecovered)), at...)
		s.maybe(s.reworkRate, r.Rework.Rate, at...)
		for _, kind := range []dora.Rework{dora.Rollback, dora.Revert, dora.Hotfix, dora.BreakGlass} {
			s.gauge(s.rework, float64(r.Rework.Kinds[kind]), with(string(kind))...)
		}
	}
	return nil
}
