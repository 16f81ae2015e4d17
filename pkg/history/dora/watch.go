package dora

import "time"

// watch applies the rules of health to every deployment, and says of which the result
// depends on a time that nobody watched.
func (a *Assessed) watch(policy Policy) []bool {
	doubtful := make([]bool, len(a.Deployments))
	for i := range a.Deployments {
		d := &a.Deployments[i]
		if !d.Counted {
			continue
		}
		watched := d.FinishedAt.Add(policy.Observe)
		superseded := !d.ends.IsZero()
		d.Open = !superseded && a.until.Before(watched)
		if d.Phase != Succeeded {
			continue // what is live is no one revision whose health could be told
		}
		ends := a.until
		if superseded {
			ends = earlier(d.ends, a.until)
		}
		degraded, mayDegrade := a.degraded(d, earlier(watched, ends), policy)
		if !degraded.From.IsZero() {
			d.onset = degraded.From
			d.Reasons = append(d.Reasons, Reason{Signal: SignalDegraded, At: degraded.From.Add(policy.Grace), Text: string(a.health.at(degraded.From))})
		}
		sure := a.clock(d.FinishedAt, ends, watched, policy.ProgressDeadline, Healthy)
		may := a.clock(d.FinishedAt, ends, watched, policy.ProgressDeadline, Progressing)
		if sure.missed {
			d.onset = d.FinishedAt
			d.Reasons = append(d.Reasons, Reason{Signal: SignalNeverHealthy, At: sure.at})
		}
		d.Open = d.Open || (!superseded && may.running)
		doubtful[i] = mayDegrade || may.missed
	}
	return doubtful
}

// degraded is the first time of at least the grace in which the Application was ill on a
// deployment; and whether there may have been one.
//
// An Application that was not Healthy before says nothing about the deployment.
func (a *Assessed) degraded(d *Deployment, to time.Time, policy Policy) (is Interval, may bool) {
	before := d.Before
	if before == "" {
		before = a.health.at(d.StartedAt)
	}
	if before != Healthy && before != unobserved {
		return Interval{}, false
	}
	if before == Healthy {
		if run, found := a.health.run(d.FinishedAt, to, policy.Grace, ill); found {
			return run, true
		}
	}
	_, may = a.health.run(d.FinishedAt, to, policy.Grace, func(h Health) bool { return ill(h) || h == unobserved })
	return Interval{}, may
}

func ill(h Health) bool { return h == Degraded || h == Missing }

// reading is what the clock of the progress deadline says.
type reading struct {
	// missed: the deadline passed, at that moment.
	missed bool
	at     time.Time
	// running: it has neither passed nor been met.
	running bool
}

// clock runs while a deployment is Progressing and stops at the first Healthy. Any other
// status halts it. Once the deployment is no longer watched, it goes on for as long as
// the deployment is under way without a break, Progressing or Suspended. What nobody
// watched is taken for the given status.
func (a *Assessed) clock(from, to, watched time.Time, deadline time.Duration, unseen Health) reading {
	left := deadline
	for s := range a.health.spans(from, to) {
		if s.status == unobserved {
			s.status = unseen
		}
		switch {
		case s.status == Healthy:
			return reading{}
		case s.status == Progressing:
			length := s.to.Sub(s.from)
			if length > left {
				return reading{missed: true, at: s.from.Add(left)}
			}
			left -= length
		case s.status == Suspended:
		case s.to.After(watched):
			return reading{}
		}
	}
	if from.Before(to) && !to.Before(watched) {
		// The watch is over; only what is still under way goes on.
		last := a.health.at(to.Add(-1))
		if last == unobserved {
			last = unseen
		}
		return reading{running: last == Progressing || last == Suspended}
	}
	return reading{running: true}
}
