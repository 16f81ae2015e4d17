package standin

import (
	"context"
	"strings"
)

// ReanchorReviews makes GitHub's silent habit a rule: when a pull request gets a new head by a force-push
// or a merge of its base that leaves its patch the same, approvals of the former head say, without an
// event, that they were of the new one. When GitHub does that exactly is not documented; patches
// are compared by git patch-id.
func (s *Server) ReanchorReviews(on bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.reanchor = on
}

// reanchored moves the approvals of a pull request along with its head.
func (s *Server) reanchored(ctx context.Context, pr *pull, before, after string) error {
	s.mu.Lock()
	on, base := s.reanchor, pr.repo.branch(pr.baseRef)
	s.mu.Unlock()
	if !on {
		return nil
	}
	was, err := pr.repo.git.patchID(ctx, base, before)
	if err != nil {
		return err
	}
	is, err := pr.repo.git.patchID(ctx, base, after)
	if err != nil || is == "" || is != was {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, v := range pr.reviews {
		if v.state == "APPROVED" && v.commit == before {
			v.commit = after
		}
	}
	return nil
}

// patchID names what a head changes since it left the base; "" for nothing.
func (g *gitRepo) patchID(ctx context.Context, base, head string) (string, error) {
	from, err := g.mergeBase(ctx, base, head)
	if err != nil || from == "" {
		return "", err
	}
	patch, err := g.run(ctx, nil, nil, "diff-tree", "-p", "--full-index", from, head)
	if err != nil {
		return "", err
	}
	out, err := g.run(ctx, patch, nil, "patch-id", "--stable")
	if err != nil {
		return "", err
	}
	id, _, _ := strings.Cut(string(out), " ")
	return id, nil
}
