package gate

import (
	"slices"
	"strings"
	"time"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
)

// Current is what is known of an Application right now, for those who look on.
type Current struct {
	// Application is "namespace/name".
	Application string
	UID         string
	Gate        string
	Decision    approval.Decision
	// State is one line for people about what is being done.
	State string
	// Judged is when the decision was made.
	Judged time.Time
	// Entry is the number of the recorded decision, 0 when none is known.
	Entry uint64
}

// Current lists what is known of all protected Applications, by name. Those that were
// not judged yet since the start are missing.
func (g *Gate) Current() []Current {
	g.memory.mu.Lock()
	all := make([]Current, 0, len(g.memory.apps))
	for app, r := range g.memory.apps {
		all = append(all, r.current(app))
	}
	g.memory.mu.Unlock()
	slices.SortFunc(all, func(a, b Current) int { return strings.Compare(a.Application, b.Application) })
	return all
}

// CurrentOf is Current of one Application; false when it is not known.
func (g *Gate) CurrentOf(app string) (Current, bool) {
	r, ok := g.memory.get(app)
	return r.current(app), ok
}

func (r remembered) current(app string) Current {
	return Current{
		Application: app, UID: r.uid, Gate: r.gate, Decision: r.decision, State: r.state, Judged: r.at, Entry: r.grounds.sequence,
	}
}
