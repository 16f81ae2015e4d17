package standin

import (
	"context"
	"fmt"
	"net/http"
	"slices"
)

// queuePrefix is how the branches of merge queues begin; only GitHub moves them.
const queuePrefix = "gh-readonly-queue/"

// queueBot is who moves branches for merge queues.
const queueBot = "github-merge-queue[bot]"

// mergeQueue is the queue of one branch. Its settings never change; Server.mu guards the entries, which
// are changed only under the repository's work lock.
type mergeQueue struct {
	branch, method string
	checks         []string
	bot            *actor
	entries        []*queueEntry // first in line first
}

// queueEntry is a pull request in line. Its group is everything ahead of it and itself, merged.
type queueEntry struct {
	pull  *pull
	actor *actor // who put it there
	head  string // of the pull request, then
	group *mergeGroup
}

// mergeGroup is what a queue branch stands for. It never changes: when what is ahead changes, it is
// destroyed and another one is made.
type mergeGroup struct {
	ref    string
	base   string // the group ahead, or the branch itself
	result mergeResult
	commit *commit
}

// EnableMergeQueue makes a branch need a merge queue, which merges by the method. A group lands once the
// named check runs or statuses have succeeded on its head and on the heads of all groups ahead of it, and
// leaves the queue once one of them has failed. Without names, groups wait for FinishGroup.
func (s *Server) EnableMergeQueue(repo, branch, method string, checks ...string) error {
	r, err := s.find(repo)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case r.branch(branch) == "" || !slices.Contains(mergeMethods, method):
		return fmt.Errorf("enable merge queue of %s: branch %q, method %q", repo, branch, method)
	case r.queues[branch] != nil:
		return fmt.Errorf("enable merge queue of %s: branch %q has one", repo, branch)
	}
	bot := s.logins[queueBot]
	if bot == nil {
		if bot, err = s.newAccount(queueBot, "", "Bot"); err != nil {
			return fmt.Errorf("enable merge queue: %w", err)
		}
	}
	r.queues[branch] = &mergeQueue{branch: branch, method: method, checks: slices.Clone(checks), bot: &actor{kind: installationToken, user: bot}}
	return nil
}

// DisableMergeQueue empties and removes the queue of a branch.
func (s *Server) DisableMergeQueue(repo, branch string) error {
	return s.withQueue(repo, branch, func(r *repository, q *mergeQueue) error {
		err := s.dequeue(s.ctx, q, "QUEUE_CLEARED", func(*queueEntry) bool { return true })
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(r.queues, branch)
		return err
	})
}

// withQueue finds the queue of a branch and works on it.
func (s *Server) withQueue(repo, branch string, work func(*repository, *mergeQueue) error) error {
	r, err := s.find(repo)
	if err != nil {
		return err
	}
	r.work.Lock()
	defer r.work.Unlock()
	s.mu.Lock()
	q := r.queues[branch]
	s.mu.Unlock()
	if q == nil {
		return fmt.Errorf("branch %q of %s has no merge queue", branch, repo)
	}
	return work(r, q)
}

// Enqueue puts a pull request into the merge queue of its base branch, as "Merge when ready" does; on
// GitHub only the web pages and GraphQL can.
func (a As) Enqueue(repo string, number int) error {
	act, pr, err := a.on(repo, number)
	if err != nil {
		return err
	}
	s := a.s
	s.mu.Lock()
	base := pr.baseRef
	s.mu.Unlock()
	return s.withQueue(repo, base, func(_ *repository, q *mergeQueue) error {
		if err := s.refresh(s.ctx, pr); err != nil {
			return err
		}
		s.mu.Lock()
		err := s.mayEnqueue(act, pr, q)
		if err == nil {
			q.entries = append(q.entries, &queueEntry{pull: pr, actor: act, head: pr.headSHA})
			pr.updated = s.now()
			s.emitPull(pr, act.user, "enqueued", nil)
		}
		s.mu.Unlock()
		if err != nil {
			return err
		}
		return s.buildGroups(s.ctx, q)
	})
}

// mayEnqueue needs Server.mu.
func (s *Server) mayEnqueue(a *actor, pr *pull, q *mergeQueue) error {
	if err := s.needs(a, pr.repo, roleWrite); err != nil {
		return err
	}
	switch {
	case pr.baseRef != q.branch || pr.state() != "open" || pr.draft || !pr.mergeable:
		return refuse(http.StatusUnprocessableEntity, "Pull request is not mergeable")
	case slices.ContainsFunc(q.entries, func(e *queueEntry) bool { return e.pull == pr }):
		return refuse(http.StatusUnprocessableEntity, "Pull request is already in the merge queue")
	}
	return nil
}

// Dequeue takes a pull request out of its queue.
func (a As) Dequeue(repo string, number int) error {
	act, pr, err := a.on(repo, number)
	if err != nil {
		return err
	}
	s := a.s
	s.mu.Lock()
	base := pr.baseRef
	err = s.needs(act, pr.repo, roleWrite)
	s.mu.Unlock()
	if err != nil {
		return err
	}
	return s.withQueue(repo, base, func(_ *repository, q *mergeQueue) error {
		return s.dequeue(s.ctx, q, "MANUAL", func(e *queueEntry) bool { return e.pull == pr })
	})
}

// FinishGroup lands everything in the queue with one push, whatever its checks say.
func (s *Server) FinishGroup(repo, branch string) error {
	return s.withQueue(repo, branch, func(_ *repository, q *mergeQueue) error {
		if err := s.buildGroups(s.ctx, q); err != nil {
			return err
		}
		return s.land(s.ctx, q, len(q.entries))
	})
}

// QueueEntry is a pull request in a merge queue.
type QueueEntry struct {
	Number           int
	HeadRef, HeadSHA string // of its group
	BaseSHA          string // what the group is built on
}

// MergeQueue lists what waits, first in line first.
func (s *Server) MergeQueue(repo, branch string) ([]QueueEntry, error) {
	var out []QueueEntry
	err := s.withQueue(repo, branch, func(_ *repository, q *mergeQueue) error {
		s.mu.Lock()
		defer s.mu.Unlock()
		for _, e := range q.entries {
			if e.group == nil {
				return fmt.Errorf("the merge group of #%d could not be built", e.pull.number)
			}
			out = append(out, QueueEntry{e.pull.number, e.group.ref, e.group.result.sha, e.group.base})
		}
		return nil
	})
	return out, err
}

// queueChecks is how far the required checks of a commit are.
type queueChecks int

const (
	checksPending queueChecks = iota
	checksFailed
	checksPassed
)

// checked looks at the latest check run of each App and at the latest status of every required name; it
// needs Server.mu. A name without a verdict is pending.
func (q *mergeQueue) checked(r *repository, sha string) queueChecks {
	all := checksPassed
	for _, name := range q.checks {
		verdicts := map[any]string{}
		for _, run := range r.checks {
			if run.suite.sha == sha && run.name == name {
				verdicts[run.suite.app] = orEmpty(run.conclusion)
			}
		}
		for _, st := range r.statuses {
			if st.sha == sha && st.context == name {
				verdicts["status"] = st.state
			}
		}
		if len(verdicts) == 0 {
			all = checksPending
		}
		for _, v := range verdicts {
			switch v {
			case "success", "neutral", "skipped":
			case "", "pending":
				all = checksPending
			default:
				return checksFailed
			}
		}
	}
	if len(q.checks) == 0 {
		return checksPending
	}
	return all
}

// advanceQueues lands what is ready and removes what has failed, in every queue of a repository.
func (s *Server) advanceQueues(ctx context.Context, r *repository) error {
	s.mu.Lock()
	waiting, queues := false, r.sortedQueues()
	for _, q := range queues {
		waiting = waiting || len(q.entries) > 0
	}
	s.mu.Unlock()
	if !waiting {
		return nil
	}
	r.work.Lock()
	defer r.work.Unlock()
	for _, q := range queues {
		for {
			ready, failed := s.queueState(r, q)
			var err error
			switch {
			case ready > 0:
				err = s.land(ctx, q, ready)
			case failed != nil:
				err = s.dequeue(ctx, q, "CI_FAILURE", func(e *queueEntry) bool { return e == failed })
			}
			if err != nil {
				return fmt.Errorf("advance merge queue of %s: %w", q.branch, err)
			}
			if ready == 0 && failed == nil {
				break
			}
		}
	}
	return nil
}

// queueState is how many entries can land, and the first entry that has failed.
func (s *Server) queueState(r *repository, q *mergeQueue) (ready int, failed *queueEntry) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, e := range q.entries {
		if e.group == nil { // could not be built; the next change tries again
			return ready, nil
		}
		switch q.checked(r, e.group.result.sha) {
		case checksPassed:
			if ready == i {
				ready++
			}
		case checksFailed:
			return ready, e
		case checksPending:
		}
	}
	return ready, nil
}
