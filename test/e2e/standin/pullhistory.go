package standin

import (
	"slices"
	"time"
)

// TimelineEvent is what happened to a pull request besides reviews and comments.
type TimelineEvent struct {
	// Kind is opened, pushed, force_pushed, edited, closed, merged, reopened, review_requested,
	// review_request_removed or review_dismissed; or, for what has no name of its own here, the action of the
	// pull_request event.
	Kind  string
	Actor string
	Time  time.Time
	// Before and After are commits of a push; After is the landed commit of a merge.
	Before, After string
	// Subject is the person or team of a request, what was edited, or the text of a dismissal.
	Subject string
	Review  int64 // that was dismissed
}

// remember keeps what pull_request events say; it needs Server.mu.
func (s *Server) remember(p *pull, sender *account, action string, more map[string]any) {
	e := TimelineEvent{Kind: action, Actor: loginOf(sender), Time: s.now()}
	switch action {
	case "opened":
		e.After = p.headSHA
	case "closed":
		if !p.merged.IsZero() {
			e.Kind, e.After = "merged", p.mergeSHA
		}
	case "synchronize":
		e.Kind = "pushed"
		e.Before, _ = more["before"].(string)
		e.After, _ = more["after"].(string)
		moves := p.headRepo.activity
		i := slices.IndexFunc(moves, func(a *activity) bool {
			return a.kind == "force_push" && a.change.before == e.Before && a.change.after == e.After && a.change.branch() == p.headRef
		})
		if i >= 0 {
			e.Kind = "force_pushed"
		}
	case "edited":
		changes, _ := more["changes"].(map[string]any)
		for _, what := range []string{"title", "body", "base"} {
			if changes[what] != nil && e.Subject != "" {
				e.Subject += ", "
			}
			if changes[what] != nil {
				e.Subject += what
			}
		}
	}
	if who, ok := more["requested_reviewer"].(*userJSON); ok && who != nil {
		e.Subject = who.Login
	}
	if t, ok := more["requested_team"].(*teamJSON); ok && t != nil {
		e.Subject = p.repo.owner.login + "/" + t.Slug
	}
	p.history = append(p.history, e)
}

// rememberDismissal needs Server.mu.
func (s *Server) rememberDismissal(v *review, who *account, message string) {
	v.pull.history = append(v.pull.history, TimelineEvent{Kind: "review_dismissed", Actor: loginOf(who), Time: s.now(),
		Subject: message, Review: v.id})
}

// Timeline lists what happened to a pull request besides reviews and comments, oldest first.
func (s *Server) Timeline(repo string, number int) ([]TimelineEvent, error) {
	pr, err := s.findPull(repo, number)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(pr.history), nil
}
