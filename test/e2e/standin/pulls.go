package standin

import (
	"context"
	"errors"
	"fmt"
	"strings"
)

// newPull is what opens a pull request.
type newPull struct {
	title, body   string
	base          string
	head          string // "branch" or "owner:branch"
	draft         bool
	maintainerCan bool
}

// packEvery is after how many pull requests references move into one file: thousands of small ones
// would make every fetch slow.
const packEvery = 100

// openPull opens a pull request with GitHub's checks.
func (s *Server) openPull(ctx context.Context, a *actor, r *repository, n newPull) (*pull, error) {
	r.work.Lock()
	defer r.work.Unlock()
	s.mu.Lock()
	pr, err := s.preparePull(a, r, n)
	s.mu.Unlock()
	if err != nil {
		return nil, err
	}
	if err := s.fetchObjects(ctx, pr, pr.headSHA); err != nil {
		return nil, err
	}
	contained, err := r.git.isAncestor(ctx, pr.headSHA, pr.baseSHA)
	if err != nil {
		return nil, err
	}
	if contained {
		return nil, invalidBecause("PullRequest", "No commits between %s and %s", n.base, n.head)
	}
	s.mu.Lock()
	pr.id = s.nextID("pull")
	r.numbers++
	pr.number = r.numbers
	s.mu.Unlock()
	if pr.number%packEvery == 0 {
		if _, err := r.git.line(ctx, "pack-refs", "--all"); err != nil {
			return nil, err
		}
	}
	if err := s.fetchHead(ctx, pr, pr.headSHA); err != nil {
		return nil, err
	}
	if err := s.refresh(ctx, pr); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	r.pulls[pr.number] = pr
	s.emitPull(pr, a.user, "opened", nil)
	return pr, nil
}

// preparePull needs Server.mu.
func (s *Server) preparePull(a *actor, r *repository, n newPull) (*pull, error) {
	if n.title == "" {
		return nil, invalid("PullRequest", "title", "missing_field")
	}
	if len([]rune(n.body)) > maxText {
		return nil, invalidBecause("PullRequest", "body is too long (maximum is %d characters)", maxText)
	}
	base := r.branch(n.base)
	if base == "" {
		return nil, invalid("PullRequest", "base", "invalid")
	}
	headRepo, branch := r, n.head
	if owner, ref, named := strings.Cut(n.head, ":"); named {
		headRepo, branch = s.inNetwork(r, owner), ref
	}
	if headRepo == nil || headRepo.branch(branch) == "" || !s.sees(a, headRepo) {
		return nil, invalid("PullRequest", "head", "invalid")
	}
	for _, other := range r.pulls {
		if other.state() == "open" && other.headRepo == headRepo && other.headRef == branch && other.baseRef == n.base {
			return nil, invalidBecause("PullRequest", "A pull request already exists for %s.", other.headLabel())
		}
	}
	return &pull{
		repo: r, title: n.title, body: n.body, author: a.user, created: s.now(), updated: s.now(), draft: n.draft,
		baseRef: n.base, baseSHA: base, headRepo: headRepo, headRef: branch, headSHA: headRepo.branch(branch), headPushed: s.now(),
		known: map[string]bool{}, maintainerCan: n.maintainerCan && headRepo != r, stale: true,
	}, nil
}

// inNetwork finds an account's repository among the forks of a repository; it needs Server.mu.
func (s *Server) inNetwork(r *repository, owner string) *repository {
	for _, other := range s.repos {
		if other.work == r.work && strings.EqualFold(other.owner.login, owner) {
			return other
		}
	}
	return nil
}

// fetchObjects copies a head that lives in a fork.
func (s *Server) fetchObjects(ctx context.Context, pr *pull, sha string) error {
	if pr.headRepo == pr.repo {
		return nil
	}
	_, err := pr.repo.git.line(ctx, "fetch", "--quiet", "--no-tags", "--no-write-fetch-head", pr.headRepo.git.dir, sha)
	return err
}

func (p *pull) ref(end string) string { return fmt.Sprintf("refs/pull/%d/%s", p.number, end) }

// fetchHead points refs/pull/N/head at the head.
func (s *Server) fetchHead(ctx context.Context, pr *pull, sha string) error {
	if err := s.fetchObjects(ctx, pr, sha); err != nil {
		return err
	}
	if err := s.setPullRefs(ctx, pr, refChange{ref: pr.ref("head"), after: sha}); err != nil || pr.headRepo == pr.repo {
		return err
	}
	return pr.repo.git.writeGraph(ctx, sha)
}

func (s *Server) setPullRefs(ctx context.Context, pr *pull, changes ...refChange) error {
	if err := pr.repo.git.setRefs(ctx, changes...); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range changes {
		s.recordRef(pr.repo, nil, c, "")
	}
	return nil
}

// dropTestMerge removes refs/pull/N/merge, which exists only while the pull request is open.
func (s *Server) dropTestMerge(ctx context.Context, pr *pull) error {
	s.mu.Lock()
	has := pr.repo.refs[pr.ref("merge")] != ""
	s.mu.Unlock()
	if !has {
		return nil
	}
	return s.setPullRefs(ctx, pr, refChange{ref: pr.ref("merge"), after: zeroSHA})
}

// refresh recomputes what depends on head and base: commits, counts, and the test merge. Callers hold work.
func (s *Server) refresh(ctx context.Context, pr *pull) error {
	s.mu.Lock()
	if !pr.stale || pr.state() != "open" {
		s.mu.Unlock()
		return nil
	}
	base, head, who := pr.repo.branch(pr.baseRef), pr.headSHA, signature{pr.author.identity(), s.now()}
	rules := s.rulesOn(pr.repo, pr.baseRef, nil, merging)
	s.mu.Unlock()
	git := pr.repo.git
	mergeBase, err := git.mergeBase(ctx, base, head)
	if err != nil {
		return err
	}
	commits, err := git.revList(ctx, "--reverse", base+".."+head)
	if err != nil {
		return err
	}
	var files []fileChange
	if mergeBase != "" {
		if files, err = git.diff(ctx, mergeBase, head, false); err != nil {
			return err
		}
	}
	tree, err := git.mergeTree(ctx, base, head)
	conflict := errors.Is(err, errConflict) || mergeBase == ""
	if err != nil && !conflict {
		return err
	}
	testMerge := ""
	if !conflict {
		testMerge, err = git.commitTree(ctx, tree, []string{base, head}, who, signature{webFlow, who.when},
			fmt.Sprintf("Merge %s into %s", head, base))
		if err != nil {
			return err
		}
		if err := s.setPullRefs(ctx, pr, refChange{ref: pr.ref("merge"), after: testMerge}); err != nil {
			return err
		}
	} else if err := s.dropTestMerge(ctx, pr); err != nil {
		return err
	}
	facts, err := s.gatherFacts(ctx, pr, rules, diffEnds{mergeBase, head}, base, commits, files)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.settleReviews(pr, facts)
	s.noteCommits(pr, commits)
	pr.stale, pr.mergeBase, pr.commits, pr.mergeable, pr.mergeSHA = false, mergeBase, commits, !conflict, testMerge
	pr.files, pr.additions, pr.deletions = len(files), 0, 0
	for _, f := range files {
		pr.additions += f.additions
		pr.deletions += f.deletions
	}
	for _, sha := range commits {
		pr.known[sha] = true
	}
	return nil
}

// fresh refreshes when there is need to; only then does it wait for work.
func (s *Server) fresh(ctx context.Context, pr *pull) error {
	s.mu.Lock()
	done := !pr.stale || pr.state() != "open"
	s.mu.Unlock()
	if done {
		return nil
	}
	pr.repo.work.Lock()
	defer pr.repo.work.Unlock()
	return s.refresh(ctx, pr)
}

// pullChange is a PATCH of a pull request; nil fields stay.
type pullChange struct{ title, body, state, base *string }

// changePull edits, closes, reopens or retargets.
func (s *Server) changePull(ctx context.Context, a *actor, pr *pull, n pullChange) error {
	pr.repo.work.Lock()
	defer pr.repo.work.Unlock()
	s.mu.Lock()
	action, changes, err := s.editPull(a, pr, n)
	s.mu.Unlock()
	if err != nil {
		return err
	}
	if err := s.refresh(ctx, pr); err != nil {
		return err
	}
	s.mu.Lock()
	if changes != nil {
		s.emitPull(pr, a.user, "edited", map[string]any{"changes": changes})
	}
	s.mu.Unlock()
	switch action {
	case "":
	case "closed":
		if err := s.closePull(ctx, pr, a); err != nil {
			return err
		}
	default:
		s.mu.Lock()
		s.emitPull(pr, a.user, action, nil)
		s.mu.Unlock()
	}
	return s.sweepQueues(ctx, pr.repo)
}

// editPull needs Server.mu. It returns what happened besides edits, and the edits.
func (s *Server) editPull(a *actor, pr *pull, n pullChange) (action string, changes map[string]any, err error) {
	if a.user != pr.author {
		if err := s.needs(a, pr.repo, roleWrite); err != nil {
			return "", nil, err
		}
	}
	if n.title != nil && *n.title == "" {
		return "", nil, invalid("PullRequest", "title", "missing_field")
	}
	if n.body != nil && len([]rune(*n.body)) > maxText {
		return "", nil, invalidBecause("PullRequest", "body is too long (maximum is %d characters)", maxText)
	}
	if n.base != nil && *n.base != pr.baseRef && (pr.repo.branch(*n.base) == "" || pr.state() != "open") {
		return "", nil, invalid("PullRequest", "base", "invalid")
	}
	if n.state != nil {
		switch {
		case *n.state != "open" && *n.state != "closed":
			return "", nil, invalid("PullRequest", "state", "invalid")
		case *n.state == pr.state():
		case *n.state == "closed":
			action = "closed"
		case !pr.merged.IsZero() || pr.headRepo.branch(pr.headRef) != pr.headSHA:
			return "", nil, invalidBecause("PullRequest", "state cannot be changed. The pull request cannot be reopened.")
		default:
			action = "reopened"
		}
	}
	change := func(name string, value any) {
		if changes == nil {
			changes = map[string]any{}
		}
		changes[name] = value
	}
	if n.title != nil && *n.title != pr.title {
		change("title", map[string]string{"from": pr.title})
		s.note(pr, a.user, timelineEntry{event: "renamed", from: pr.title, to: *n.title, app: a.app})
		pr.title = *n.title
	}
	if n.body != nil && *n.body != pr.body {
		change("body", map[string]string{"from": pr.body})
		pr.body = *n.body
	}
	if n.base != nil && *n.base != pr.baseRef {
		change("base", map[string]any{"ref": map[string]string{"from": pr.baseRef}, "sha": map[string]string{"from": pr.baseSHA}})
		s.note(pr, a.user, timelineEntry{event: "base_ref_changed", app: a.app})
		pr.baseRef, pr.baseSHA, pr.stale = *n.base, pr.repo.branch(*n.base), true
	}
	if action == "reopened" {
		pr.closed, pr.stale, pr.closedBy = zeroTime, true, nil
		s.note(pr, a.user, timelineEntry{event: "reopened", app: a.app})
	}
	pr.updated = s.now()
	return action, changes, nil
}

// pull is the pull request of the path; it needs Server.mu.
func (c *call) pull() (*pull, error) {
	n, err := c.id("number")
	if err != nil {
		return nil, err
	}
	if pr := c.repo.pulls[int(n)]; pr != nil {
		return pr, nil
	}
	return nil, notFound()
}

// lockedPull is pull for handlers that run git.
func (c *call) lockedPull() (pr *pull, err error) {
	_ = c.s.locked(func() error { pr, err = c.pull(); return nil })
	return pr, err
}
