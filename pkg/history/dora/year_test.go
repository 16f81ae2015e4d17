package dora_test

import (
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/argo-gatekeeper/gatekeeper/pkg/history/dora"
)

// year makes a year of operations of that many Applications, with every edge case, on
// whole minutes. The same seed makes the same year.
type year struct {
	rng     *rand.Rand
	n       int // operations so far
	changes int
	pool    []dora.Change
}

const yearMinutes = 365 * day

func makeYear(seed uint64, applications int) []dora.Application {
	y := &year{rng: rand.New(rand.NewPCG(seed, 7))}
	var out []dora.Application
	for i := range applications {
		app := dora.Application{Name: fmt.Sprintf("argocd/app-%02d", i), Gate: fmt.Sprintf("gate-%d", i%3), Teams: []string{fmt.Sprintf("team-%d", i%4)}}
		if i%5 == 0 {
			app.Teams = append(app.Teams, "all")
		}
		y.application(&app)
		y.rng.Shuffle(len(app.Operations), func(a, b int) { app.Operations[a], app.Operations[b] = app.Operations[b], app.Operations[a] })
		y.rng.Shuffle(len(app.Health), func(a, b int) { app.Health[a], app.Health[b] = app.Health[b], app.Health[a] })
		out = append(out, app)
	}
	return out
}

func (y *year) chance(percent int) bool { return y.rng.IntN(100) < percent }
func (y *year) between(a, b int) int    { return a + y.rng.IntN(b-a+1) }
func at(m int) time.Time                { return begin.Add(time.Duration(m) * time.Minute) }

func (y *year) status(app *dora.Application, m int, s dora.Health) {
	app.Health = append(app.Health, dora.Transition{At: at(m), Status: s})
}

func (y *year) application(app *dora.Application) {
	if y.chance(30) {
		app.Live = &dora.Target{Revisions: []string{"rev-0"}}
	}
	m := y.between(0, 2*day)
	y.status(app, max(0, m-y.between(0, 200)), []dora.Health{dora.Healthy, dora.Degraded, dora.Progressing, dora.Missing}[y.rng.IntN(4)])
	revision := 0
	for m < yearMinutes {
		op := y.operation(app, m, &revision)
		app.Operations = append(app.Operations, op)
		next := m + y.pause()
		if !op.FinishedAt.IsZero() {
			m = int(op.FinishedAt.Sub(begin).Minutes())
		}
		y.script(app, m, next)
		if y.chance(3) {
			from := y.between(m-5, next+5)
			app.Gaps = append(app.Gaps, dora.Interval{From: at(from), To: at(from + y.between(0, 40))})
		}
		y.marks(app, op, m)
		m = max(next, m+1)
	}
}

// pause is often shorter than what is watched, so that deployments are superseded.
func (y *year) pause() int {
	if y.chance(30) {
		return y.between(5, 120)
	}
	return y.between(120, 2*day)
}

func (y *year) operation(app *dora.Application, m int, revision *int) dora.Operation {
	y.n++
	op := dora.Operation{
		ID: fmt.Sprintf("op-%05d", y.n), StartedAt: at(m), FinishedAt: at(m + y.between(0, 8)), Phase: dora.Succeeded, Applied: dora.AppliedSome,
	}
	if y.chance(75) {
		*revision++
	}
	if y.chance(5) {
		*revision = max(0, *revision-2)
	}
	op.Target.Revisions = []string{fmt.Sprintf("rev-%d", *revision)}
	if y.chance(20) {
		op.Target.Revisions = append(op.Target.Revisions, fmt.Sprintf("chart-%d", y.rng.IntN(2)))
	}
	// Images are known of some Applications, and always of the same.
	if len(app.Name)%2 == 0 && app.Name[len(app.Name)-1]%2 == 0 {
		op.Target.Images = []string{fmt.Sprintf("img-%d", y.rng.IntN(2)), "sidecar"}
		if y.chance(50) {
			op.Target.Images = []string{op.Target.Images[1], op.Target.Images[0]}
		}
	}
	switch p := y.rng.IntN(100); {
	case p < 3:
		op.DryRun = true
	case p < 6:
		op.Partial = true
	case p < 9:
		op.Phase, op.Terminated = dora.Failed, true
	case p < 20:
		op.Phase = []dora.Phase{dora.Failed, dora.Error}[y.rng.IntN(2)]
	case p == 20:
		op.Phase, op.FinishedAt = "", time.Time{}
	case p == 21:
		op.FinishedAt = op.StartedAt.Add(-time.Minute)
	}
	if op.Phase != dora.Succeeded && y.chance(40) {
		op.Applied = []dora.Applied{dora.AppliedNone, ""}[y.rng.IntN(2)]
	}
	if n := len(app.Operations); n > 0 && app.Operations[n-1].Phase != dora.Succeeded && y.chance(40) {
		op.Target = app.Operations[n-1].Target // it is tried again
	}
	if y.chance(20) {
		op.Before = []dora.Health{dora.Healthy, dora.Degraded}[y.rng.IntN(2)]
	}
	y.rework(app, &op)
	for range y.rng.IntN(4) {
		op.Changes = append(op.Changes, y.change(m))
	}
	return op
}

func (y *year) rework(app *dora.Application, op *dora.Operation) {
	if !y.chance(12) {
		return
	}
	kinds := []dora.Rework{dora.Rollback, dora.Revert, dora.Hotfix, dora.BreakGlass}
	op.Rework = append(op.Rework, kinds[y.rng.IntN(4)])
	if y.chance(15) {
		op.Rework = append(op.Rework, kinds[y.rng.IntN(4)])
	}
	for range y.rng.IntN(3) {
		if n := len(app.Operations); n > 0 {
			earlier := app.Operations[max(0, n-1-y.rng.IntN(12))]
			switch {
			case y.chance(50):
				op.Blames = append(op.Blames, earlier.ID)
			case len(earlier.Changes) > 0:
				op.Blames = append(op.Blames, earlier.Changes[0].ID)
			default:
				op.Blames = append(op.Blames, "nobody#1")
			}
		}
	}
}

// change is often one that other Applications ship as well.
func (y *year) change(m int) dora.Change {
	if len(y.pool) > 0 && y.chance(40) {
		return y.pool[max(0, len(y.pool)-1-y.rng.IntN(30))]
	}
	y.changes++
	c := dora.Change{ID: fmt.Sprintf("acme/env#%d", y.changes), Basis: []dora.Basis{dora.BasisCommit, dora.BasisLinked, dora.BasisImage, dora.BasisPull}[y.rng.IntN(4)]}
	t := m - y.between(-20, 5*day) // sometimes after the sync
	for _, field := range []*time.Time{&c.Committed, &c.Opened, &c.Quorum, &c.Merged} {
		if !y.chance(8) {
			*field = at(t)
		}
		t += y.between(-30, day)
	}
	y.pool = append(y.pool, c)
	return c
}

// script is what the health does from the end of a sync until the next.
func (y *year) script(app *dora.Application, from, to int) {
	m := from + y.between(0, 2)
	statuses := []dora.Health{dora.Progressing, dora.Degraded, dora.Missing, dora.Suspended, dora.Unknown, dora.Healthy}
	for range y.rng.IntN(5) {
		if m >= to {
			return
		}
		y.status(app, m, statuses[y.rng.IntN(len(statuses))])
		m += []int{1, 3, 4, 5, 6, 10, 29, 30, 31, 45, 90, 300}[y.rng.IntN(12)]
	}
	if m < to && y.chance(93) {
		y.status(app, m, dora.Healthy)
	}
}

func (y *year) marks(app *dora.Application, op dora.Operation, m int) {
	if !y.chance(4) {
		return
	}
	app.Marks = append(app.Marks, dora.Mark{Operation: op.ID, At: at(m + y.between(0, 500)), By: "pager", Failed: true})
	if y.chance(40) {
		app.Marks = append(app.Marks, dora.Mark{Operation: op.ID, At: at(m + y.between(0, 1000)), By: "alice"})
	}
}
