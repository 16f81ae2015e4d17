package gate

import (
	"errors"
	"maps"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
)

// Bounds of what is remembered of parents.
const (
	renderedKept = 64
	// renderedFor is how long an answer is good. The revisions are exact, but what
	// is rendered of them also depends on the cluster's API versions.
	renderedFor = 10 * time.Minute
	// renderFailedFor keeps the children of a parent that cannot be rendered from
	// asking for it one after the other.
	renderFailedFor = 20 * time.Second
	// settledAfter is how long a parent must have had its spec before it is rendered:
	// Argo CD renders the spec in its own cache, which may be a little older.
	settledAfter = 5 * time.Second
)

// renderings remembers what parents are rendered to, and who their children are. Its
// zero value is ready for use. It is safe for concurrent use.
type renderings struct {
	flight singleflight.Group

	mu      sync.Mutex
	answers map[string]rendering
	// parents is the parent that each child names.
	parents map[string]string
	// specs is since when an Application has its spec, by its UID.
	specs map[string]specSince
}

type rendering struct {
	digests map[string][]string // by namespace/name
	err     error
	until   time.Time
}

type specSince struct {
	digest string
	since  time.Time
}

// of returns the digests of the specs that a parent is rendered to, by namespace/name.
// The result must not be changed.
func (r *renderings) of(parent approval.Application, revisions []approval.Revision, now time.Time, render func() (map[string][]string, error)) (map[string][]string, error) {
	key := renderingKey(parent, revisions)
	if known, ok := r.known(key, now); ok {
		return known.digests, known.err
	}
	digests, err, _ := r.flight.Do(key, func() (any, error) {
		digests, err := render()
		r.keep(key, digests, err, now)
		return digests, err
	})
	found, _ := digests.(map[string][]string)
	return found, err
}

func renderingKey(parent approval.Application, revisions []approval.Revision) string {
	parts := []string{parent.UID, parent.SpecDigest}
	for _, revision := range revisions {
		parts = append(parts, string(revision.Repository), string(revision.SHA))
	}
	return strings.Join(parts, "\x00")
}

func (r *renderings) known(key string, now time.Time) (rendering, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	known, ok := r.answers[key]
	return known, ok && now.Before(known.until)
}

func (r *renderings) keep(key string, digests map[string][]string, err error, now time.Time) {
	if errors.Is(err, approval.ErrStale) {
		return // the next time it will be another spec
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.answers == nil {
		r.answers = map[string]rendering{}
	}
	oldest := ""
	for k, a := range r.answers {
		if !now.Before(a.until) {
			delete(r.answers, k)
		} else if oldest == "" || a.until.Before(r.answers[oldest].until) {
			oldest = k
		}
	}
	if len(r.answers) >= renderedKept {
		delete(r.answers, oldest)
	}
	until := now.Add(renderedFor)
	if err != nil {
		until = now.Add(renderFailedFor)
	}
	r.answers[key] = rendering{digests, err, until}
}

// seen keeps since when an Application has its spec. Every change of it is seen, also
// one that is taken back at once.
func (r *renderings) seen(a approval.Application, now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.specs == nil {
		r.specs = map[string]specSince{}
	}
	if r.specs[a.UID].digest != a.SpecDigest {
		r.specs[a.UID] = specSince{a.SpecDigest, now}
	}
}

// unsettled is how long to wait until an Application's spec is old enough, 0 when it is.
func (r *renderings) unsettled(a approval.Application, now time.Time) time.Duration {
	r.seen(a, now)
	r.mu.Lock()
	defer r.mu.Unlock()
	return max(0, settledAfter-now.Sub(r.specs[a.UID].since))
}

// child keeps which parent an Application names; empty for none.
func (r *renderings) child(app, parent string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if parent == "" {
		delete(r.parents, app)
		return
	}
	if r.parents == nil {
		r.parents = map[string]string{}
	}
	r.parents[app] = parent
}

// children are the Applications that name this one as their parent.
func (r *renderings) children(parent string) []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	var found []string
	for child, of := range r.parents {
		if of == parent && child != parent {
			found = append(found, child)
		}
	}
	return found
}

// forget drops what is known of an Application that is gone or not protected.
func (r *renderings) forget(app, uid string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.parents, app)
	delete(r.specs, uid)
}

// sweep forgets all Applications but those, by name and by UID.
func (r *renderings) sweep(apps, uids map[string]bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	maps.DeleteFunc(r.parents, func(app, _ string) bool { return !apps[app] })
	maps.DeleteFunc(r.specs, func(uid string, _ specSince) bool { return !uids[uid] })
}
