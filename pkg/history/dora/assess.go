package dora

import (
	"cmp"
	"fmt"
	"slices"
	"time"
)

// Outcome is what became of an operation. The zero Outcome is not valid.
type Outcome string

// The outcomes of deployments, which are counted.
const (
	OutcomeSucceeded Outcome = "succeeded"
	OutcomeFailed    Outcome = "failed"
	// OutcomeOpen: nothing is wrong so far, and it is still being watched.
	OutcomeOpen Outcome = "open"
	// OutcomeUndetermined: whether it failed depends on a time that nobody watched.
	OutcomeUndetermined Outcome = "undetermined"
)

// The outcomes of what is shown and not counted.
const (
	OutcomeDryRun       Outcome = "dry-run"
	OutcomeRunning      Outcome = "running"
	OutcomePartial      Outcome = "partial"
	OutcomeAborted      Outcome = "aborted"
	OutcomeNotApplied   Outcome = "not-applied"
	OutcomeSameRevision Outcome = "same-revision"
	// OutcomeRetry: it failed with the target of the failed deployment before it. One
	// target fails once, however often it is tried.
	OutcomeRetry Outcome = "retry"
	// OutcomeAppliedUnknown: it failed, and whether anything was applied is not known.
	OutcomeAppliedUnknown Outcome = "applied-unknown"
	// OutcomeContradictory: it ended before it began, or in a phase that does not exist.
	OutcomeContradictory Outcome = "contradictory"
)

// Signal is by what a deployment is known to have failed.
type Signal string

// The signals of failure.
const (
	SignalSync         Signal = "sync-failed"
	SignalDegraded     Signal = "degraded"
	SignalNeverHealthy Signal = "never-healthy"
	SignalRemediated   Signal = "remediated"
	SignalMarked       Signal = "marked"
)

// Reason is why a deployment counts as failed.
type Reason struct {
	Signal Signal `json:"signal"`
	// At is when it was known: for health when the time allowed had passed, for a
	// rollback, revert or hotfix when its sync began.
	At time.Time `json:"at"`
	// By is the operation that remedied it, or who marked it; empty for others.
	By string `json:"by,omitempty"`
	// Text says more for people, for example the kind of remedy.
	Text string `json:"text,omitempty"`
}

// Deployment is an operation with what became of it.
type Deployment struct {
	Operation
	Application string
	Outcome     Outcome
	// Counted: it is a deployment.
	Counted bool
	// Open: it is still being watched. A deployment can have failed already.
	Open bool
	// Reasons are why it failed, the earliest first.
	Reasons []Reason

	// onset is when a failure of health began; zero without one.
	onset time.Time
	// ends is when the next operation that may change what is live began; zero when
	// there is none.
	ends time.Time
}

// Assessed is what the observations of one Application mean.
type Assessed struct {
	Name  string
	Gate  string
	Teams []string
	// Deployments are all operations, oldest first, those that are not counted too.
	Deployments []Deployment
	// Failures are the failed deployments, those with one recovery taken together,
	// oldest first.
	Failures []Failure
	// Deliveries are the changes that became Healthy, each once, oldest first.
	Deliveries []Delivery

	health   timeline
	until    time.Time
	archived time.Time
}

// Assess says what was observed of an Application until that moment means. Later
// operations and marks are left out, so that the past can be seen as it was known then.
// It fails when two operations have one ID or the policy is not valid.
func Assess(app Application, policy Policy, until time.Time) (Assessed, error) {
	if err := policy.Check(); err != nil {
		return Assessed{}, fmt.Errorf("policy: %w", err)
	}
	a := Assessed{Name: app.Name, Gate: app.Gate, Teams: slices.Clone(app.Teams), health: newTimeline(app.Health, app.Gaps, until), until: until, archived: app.ArchivedUntil}
	seen := map[string]bool{}
	for _, op := range app.Operations {
		if seen[op.ID] {
			return Assessed{}, fmt.Errorf("application %s: operation %q is there twice", app.Name, op.ID)
		}
		seen[op.ID] = true
		if !op.StartedAt.After(until) {
			a.Deployments = append(a.Deployments, Deployment{Operation: op, Application: app.Name})
		}
	}
	slices.SortFunc(a.Deployments, func(x, y Deployment) int {
		return cmp.Or(x.StartedAt.Compare(y.StartedAt), x.FinishedAt.Compare(y.FinishedAt), cmp.Compare(x.ID, y.ID))
	})
	a.classify(app.Live)
	doubtful := a.watch(policy)
	a.blame(policy)
	a.mark(app.Marks)
	for i := range a.Deployments {
		a.Deployments[i].conclude(doubtful[i])
	}
	a.Failures = a.failures(policy)
	a.Deliveries = a.deliveries()
	return a, nil
}

// classify tells deployments from other operations, and finds until when each is live.
func (a *Assessed) classify(live *Target) {
	// What failed last; nil once something succeeded.
	var failed *Target
	touched := make([]bool, len(a.Deployments))
	for i := range a.Deployments {
		d := &a.Deployments[i]
		same := live != nil && live.Same(d.Target)
		switch {
		case d.DryRun:
			d.Outcome = OutcomeDryRun
		case d.Phase == "" || d.FinishedAt.IsZero() || d.FinishedAt.After(a.until):
			d.Outcome, touched[i] = OutcomeRunning, !same && !d.Partial
		case d.FinishedAt.Before(d.StartedAt) || (d.Phase != Succeeded && d.Phase != Failed && d.Phase != Error):
			d.Outcome, touched[i] = OutcomeContradictory, true
		case d.Partial:
			d.Outcome = OutcomePartial
		case d.Terminated:
			d.Outcome, touched[i] = OutcomeAborted, !same && d.Applied != AppliedNone
		case same:
			d.Outcome = OutcomeSameRevision
		case d.Phase == Succeeded:
			d.Counted, touched[i] = true, true
			live, failed = &d.Target, nil
			continue
		case d.Applied == AppliedNone:
			d.Outcome = OutcomeNotApplied
		case d.Applied != AppliedSome:
			d.Outcome, touched[i] = OutcomeAppliedUnknown, true
		case failed != nil && failed.Same(d.Target):
			d.Outcome, touched[i] = OutcomeRetry, true
		default:
			d.Counted, touched[i] = true, true
			d.Reasons = append(d.Reasons, Reason{Signal: SignalSync, At: d.FinishedAt, Text: string(d.Phase)})
			failed = &d.Target
		}
		if touched[i] {
			live = nil // some of it may be applied, and what is live is no one revision
		}
	}
	var next time.Time
	for i, d := range slices.Backward(a.Deployments) {
		a.Deployments[i].ends = next
		if touched[i] {
			next = d.StartedAt
		}
	}
}

// conclude sets the outcome of a deployment.
func (d *Deployment) conclude(doubtful bool) {
	if !d.Counted {
		return
	}
	slices.SortFunc(d.Reasons, func(x, y Reason) int {
		return cmp.Or(x.At.Compare(y.At), cmp.Compare(x.Signal, y.Signal), cmp.Compare(x.By, y.By))
	})
	switch {
	case len(d.Reasons) > 0:
		d.Outcome = OutcomeFailed
	case d.Open:
		d.Outcome = OutcomeOpen
	case doubtful:
		d.Outcome = OutcomeUndetermined
	default:
		d.Outcome = OutcomeSucceeded
	}
}

// blame finds the deployments that a later one was made to remedy.
func (a *Assessed) blame(policy Policy) {
	previous := -1
	for k := range a.Deployments {
		remedy := &a.Deployments[k]
		if !remedy.Counted {
			continue
		}
		for _, i := range a.blamed(k, previous) {
			d := &a.Deployments[i]
			if after := remedy.StartedAt.Sub(d.FinishedAt); after < 0 || after > policy.Attribution {
				continue
			}
			d.Reasons = append(d.Reasons, Reason{Signal: SignalRemediated, At: remedy.StartedAt, By: remedy.ID, Text: string(remedyOf(remedy.Rework))})
		}
		previous = k
	}
}

// remedyOf is the kind of remedy that a deployment is; empty for one that blames nobody.
func remedyOf(rework []Rework) Rework {
	for _, kind := range []Rework{Rollback, Revert, Hotfix} {
		if slices.Contains(rework, kind) {
			return kind
		}
	}
	return ""
}

// blamed are the deployments that the one at k names, each once.
func (a *Assessed) blamed(k, previous int) []int {
	remedy := a.Deployments[k]
	kind := remedyOf(remedy.Rework)
	if kind == "" {
		return nil
	}
	var out []int
	if kind == Rollback && previous >= 0 {
		out = append(out, previous)
	}
	for _, name := range remedy.Blames {
		// The last one that shipped a change is the one that it came live with.
		for i := k - 1; i >= 0; i-- {
			d := a.Deployments[i]
			if d.Counted && (d.ID == name || slices.ContainsFunc(d.Changes, func(c Change) bool { return c.ID == name })) {
				if !slices.Contains(out, i) {
					out = append(out, i)
				}
				break
			}
		}
	}
	return out
}

// mark adds what people said. The newest mark holds; of two at one moment, the one that
// says that it failed.
func (a *Assessed) mark(marks []Mark) {
	for i := range a.Deployments {
		d := &a.Deployments[i]
		var newest *Mark
		for _, m := range marks {
			if m.Operation != d.ID || m.At.After(a.until) {
				continue
			}
			if newest == nil || m.At.After(newest.At) || (m.At.Equal(newest.At) && m.Failed && (!newest.Failed || m.By < newest.By)) {
				newest = &m
			}
		}
		if d.Counted && newest != nil && newest.Failed {
			d.Reasons = append(d.Reasons, Reason{Signal: SignalMarked, At: newest.At, By: newest.By})
		}
	}
}
