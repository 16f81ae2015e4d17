package measures

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
	"github.com/argo-gatekeeper/gatekeeper/pkg/history"
	"github.com/argo-gatekeeper/gatekeeper/pkg/history/deployments"
	"github.com/argo-gatekeeper/gatekeeper/pkg/history/dora"
)

const (
	// longBefore is after what time the health says nothing of the moment of a sync.
	longBefore = 10 * time.Minute
	// stale is for how long after the end of a sync Argo CD may show the health from before
	// it: it assesses the resources anew after the operation.
	stale = 30 * time.Second
)

// deployment is one of the read model, as far as metrics need it.
type deployment struct {
	application, gate string
	operation         dora.Operation
	// live: all of the Application was synced to the end. enrolled: it was there before the
	// gate, and is none of its deployments. late: nobody watched, and it was found afterwards.
	live, enrolled, late bool
	// archived is when one was recorded of which nothing more is at hand; zero for others.
	archived time.Time
	health   []dora.Transition
	gaps     []dora.Interval
	// watched: its health was still being watched when the next one began.
	watched bool
	// titles are those of its pull requests, by the ID of the change; reverts are those
	// that it takes back.
	titles  map[string]string
	reverts []string
}

// operationID names a deployment in the metrics.
func operationID(application string, number int) string {
	return fmt.Sprintf("%s#%d", application, number)
}

// observe says what a deployment tells.
func observe(d deployments.Deployment, before dora.Health) deployment {
	out := deployment{application: d.Application, gate: d.Gate, live: d.Succeeded(), enrolled: d.Before, late: d.Late, titles: map[string]string{}}
	op := dora.Operation{
		ID: operationID(d.Application, d.Number), StartedAt: d.StartedAt, FinishedAt: d.FinishedAt, Phase: dora.Phase(d.Phase),
		Partial: d.Result == history.ResultPartial, Before: before,
	}
	if op.FinishedAt.IsZero() {
		op.FinishedAt = d.Recorded
	}
	if op.StartedAt.IsZero() {
		op.StartedAt = op.FinishedAt
	}
	for _, r := range d.Revisions {
		op.Target.Revisions = append(op.Target.Revisions, r.Revision)
	}
	if op.Phase == dora.Succeeded {
		op.Applied = dora.AppliedSome
	} else {
		switch {
		case d.Resources == nil:
		case d.Resources.Applied > 0:
			op.Applied = dora.AppliedSome
		default:
			op.Applied = dora.AppliedNone
		}
		// gitops-engine says so of an operation that somebody stopped (v0.7, pkg/sync/sync_context.go).
		op.Terminated = strings.HasPrefix(d.Message, "Operation terminated")
	}
	for _, p := range d.Pulls {
		id := fmt.Sprintf("%s#%d", p.Repository, p.Number)
		c := dora.Change{ID: id, Committed: p.FirstCommitAt, Basis: dora.BasisCommit, Opened: p.OpenedAt, Quorum: p.QuorumAt, Merged: p.MergedAt}
		if p.Class == approval.ClassImage {
			c.Basis = dora.BasisPull
		}
		op.Changes = append(op.Changes, c)
		out.titles[id] = p.Title
		if title, found := strings.CutPrefix(p.Title, `Revert "`); found && strings.HasSuffix(title, `"`) {
			out.reverts = append(out.reverts, strings.TrimSuffix(title, `"`))
		}
	}
	for _, commit := range d.Direct {
		op.Changes = append(op.Changes, dora.Change{ID: "commit " + commit})
	}
	op.Rework = reworkOf(d, out.reverts)
	out.operation = op
	out.fared(d)
	return out
}

// reworkOf is why a deployment was made, if because of an earlier one.
func reworkOf(d deployments.Deployment, reverts []string) []dora.Rework {
	var out []dora.Rework
	if d.BackTo > 0 || (d.Order != nil && d.Order.Verb == history.VerbRollback) {
		out = append(out, dora.Rollback)
	}
	if d.Order != nil && d.Order.Verb == history.VerbBreakGlass {
		out = append(out, dora.BreakGlass)
	}
	if len(reverts) > 0 {
		out = append(out, dora.Revert)
	}
	if slices.ContainsFunc(d.Pulls, func(p deployments.Pull) bool {
		return slices.ContainsFunc(p.Labels, func(label string) bool { return strings.EqualFold(label, "hotfix") })
	}) {
		out = append(out, dora.Hotfix)
	}
	return out
}

// fared fills in the health after a deployment, and when it was not watched.
func (o *deployment) fared(d deployments.Deployment) {
	last := o.operation.FinishedAt
	if d.Late {
		// It was found afterwards: its health is that of the moment in which it was found.
		o.gap(last, d.Recorded)
		last = d.Recorded
	}
	o.watched = o.live && len(d.Health) > 0
	for i, h := range d.Health {
		at := h.At
		if i == 0 {
			at = last
			if len(d.Health) > 1 && !d.Health[1].Late && d.Health[1].At.Sub(at) <= stale {
				o.gap(at, d.Health[1].At) // that was the health from before
				continue
			}
		}
		if h.Late {
			o.gap(last, at)
		}
		o.health = append(o.health, dora.Transition{At: at, Status: dora.Health(h.Health)})
		last = at
		if h.End {
			o.watched = false
		}
	}
}

func (o *deployment) gap(from, to time.Time) {
	if from.Before(to) {
		o.gaps = append(o.gaps, dora.Interval{From: from, To: to})
	}
}

// join puts the deployments of one Application together. Between the end of one's watch
// and the end of the next sync nobody watched, and neither did anybody during a sync.
func join(read []deployment) dora.Application {
	newest := read[len(read)-1]
	for _, d := range slices.Backward(read) {
		if newest = d; d.archived.IsZero() {
			break
		}
	}
	app := dora.Application{Name: newest.application, Gate: newest.gate}
	var live *deployment
	for i := range read {
		d := &read[i]
		if !d.archived.IsZero() {
			if d.archived.After(app.ArchivedUntil) {
				app.ArchivedUntil = d.archived
			}
			app.Live, live = nil, nil
			continue
		}
		if d.enrolled {
			if d.live {
				app.Live = &dora.Target{Revisions: d.operation.Target.Revisions}
			}
			continue
		}
		op := d.operation
		if op.Before == "" && live != nil && live.watched && !d.late {
			op.Before = live.health[len(live.health)-1].Status
		}
		op.Blames = blamed(read[:i], d.reverts)
		app.Operations = append(app.Operations, op)
		app.Health = append(app.Health, d.health...)
		app.Gaps = append(app.Gaps, d.gaps...)
		switch {
		case !d.live:
			continue
		case live != nil && live.watched && !d.late:
			app.Gaps = append(app.Gaps, dora.Interval{From: op.StartedAt, To: op.FinishedAt})
		case live != nil:
			app.Gaps = append(app.Gaps, dora.Interval{From: live.seen(), To: op.FinishedAt})
		}
		live = d
	}
	if live != nil && !live.watched {
		app.Gaps = append(app.Gaps, dora.Interval{From: live.seen(), To: endless()})
	}
	return app
}

// seen is when the health was seen last.
func (o *deployment) seen() time.Time {
	if n := len(o.health); n > 0 {
		return o.health[n-1].At
	}
	return o.operation.FinishedAt
}

// endless is after everything that can be on record.
func endless() time.Time { return time.Date(2262, 1, 1, 0, 0, 0, 0, time.UTC) }

// blamed are the changes that were taken back, by their titles: the newest of each.
func blamed(earlier []deployment, titles []string) []string {
	var out []string
	for _, title := range titles {
	search:
		for _, d := range slices.Backward(earlier) {
			for _, c := range d.operation.Changes {
				if d.titles[c.ID] == title {
					out = append(out, c.ID)
					break search
				}
			}
		}
	}
	return out
}
