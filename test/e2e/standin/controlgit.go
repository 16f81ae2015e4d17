package standin

import "fmt"

// commitTo puts a commit on a branch and announces the push. merging are further parents.
func (s *Server) commitTo(act *actor, r *repository, branch, onto string, c Change, merging []string, tree ...string) (string, error) {
	r.work.Lock()
	defer r.work.Unlock()
	s.mu.Lock()
	err := s.needs(act, r, roleWrite)
	now := s.now()
	author := signature{act.user.identity(), now}
	before := r.branch(branch)
	guarded := s.protected(r, branch)
	s.mu.Unlock()
	if err != nil {
		return "", err
	}
	committer := author
	if c.Author != nil {
		author.Identity = *c.Author
	}
	if c.Committer != nil {
		committer.Identity = *c.Committer
	}
	n := newCommit{ref: "refs/heads/" + branch, parents: append([]string{onto}, merging...), author: author, committer: committer, change: c}
	if len(tree) > 0 {
		n.tree = tree[0]
	}
	ref := n.ref
	if guarded { // the branch moves only when the rules let it
		n.ref = ""
	}
	sha, err := r.git.write(s.ctx, n)
	if err != nil {
		return "", err
	}
	if guarded {
		return sha, s.moveBranch(s.ctx, push{repo: r, actor: act}, refChange{ref, before, sha})
	}
	return sha, s.announce(s.ctx, push{repo: r, actor: act}, refChange{ref, before, sha})
}

// PushToPull adds a commit to a pull request's head branch and returns the new head.
func (a As) PushToPull(repo string, number int, c Change) (string, error) {
	act, pr, err := a.on(repo, number)
	if err != nil {
		return "", err
	}
	a.s.mu.Lock()
	onto := pr.headRepo.branch(pr.headRef)
	a.s.mu.Unlock()
	return a.s.commitTo(act, pr.headRepo, pr.headRef, onto, c, nil)
}

// ForcePushPull replaces a pull request's commits by one commit on the point where it left its base.
func (a As) ForcePushPull(repo string, number int, c Change) (string, error) {
	act, pr, err := a.on(repo, number)
	if err != nil {
		return "", err
	}
	a.s.mu.Lock()
	onto := pr.mergeBase
	a.s.mu.Unlock()
	return a.s.commitTo(act, pr.headRepo, pr.headRef, onto, c, nil)
}

// PushBranch commits straight to a branch and returns the commit. A branch that does not exist
// starts at the default branch.
func (a As) PushBranch(repo, branch string, c Change) (string, error) {
	act, err := a.actor()
	if err != nil {
		return "", err
	}
	r, err := a.s.find(repo)
	if err != nil {
		return "", err
	}
	a.s.mu.Lock()
	onto := r.branch(branch)
	if onto == "" {
		onto = r.branch(r.defaultBranch)
	}
	a.s.mu.Unlock()
	return a.s.commitTo(act, r, branch, onto, c, nil)
}

// SetBranch pushes an existing commit to a branch, by force if need be; an empty sha deletes the branch.
func (a As) SetBranch(repo, branch, sha string) error {
	act, err := a.actor()
	if err != nil {
		return err
	}
	r, err := a.s.find(repo)
	if err != nil {
		return err
	}
	r.work.Lock()
	defer r.work.Unlock()
	a.s.mu.Lock()
	err = a.s.needs(act, r, roleWrite)
	before := r.branch(branch)
	a.s.mu.Unlock()
	if err != nil {
		return err
	}
	if sha == "" {
		sha = zeroSHA
	}
	if before == "" {
		before = zeroSHA
	}
	return a.s.moveBranch(a.s.ctx, push{repo: r, actor: act}, refChange{"refs/heads/" + branch, before, sha})
}

// MergeByHand merges on the person's own machine and pushes the result to the base branch: an "evil
// merge" when the change touches files. The pull request becomes merged by itself.
func (a As) MergeByHand(repo string, number int, c Change) (string, error) {
	act, pr, err := a.on(repo, number)
	if err != nil {
		return "", err
	}
	a.s.mu.Lock()
	base, head, branch := pr.repo.branch(pr.baseRef), pr.headSHA, pr.baseRef
	a.s.mu.Unlock()
	tree, err := pr.repo.git.mergeTree(a.s.ctx, base, head)
	if err != nil {
		return "", err
	}
	if c.Message == "" {
		c.Message = fmt.Sprintf("Merge pull request #%d", number)
	}
	return a.s.commitTo(act, pr.repo, branch, base, c, []string{head}, tree)
}

// RevertPull opens a pull request that takes back what a merged pull request landed.
func (a As) RevertPull(repo string, number int) (OpenedPull, error) {
	_, pr, err := a.on(repo, number)
	if err != nil {
		return OpenedPull{}, err
	}
	a.s.mu.Lock()
	landed, onto, merged, title := pr.mergeSHA, pr.landedOnto, !pr.merged.IsZero(), pr.title
	a.s.mu.Unlock()
	if !merged {
		return OpenedPull{}, fmt.Errorf("pull request #%d is not merged", number)
	}
	return a.revert(repo, onto, landed, fmt.Sprintf("Revert %q", title), fmt.Sprintf("Reverts %s#%d", repo, number))
}

// RevertCommit opens a pull request that takes back one commit, against its first parent.
func (a As) RevertCommit(repo, sha, title string) (OpenedPull, error) {
	r, err := a.s.find(repo)
	if err != nil {
		return OpenedPull{}, err
	}
	c, err := r.git.commit(a.s.ctx, sha)
	if err != nil {
		return OpenedPull{}, err
	}
	if len(c.parents) == 0 {
		return OpenedPull{}, fmt.Errorf("%s has no parent", sha)
	}
	return a.revert(repo, c.parents[0], sha, title, "This reverts commit "+sha+".")
}

func (a As) revert(repo, good, bad, title, body string) (OpenedPull, error) {
	act, err := a.actor()
	if err != nil {
		return OpenedPull{}, err
	}
	r, err := a.s.find(repo)
	if err != nil {
		return OpenedPull{}, err
	}
	a.s.mu.Lock()
	main := r.branch(r.defaultBranch)
	a.s.counters["branch"]++
	branch := fmt.Sprintf("revert-%s-%d", bad[:8], a.s.counters["branch"])
	a.s.mu.Unlock()
	tip, err := r.git.commits(a.s.ctx, main, good, bad)
	if err != nil {
		return OpenedPull{}, err
	}
	tree, err := r.git.applyDiff(a.s.ctx, tip[0].tree, tip[2].tree, tip[1].tree)
	if err != nil {
		return OpenedPull{}, fmt.Errorf("revert %s: %w", bad, err)
	}
	if _, err := a.s.commitTo(act, r, branch, main, Change{Message: title + "\n\n" + body}, nil, tree); err != nil {
		return OpenedPull{}, fmt.Errorf("revert %s: %w", bad, err)
	}
	return a.OpenPull(repo, PullOptions{Branch: branch, Title: title, Body: body})
}
