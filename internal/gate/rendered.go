package gate

import (
	"errors"
	"maps"
	"slices"
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
	// parents are those that each child may come from.
	parents map[string][]string
	// specs is since when an Application has its spec, by its UID.
	specs map[string]specSince
}

type rendering struct {
	found *brood
	err   error
	until time.Time
}

// brood is what a parent is rendered to: Applications, those that its ApplicationSets
// generate included.
type brood struct {
	// specs are the Applications by namespace/name.
	specs map[string][]approval.RenderedSpec
	// sets are the ApplicationSets by namespace/name, with why they are not followed.
	sets map[string]string
}

func broodOf(found []approval.RenderedSpec) *brood {
	b := &brood{specs: map[string][]approval.RenderedSpec{}, sets: map[string]string{}}
	for _, spec := range found {
		switch {
		case spec.Unfollowed != "":
			b.sets[spec.Set] = spec.Unfollowed
		case spec.Application == "":
			b.sets[spec.Set] += "" // it is there
		default:
			b.specs[spec.Application] = append(b.specs[spec.Application], spec)
		}
	}
	return b
}

// has finds the Application with exactly this spec. Of two that are rendered with one
// name it is not known which one is applied.
func (b *brood) has(app approval.Application) (approval.RenderedSpec, bool) {
	found := b.specs[app.Key()]
	if len(found) != 1 || app.SpecDigest == "" || found[0].Digest != app.SpecDigest {
		return approval.RenderedSpec{}, false
	}
	return found[0], true
}

type specSince struct {
	digest string
	since  time.Time
}

// of returns what a parent is rendered to. The result must not be changed.
func (r *renderings) of(parent approval.Application, revisions []approval.Revision, now time.Time, render func() (*brood, error)) (*brood, error) {
	key := renderingKey(parent, revisions)
	if known, ok := r.known(key, now); ok {
		return known.found, known.err
	}
	answer, err, _ := r.flight.Do(key, func() (any, error) {
		found, err := render()
		r.keep(key, found, err, now)
		return found, err
	})
	found, _ := answer.(*brood)
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

func (r *renderings) keep(key string, found *brood, err error, now time.Time) {
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
	r.answers[key] = rendering{found, err, until}
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

// child keeps which parents an Application may come from; none for none.
func (r *renderings) child(app string, parents []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(parents) == 0 {
		delete(r.parents, app)
		return
	}
	if r.parents == nil {
		r.parents = map[string][]string{}
	}
	r.parents[app] = parents
}

// children are the Applications that may come from this one.
func (r *renderings) children(parent string) []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	var found []string
	for child, of := range r.parents {
		if child != parent && slices.Contains(of, parent) {
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
	maps.DeleteFunc(r.parents, func(app string, _ []string) bool { return !apps[app] })
	maps.DeleteFunc(r.specs, func(uid string, _ specSince) bool { return !uids[uid] })
}
