package collect

import (
	"context"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"time"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
	"github.com/argo-gatekeeper/gatekeeper/pkg/github"
)

// activityPages bounds how far back a push is looked for. The newest entry of a
// branch is nearly always the one.
const activityPages = 3

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

// arrival is one commit's coming to a branch.
type arrival struct {
	Head   approval.SHA `json:"head"`
	Before approval.SHA `json:"before"` // empty when it is not known
	// By is nil when the account was deleted, or something else is missing.
	By *approval.User `json:"by"`
	At time.Time      `json:"at"`
}

// arrivals are what GitHub's activity log has of the head branch of a pull request.
type arrivals struct {
	List []arrival `json:"list"` // the newest first
	// Partial: there may be older ones that could be read.
	Partial bool `json:"partial"`
}

// arrivalsIn takes the arrivals at a pull request's branch out of entries that
// begin with the newest. What comes to the branch after the merge is nothing to the
// pull request: the branch may be restored, or used again.
func arrivalsIn(entries []activity, p pull) []arrival {
	var out []arrival
	for _, e := range entries {
		if e.Ref != "refs/heads/"+p.headRef || !arrives(e.Type) || p.merged && e.Timestamp.Truncate(time.Second).After(p.mergedAt) {
			continue
		}
		a := arrival{At: e.Timestamp.UTC()}
		a.Head, _ = approval.ParseSHA(e.After)    // empty, which is no head, if it is none
		a.Before, _ = approval.ParseSHA(e.Before) // unknown if it is none
		if e.Actor != nil && e.Actor.ID > 0 && !e.Timestamp.IsZero() {
			a.By = &approval.User{ID: approval.UserID(e.Actor.ID), Login: e.Actor.Login, Type: e.Actor.Type}
		}
		out = append(out, a)
	}
	return out
}

func (a arrivals) find(head approval.SHA) int {
	return slices.IndexFunc(a.List, func(at arrival) bool { return at.Head == head })
}

// push is the newest arrival of a head, from the log and from what was witnessed.
//
// The log is the authority. What was witnessed adds that it is the same arrival,
// and its own time, which is a moment later. A newer arrival in the log is one
// whose webhook was lost. A log that is behind what was witnessed says nothing:
// then nobody knows whether more is missing, and it is read again.
func (a arrivals) push(head approval.SHA, seen push) push {
	i := a.find(head)
	switch {
	case len(a.List) == 0:
		return seen // GitHub keeps no log of this branch: it was renamed, or it is too old
	case i < 0 || a.List[i].By == nil:
		return push{}
	}
	at := a.List[i]
	found := push{by: at.By, at: at.At, before: at.Before, earlier: a.List[i+1:], partial: a.Partial, logged: true}
	if seen.by == nil {
		return found
	}
	same := seen.before == at.Before || seen.before == ""
	switch {
	case same && at.By.ID == seen.by.ID:
		found.witnessed = true
		if seen.at.After(found.at) {
			found.at = seen.at
		}
	case at.At.After(seen.at):
	case same && seen.before != "":
		found.by, found.at, found.witnessed = seen.by, seen.at, true
	default:
		return push{}
	}
	return found
}

// before leaves the arrivals that are older than the one that a push is.
func (a arrivals) beforePush(head approval.SHA, at time.Time) (arrivals, bool) {
	i := slices.IndexFunc(a.List, func(o arrival) bool { return o.Head == head && !o.At.After(at) })
	if i < 0 || i+1 >= len(a.List) {
		return arrivals{}, false
	}
	return arrivals{List: a.List[i+1:], Partial: a.Partial}, true
}

// arrivalsOf finds arrivals that say who pushed the head: those that an earlier
// process found, those among the newest of the repository, else those in the log of
// the branch.
func (c *Collector) arrivalsOf(ctx context.Context, r *repo, p pull, seen push) (arrivals, error) {
	good := func(a arrivals) bool { return len(a.List) > 0 && a.push(p.head, seen).by != nil }
	key := pusherKey{r.id, p.number, p.head, p.merged}
	if kept, ok := c.arrivals.peek(key); ok && good(kept) {
		return kept, nil
	}
	if p.merged {
		var kept arrivals
		if c.recallFact(ctx, r, factArrivals, p.number, &kept) && good(kept) {
			c.arrivals.put(key, kept, forever)
			return kept, nil
		}
		if listed := c.listedArrivals(r, p); good(listed) {
			c.arrivals.put(key, listed, forever)
			c.rememberFact(ctx, r, factArrivals, p.number, listed)
			return listed, nil
		}
	}
	if kept, ok := c.logs.peek(key); ok && seen.by != nil && !good(kept) {
		c.logs.drop(key) // it is older than what was heard since
	}
	return c.branchLog(ctx, r, p, good)
}

type pusherKey struct {
	repository int64
	number     int
	head       approval.SHA
	// merged: after the merge the head cannot arrive once more. Before it, it
	// can: A, then B, then A again.
	merged bool
}

// branchLog reads the log of the head branch. What is good of a merged pull request
// is kept for ever.
func (c *Collector) branchLog(ctx context.Context, r *repo, p pull, good func(arrivals) bool) (arrivals, error) {
	return c.logs.get(ctx, pusherKey{r.id, p.number, p.head, p.merged}, func(ctx context.Context) (arrivals, time.Duration, error) {
		read, err := readLog(ctx, r, p)
		if err != nil || !p.merged || !good(read) {
			return read, c.people, err
		}
		c.rememberFact(ctx, r, factArrivals, p.number, read)
		return read, forever, nil
	})
}

// readLog reads the log of the head branch until it has an arrival of the head.
func readLog(ctx context.Context, r *repo, p pull) (arrivals, error) {
	op := fmt.Sprintf("find who pushed %s to #%d", p.head.Short(), p.number)
	query := url.Values{"ref": {"refs/heads/" + p.headRef}, "per_page": {strconv.Itoa(github.PageSize)}, "direction": {"desc"}}
	var out arrivals
	for range activityPages {
		var entries []activity
		path := fmt.Sprintf("repos/%s/%s/activity?%s", r.name.Owner(), r.name.Name(), query.Encode())
		resp, err := r.client.Get(ctx, op, path, &entries)
		if err != nil {
			return arrivals{}, err
		}
		out.List = append(out.List, arrivalsIn(entries, p)...)
		if out.find(p.head) >= 0 || resp.After == "" {
			return out, nil
		}
		query.Set("after", resp.After)
	}
	return out, nil
}
