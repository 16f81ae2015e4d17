package gate

import (
	"context"
	"fmt"
	"slices"
	"sync"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
)

// Follower is told what was reported on pull requests, for what is shown elsewhere. It
// keeps no decision and no sync waiting.
type Follower interface {
	// Follow is told of a report that was published. It returns at once.
	Follow(r approval.PullReport)
	// Awaits says whether it has to hear how a pull request ended that it was told of,
	// perhaps by an earlier process.
	Awaits(ctx context.Context, repository approval.RepositoryName, pull int) bool
	// Owes says whether what it was told of a pull request is not done yet. It returns at
	// once, and says so by Gate.Followed when it is done.
	Owes(repository approval.RepositoryName, pull int) bool
	// Closed is told that a pull request was closed without being merged, or that it is
	// into no protected branch any more. It returns at once.
	Closed(repository approval.RepositoryName, pull int)
}

func (g *Gate) followed(r approval.PullReport) {
	for _, f := range g.followers {
		f.Follow(r)
	}
}

// reviewers are all who ever gave a review, each once.
func reviewers(pr approval.PullRequest) []approval.UserID {
	var ids []approval.UserID
	for _, r := range pr.Reviews {
		if r.User != nil && !slices.Contains(ids, r.User.ID) {
			ids = append(ids, r.User.ID)
		}
	}
	return ids
}

// awaited are the pull requests of an Application's newest deployment of which somebody
// has not heard yet, since the process ended before.
func (g *Gate) awaited(ctx context.Context, app approval.Application) []Key {
	var keys []Key
	for _, k := range g.rollouts.shippedLast(app.Key()) {
		if slices.ContainsFunc(g.followers, func(f Follower) bool { return f.Awaits(ctx, k.Repository, k.Pull) }) {
			keys = append(keys, k)
		}
	}
	return keys
}

// deployed remembers what the record says of an Application's syncs, of which none is
// under way.
func (g *Gate) deployed(ctx context.Context, app approval.Application, last *deployed) error {
	now := rolledOut{uid: app.UID}
	if last != nil {
		now.failures, now.failed = last.failures, last.failed
	}
	if last != nil && last.succeeded {
		now.live, now.intent = last.intent.Candidate, last.intent.ID
		if before := g.rollouts.get(app.Key()); before.intent == now.intent && before.uid == now.uid {
			now.shipped = before.shipped
		} else {
			decided, _, err := g.decisionOf(ctx, last.intent)
			if err != nil {
				return fmt.Errorf("read what was deployed of %s: %w", app.Key(), err)
			}
			now.shipped = shippedIn(decided.Decision, last.intent.Candidate)
		}
	}
	g.rollouts.set(app.Key(), now)
	return nil
}

// shippedIn are the pull requests that a candidate brings beyond the baseline of its
// decision, of each repository the oldest first.
func shippedIn(d approval.Decision, c approval.Candidate) []Key {
	var keys []Key
	for _, l := range d.Lines {
		for i := range l.Landings[:reach(l, c)] {
			landing := &l.Landings[i]
			if landing.Pull != 0 && landing.Class != approval.ClassNone && !landing.Undone {
				keys = append(keys, Key{Repository: l.Repository, Pull: landing.Pull})
			}
		}
	}
	return keys
}

// reach is how many landings of a line a candidate holds.
func reach(l approval.LineDecision, c approval.Candidate) int {
	for _, r := range c.Revisions {
		if !r.Repository.Equal(l.Repository) {
			continue
		}
		if i := slices.IndexFunc(l.Landings, func(d approval.LandingDecision) bool { return d.Commit == r.SHA }); i >= 0 {
			return i + 1
		}
	}
	return 0
}

// rollouts are how far Applications have come. They are rebuilt by reconciling, and
// nothing rests on them. Safe for concurrent use; the zero value is ready for use.
type rollouts struct {
	mu   sync.Mutex
	apps map[string]rolledOut // by namespace/name
}

type rolledOut struct {
	uid string
	// live is what was deployed last, by the intent, and shipped the pull requests that
	// came with it.
	live    approval.Candidate
	intent  string
	shipped []Key
	// failed is what was tried last in vain, so many times in a row.
	failed   approval.Candidate
	failures int
	// syncing is what Gatekeeper asked for last, if that may be under way.
	syncing *approval.Candidate
}

func (r *rollouts) get(app string) rolledOut {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.apps[app]
}

func (r *rollouts) set(app string, now rolledOut) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.apps == nil {
		r.apps = map[string]rolledOut{}
	}
	r.apps[app] = now
}

// begin remembers that a sync was asked for.
func (r *rollouts) begin(app string, c approval.Candidate) {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := r.apps[app]
	now.syncing = &c
	if r.apps != nil {
		r.apps[app] = now
	}
}

func (r *rollouts) forget(app string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.apps, app)
}

func (r *rollouts) shippedLast(app string) []Key { return r.get(app).shipped }

// of says how far a pull request has come in an Application, by its latest decision.
func (r *rollouts) of(app string, known remembered, key Key) approval.Rollout {
	now := r.get(app)
	out := approval.Rollout{Sequence: known.grounds.sequence}
	if now.uid == "" || now.uid != known.uid {
		return out
	}
	for _, revision := range now.live.Revisions {
		if revision.Repository.Equal(key.Repository) {
			out.Revision = revision.SHA
		}
	}
	line := slices.IndexFunc(known.decision.Lines, func(l approval.LineDecision) bool { return l.Repository.Equal(key.Repository) })
	if line < 0 {
		return out // without facts nobody knows
	}
	l := known.decision.Lines[line]
	at := slices.IndexFunc(l.Landings, func(d approval.LandingDecision) bool { return d.Pull == key.Pull })
	if at >= 0 {
		out.Stage = now.ahead(l, at)
		if out.Stage == approval.StageLive {
			// The decision may be the one from before the sync, with all that it shipped.
			if out.Newest = newestOf(l.Landings[:reach(l, now.live)]); out.Newest != key.Pull {
				out.Stage = approval.StagePast
			}
		}
		return out
	}
	out.Stage = approval.StagePast
	for _, k := range now.shipped {
		if k.Repository.Equal(key.Repository) {
			out.Newest = k.Pull // the last one stays
		}
	}
	switch {
	case !slices.ContainsFunc(now.shipped, func(k Key) bool { return k.Pull == key.Pull && k.Repository.Equal(key.Repository) }):
		out.Newest = 0
	case out.Newest == key.Pull:
		out.Stage = approval.StageLive
	}
	return out
}

// newestOf is the number of the newest pull request of some landings that concerns the gate.
func newestOf(landings []approval.LandingDecision) int {
	for _, l := range slices.Backward(landings) {
		if l.Pull != 0 && l.Class != approval.ClassNone && !l.Undone {
			return l.Pull
		}
	}
	return 0
}

// ahead is the stage of a landing that comes after what is trusted.
func (r rolledOut) ahead(l approval.LineDecision, at int) approval.Stage {
	d := l.Landings[at]
	switch {
	case d.Class == approval.ClassNone, d.Undone:
		return ""
	case r.syncing != nil && reach(l, *r.syncing) > at:
		if r.failures > 0 && r.failed.Equal(*r.syncing) {
			return approval.StageFailed // the same once more
		}
		return approval.StageSyncing
	case reach(l, r.live) > at:
		return approval.StageLive // by break-glass, so that it is not trusted
	case r.failures > 0 && reach(l, r.failed) > at:
		return approval.StageFailed
	default:
		return approval.StageWaiting
	}
}
