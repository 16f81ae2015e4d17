package standin

import (
	"net/http"
	"slices"
	"time"
)

// maxText is the longest body of a comment, review or pull request, in characters.
const maxText = 65536

// addComment needs Server.mu.
func (s *Server) addComment(a *actor, pr *pull, body string) (*comment, error) {
	if err := s.needs(a, pr.repo, roleRead); err != nil {
		return nil, err
	}
	if err := checkComment(body); err != nil {
		return nil, err
	}
	now := s.now()
	c := &comment{id: s.nextID("comment"), pull: pr, author: a.user, app: a.app, body: body, created: now, updated: now}
	pr.comments = append(pr.comments, c)
	pr.updated = s.now()
	s.note(pr, a.user, timelineEntry{event: "commented", comment: c})
	s.emitComment(c, a.user, "created", nil)
	return c, nil
}

func checkComment(body string) error {
	if body == "" {
		return invalidBecause("IssueComment", "body cannot be blank")
	}
	if len([]rune(body)) > maxText {
		return invalidBecause("IssueComment", "body is too long (maximum is %d characters)", maxText)
	}
	return nil
}

// mayEdit allows authors, and those with the role write; it needs Server.mu.
func (s *Server) mayEdit(a *actor, c *comment) error {
	if a.user == c.author {
		return nil
	}
	return s.needs(a, c.pull.repo, roleWrite)
}

// editComment needs Server.mu.
func (s *Server) editComment(a *actor, c *comment, body string) error {
	if err := s.mayEdit(a, c); err != nil {
		return err
	}
	if err := checkComment(body); err != nil {
		return err
	}
	before := c.body
	c.body, c.updated = body, s.now()
	if before != body {
		s.emitComment(c, a.user, "edited", map[string]any{"changes": map[string]any{"body": map[string]string{"from": before}}})
	}
	return nil
}

// removeComment needs Server.mu.
func (s *Server) removeComment(a *actor, c *comment) error {
	if err := s.mayEdit(a, c); err != nil {
		return err
	}
	c.pull.comments = slices.DeleteFunc(c.pull.comments, func(other *comment) bool { return other == c })
	s.emitComment(c, a.user, "deleted", nil)
	return nil
}

func (r *repository) comment(id int64) *comment {
	for _, pr := range r.pulls {
		for _, c := range pr.comments {
			if c.id == id {
				return c
			}
		}
	}
	return nil
}

func (c *call) comment() (*comment, error) {
	id, err := c.id("comment_id")
	if err != nil {
		return nil, err
	}
	if found := c.repo.comment(id); found != nil {
		return found, nil
	}
	return nil, notFound()
}

func (s *Server) listComments(c *call) (any, error) {
	pr, err := c.pull()
	if err != nil {
		return nil, err
	}
	list := slices.Clone(pr.comments)
	if text := c.r.URL.Query().Get("since"); text != "" {
		since, err := time.Parse(time.RFC3339, text)
		if err != nil {
			return nil, refuse(http.StatusUnprocessableEntity, "Invalid request.\n\n%q is not a time.", text)
		}
		list = slices.DeleteFunc(list, func(c *comment) bool { return c.updated.Before(since) })
	}
	if list, err = page(c, list); err != nil {
		return nil, err
	}
	out := []commentJSON{}
	for _, one := range list {
		out = append(out, s.comment(one))
	}
	return out, nil
}

type bodyJSON struct {
	Body string `json:"body"`
}

func (s *Server) createComment(c *call) (any, error) {
	var in bodyJSON
	if err := c.body(&in); err != nil {
		return nil, err
	}
	pr, err := c.pull()
	if err != nil {
		return nil, err
	}
	made, err := s.addComment(c.actor, pr, in.Body)
	if err != nil {
		return nil, err
	}
	return c.created(s.comment(made))
}

func (s *Server) getComment(c *call) (any, error) {
	found, err := c.comment()
	if err != nil {
		return nil, err
	}
	return s.comment(found), nil
}

func (s *Server) updateComment(c *call) (any, error) {
	var in bodyJSON
	if err := c.body(&in); err != nil {
		return nil, err
	}
	found, err := c.comment()
	if err != nil {
		return nil, err
	}
	if err := s.editComment(c.actor, found, in.Body); err != nil {
		return nil, err
	}
	return s.comment(found), nil
}

func (s *Server) deleteComment(c *call) (any, error) {
	found, err := c.comment()
	if err != nil {
		return nil, err
	}
	return nil, s.removeComment(c.actor, found)
}
