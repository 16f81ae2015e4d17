package standin

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"
)

// sortedQueues needs Server.mu.
func (r *repository) sortedQueues() []*mergeQueue {
	var out []*mergeQueue
	for _, name := range slices.Sorted(maps.Keys(r.queues)) {
		out = append(out, r.queues[name])
	}
	return out
}

// buildGroups makes the groups of all entries stand on each other: those that stand wrong are destroyed
// and made anew, and what conflicts leaves the queue. Callers hold work.
func (s *Server) buildGroups(ctx context.Context, q *mergeQueue) error {
	for i := 0; i < len(q.entries); i++ {
		e := q.entries[i]
		r := e.pull.repo
		s.mu.Lock()
		tip := r.branch(q.branch)
		s.mu.Unlock()
		if i > 0 {
			tip = q.entries[i-1].group.result.sha
		}
		if e.group != nil {
			if e.group.base == tip {
				continue
			}
			if err := s.destroy(ctx, q, e, "invalidated"); err != nil {
				return err
			}
		}
		err := s.buildGroup(ctx, q, e, tip)
		if errors.Is(err, errConflict) {
			if err = s.leave(ctx, q, e, "MERGE_CONFLICT"); err == nil {
				i--
				continue
			}
		}
		if err != nil {
			return fmt.Errorf("build merge group of #%d: %w", e.pull.number, err)
		}
	}
	return nil
}

// buildGroup merges one pull request onto what is ahead of it, and asks for checks.
func (s *Server) buildGroup(ctx context.Context, q *mergeQueue, e *queueEntry, tip string) error {
	pr := e.pull
	if err := s.refresh(ctx, pr); err != nil {
		return err
	}
	merger := signature{e.actor.user.identity(), s.now()}
	res, err := s.mergeOnto(ctx, pr, mergeRequest{method: q.method}, tip, merger)
	if _, refused := errors.AsType[*APIError](err); refused { // a rebase that leaves nothing
		return errConflict
	}
	if err != nil {
		return err
	}
	g := &mergeGroup{ref: fmt.Sprintf("refs/heads/%s%s/pr-%d-%s", queuePrefix, q.branch, pr.number, tip), base: tip, result: res}
	if g.commit, err = pr.repo.git.commit(ctx, res.sha); err != nil {
		return err
	}
	if err := s.moveBranch(ctx, push{repo: pr.repo, actor: q.bot, queue: true}, refChange{g.ref, zeroSHA, res.sha}); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	e.group = g
	s.emitGroup(q, e, "checks_requested", nil)
	return nil
}

// groupCommitJSON is "simple-commit", as merge_group events have it.
type groupCommitJSON struct {
	ID        string          `json:"id"`
	TreeID    string          `json:"tree_id"`
	Message   string          `json:"message"`
	Timestamp string          `json:"timestamp"`
	Author    groupPersonJSON `json:"author"`
	Committer groupPersonJSON `json:"committer"`
}

type groupPersonJSON struct {
	Name  string `json:"name"`
	Email string `json:"email"`
}

// emitGroup sends a merge_group event; it needs Server.mu.
func (s *Server) emitGroup(q *mergeQueue, e *queueEntry, action string, more map[string]any) {
	c := e.group.commit
	payload := map[string]any{"merge_group": map[string]any{
		"head_sha": c.sha, "head_ref": e.group.ref, "base_sha": e.group.base, "base_ref": "refs/heads/" + q.branch,
		"head_commit": groupCommitJSON{ID: c.sha, TreeID: c.tree, Message: c.message, Timestamp: c.committer.when.Format(time.RFC3339),
			Author: groupPersonJSON(c.author.Identity), Committer: groupPersonJSON(c.committer.Identity)},
	}}
	maps.Copy(payload, more)
	s.emit(e.pull.repo, q.bot.user, "merge_group", action, payload)
}

// destroy takes an entry's group away, and its branch. Callers hold work.
func (s *Server) destroy(ctx context.Context, q *mergeQueue, e *queueEntry, reason string) error {
	g := e.group
	s.mu.Lock()
	s.emitGroup(q, e, "destroyed", map[string]any{"reason": reason})
	e.group = nil
	s.mu.Unlock()
	return s.moveBranch(ctx, push{repo: e.pull.repo, actor: q.bot, queue: true}, refChange{g.ref, g.result.sha, zeroSHA})
}

// leave removes an entry from the queue and tells why; the groups behind it are not looked after.
func (s *Server) leave(ctx context.Context, q *mergeQueue, e *queueEntry, reason string) error {
	s.mu.Lock()
	q.entries = slices.DeleteFunc(slices.Clone(q.entries), func(other *queueEntry) bool { return other == e })
	e.pull.updated = s.now()
	s.emitPull(e.pull, q.bot.user, "dequeued", map[string]any{"reason": reason})
	s.mu.Unlock()
	if e.group == nil {
		return nil
	}
	return s.destroy(ctx, q, e, "dequeued")
}

// dequeue removes entries and builds again what stood on them. Callers hold work.
func (s *Server) dequeue(ctx context.Context, q *mergeQueue, reason string, gone func(*queueEntry) bool) error {
	for _, e := range slices.Clone(q.entries) {
		if gone(e) {
			if err := s.leave(ctx, q, e, reason); err != nil {
				return err
			}
		}
	}
	return s.buildGroups(ctx, q)
}

// land moves the branch to the group of the n-th entry: one push that merges n pull requests. Callers hold work.
func (s *Server) land(ctx context.Context, q *mergeQueue, n int) error {
	if n == 0 {
		return nil
	}
	s.mu.Lock()
	landing := q.entries[:n]
	q.entries = slices.Clone(q.entries[n:])
	s.mu.Unlock()
	r, last := landing[0].pull.repo, landing[n-1].group.result.sha
	var merged []*pull
	for _, e := range landing {
		merged = append(merged, e.pull)
	}
	move := refChange{"refs/heads/" + q.branch, landing[0].group.base, last}
	if err := s.moveBranch(ctx, push{repo: r, actor: q.bot, kind: "merge_queue_merge", merged: merged, queue: true}, move); err != nil {
		return fmt.Errorf("land merge group: %w", err)
	}
	for _, e := range landing {
		result := e.group.result
		s.mu.Lock()
		s.emitPull(e.pull, q.bot.user, "dequeued", map[string]any{"reason": "MERGE"})
		s.mu.Unlock()
		if err := s.finishMerge(ctx, e.pull, q.bot, result); err != nil {
			return err
		}
		if err := s.destroy(ctx, q, e, "merged"); err != nil {
			return err
		}
		if err := s.deleteMerged(ctx, e.pull, q.bot); err != nil {
			return err
		}
	}
	return s.sweepQueues(ctx, r)
}

// sweepQueues removes entries whose pull request has changed, and builds groups again whose base has
// moved, in all repositories of the network. Callers hold work.
func (s *Server) sweepQueues(ctx context.Context, r *repository) error {
	s.mu.Lock()
	var queues []*mergeQueue
	for _, other := range s.repos {
		if other.work == r.work {
			queues = append(queues, other.sortedQueues()...)
		}
	}
	s.mu.Unlock()
	for _, q := range queues {
		err := s.dequeue(ctx, q, "MANUAL", func(e *queueEntry) bool {
			s.mu.Lock()
			defer s.mu.Unlock()
			return e.pull.state() != "open" || e.pull.draft || e.pull.headSHA != e.head || e.pull.baseRef != q.branch
		})
		if err != nil {
			return err
		}
	}
	return nil
}
