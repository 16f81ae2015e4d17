package standin

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
)

// mergeRequest is what PUT …/merge asks for.
type mergeRequest struct {
	method  string  // merge, squash, rebase
	title   string  // of the new commit; GitHub's default when empty
	message *string // of the new commit, below the title; GitHub's default when nil
	sha     string  // the head the caller has seen; any when empty
}

// text is the message of the new commit. What the caller gives replaces GitHub's text entirely, trailers
// included, although the documentation speaks of "extra detail to append" (github/rest-api-description#4340, 2024-11).
func (m mergeRequest) text(title, body string) string {
	if m.title != "" {
		title = m.title
	}
	if m.message != nil {
		body = *m.message
	}
	if body == "" {
		return title
	}
	return title + "\n\n" + body
}

// mergeResult is how a pull request landed.
type mergeResult struct {
	sha    string   // becomes merge_commit_sha
	landed []string // what the base branch gained, oldest first
	onto   string   // the base branch before
}

// mergePull merges with GitHub's checks and returns the landed commit.
func (s *Server) mergePull(ctx context.Context, a *actor, pr *pull, m mergeRequest) (string, error) {
	pr.repo.work.Lock()
	defer pr.repo.work.Unlock()
	if err := s.refresh(ctx, pr); err != nil {
		return "", err
	}
	s.mu.Lock()
	err := s.mayMerge(a, pr, m)
	base, ref := pr.repo.branch(pr.baseRef), "refs/heads/"+pr.baseRef
	merger := signature{a.user.identity(), s.now()}
	s.mu.Unlock()
	if err != nil {
		return "", err
	}
	res, err := s.mergeOnto(ctx, pr, m, base, merger)
	if errors.Is(err, errConflict) {
		return "", refuse(http.StatusMethodNotAllowed, "Pull Request is not mergeable")
	}
	if err != nil {
		return "", err
	}
	move := refChange{ref: ref, before: base, after: res.sha}
	if err := pr.repo.git.setRefs(ctx, move); err != nil {
		return "", err
	}
	if err := s.announce(ctx, push{repo: pr.repo, actor: a, kind: "pr_merge", merged: []*pull{pr}}, move); err != nil {
		return "", err
	}
	if err := s.finishMerge(ctx, pr, a, res); err != nil {
		return "", err
	}
	return res.sha, s.deleteMerged(ctx, pr, a)
}

// mergeOnto makes the commits of a merge on top of base; no reference moves.
func (s *Server) mergeOnto(ctx context.Context, pr *pull, m mergeRequest, base string, merger signature) (mergeResult, error) {
	switch m.method {
	case "squash":
		return s.squash(ctx, pr, m, base, merger)
	case "rebase":
		return s.rebaseMerge(ctx, pr, base, merger)
	default:
		return s.mergeCommit(ctx, pr, m, base, merger)
	}
}

// mayMerge needs Server.mu.
func (s *Server) mayMerge(a *actor, pr *pull, m mergeRequest) error {
	if err := s.needs(a, pr.repo, roleWrite); err != nil {
		return err
	}
	switch {
	case !slices.Contains(mergeMethods, m.method):
		return invalid("PullRequest", "merge_method", "invalid")
	case pr.repo.queues[pr.baseRef] != nil:
		return refuse(http.StatusMethodNotAllowed, "Repository rule violations found\n\nChanges must be made through the merge queue")
	case pr.repo.merging.allowed(m.method) != nil:
		return pr.repo.merging.allowed(m.method)
	case pr.state() != "open":
		return refuse(http.StatusMethodNotAllowed, "Pull Request is not mergeable")
	case pr.draft:
		return refuse(http.StatusMethodNotAllowed, "Pull Request is still a draft")
	case m.sha != "" && m.sha != pr.headSHA:
		return refuse(http.StatusConflict, "Head branch was modified. Review and try the merge again.")
	case !pr.mergeable:
		return refuse(http.StatusMethodNotAllowed, "Pull Request is not mergeable")
	}
	return s.refuseMerge(a, pr, m.method)
}

func (s *Server) mergeCommit(ctx context.Context, pr *pull, m mergeRequest, base string, merger signature) (mergeResult, error) {
	git := pr.repo.git
	message := s.mergeMessage(pr, m)
	tree, err := git.mergeTree(ctx, base, pr.headSHA)
	if err != nil {
		return mergeResult{}, err
	}
	sha, err := git.store(ctx, newObject{tree: tree, parents: []string{base, pr.headSHA}, author: merger,
		committer: signature{webFlow, merger.when}, message: message, sign: s.signAsGitHub})
	return mergeResult{sha: sha, landed: append(append([]string{}, pr.commits...), sha), onto: base}, err
}

// mergeMessage is the text of a merge commit, as the settings want it; "Merge pull request" and the title by default.
func (s *Server) mergeMessage(pr *pull, m mergeRequest) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	title := fmt.Sprintf("Merge pull request #%d from %s/%s", pr.number, pr.headRepo.owner.login, pr.headRef)
	if pr.repo.merging.MergeTitle == "PR_TITLE" {
		title = fmt.Sprintf("%s (#%d)", pr.title, pr.number)
	}
	body, chosen := pr.messageBody(pr.repo.merging.MergeMessage)
	if !chosen {
		body = pr.title
	}
	return m.text(title, body)
}

func (s *Server) squash(ctx context.Context, pr *pull, m mergeRequest, base string, merger signature) (mergeResult, error) {
	git := pr.repo.git
	commits, err := git.commits(ctx, pr.commits...)
	if err != nil {
		return mergeResult{}, err
	}
	tree, err := git.mergeTree(ctx, base, pr.headSHA)
	if err != nil {
		return mergeResult{}, err
	}
	s.mu.Lock()
	author := signature{pr.author.identity(), merger.when}
	message := s.squashMessage(pr, m, commits)
	s.mu.Unlock()
	sha, err := git.store(ctx, newObject{tree: tree, parents: []string{base}, author: author,
		committer: signature{webFlow, merger.when}, message: message, sign: s.signAsGitHub})
	return mergeResult{sha: sha, landed: []string{sha}, onto: base}, err
}

// squashMessage is GitHub's default: title of the only commit or of the pull request, messages of the
// commits, and everyone else who wrote one as co-author. It needs Server.mu.
func (s *Server) squashMessage(pr *pull, m mergeRequest, commits []*commit) string {
	settings := pr.repo.merging
	title := fmt.Sprintf("%s (#%d)", pr.title, pr.number)
	if len(commits) == 1 && settings.SquashTitle != "PR_TITLE" {
		title = fmt.Sprintf("%s (#%d)", commits[0].title(), pr.number)
	}
	body, chosen := pr.messageBody(settings.SquashMessage)
	switch {
	case chosen:
	case len(commits) == 1:
		body = commits[0].rest()
	default:
		var list []string
		for _, c := range commits {
			list = append(list, "* "+strings.TrimSpace(c.message))
		}
		body = strings.Join(list, "\n\n")
	}
	var parts, coAuthors []string
	if body != "" {
		parts = append(parts, body)
	}
	seen := map[string]bool{}
	for _, c := range commits {
		who := c.author.Identity
		if seen[fold(who.Email)] || s.byEmail(who.Email) == pr.author {
			continue
		}
		seen[fold(who.Email)] = true
		coAuthors = append(coAuthors, fmt.Sprintf("Co-authored-by: %s <%s>", who.Name, who.Email))
	}
	if coAuthors != nil {
		if len(commits) > 1 && body != "" {
			parts = append(parts, "---------")
		}
		parts = append(parts, strings.Join(coAuthors, "\n"))
	}
	return m.text(title, strings.Join(parts, "\n\n"))
}

func (s *Server) rebaseMerge(ctx context.Context, pr *pull, base string, merger signature) (mergeResult, error) {
	landed, err := pr.repo.git.rebase(ctx, base, pr.commits, merger)
	if err != nil {
		return mergeResult{}, err
	}
	if len(landed) == 0 {
		return mergeResult{}, refuse(http.StatusMethodNotAllowed, "This branch can't be rebased")
	}
	return mergeResult{sha: landed[len(landed)-1], landed: landed, onto: base}, nil
}

// finishMerge marks a pull request as merged. Callers hold work.
func (s *Server) finishMerge(ctx context.Context, pr *pull, a *actor, res mergeResult) error {
	s.mu.Lock()
	pr.merged, pr.closed, pr.updated = s.now(), s.now(), s.now()
	pr.mergedBy, pr.mergeSHA, pr.landed, pr.landedOnto, pr.baseSHA, pr.stale = a.user, res.sha, res.landed, res.onto, res.onto, false
	pr.closedBy = a.user
	s.note(pr, a.user, timelineEntry{event: "merged", commit: res.sha, app: a.app})
	s.note(pr, a.user, timelineEntry{event: "closed", app: a.app})
	s.emitPull(pr, a.user, "closed", nil)
	s.mu.Unlock()
	return s.dropTestMerge(ctx, pr)
}

// updateBranch merges the base branch into the head, as the "Update branch" button does.
func (s *Server) updateBranch(ctx context.Context, a *actor, pr *pull, expected string) (string, error) {
	pr.repo.work.Lock()
	defer pr.repo.work.Unlock()
	s.mu.Lock()
	base, head, state := pr.repo.branch(pr.baseRef), pr.headSHA, pr.state()
	who := signature{a.user.identity(), s.now()}
	err := s.needs(a, pr.headRepo, roleWrite)
	s.mu.Unlock()
	if err != nil {
		return "", err
	}
	git := pr.repo.git
	contained, err := git.isAncestor(ctx, base, head)
	if err != nil {
		return "", err
	}
	if state != "open" || contained {
		return "", refuse(http.StatusUnprocessableEntity, "There are no new commits on the base branch.")
	}
	if expected != "" && expected != head {
		return "", refuse(http.StatusUnprocessableEntity, "expected head sha didn’t match current head ref.")
	}
	tree, err := git.mergeTree(ctx, head, base)
	if errors.Is(err, errConflict) {
		return "", refuse(http.StatusUnprocessableEntity, "merge conflict between base and head")
	}
	if err != nil {
		return "", err
	}
	sha, err := git.store(ctx, newObject{tree: tree, parents: []string{head, base}, author: who, committer: signature{webFlow, who.when},
		message: fmt.Sprintf("Merge branch '%s' into %s", pr.baseRef, pr.headRef), sign: s.signAsGitHub})
	if err != nil {
		return "", err
	}
	if pr.headRepo != pr.repo {
		if _, err := pr.headRepo.git.line(ctx, "fetch", "--quiet", "--no-write-fetch-head", git.dir, sha); err != nil {
			return "", err
		}
	}
	return sha, s.moveBranch(ctx, push{repo: pr.headRepo, actor: a}, refChange{"refs/heads/" + pr.headRef, head, sha})
}

// moveBranch moves a reference to a commit that exists, and announces it. Callers hold work.
func (s *Server) moveBranch(ctx context.Context, p push, c refChange) error {
	if err := s.checkMove(ctx, p.actor, p.repo, c); err != nil {
		return err
	}
	if err := p.repo.git.setRefs(ctx, c); err != nil {
		return err
	}
	return s.announce(ctx, p, c)
}
