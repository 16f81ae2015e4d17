package gate

import (
	"cmp"
	"slices"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
)

// Waiting are the landed pull requests that keep something from being synced, by the
// latest decisions, in order.
func (g *Gate) Waiting() []Key {
	g.memory.mu.Lock()
	defer g.memory.mu.Unlock()
	var keys []Key
	for _, r := range g.memory.apps {
		for _, l := range r.decision.Lines {
			for _, d := range l.Landings {
				k := Key{Repository: l.Repository, Pull: d.Pull}
				if d.Pull != 0 && d.Class != approval.ClassNone && d.Verdict != approval.Allowed && !d.Undone && !slices.Contains(keys, k) {
					keys = append(keys, k)
				}
			}
		}
	}
	slices.SortFunc(keys, func(a, b Key) int {
		return cmp.Or(cmp.Compare(a.Repository, b.Repository), cmp.Compare(a.Pull, b.Pull))
	})
	return keys
}
