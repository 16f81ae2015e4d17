package collect

import (
	"context"
	"fmt"
	"net/url"
	"strconv"
	"time"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
	"github.com/argo-gatekeeper/gatekeeper/pkg/github"
)

// activityPages bounds how far back a push is looked for. The newest entry of a
// branch is nearly always the one.
const activityPages = 3

// push is the arrival of a head. The zero push is an unknown one, which blocks.
type push struct {
	by *approval.User
	at time.Time
	// before is the head that it took the place of; empty when that is not known.
	before approval.SHA
	// logged: it was not witnessed.
	logged bool
}

type pusherKey struct {
	repository int64
	number     int
	head       approval.SHA
	// merged: after the merge the head cannot arrive once more. Before it, it
	// can: A, then B, then A again.
	merged bool
}

// pusherOf says who pushed the head and when, by GitHub's clock: from a
// witnessed webhook, else from the activity log of the base repository. For a
// head in a fork there is no log that we may read. The witness of a head that was
// replaced says nothing: see Witness.HeadPush.
func (c *Collector) pusherOf(ctx context.Context, r *repo, p pull) (push, error) {
	w, ok, err := c.witness.HeadPush(ctx, r.id, p.number, p.head)
	if err != nil {
		return push{}, fmt.Errorf("look up who pushed %s to #%d: %w", p.head.Short(), p.number, err)
	}
	return c.pushOf(ctx, r, p, p.head, w, ok)
}

// formerPusherOf says the same of a head whose place next took with a push.
func (c *Collector) formerPusherOf(ctx context.Context, r *repo, p pull, head, next approval.SHA, replaced push) (push, error) {
	w, ok, err := c.witness.FormerHead(ctx, r.id, p.number, head, next, replaced.at)
	if err != nil {
		return push{}, fmt.Errorf("look up who pushed %s to #%d: %w", head.Short(), p.number, err)
	}
	return c.pushOf(ctx, r, p, head, w, ok)
}

func (c *Collector) pushOf(ctx context.Context, r *repo, p pull, head approval.SHA, w approval.WitnessedHead, ok bool) (push, error) {
	if ok && w.Head == head && w.Pull == p.number && w.Pusher.ID > 0 && !w.PushedAt.IsZero() {
		return push{by: &w.Pusher, at: w.PushedAt.UTC(), before: w.Before}, nil
	}
	if p.headRepository != p.baseRepository || p.headRef == "" {
		return push{}, nil
	}
	key := pusherKey{r.id, p.number, head, p.merged}
	return c.pushers.get(ctx, key, func(ctx context.Context) (push, time.Duration, error) {
		found, err := readPush(ctx, r, p, head)
		if err != nil || found.by == nil || !p.merged {
			return found, c.people, err
		}
		return found, forever, nil
	})
}

// activity is an entry of the activity log, which go-github v60 does not know
// (GitHub docs, "List repository activities").
type activity struct {
	Before    string    `json:"before"`
	After     string    `json:"after"`
	Ref       string    `json:"ref"`
	Timestamp time.Time `json:"timestamp"`
	Type      string    `json:"activity_type"`
	Actor     *struct {
		ID    int64  `json:"id"`
		Login string `json:"login"`
		Type  string `json:"type"`
	} `json:"actor"`
}

// readPush finds the newest arrival of a head at the pull request's branch.
func readPush(ctx context.Context, r *repo, p pull, head approval.SHA) (push, error) {
	op := fmt.Sprintf("find who pushed %s to #%d", head.Short(), p.number)
	query := url.Values{"ref": {"refs/heads/" + p.headRef}, "per_page": {strconv.Itoa(github.PageSize)}, "direction": {"desc"}}
	for range activityPages {
		var entries []activity
		path := fmt.Sprintf("repos/%s/%s/activity?%s", r.name.Owner(), r.name.Name(), query.Encode())
		resp, err := r.client.Get(ctx, op, path, &entries)
		if err != nil {
			return push{}, err
		}
		if found, ok := newestPush(entries, p, head); ok {
			return found, nil
		}
		if resp.After == "" {
			return push{}, nil
		}
		query.Set("after", resp.After)
	}
	return push{}, nil
}

// arrives says whether an activity puts a commit on a branch. Whoever merges
// another pull request into the head branch counts as the pusher of the result.
func arrives(activityType string) bool {
	switch activityType {
	case "push", "force_push", "branch_creation", "pr_merge", "merge_queue_merge":
		return true
	default:
		return false
	}
}
