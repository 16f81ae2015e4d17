package gate

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/argo-gatekeeper/gatekeeper/internal/preview"
	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
)

// Previews shows what Argo CD would render. Only reports ask for it, never a decision.
type Previews interface {
	// Ask gives at once what is known of each comparison, in their order. Wake is called
	// when all of the rest is there.
	Ask(name string, wake func(), wanted []approval.Comparison) []approval.Preview
}

// looksPerPreview bounds for how many Applications it is looked up whether a pull request
// changes what they are rendered from, for each that may be shown.
const looksPerPreview = 4

// previewing collects what is wanted for one report.
type previewing struct {
	g      *Gate
	key    Key
	answer approval.PullAnswer
	// room is how many Applications may still be shown, looks how many looked into.
	room, looks int
	wanted      []approval.Comparison
	// places are where the answers belong, by gate and preview.
	places [][2]int
}

// preview adds to a report what is rendered differently. It does not wait: what is not
// rendered yet is pending, and the pull request is woken when it is.
func (g *Gate) preview(ctx context.Context, key Key, answer approval.PullAnswer, r *approval.PullReport) {
	g.previewFor(ctx, key.String(), func() { g.queue.Add(key) }, key, answer, r)
}

// askedWait is how long somebody who asks waits for what is rendered differently.
const askedWait = 5 * time.Second

// Previewed is LookAt with what is rendered differently. It waits for a while until all
// of it is there, and says of the rest that it is pending.
func (g *Gate) Previewed(ctx context.Context, repository approval.RepositoryName, number int) (approval.PullReport, error) {
	report, answer, err := g.LookAt(ctx, repository, number)
	if err != nil || g.previews == nil || !answer.Open && !answer.Pull.Merged {
		return report, err
	}
	key := Key{Repository: repository, Pull: number}
	news := make(chan struct{}, 1)
	wake := func() {
		select {
		case news <- struct{}{}:
		default:
		}
	}
	name := "asked " + key.String()
	defer g.previews.Ask(name, wake, nil) // nobody is left who wants it
	late := time.NewTimer(askedWait)
	defer late.Stop()
	for {
		for i := range report.Gates {
			report.Gates[i].Previews, report.Gates[i].PreviewsLeftOut = nil, 0
		}
		g.previewFor(ctx, name, wake, key, answer, &report)
		if !slices.ContainsFunc(report.Gates, func(r approval.GateReport) bool {
			return slices.ContainsFunc(r.Previews, func(p approval.Preview) bool { return p.State == approval.PreviewPending })
		}) {
			return report, nil
		}
		select {
		case <-news:
		case <-late.C:
			return report, nil
		case <-ctx.Done():
			return approval.PullReport{}, ctx.Err()
		}
	}
}

// previewFor is preview for somebody by name, who is woken.
func (g *Gate) previewFor(ctx context.Context, name string, wake func(), key Key, answer approval.PullAnswer, r *approval.PullReport) {
	if g.previews == nil {
		return
	}
	w := &previewing{g: g, key: key, answer: answer, room: g.previewsMost, looks: looksPerPreview * g.previewsMost}
	policies := g.Policies()
	for i := range r.Gates {
		at := slices.IndexFunc(policies, func(p approval.Policy) bool { return p.Gate == r.Gates[i].Gate })
		if at < 0 || r.Gates[i].Class == approval.ClassNone {
			continue
		}
		if answer.Pull.URL != "" {
			r.Gates[i].ChecksURL = answer.Pull.URL + "/checks"
		}
		w.gate(ctx, policies[at], i, &r.Gates[i])
	}
	got := g.previews.Ask(name, wake, w.wanted)
	for n, place := range w.places {
		p := &r.Gates[place[0]].Previews[place[1]]
		p.State, p.Reason, p.Diff = got[n].State, got[n].Reason, got[n].Diff
	}
}

// gate adds the Applications of one gate.
func (w *previewing) gate(ctx context.Context, p approval.Policy, at int, r *approval.GateReport) {
	apps := slices.DeleteFunc(w.g.apps.List(), func(a approval.Application) bool { return !p.Protects(a) || !readsFrom(a, w.key.Repository) })
	slices.SortFunc(apps, func(a, b approval.Application) int { return strings.Compare(a.Key(), b.Key()) })
	for _, app := range apps {
		known, _ := w.g.memory.get(app.Key())
		p, c, concerned := w.pull(ctx, app, known.decision)
		if !concerned {
			continue
		}
		if w.room <= 0 || w.looks < 0 {
			r.PreviewsLeftOut++
			continue
		}
		w.room--
		w.add(at, r, p, c)
		if w.answer.Pull.Merged && holds(known.decision, w.key.Repository, w.key.Pull) {
			w.sync(at, r, app, known.decision)
		}
	}
}

func (w *previewing) add(at int, r *approval.GateReport, p approval.Preview, c *approval.Comparison) {
	if c != nil {
		w.wanted = append(w.wanted, *c)
		w.places = append(w.places, [2]int{at, len(r.Previews)})
	}
	r.Previews = append(r.Previews, p)
}

// pull is what the pull request changes in one Application; false when it is sure that
// it changes nothing.
func (w *previewing) pull(ctx context.Context, app approval.Application, d approval.Decision) (p approval.Preview, c *approval.Comparison, concerned bool) {
	others := d.Candidate.Revisions
	if len(others) != len(app.Sources) {
		others, _ = preview.Live(app) // without it, sources elsewhere are not known
	}
	p = approval.Preview{Application: app.Key(), Kind: approval.PreviewPull}
	compared, err := preview.OfPull(app, w.key.Repository, w.answer, others)
	if err != nil {
		p.State, p.Reason = approval.PreviewUnavailable, unfit(err)
		return p, nil, w.touched(app, nil)
	}
	p.Comparison = compared
	if w.touched(app, nil) {
		return p, &compared, true
	}
	if w.looks--; w.looks < 0 {
		return p, &compared, true // it is left out, as one that may change
	}
	closure, err := w.g.closures.Closure(ctx, app, compared.From)
	if err != nil {
		w.g.log.LogAttrs(ctx, slog.LevelWarn, "preview_closure_unknown", slog.String("application", app.Key()), slog.Any("error", err))
		return p, &compared, true
	}
	return p, &compared, w.touched(app, closure.Reads)
}

// touched says whether a change of the pull request is of a path that the Application's
// spec names, or of one of the reads.
func (w *previewing) touched(app approval.Application, reads []approval.Read) bool {
	for _, s := range app.Sources {
		reads = append(reads, s.Reads...)
	}
	return slices.ContainsFunc(w.answer.Changes, func(c approval.Change) bool {
		return approval.Covers(reads, w.key.Repository, c.Path) ||
			slices.ContainsFunc(reads, func(r approval.Read) bool { return strings.HasPrefix(r.Path, c.Path+"/") }) // a link above it
	})
}

// sync adds what a sync would ship, the pull request among it.
func (w *previewing) sync(at int, r *approval.GateReport, app approval.Application, d approval.Decision) {
	p, err := preview.Sync(app, d)
	if err != nil {
		p = approval.Preview{Application: app.Key(), Kind: approval.PreviewSync}
		p.State, p.Reason = approval.PreviewUnavailable, unfit(err)
		w.add(at, r, p, nil)
		return
	}
	if len(p.To) > 0 {
		w.add(at, r, p, &p.Comparison)
	}
}

// unfit says why there is nothing to compare.
func unfit(err error) string {
	if u, ok := errors.AsType[preview.Unfit](err); ok {
		return string(u)
	}
	return "it could not be compared"
}
