package gate

import (
	"maps"
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

// keep forgets all other Applications.
func (c *contents) keep(apps map[string]bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	maps.DeleteFunc(c.apps, func(app string, _ content) bool { return !apps[app] })
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
