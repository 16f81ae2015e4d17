package standin

import (
	"context"
	"fmt"
	"maps"
	"slices"
)

// recordRef stores that a reference moved; it needs Server.mu. kind is an activity type.
func (s *Server) recordRef(r *repository, who *account, c refChange, kind string) {
	if c.after == zeroSHA {
		delete(r.refs, c.ref)
	} else {
		r.refs[c.ref] = c.after
	}
	if c.branch() == "" {
		return
	}
	r.pushed = s.now()
	r.activity = append(r.activity, &activity{id: s.nextID("activity"), change: c, kind: kind, actor: who, at: s.now()})
}

// push is a move of branches that git has already made, before anyone was told.
type push struct {
	repo   *repository
	actor  *actor
	kind   string  // activity type; found from the move when empty
	merged []*pull // the pull requests that the move merges; their end is told by whoever merges
	queue  bool    // the merge queue moves its own branches
}

// maxPushCommits is how many commits a push event lists.
const maxPushCommits = 2048

// announce records the moves and does what follows from them: activity, push events, new heads of
// pull requests, pull requests that became merged or lost their branch. Callers hold repo.work.
func (s *Server) announce(ctx context.Context, p push, changes ...refChange) error {
	var tips []string
	for _, c := range changes {
		if c.after != zeroSHA && c.branch() != "" {
			tips = append(tips, c.after)
		}
	}
	if tips != nil {
		if err := p.repo.git.writeGraph(ctx, tips...); err != nil {
			return err
		}
	}
	for _, c := range changes {
		if c.before == "" {
			c.before = zeroSHA
		}
		if c.before == c.after {
			continue
		}
		if err := s.announceOne(ctx, p, c); err != nil {
			return fmt.Errorf("announce %s: %w", c.ref, err)
		}
	}
	return nil
}

func (s *Server) announceOne(ctx context.Context, p push, c refChange) error {
	git := p.repo.git
	if !c.isBranch() && !c.isTag() { // notes and the like: neither activity nor events
		s.mu.Lock()
		defer s.mu.Unlock()
		s.recordRef(p.repo, p.actor.user, c, "")
		return nil
	}
	created, deleted, forced := c.before == zeroSHA, c.after == zeroSHA, false
	kind := "push"
	var err error
	switch {
	case p.kind != "":
		kind = p.kind
	case created:
		kind = "branch_creation"
	case deleted:
		kind = "branch_deletion"
	default:
		var forward bool
		if forward, err = git.isAncestor(ctx, c.before, c.after); err != nil {
			return err
		}
		if forced = !forward; forced {
			kind = "force_push"
		}
	}
	var commits []*commit
	var files map[string]*touched
	if !deleted && c.branch() != "" {
		if commits, files, err = s.pushed(ctx, p.repo, c); err != nil {
			return err
		}
	}
	s.mu.Lock()
	s.recordRef(p.repo, p.actor.user, c, kind)
	for _, commit := range commits { // GitHub judges signatures when they arrive, and keeps what it found valid
		s.verification(commit)
	}
	s.emitPush(p, c, created, deleted, forced, commits, files)
	dependents := s.pullsTouchedBy(p.repo, c)
	s.mu.Unlock()
	if err := s.openSuites(ctx, p, c); err != nil {
		return err
	}
	for _, pr := range dependents {
		if slices.Contains(p.merged, pr) {
			continue
		}
		if err := s.followPush(ctx, p, pr, c); err != nil {
			return err
		}
	}
	if p.queue { // the queue looks after itself
		return nil
	}
	return s.sweepQueues(ctx, p.repo)
}

// pushed lists what a push added to a branch, oldest first; for a new branch, what the default branch lacks.
func (s *Server) pushed(ctx context.Context, r *repository, c refChange) ([]*commit, map[string]*touched, error) {
	args := []string{"--reverse", c.after}
	if c.before != zeroSHA {
		args = append(args, "^"+c.before)
	} else {
		s.mu.Lock()
		main := r.branch(r.defaultBranch)
		s.mu.Unlock()
		if main != "" && main != c.after {
			args = append(args, "^"+main)
		}
	}
	shas, err := r.git.revList(ctx, args...)
	if err != nil || len(shas) == 0 {
		return nil, nil, err
	}
	shas = shas[max(len(shas)-maxPushCommits, 0):]
	files, err := r.git.touchedBy(ctx, shas)
	if err != nil {
		return nil, nil, err
	}
	commits, err := r.git.commits(ctx, shas...)
	return commits, files, err
}

// emitPush needs Server.mu.
func (s *Server) emitPush(p push, c refChange, created, deleted, forced bool, commits []*commit, files map[string]*touched) {
	pusher := p.actor.user
	list := []pushCommitJSON{}
	for _, commit := range commits {
		list = append(list, s.pushCommit(p.repo, commit, files[commit.sha]))
	}
	payload := map[string]any{
		"ref": c.ref, "before": c.before, "after": c.after, "created": created, "deleted": deleted, "forced": forced,
		"base_ref": nil, "compare": p.repo.links.HTMLURL + "/compare/" + c.before[:12] + "..." + c.after[:12],
		"commits": list, "head_commit": nil,
		"pusher": map[string]any{"name": pusher.login, "email": pusher.identity().Email},
	}
	if len(list) > 0 {
		payload["head_commit"] = list[len(list)-1]
	}
	s.emit(p.repo, pusher, "push", "", payload)
}

// pullsTouchedBy are the open pull requests from or into the branch; it needs Server.mu.
func (s *Server) pullsTouchedBy(r *repository, c refChange) []*pull {
	var out []*pull
	for _, base := range s.repos {
		if base.work != r.work { // another network
			continue
		}
		for _, pr := range base.sortedPulls() {
			fromHere := pr.headRepo == r && pr.headRef == c.branch()
			intoHere := pr.repo == r && pr.baseRef == c.branch()
			if pr.state() == "open" && (fromHere || intoHere) {
				out = append(out, pr)
			}
		}
	}
	return out
}

func (r *repository) sortedPulls() []*pull {
	return slices.SortedFunc(maps.Values(r.pulls), func(a, b *pull) int { return a.number - b.number })
}

// followPush brings one pull request up to date with a moved branch.
func (s *Server) followPush(ctx context.Context, p push, pr *pull, c refChange) error {
	fromHere := pr.headRepo == p.repo && pr.headRef == c.branch()
	if c.after == zeroSHA {
		if base := s.baseAfter(p.repo, c.branch()); !fromHere && base != "" {
			return s.retarget(ctx, pr, base, p.actor)
		}
		return s.closePull(ctx, pr, p.actor)
	}
	if fromHere {
		return s.newHead(ctx, pr, p.actor, c)
	}
	s.mu.Lock()
	pr.stale = true
	head := pr.headSHA
	s.mu.Unlock()
	contained, err := pr.repo.git.isAncestor(ctx, head, c.after)
	if err != nil || !contained {
		return err
	}
	return s.mergedByPush(ctx, pr, p.actor, c)
}

// newHead moves a pull request to a new head and tells the Apps.
func (s *Server) newHead(ctx context.Context, pr *pull, a *actor, c refChange) error {
	if err := s.fetchHead(ctx, pr, c.after); err != nil {
		return err
	}
	s.mu.Lock()
	before := pr.headSHA
	pr.headSHA, pr.headPushed, pr.updated = c.after, s.now(), s.now()
	pr.baseSHA = pr.repo.branch(pr.baseRef)
	pr.stale = true
	base := pr.baseSHA
	s.mu.Unlock()
	if contained, err := pr.repo.git.isAncestor(ctx, c.after, base); err != nil {
		return err
	} else if contained { // nothing is left to merge
		return s.closePull(ctx, pr, a)
	}
	if err := s.refresh(ctx, pr); err != nil {
		return err
	}
	if err := s.reanchored(ctx, pr, before, c.after); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.noteForce(pr, a.user, c)
	s.emitPull(pr, a.user, "synchronize", map[string]any{"before": before, "after": c.after})
	return nil
}

// mergedByPush marks a pull request as merged because its head is now part of the base branch.
func (s *Server) mergedByPush(ctx context.Context, pr *pull, a *actor, c refChange) error {
	line, err := pr.repo.git.revList(ctx, "--first-parent", "--reverse", c.before+".."+c.after)
	if err != nil {
		return err
	}
	landed := c.after
	for _, sha := range line {
		contained, err := pr.repo.git.isAncestor(ctx, pr.headSHA, sha)
		if err != nil {
			return err
		}
		if contained {
			landed = sha
			break
		}
	}
	added, err := pr.repo.git.revList(ctx, "--reverse", c.before+".."+landed)
	if err != nil {
		return err
	}
	return s.finishMerge(ctx, pr, a, mergeResult{sha: landed, landed: added, onto: c.before})
}

// closePull closes without a merge.
func (s *Server) closePull(ctx context.Context, pr *pull, a *actor) error {
	s.mu.Lock()
	pr.closed, pr.updated, pr.closedBy = s.now(), s.now(), a.user
	s.note(pr, a.user, timelineEntry{event: "closed", app: a.app})
	s.emitPull(pr, a.user, "closed", nil)
	s.mu.Unlock()
	return s.dropTestMerge(ctx, pr)
}
