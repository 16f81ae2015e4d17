package standin

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
)

// MergeSettings are what a repository's settings say of merging. The zero value is a new repository's.
type MergeSettings struct {
	Methods       []string // allowed ones of merge, squash, rebase; all of them when empty
	DeleteBranch  bool     // delete head branches when they were merged
	MergeTitle    string   // MERGE_MESSAGE (the default) or PR_TITLE
	MergeMessage  string   // PR_TITLE (the default), PR_BODY or BLANK
	SquashTitle   string   // COMMIT_OR_PR_TITLE (the default) or PR_TITLE
	SquashMessage string   // COMMIT_MESSAGES (the default), PR_BODY or BLANK
}

var mergeMethods = []string{"merge", "squash", "rebase"}

// filled checks the settings and fills in the defaults.
func (m MergeSettings) filled() (MergeSettings, error) {
	m.Methods = slices.Clone(m.Methods)
	if len(m.Methods) == 0 {
		m.Methods = slices.Clone(mergeMethods)
	}
	for _, method := range m.Methods {
		if !slices.Contains(mergeMethods, method) {
			return m, fmt.Errorf("merge method %q", method)
		}
	}
	for _, choice := range []struct {
		value  *string
		values []string
	}{
		{&m.MergeTitle, []string{"MERGE_MESSAGE", "PR_TITLE"}}, {&m.MergeMessage, []string{"PR_TITLE", "PR_BODY", "BLANK"}},
		{&m.SquashTitle, []string{"COMMIT_OR_PR_TITLE", "PR_TITLE"}}, {&m.SquashMessage, []string{"COMMIT_MESSAGES", "PR_BODY", "BLANK"}},
	} {
		if *choice.value == "" {
			*choice.value = choice.values[0]
		}
		if !slices.Contains(choice.values, *choice.value) {
			return m, fmt.Errorf("merge setting %q: one of %q is needed", *choice.value, choice.values)
		}
	}
	return m, nil
}

// SetMergeSettings changes what a repository's settings say of merging.
func (s *Server) SetMergeSettings(repo string, m MergeSettings) error {
	r, err := s.find(repo)
	if err != nil {
		return err
	}
	if m, err = m.filled(); err != nil {
		return fmt.Errorf("set merge settings of %s: %w", repo, err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	r.merging = m
	return nil
}

// allowed refuses methods that the settings exclude.
func (m MergeSettings) allowed(method string) error {
	if slices.Contains(m.Methods, method) {
		return nil
	}
	name := map[string]string{"merge": "Merge commits", "squash": "Squash merges", "rebase": "Rebase merges"}[method]
	return refuse(http.StatusMethodNotAllowed, "%s are not allowed on this repository.", name)
}

// body is the text of a new commit for PR_BODY and BLANK; ok is false for the others.
func (p *pull) messageBody(setting string) (text string, ok bool) {
	switch setting {
	case "PR_BODY":
		return p.body, true
	case "BLANK":
		return "", true
	}
	return "", false
}

// deleteMerged deletes the head branch of a merged pull request, when the settings say so and nothing
// else needs it. Callers hold work.
func (s *Server) deleteMerged(ctx context.Context, pr *pull, a *actor) error {
	s.mu.Lock()
	r, tip := pr.repo, pr.headRepo.branch(pr.headRef)
	remove := r.merging.DeleteBranch && pr.headRepo == r && tip == pr.headSHA && pr.headRef != r.defaultBranch
	for _, other := range r.pulls {
		remove = remove && (other.state() != "open" || other.headRepo != r || other.headRef != pr.headRef)
	}
	s.mu.Unlock()
	if !remove {
		return nil
	}
	err := s.moveBranch(ctx, push{repo: r, actor: a}, refChange{"refs/heads/" + pr.headRef, tip, zeroSHA})
	if _, refused := errors.AsType[*APIError](err); refused { // a rule protects the branch; the merge stands
		return nil
	}
	return err
}

// baseAfter is where pull requests into a deleted branch go: to the base of the merged pull request that
// the branch was the head of ("Branch deletion: retargeting"); "" when there is none, and they are closed.
func (s *Server) baseAfter(r *repository, branch string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, pr := range slices.Backward(r.sortedPulls()) {
		if !pr.merged.IsZero() && pr.headRepo == r && pr.headRef == branch && r.branch(pr.baseRef) != "" {
			return pr.baseRef
		}
	}
	return ""
}

// retarget changes the base of an open pull request as its author would.
func (s *Server) retarget(ctx context.Context, pr *pull, base string, a *actor) error {
	s.mu.Lock()
	_, changes, err := s.editPull(&actor{kind: userToken, user: pr.author}, pr, pullChange{base: &base})
	s.mu.Unlock()
	if err != nil {
		return err
	}
	if err := s.refresh(ctx, pr); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.emitPull(pr, a.user, "edited", map[string]any{"changes": changes})
	return nil
}
