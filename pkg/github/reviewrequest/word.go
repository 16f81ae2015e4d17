package reviewrequest

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"

	gh "github.com/google/go-github/v60/github"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
	"github.com/argo-gatekeeper/gatekeeper/pkg/github"
)

// asking is a request of somebody, by its ID, that GitHub may or may not have heard of.
type asking struct {
	ID     string              `json:"id"`
	Logins []string            `json:"logins,omitempty"`
	Teams  []approval.TeamName `json:"teams,omitempty"`
}

// RequestReviews asks people, by their logins, and teams of the repository's owner for their
// review, on the word of somebody. They are among those whom Cancel takes off the list, but
// for those who were asked already, which it returns. From then on people may be asked here
// again who were not because of Cancel. The ID is that of the word: the same one does the same
// once, also after a crash. It fails with a *github.Error as GitHub answers, of status 404 or
// 422 when somebody cannot be asked, and then nobody was.
func (p *Publisher) RequestReviews(ctx context.Context, repository approval.RepositoryName, pull int, id string, logins []string, teams []approval.TeamName) (already []string, err error) {
	p.asking.Lock()
	defer p.asking.Unlock()
	w := word{key: key{repository, pull}}
	m, err := p.recall(ctx, w.key)
	if err != nil {
		return nil, err
	}
	op := fmt.Sprintf("ask for reviews of #%d", pull)
	client, err := p.options.GitHub.Client(ctx, repository)
	if err != nil {
		return nil, fmt.Errorf("%s of %s: %w", op, repository, err)
	}
	if err := afresh(ctx, client, &w); err != nil {
		return nil, err
	}
	m.settle(w)
	m.resume()
	before := m.heard(id, w)
	m.asks(w, before) // GitHub heard of it, and we did not hear of that
	want := asking{ID: id}
	for _, login := range logins {
		switch {
		case !hasLogin(w.asked.Users, login):
			want.Logins = append(want.Logins, login)
		case !hasLogin(before.users, login):
			already = append(already, login)
		}
	}
	for _, t := range teams {
		switch {
		case !hasTeam(w.asked.Teams, t):
			want.Teams = append(want.Teams, t)
		case !hasTeam(before.teams, t):
			already = append(already, string(t))
		}
	}
	if len(want.Logins)+len(want.Teams) == 0 {
		return already, p.keep(ctx, w.key, m)
	}
	m.Asking = &want
	if err := p.keep(ctx, w.key, m); err != nil {
		return nil, err
	}
	if err := p.options.Pace.Wait(ctx); err != nil {
		return nil, err
	}
	body := gh.ReviewersRequest{Reviewers: want.Logins}
	for _, t := range want.Teams {
		body.TeamReviewers = append(body.TeamReviewers, t.Slug())
	}
	pr, _, err := client.API().PullRequests.RequestReviewers(ctx, repository.Owner(), repository.Name(), pull, body)
	if err != nil {
		return nil, github.Wrap(op, repository, err)
	}
	w.asked = approval.RequestedReviewers{}
	for _, u := range pr.RequestedReviewers {
		w.asked.Users = append(w.asked.Users, approval.User{ID: approval.UserID(u.GetID()), Login: u.GetLogin(), Type: u.GetType()})
	}
	for _, t := range pr.RequestedTeams {
		w.asked.Teams = append(w.asked.Teams, approval.TeamName(repository.Owner()+"/"+t.GetSlug()))
	}
	now := m.heard(id, w)
	m.asks(w, now)
	if err := p.keep(ctx, w.key, m); err != nil {
		return nil, err
	}
	p.mu.Lock()
	if _, known := p.open[w.key]; known || len(p.open) < maxOpen {
		p.open[w.key] = idsOf(w.asked.Users)
	}
	p.mu.Unlock()
	p.log.LogAttrs(ctx, slog.LevelInfo, "review_requested", slog.String("repository", string(repository)), slog.Int("pull", pull),
		slog.Any("of", now.names()), slog.String("word", id))
	return already, nil
}

// heard are those whom the word was to ask and who are asked.
func (m *memory) heard(id string, w word) (out answer) {
	if m.Asking == nil || m.Asking.ID != id {
		return answer{}
	}
	for _, u := range w.asked.Users {
		if slices.ContainsFunc(m.Asking.Logins, func(l string) bool { return strings.EqualFold(l, u.Login) }) {
			out.users = append(out.users, u)
		}
	}
	for _, t := range w.asked.Teams {
		if hasTeam(m.Asking.Teams, t) {
			out.teams = append(out.teams, t)
		}
	}
	return out
}

// asks remembers that people were asked here.
func (m *memory) asks(w word, who answer) {
	m.sees(approval.RequestedReviewers{Users: who.users, Teams: who.teams})
	for _, u := range who.users {
		if !slices.Contains(m.Mine, u.ID) {
			m.Mine = append(m.Mine, u.ID)
		}
		delete(m.Gave, u.ID)
		if n := w.reviews[u.ID]; n > 0 {
			if m.Gave == nil {
				m.Gave = map[approval.UserID]int{}
			}
			m.Gave[u.ID] = n
		}
	}
	for _, t := range who.teams {
		if !hasTeam(m.MineTeams, t) {
			m.MineTeams = append(m.MineTeams, t)
		}
	}
}

// settle forgets the requests that were made here and have ended, by what was read afresh:
// with a review, or because somebody took them back.
func (m *memory) settle(w word) {
	m.Mine = slices.DeleteFunc(m.Mine, func(id approval.UserID) bool {
		open := slices.ContainsFunc(w.asked.Users, func(u approval.User) bool { return u.ID == id }) && w.reviews[id] <= m.Gave[id]
		if !open {
			delete(m.Gave, id)
		}
		return !open
	})
	m.MineTeams = slices.DeleteFunc(m.MineTeams, func(t approval.TeamName) bool { return !hasTeam(w.asked.Teams, t) })
}

func hasLogin(users []approval.User, login string) bool {
	return slices.ContainsFunc(users, func(u approval.User) bool { return strings.EqualFold(u.Login, login) })
}
