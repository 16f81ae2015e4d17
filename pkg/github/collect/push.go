package collect

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
)

// push is the arrival of a head. The zero push is an unknown one, which blocks.
type push struct {
	by *approval.User
	at time.Time
	// before is the head that it took the place of; empty when that is not known.
	before approval.SHA
	// earlier are the arrivals before this one, the newest first, if the activity
	// log was asked.
	earlier []arrival
	logged  bool
	partial bool // there may be more of them
	// witnessed: a webhook told of it too.
	witnessed bool
}

// told is what is known of a pull request before it is asked who pushed.
type told struct {
	// approved: there is an approval that can count.
	approved bool
	// settled: it is approved or merged, so what rests on the pusher can deploy
	// something.
	settled bool
	// past is the timeline, if it was read.
	past *past
	// reviews are for reading it.
	reviews []approval.Review
}

// tell finds out whether an approval is one of the head, or of a commit of which
// the head is an update.
func tell(ctx context.Context, r *repo, p pull, reviews []approval.Review, before *past, base approval.SHA) (*told, error) {
	t := &told{settled: p.merged, past: before, reviews: reviews}
	var others []approval.SHA
	for _, v := range reviews {
		switch {
		case v.State != approval.ReviewApproved:
		case v.Commit == p.head:
			t.approved = true
		default:
			others = append(others, v.Commit)
		}
	}
	if !t.approved && len(others) > 0 {
		commits, err := r.mirror.Updates(ctx, p.head, base)
		if err != nil {
			return nil, fmt.Errorf("find the updates of #%d: %w", p.number, err)
		}
		t.approved = slices.ContainsFunc(others, func(sha approval.SHA) bool { return slices.Contains(commits, sha) })
	}
	t.settled = t.settled || t.approved
	return t, nil
}

// pusherOf says who pushed the head and when, by GitHub's clock.
//
// That a webhook told of its arrival does not say that it did not arrive once
// more: A, then B, then A again, and of the last two nobody heard. So as soon as
// something can rest on it, GitHub is asked as well: the activity log, which has
// every arrival, or, where the timeline was read anyway, that, which has every
// force-push. For a head in a fork there is no log that we may read; then the
// timeline is read. See docs/design/2026-11-21-pushes.md.
func (c *Collector) pusherOf(ctx context.Context, r *repo, p pull, t *told) (push, error) {
	w, ok, err := c.witness.HeadPush(ctx, r.id, p.number, p.head)
	if err != nil {
		return push{}, fmt.Errorf("look up who pushed %s to #%d: %w", p.head.Short(), p.number, err)
	}
	seen := witnessedPush(w, ok, p, p.head)
	switch {
	case !t.settled:
		if seen.by == nil {
			if seen, err = c.branchPush(ctx, r, p); err != nil {
				return push{}, err
			}
		}
		if seen.by != nil || !p.inBase() {
			return seen, nil
		}
	case seen.by != nil && t.past != nil:
		if last, ok := t.past.lastArrival(seen, p); ok {
			return last, nil
		}
		if !p.inBase() {
			return push{}, nil
		}
	case !p.inBase():
		if seen.by == nil || !t.approved {
			return seen, nil
		}
		before, err := c.pastOf(ctx, r, p, t.reviews)
		if err != nil {
			return push{}, err
		}
		t.past = &before
		last, _ := before.lastArrival(seen, p)
		return last, nil
	}
	log, err := c.arrivalsOf(ctx, r, p, seen)
	if err != nil {
		return push{}, err
	}
	return log.push(p.head, seen), nil
}

// inBase says whether the head branch is in the base repository, whose activity
// can be read.
func (p pull) inBase() bool { return p.headRepository == p.baseRepository && p.headRef != "" }

func witnessedPush(w approval.WitnessedHead, ok bool, p pull, head approval.SHA) push {
	if !ok || w.Head != head || w.Pull != p.number || w.Pusher.ID <= 0 || w.PushedAt.IsZero() {
		return push{}
	}
	return push{by: &w.Pusher, at: w.PushedAt.UTC(), before: w.Before, witnessed: true}
}

// branchPush is who pushed the head to its branch, as far as a webhook told. It is
// good for a pull request that nobody approved, and no more: see Pushes.BranchPush.
func (c *Collector) branchPush(ctx context.Context, r *repo, p pull) (push, error) {
	if !p.inBase() {
		return push{}, nil
	}
	w, ok, err := c.pushes.BranchPush(ctx, r.id, p.headRef, p.head)
	if err != nil {
		return push{}, fmt.Errorf("look up who pushed %s to %s: %w", p.head.Short(), p.headRef, err)
	}
	if !ok || w.After != p.head || w.Pusher.ID <= 0 || w.PushedAt.IsZero() {
		return push{}, nil
	}
	return push{by: &w.Pusher, at: w.PushedAt.UTC(), before: w.Before}, nil
}

// formerPusherOf says who pushed the head whose place next took with a push. What
// the log has of that push has the one before it as well, and what it does not have
// is not known.
func (c *Collector) formerPusherOf(ctx context.Context, r *repo, p pull, head, next approval.SHA, replaced push, t *told) (push, error) {
	w, ok, err := c.witness.FormerHead(ctx, r.id, p.number, head, next, replaced.at)
	if err != nil {
		return push{}, fmt.Errorf("look up who pushed %s to #%d: %w", head.Short(), p.number, err)
	}
	seen := witnessedPush(w, ok, p, head)
	switch {
	case len(replaced.earlier) > 0:
		if replaced.earlier[0].Head != head {
			return push{}, nil
		}
		return arrivals{List: replaced.earlier, Partial: replaced.partial}.push(head, seen), nil
	case replaced.logged && !replaced.partial:
		return push{}, nil
	case !replaced.logged && seen.by != nil && t.past != nil && t.past.quiet(seen, replaced.at):
		return seen, nil
	case !p.inBase():
		return push{}, nil
	}
	log, err := c.branchLog(ctx, r, p, func(arrivals) bool { return true })
	if err != nil {
		return push{}, err
	}
	if earlier, ok := log.beforePush(next, replaced.at); ok && earlier.List[0].Head == head {
		return earlier.push(head, seen), nil
	}
	return push{}, nil
}
