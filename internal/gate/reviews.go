package gate

import (
	"slices"
	"sync"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
)

// reviews are those that are owed after break-glass, by Application. It is rebuilt by
// reconciling. Safe for concurrent use.
type reviews struct {
	mu   sync.Mutex
	apps map[string]owedReviews // by namespace/name
}

type owedReviews struct {
	gate string
	open []approval.BrokenGlass
}

// set replaces what one Application owes, and returns what is overdue since.
func (r *reviews) set(app, gate string, open []approval.BrokenGlass) []approval.BrokenGlass {
	r.mu.Lock()
	defer r.mu.Unlock()
	var news []approval.BrokenGlass
	for _, b := range open {
		known := slices.ContainsFunc(r.apps[app].open, func(o approval.BrokenGlass) bool { return o.ID == b.ID && o.Overdue })
		if b.Overdue && !known {
			news = append(news, b)
		}
	}
	if len(open) == 0 {
		delete(r.apps, app)
		return nil
	}
	if r.apps == nil {
		r.apps = map[string]owedReviews{}
	}
	r.apps[app] = owedReviews{gate, open}
	return news
}

// forget says whether the Application owed something.
func (r *reviews) forget(app string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	_, owed := r.apps[app]
	delete(r.apps, app)
	return owed
}

// owedCount is what one gate's Applications owe.
type owedCount struct{ unreviewed, overdue int }

func (r *reviews) counts() map[string]owedCount {
	r.mu.Lock()
	defer r.mu.Unlock()
	out := map[string]owedCount{}
	for _, a := range r.apps {
		c := out[a.gate]
		for _, b := range a.open {
			c.unreviewed++
			if b.Overdue {
				c.overdue++
			}
		}
		out[a.gate] = c
	}
	return out
}
