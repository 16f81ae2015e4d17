package reviewrequest

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
	"github.com/argo-gatekeeper/gatekeeper/pkg/github"
)

// Cancel takes back the requests on a pull request that were made here and are open, by
// itself or with RequestReviews, and says whose reviews they were of. Until new commits come
// after the head, or RequestReviews is called, nobody is asked there. Requests that people
// made on GitHub stay, and so do those of people who gave a review since they were asked
// here: they were asked again by somebody. Doing it again says the same. It fails, with
// nothing or something taken back, when GitHub or the store does.
func (p *Publisher) Cancel(ctx context.Context, repository approval.RepositoryName, pull int, head approval.SHA) ([]string, error) {
	p.asking.Lock()
	defer p.asking.Unlock()
	w := word{key: key{repository, pull}}
	m, err := p.recall(ctx, w.key)
	if err != nil || len(m.Mine)+len(m.MineTeams)+len(m.Back)+len(m.BackTeams) == 0 {
		return nil, err
	}
	client, err := p.options.GitHub.Client(ctx, repository)
	if err != nil {
		return nil, fmt.Errorf("take back review requests of #%d: %w", pull, err)
	}
	if err := afresh(ctx, client, &w); err != nil {
		return nil, err
	}
	m.settle(w)
	var open answer
	for _, u := range w.asked.Users {
		if slices.Contains(m.Mine, u.ID) {
			open.users = append(open.users, u)
		}
	}
	for _, t := range w.asked.Teams {
		if hasTeam(m.MineTeams, t) {
			open.teams = append(open.teams, t)
		}
	}
	if m.Cancelled != head {
		if open.none() {
			return nil, nil
		}
		m.resume() // what was taken back of an earlier head
		m.Cancelled = head
	}
	// First it is kept that nobody is to be asked: whoever is taken off the list is news.
	for _, u := range open.users {
		if !slices.ContainsFunc(m.Back, func(o approval.User) bool { return o.ID == u.ID }) {
			m.Back = append(m.Back, u)
		}
	}
	for _, t := range open.teams {
		if !hasTeam(m.BackTeams, t) {
			m.BackTeams = append(m.BackTeams, t)
		}
	}
	if err := p.keep(ctx, w.key, m); err != nil {
		return nil, err
	}
	back := answer{m.Back, m.BackTeams}
	if open.none() {
		return back.names(), nil
	}
	if err := p.remove(ctx, client, w, open); err != nil {
		return nil, err
	}
	p.mu.Lock()
	p.open[w.key] = slices.DeleteFunc(idsOf(w.asked.Users), func(id approval.UserID) bool {
		return slices.Contains(idsOf(open.users), id)
	})
	p.mu.Unlock()
	p.log.LogAttrs(ctx, slog.LevelInfo, "review_requests_cancelled", slog.String("repository", string(repository)), slog.Int("pull", pull),
		slog.Any("of", open.names()))
	return back.names(), nil
}

// remove takes people and teams off the list. go-github leaves out an empty list of
// people, which GitHub requires (REST description, "Remove requested reviewers").
func (p *Publisher) remove(ctx context.Context, client *github.Client, w word, who answer) error {
	op := fmt.Sprintf("take back review requests of #%d", w.pull)
	if err := p.options.Pace.Wait(ctx); err != nil {
		return err
	}
	body := struct {
		Reviewers []string `json:"reviewers"`
		Teams     []string `json:"team_reviewers,omitempty"`
	}{Reviewers: []string{}}
	for _, u := range who.users {
		body.Reviewers = append(body.Reviewers, u.Login)
	}
	for _, t := range who.teams {
		body.Teams = append(body.Teams, t.Slug())
	}
	request, err := client.API().NewRequest(http.MethodDelete,
		fmt.Sprintf("repos/%s/%s/pulls/%d/requested_reviewers", w.repository.Owner(), w.repository.Name(), w.pull), body)
	if err != nil {
		return fmt.Errorf("%s: %w", op, err)
	}
	_, err = client.API().Do(ctx, request, nil)
	return github.Wrap(op, w.repository, err)
}

// resume forgets that requests were taken back, and that they were made.
func (m *memory) resume() {
	back := idsOf(m.Back)
	gone := func(id approval.UserID) bool { return slices.Contains(back, id) }
	goneTeam := func(t approval.TeamName) bool { return hasTeam(m.BackTeams, t) }
	m.Users, m.Mine = slices.DeleteFunc(m.Users, gone), slices.DeleteFunc(m.Mine, gone)
	m.Teams, m.MineTeams = slices.DeleteFunc(m.Teams, goneTeam), slices.DeleteFunc(m.MineTeams, goneTeam)
	m.Cancelled, m.Back, m.BackTeams = "", nil, nil
}

// cancelled says whether nobody is to be asked, because somebody said cancel about the
// head of now. A report may be older than that.
func (p *Publisher) cancelled(ctx context.Context, client *github.Client, w word, m *memory) (bool, error) {
	switch m.Cancelled {
	case "":
		return false, nil
	case w.head:
		return true, nil
	}
	pull, _, err := client.API().PullRequests.Get(ctx, w.repository.Owner(), w.repository.Name(), w.pull)
	err = github.Wrap(fmt.Sprintf("read #%d", w.pull), w.repository, err)
	switch {
	case errors.Is(err, approval.ErrNotFound):
		return true, nil // it is gone
	case err != nil:
		return false, err
	case approval.SHA(pull.GetHead().GetSHA()) == m.Cancelled:
		return true, nil
	}
	m.resume()
	return false, nil
}
