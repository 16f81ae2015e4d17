package standin

import "fmt"

// Reactions lists how an account reacted to a comment, oldest first.
func (s *Server) Reactions(repo string, commentID int64, login string) ([]string, error) {
	r, err := s.find(repo)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	c := r.comment(commentID)
	if c == nil {
		return nil, fmt.Errorf("no comment %d", commentID)
	}
	var out []string
	for _, v := range c.reactions {
		if loginOf(v.user) == login {
			out = append(out, v.content)
		}
	}
	return out, nil
}
