package standin

import (
	"errors"
	"fmt"
	"slices"
)

// As acts as one person, with the person's permissions and GitHub's rules, but without HTTP: what it
// does is neither counted nor delayed nor made to fail, and sends the same events.
type As struct {
	s     *Server
	login string
}

// As names the person who acts. An unknown login is reported by the first call.
func (s *Server) As(login string) As { return As{s, login} }

func (a As) actor() (*actor, error) {
	a.s.mu.Lock()
	defer a.s.mu.Unlock()
	who := a.s.logins[fold(a.login)]
	if who == nil || who.kind == "Organization" {
		return nil, fmt.Errorf("no user %q", a.login)
	}
	return &actor{kind: userToken, user: who}, nil
}

// findPull returns a pull request by repository and number.
func (s *Server) findPull(repo string, number int) (*pull, error) {
	r, err := s.find(repo)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if pr := r.pulls[number]; pr != nil {
		return pr, nil
	}
	return nil, fmt.Errorf("%w: no pull request #%d in %s", ErrNotFound, number, repo)
}

// on resolves the person and the pull request of a control call.
func (a As) on(repo string, number int) (*actor, *pull, error) {
	act, err := a.actor()
	if err != nil {
		return nil, nil, err
	}
	pr, err := a.s.findPull(repo, number)
	return act, pr, err
}

// PullOptions describe a pull request to be opened.
type PullOptions struct {
	Branch string // of the head; made from Base when it does not exist. "change-N" when empty
	Base   string // the default branch when empty
	Title  string // the first line of the change's message when empty
	Body   string
	Draft  bool
	// HeadRepo is a fork, "owner/name", that has the branch; the base repository when empty.
	HeadRepo string
	// Change is committed to the branch first, unless it has neither files nor deletions and the branch exists.
	Change
}

// OpenedPull is what OpenPull made.
type OpenedPull struct {
	Number int
	Branch string
	Head   string
}

// OpenPull commits a change to a branch and proposes it.
func (a As) OpenPull(repo string, o PullOptions) (OpenedPull, error) {
	s := a.s
	act, err := a.actor()
	if err != nil {
		return OpenedPull{}, err
	}
	r, err := s.find(repo)
	if err != nil {
		return OpenedPull{}, err
	}
	headRepo := r
	if o.HeadRepo != "" {
		if headRepo, err = s.find(o.HeadRepo); err != nil {
			return OpenedPull{}, err
		}
	}
	s.mu.Lock()
	if o.Base == "" {
		o.Base = r.defaultBranch
	}
	if o.Branch == "" {
		s.counters["branch"]++
		o.Branch = fmt.Sprintf("change-%d", s.counters["branch"])
	}
	tip, base := headRepo.branch(o.Branch), headRepo.branch(o.Base)
	label := headRepo.owner.login + ":" + o.Branch
	s.mu.Unlock()
	if o.Message == "" {
		o.Message = o.Title
	}
	if tip == "" || len(o.Files)+len(o.Delete) > 0 {
		if tip == "" && base == "" {
			return OpenedPull{}, fmt.Errorf("open pull request: no branch %q in %s", o.Base, repo)
		}
		if tip == "" {
			tip = base
		}
		if _, err := s.commitTo(act, headRepo, o.Branch, tip, o.Change, nil); err != nil {
			return OpenedPull{}, fmt.Errorf("open pull request: %w", err)
		}
	}
	if o.Title == "" {
		o.Title = (&commit{message: o.Message}).title()
	}
	if o.Title == "" {
		o.Title = o.Branch
	}
	pr, err := s.openPull(s.ctx, act, r, newPull{title: o.Title, body: o.Body, base: o.Base, head: label, draft: o.Draft, maintainerCan: true})
	if err != nil {
		return OpenedPull{}, fmt.Errorf("open pull request: %w", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return OpenedPull{Number: pr.number, Branch: o.Branch, Head: pr.headSHA}, nil
}

// Merge merges with "merge", "squash" or "rebase" and returns the landed commit.
func (a As) Merge(repo string, number int, method string) (string, error) {
	act, pr, err := a.on(repo, number)
	if err != nil {
		return "", err
	}
	return a.s.mergePull(a.s.ctx, act, pr, mergeRequest{method: method})
}

// UpdateBranch merges the base branch into the head, as the button does, and returns the new head.
func (a As) UpdateBranch(repo string, number int) (string, error) {
	act, pr, err := a.on(repo, number)
	if err != nil {
		return "", err
	}
	return a.s.updateBranch(a.s.ctx, act, pr, "")
}

// EditPull changes title, body, base or state ("open", "closed"); empty values stay.
func (a As) EditPull(repo string, number int, title, body, base, state string) error {
	act, pr, err := a.on(repo, number)
	if err != nil {
		return err
	}
	return a.s.changePull(a.s.ctx, act, pr, pullChange{nullable(title), nullable(body), nullable(state), nullable(base)})
}

// RequestReview asks people ("login") and teams ("org/slug") for a review.
func (a As) RequestReview(repo string, number int, from ...string) error {
	act, pr, err := a.on(repo, number)
	if err != nil {
		return err
	}
	a.s.mu.Lock()
	defer a.s.mu.Unlock()
	var people []*account
	var teams []*team
	for _, name := range from {
		if i := slices.IndexFunc(pr.repo.owner.teams, func(t *team) bool { return t.org.login+"/"+t.slug == name }); i >= 0 {
			teams = append(teams, pr.repo.owner.teams[i])
			continue
		}
		found, err := a.s.people([]string{name})
		if err != nil {
			return err
		}
		people = append(people, found...)
	}
	return a.s.addReviewers(act, pr, people, teams)
}

// Review submits a review: APPROVE, REQUEST_CHANGES or COMMENT. commit is the head unless one is given.
func (a As) Review(repo string, number int, event, body string, commit ...string) (int64, error) {
	act, pr, err := a.on(repo, number)
	if err != nil {
		return 0, err
	}
	if event == "" {
		return 0, errors.New("review: no event")
	}
	n := newReview{event: event, body: body}
	if len(commit) > 0 {
		n.commit = commit[0]
	}
	a.s.mu.Lock()
	defer a.s.mu.Unlock()
	v, err := a.s.submit(act, pr, n)
	if err != nil {
		return 0, err
	}
	return v.id, nil
}

// Dismiss dismisses a review.
func (a As) Dismiss(repo string, number int, reviewID int64, message string) error {
	act, pr, err := a.on(repo, number)
	if err != nil {
		return err
	}
	a.s.mu.Lock()
	defer a.s.mu.Unlock()
	for _, v := range pr.reviews {
		if v.id == reviewID {
			return a.s.dismiss(act, v, message)
		}
	}
	return fmt.Errorf("no review %d", reviewID)
}

// Comment writes a comment and returns its ID.
func (a As) Comment(repo string, number int, body string) (int64, error) {
	act, pr, err := a.on(repo, number)
	if err != nil {
		return 0, err
	}
	a.s.mu.Lock()
	defer a.s.mu.Unlock()
	c, err := a.s.addComment(act, pr, body)
	if err != nil {
		return 0, err
	}
	return c.id, nil
}

// EditComment changes a comment; an empty body deletes it.
func (a As) EditComment(repo string, commentID int64, body string) error {
	act, err := a.actor()
	if err != nil {
		return err
	}
	r, err := a.s.find(repo)
	if err != nil {
		return err
	}
	a.s.mu.Lock()
	defer a.s.mu.Unlock()
	c := r.comment(commentID)
	if c == nil {
		return fmt.Errorf("no comment %d", commentID)
	}
	if body == "" {
		return a.s.removeComment(act, c)
	}
	return a.s.editComment(act, c, body)
}

// ClickAction presses a button of a check run; only the App that made the run hears of it.
func (a As) ClickAction(repo string, checkRunID int64, identifier string) error {
	return a.press(repo, checkRunID, "requested_action", identifier)
}

// Rerequest presses "Re-run" of a check run.
func (a As) Rerequest(repo string, checkRunID int64) error {
	return a.press(repo, checkRunID, "rerequested", "")
}

func (a As) press(repo string, checkRunID int64, action, identifier string) error {
	act, err := a.actor()
	if err != nil {
		return err
	}
	s := a.s
	s.mu.Lock()
	defer s.mu.Unlock()
	run, err := s.findCheckRun(repo, checkRunID)
	if err != nil {
		return err
	}
	if err := s.needs(act, run.suite.repo, roleWrite); err != nil {
		return err
	}
	payload := map[string]any{"check_run": s.eventCheckRun(run)}
	if action == "requested_action" {
		if !slices.ContainsFunc(run.actions, func(c checkAction) bool { return c.Identifier == identifier }) {
			return fmt.Errorf("check run %d has no action %q", checkRunID, identifier)
		}
		payload["requested_action"] = map[string]string{"identifier": identifier}
	}
	s.emit(run.suite.repo, act.user, "check_run", action, payload, run.suite.app)
	return nil
}
