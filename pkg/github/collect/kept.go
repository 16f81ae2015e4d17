package collect

import (
	"context"
	"fmt"
	"slices"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
)

// keptOf lists the earlier heads of a pull request of which its head, which
// arrived with the given push, is a clean update. Before is the commit of the base
// branch before the pull request landed, or its tip while it is open.
//
// The mirror tells of which commits the head is an update; the pushes tell which
// of those were heads, and that nothing else was head in between. Each push names
// the head whose place it took. That one must be among the commits as well, and
// further down: someone may have approved a head, found it bad and had it
// replaced, and then the bad one comes back as an update of itself.
//
// Where a push is not known, or does not say what it replaced, the list ends. One
// earlier head is taken from the activity log alone: that with which the pull
// request was opened is the only one that no webhook tells of. Without an approval
// nothing is kept.
func (c *Collector) keptOf(ctx context.Context, r *repo, p pull, pushed push, t *told, before approval.SHA) ([]approval.KeptHead, error) {
	if !t.settled || pushed.by == nil || pushed.before == "" {
		return nil, nil
	}
	commits, err := r.mirror.Updates(ctx, p.head, before)
	if err != nil {
		return nil, fmt.Errorf("find the updates of #%d: %w", p.number, err)
	}
	var kept []approval.KeptHead
	for next := p.head; ; {
		i := slices.Index(commits, pushed.before)
		if i < 0 {
			return kept, nil
		}
		head := commits[i]
		commits = commits[i+1:]
		former, err := c.formerPusherOf(ctx, r, p, head, next, pushed, t)
		if err != nil {
			return nil, err
		}
		if former.by == nil || former.at.After(pushed.at) {
			return kept, nil // unknown, or it came once more after what replaced it
		}
		kept = append(kept, approval.KeptHead{Commit: head, PushedAt: former.at, Pusher: *former.by})
		if next, pushed = head, former; !former.witnessed {
			return kept, nil
		}
	}
}
