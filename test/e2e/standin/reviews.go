package standin

import (
	"fmt"
	"net/http"
	"slices"
)

// newReview is what submits a review.
type newReview struct {
	event  string // APPROVE, REQUEST_CHANGES, COMMENT; "" leaves it pending
	body   string
	commit string // the head when empty
	lines  []*lineComment
}

var reviewStates = map[string]string{"": "PENDING", "APPROVE": "APPROVED", "REQUEST_CHANGES": "CHANGES_REQUESTED", "COMMENT": "COMMENTED"}

// submit adds a review with GitHub's checks; closed pull requests take reviews too. It needs Server.mu.
func (s *Server) submit(a *actor, pr *pull, n newReview) (*review, error) {
	if err := s.checkReview(a, pr, n); err != nil {
		return nil, err
	}
	if n.commit == "" {
		n.commit = pr.headSHA
	}
	if n.commit != pr.headSHA && !pr.known[n.commit] {
		return nil, unprocessable("commit_id is not part of the pull request")
	}
	return s.addReview(a.user, pr, reviewStates[n.event], n.body, n.commit, n.lines...), nil
}

func (s *Server) checkReview(a *actor, pr *pull, n newReview) error {
	if err := s.needs(a, pr.repo, roleRead); err != nil {
		return err
	}
	if _, known := reviewStates[n.event]; !known {
		return unprocessable("event is invalid")
	}
	if a.user == pr.author && (n.event == "APPROVE" || n.event == "REQUEST_CHANGES") {
		what := map[string]string{"APPROVE": "approve", "REQUEST_CHANGES": "request changes on"}[n.event]
		return unprocessable("Can not %s your own pull request", what)
	}
	if n.body == "" && n.lines == nil && (n.event == "REQUEST_CHANGES" || n.event == "COMMENT") {
		return unprocessable("body can't be blank")
	}
	if len([]rune(n.body)) > maxText {
		return unprocessable("body is too long (maximum is %d characters)", maxText)
	}
	return nil
}

// addReview needs Server.mu.
func (s *Server) addReview(who *account, pr *pull, state, body, commit string, lines ...*lineComment) *review {
	v := &review{id: s.nextID("review"), pull: pr, author: who, body: body, state: state, commit: commit, lines: lines}
	for _, l := range lines {
		l.id, l.review, l.created = s.nextID("line_comment"), v, s.now()
	}
	pr.reviews = append(pr.reviews, v)
	if state != "PENDING" {
		s.publishReview(v)
	}
	return v
}

// publishReview sets the time and tells the Apps; it needs Server.mu.
func (s *Server) publishReview(v *review) {
	v.submitted, v.updated, v.pull.updated = s.now(), s.now(), s.now()
	if i := slices.Index(v.pull.reviewers, v.author); i >= 0 {
		v.pull.reviewers = slices.Delete(v.pull.reviewers, i, i+1)
	}
	sender := v.author
	if sender == nil { // ForceReview
		sender = s.someOwner(v.pull.repo.owner)
	}
	s.note(v.pull, sender, timelineEntry{event: "reviewed", review: v})
	s.emitReview(v, sender, "submitted", nil)
	s.emitLines(v, sender)
}

// dismiss overwrites the state in place and keeps the body, as GitHub does; it needs Server.mu.
func (s *Server) dismiss(a *actor, v *review, message string) error {
	if err := s.mayDismiss(a, v.pull); err != nil {
		return err
	}
	if message == "" {
		return unprocessable("message is missing")
	}
	if v.state != "APPROVED" && v.state != "CHANGES_REQUESTED" {
		return refuse(http.StatusUnprocessableEntity, "Can not dismiss a %s pull request review", fold(v.state))
	}
	s.overwrite(v, a.user, message, "")
	return nil
}

// findReview is the review of the path. A pending review exists for its author only.
func (c *call) review() (*review, error) {
	pr, err := c.pull()
	if err != nil {
		return nil, err
	}
	id, err := c.id("review_id")
	if err != nil {
		return nil, err
	}
	for _, v := range pr.reviews {
		if v.id == id && c.seesReview(v) {
			return v, nil
		}
	}
	return nil, notFound()
}

func (c *call) seesReview(v *review) bool { return v.state != "PENDING" || v.author == c.actor.user }

func (s *Server) listReviews(c *call) (any, error) {
	pr, err := c.pull()
	if err != nil {
		return nil, err
	}
	visible := slices.DeleteFunc(slices.Clone(pr.reviews), func(v *review) bool { return !c.seesReview(v) })
	if visible, err = page(c, visible); err != nil {
		return nil, err
	}
	out := []reviewJSON{}
	for _, v := range visible {
		out = append(out, s.review(v))
	}
	return out, nil
}

func (s *Server) getReview(c *call) (any, error) {
	v, err := c.review()
	if err != nil {
		return nil, err
	}
	return s.review(v), nil
}

func (s *Server) createReview(c *call) (any, error) {
	var in struct {
		CommitID string        `json:"commit_id"`
		Body     string        `json:"body"`
		Event    string        `json:"event"`
		Comments []lineRequest `json:"comments"`
	}
	if err := c.body(&in); err != nil {
		return nil, err
	}
	lines, err := s.findLines(c, in.Comments)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	pr, err := c.pull()
	if err != nil {
		return nil, err
	}
	v, err := s.submit(c.actor, pr, newReview{event: in.Event, body: in.Body, commit: in.CommitID, lines: lines})
	if err != nil {
		return nil, err
	}
	return s.review(v), nil // 200, not 201
}

func (s *Server) updateReview(c *call) (any, error) {
	var in struct {
		Body string `json:"body"`
	}
	if err := c.body(&in); err != nil {
		return nil, err
	}
	v, err := c.review()
	if err != nil {
		return nil, err
	}
	if v.author != c.actor.user {
		return nil, refuse(http.StatusForbidden, "You can't edit this review")
	}
	if in.Body == "" {
		return nil, unprocessable("body can't be blank")
	}
	before := v.body
	v.body, v.updated = in.Body, s.now()
	if v.state != "PENDING" && before != v.body {
		s.emitReview(v, c.actor.user, "edited", map[string]any{"changes": map[string]any{"body": map[string]string{"from": before}}})
	}
	return s.review(v), nil
}

func (s *Server) submitReview(c *call) (any, error) {
	var in struct {
		Body  string `json:"body"`
		Event string `json:"event"`
	}
	if err := c.body(&in); err != nil {
		return nil, err
	}
	v, err := c.review()
	if err != nil {
		return nil, err
	}
	if v.state != "PENDING" || in.Event == "" {
		return nil, refuse(http.StatusUnprocessableEntity, "Could not submit the review: it is not pending, or no event was given")
	}
	if in.Body == "" {
		in.Body = v.body
	}
	if err := s.checkReview(c.actor, v.pull, newReview{event: in.Event, body: in.Body}); err != nil {
		return nil, err
	}
	v.body, v.state = in.Body, reviewStates[in.Event]
	s.publishReview(v)
	return s.review(v), nil
}

func (s *Server) dismissReview(c *call) (any, error) {
	var in struct {
		Message string `json:"message"`
		Event   string `json:"event"`
	}
	if err := c.body(&in); err != nil {
		return nil, err
	}
	v, err := c.review()
	if err != nil {
		return nil, err
	}
	if err := s.dismiss(c.actor, v, in.Message); err != nil {
		return nil, err
	}
	return s.review(v), nil
}

// ForceReview adds a review without any of GitHub's checks: an author's approval of his own pull
// request, one by somebody without access, one on any commit. An empty login is a deleted user, whom
// REST shows as null. The event is sent like any other.
func (s *Server) ForceReview(repo string, number int, login, state, body, commit string) (int64, error) {
	pr, err := s.findPull(repo, number)
	if err != nil {
		return 0, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	var who *account
	if login != "" {
		if who = s.logins[fold(login)]; who == nil {
			return 0, fmt.Errorf("no user %q", login)
		}
	}
	if commit == "" {
		commit = pr.headSHA
	}
	return s.addReview(who, pr, state, body, commit).id, nil
}

// ReanchorReview changes a review's commit_id without an event, as GitHub does after a base merge or
// a force-push that leaves the patch the same. "" makes it null, as for a commit that is gone.
func (s *Server) ReanchorReview(reviewID int64, sha string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, r := range s.repos {
		for _, pr := range r.pulls {
			for _, v := range pr.reviews {
				if v.id == reviewID {
					v.commit = sha
					return nil
				}
			}
		}
	}
	return fmt.Errorf("no review %d", reviewID)
}
