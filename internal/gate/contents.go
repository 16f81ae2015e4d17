package gate

import (
	"context"
	"log/slog"
	"slices"
	"strings"
	"sync"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
)

// contents remembers, for reports alone, what Applications are rendered from and what
// the landings after their baselines are called. It is rebuilt by reconciling and
// nothing rests on it. Its zero value is ready for use; safe for concurrent use.
type contents struct {
	mu   sync.Mutex
	apps map[string]content // by namespace/name
}

type content struct {
	uid string
	// reads are those of the newest closure that was read; nil before that.
	reads  []approval.Read
	titles map[approval.SHA]string
}

// learn keeps what facts tell. What is rendered is not read each time, so the last
// answer stays.
func (c *contents) learn(facts approval.Facts) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.apps == nil {
		c.apps = map[string]content{}
	}
	app := facts.Application
	known := c.apps[app.Key()]
	if known.uid != app.UID {
		known = content{uid: app.UID}
	}
	if facts.Closure != nil {
		known.reads = facts.Closure.Reads
	}
	if len(facts.Lines) > 0 {
		known.titles = map[approval.SHA]string{}
		for _, l := range facts.Lines {
			for _, landing := range l.Landings {
				known.titles[landing.Commit] = landing.Title
				if landing.Pull != nil {
					known.titles[landing.Commit] = landing.Pull.Title
				}
			}
		}
	}
	c.apps[app.Key()] = known
}

// lacks says whether nobody knows what an Application is rendered from.
func (c *contents) lacks(a approval.Application) bool { return c.of(a).reads == nil }

func (c *contents) forget(app string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.apps, app)
}

// of is what is known of an Application. The result must not be changed.
func (c *contents) of(a approval.Application) content {
	c.mu.Lock()
	defer c.mu.Unlock()
	known := c.apps[a.Key()]
	if known.uid != a.UID {
		return content{}
	}
	return known
}

// learnContent finds out what an Application is rendered from that is not known because
// something has stopped it ever since it was seen first: at its baselines, since that is
// where it stands. Only reports ask for it, so what cannot be read is looked for again the
// next time, and until then the Application may be named too often.
func (g *Gate) learnContent(ctx context.Context, facts approval.Facts) {
	app := facts.Application
	if len(facts.Lines) == 0 || !g.contents.lacks(app) {
		return
	}
	var at []approval.Revision
	for _, s := range app.Sources {
		i := slices.IndexFunc(facts.Lines, func(l approval.Line) bool { return l.Repository.Equal(s.Repository) })
		if i < 0 || !facts.Lines[i].BaselineOnLine {
			return
		}
		at = append(at, approval.Revision{Repository: facts.Lines[i].Repository, SHA: facts.Lines[i].Baseline})
	}
	closure, err := g.closures.Closure(ctx, app, at)
	if err != nil {
		g.log.LogAttrs(ctx, slog.LevelInfo, "content_unknown", slog.String("application", app.Key()), slog.Any("error", err))
		return
	}
	facts.Closure, facts.Lines = &closure, nil
	g.contents.learn(facts)
}

// affected are the protected Applications that changes of a repository reach, by
// name. A path that no Application is known to be rendered from reaches all of which
// it is not known: some may be rendered from what the spec does not name.
func (g *Gate) affected(p approval.Policy, protected approval.ProtectedRepository, changes []approval.Change) []approval.Application {
	var apps, unknown []approval.Application
	reads := map[string][]approval.Read{}
	for _, a := range g.apps.List() {
		if !p.Protects(a) || !readsFrom(a, protected.Name) {
			continue
		}
		apps = append(apps, a)
		known := g.contents.of(a).reads
		if known == nil {
			unknown = append(unknown, a)
		}
		reads[a.Key()] = known
		for _, s := range a.Sources {
			reads[a.Key()] = append(slices.Clip(reads[a.Key()]), s.Reads...)
		}
	}
	reached := map[string]bool{}
	for _, c := range changes {
		if !protected.CoversChange(c) {
			continue
		}
		found := false
		for _, a := range apps {
			if approval.Covers(reads[a.Key()], protected.Name, c.Path) {
				reached[a.Key()], found = true, true
			}
		}
		for _, a := range unknown {
			reached[a.Key()] = reached[a.Key()] || !found
		}
	}
	apps = slices.DeleteFunc(apps, func(a approval.Application) bool { return !reached[a.Key()] })
	slices.SortFunc(apps, func(a, b approval.Application) int { return strings.Compare(a.Key(), b.Key()) })
	return apps
}

// rangeOf are the landings of a decision that have to do with its gate.
func rangeOf(d approval.Decision, titles map[approval.SHA]string) []approval.ShippedLanding {
	var out []approval.ShippedLanding
	for _, l := range d.Lines {
		target := slices.IndexFunc(l.Landings, func(o approval.LandingDecision) bool { return o.Commit == l.Target })
		for i, landing := range l.Landings {
			if landing.Class == approval.ClassNone {
				continue
			}
			out = append(out, approval.ShippedLanding{
				Repository: l.Repository, Commit: landing.Commit, Kind: landing.Kind, Class: landing.Class, Pull: landing.Pull,
				Title: titles[landing.Commit], Verdict: landing.Verdict, Undone: landing.Undone, Waits: i > target, Approvers: landing.Approvers,
			})
		}
	}
	return out
}
