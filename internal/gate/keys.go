package gate

import (
	"cmp"
	"context"
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/argo-gatekeeper/gatekeeper/internal/tracing"
	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
)

// Key names one unit of work: an Application, a pull request, or a merge group.
type Key struct {
	// Application is "namespace/name"; empty for the others.
	Application string
	Repository  approval.RepositoryName
	Pull        int
	// Group is the zero MergeGroup for all but a merge group.
	Group approval.MergeGroup
}

func (k Key) String() string {
	if k.Pull != 0 {
		return string(k.Repository) + "#" + strconv.Itoa(k.Pull)
	}
	if k.Group.Head != "" {
		return string(k.Repository) + " merge group " + k.Group.Head.Short()
	}
	return k.Application
}

// kind is the label under which the key is counted.
func (k Key) kind() string {
	if k.Pull != 0 {
		return "pull"
	}
	if k.Group.Head != "" {
		return "group"
	}
	return "application"
}

// attrs say in a line of the log what the key is, and more.
func (k Key) attrs(more ...slog.Attr) []slog.Attr {
	switch {
	case k.Application != "":
		return append([]slog.Attr{slog.String("application", k.Application)}, more...)
	case k.Pull != 0:
		return append([]slog.Attr{slog.String("repository", string(k.Repository)), slog.Int("pull", k.Pull)}, more...)
	default:
		return append([]slog.Attr{slog.String("repository", string(k.Repository)), slog.String("group", string(k.Group.Head))}, more...)
	}
}

// describe says on a span what the key is.
func (k Key) describe(s tracing.Span) {
	switch {
	case !s.On():
	case k.Application != "":
		s.Text(tracing.Application, k.Application)
	default:
		s.Text(tracing.Pull, k.String())
	}
}

// WakeAll judges every protected Application again, and forgets what is
// remembered about others.
func (g *Gate) WakeAll() { g.wakeWithin(0) }

// wakeWithin spreads WakeAll over a time, so that answers to the API server and syncs
// have the machine to themselves in between: judging 10,000 Applications at once keeps
// two cores busy for half a minute.
func (g *Gate) wakeWithin(spread time.Duration) {
	protected, uids := map[string]bool{}, map[string]bool{}
	var keys []Key
	for _, a := range g.apps.List() {
		if len(g.policiesFor(a)) > 0 {
			protected[a.Key()], uids[a.UID] = true, true
			keys = append(keys, Key{Application: a.Key()})
		}
	}
	g.collector.Heard()
	for i, key := range keys {
		g.sharing.may(key)
		g.queue.AddAfter(key, spread*time.Duration(i)/time.Duration(len(keys)))
	}
	for app, uid := range g.memory.others(protected) {
		g.forget(app, uid)
	}
	g.operations.keep(uids)
	g.asks.keep(uids)
	g.rendered.sweep(protected, uids)
}

// WakeApplication judges one Application again, if it is protected. The zero
// Application, which is what a deleted one has become, wakes nothing.
func (g *Gate) WakeApplication(a approval.Application) {
	if a.Name != "" && len(g.policiesFor(a)) > 0 {
		g.rendered.seen(a, g.now())
		g.sharing.mayNot(Key{Application: a.Key()})
		g.queue.Add(Key{Application: a.Key()})
	}
}

// WakeKey judges the Application "namespace/name" again, if there is one that is
// protected.
func (g *Gate) WakeKey(ctx context.Context, application string) {
	if slices.ContainsFunc(g.apps.List(), func(a approval.Application) bool {
		return a.Key() == application && len(g.policiesFor(a)) > 0
	}) {
		g.memory.doubt(application)
		g.sharing.mayNot(Key{Application: application})
		g.causes.Add(ctx, Key{Application: application})
		g.queue.Add(Key{Application: application})
	}
}

// concerned are the keys that a hint may have to do with. An event that can
// change nothing gives none, so that it costs no call.
//
// Applications come first: what is gated is the sync. A pull request that is
// among the landings of one is told by that Application's reconcile, if anything
// changed, so that its reviews are not read twice.
func (g *Gate) concerned(h approval.Hint) []Key {
	h.Repository = g.configured(h)
	var keys []Key
	if h.Group != nil && g.protectsRepository(h.Repository) {
		keys = append(keys, Key{Repository: h.Repository, Group: *h.Group})
	}
	told := false
	for _, a := range g.apps.List() {
		for _, p := range g.policiesFor(a) {
			if g.concerns(h, a, p) {
				keys = append(keys, Key{Application: a.Key()})
				known, ok := g.memory.get(a.Key())
				told = told || ok && holds(known.decision, h.Repository, h.Pull)
				break
			}
		}
	}
	if h.Pull != 0 && !told && g.protectsRepository(h.Repository) {
		keys = append(keys, Key{Repository: h.Repository, Pull: h.Pull})
	}
	return keys
}

// names are the repositories by their numbers, as far as they were read. After a
// rename events carry the new name, and the configuration, which GitHub redirects
// from, the old one.
type names struct {
	mu   sync.Mutex
	byID map[int64]approval.RepositoryName
}

// learn keeps under which configured name a repository was found.
func (n *names) learn(id int64, name approval.RepositoryName) {
	if id <= 0 {
		return
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.byID == nil {
		n.byID = map[int64]approval.RepositoryName{}
	}
	n.byID[id] = name
}

// configured is the name by which the gates know the repository of a hint: its own, once
// the configuration says so.
func (g *Gate) configured(h approval.Hint) approval.RepositoryName {
	if name := g.names.configured(h); g.protectsRepository(name) {
		return name
	}
	return h.Repository
}

// configured is the name under which the repository of a hint was read last.
func (n *names) configured(h approval.Hint) approval.RepositoryName {
	n.mu.Lock()
	defer n.mu.Unlock()
	if name, ok := n.byID[h.RepositoryID]; ok {
		return name
	}
	return h.Repository
}

func (g *Gate) protectsRepository(name approval.RepositoryName) bool {
	for _, p := range g.Policies() {
		if _, ok := p.Repository(name); ok {
			return true
		}
	}
	return false
}

func (g *Gate) concerns(h approval.Hint, a approval.Application, p approval.Policy) bool {
	if h.Access {
		return true
	}
	known, ok := g.memory.settled(a.Key())
	if h.People {
		return !ok || waits(known.decision)
	}
	protected, inGate := p.Repository(h.Repository)
	if !inGate || !readsFrom(a, h.Repository) {
		return false
	}
	switch {
	case h.Branch != "" && h.Branch == protected.Branch:
		return true
	case h.Pull == 0:
		return false
	case !ok || known.decision.Verdict == approval.Unknown:
		return true
	default:
		return holds(known.decision, h.Repository, h.Pull)
	}
}

func readsFrom(a approval.Application, name approval.RepositoryName) bool {
	for _, s := range a.Sources {
		if s.Repository.Equal(name) {
			return true
		}
	}
	return false
}

// waits says whether anything after the candidate is left to be approved.
func waits(d approval.Decision) bool {
	if d.Verdict != approval.Allowed {
		return true
	}
	for _, l := range d.Lines {
		if l.Target != l.Head {
			return true
		}
	}
	return false
}

// holds says whether a pull request is among the landings after the baseline.
func holds(d approval.Decision, name approval.RepositoryName, pull int) bool {
	for _, l := range d.Lines {
		if !l.Repository.Equal(name) {
			continue
		}
		for _, landing := range l.Landings {
			if landing.Pull == pull {
				return true
			}
		}
	}
	return false
}

// compareKeys puts keys in an order.
func compareKeys(a, b Key) int {
	return cmp.Or(strings.Compare(a.Application, b.Application),
		strings.Compare(string(a.Repository), string(b.Repository)), cmp.Compare(a.Pull, b.Pull))
}

// splitKey is the inverse of Application.Key.
func splitKey(key string) (namespace, name string) {
	namespace, name, _ = strings.Cut(key, "/")
	return namespace, name
}
