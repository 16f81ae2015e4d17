package standin

import (
	"net/http"
	"slices"
	"strings"
)

func (s *Server) listPulls(c *call) (any, error) {
	state, err := c.oneOf("state", "open", "closed", "all")
	if err != nil {
		return nil, err
	}
	sort, err := c.oneOf("sort", "created", "updated", "popularity", "long-running")
	if err != nil {
		return nil, err
	}
	natural := "asc"
	if sort == "created" {
		natural = "desc"
	}
	direction, err := c.oneOf("direction", natural, "asc", "desc")
	if err != nil {
		return nil, err
	}
	head, base := c.r.URL.Query().Get("head"), c.r.URL.Query().Get("base")
	list := slices.DeleteFunc(c.repo.sortedPulls(), func(p *pull) bool {
		return (state != "all" && p.state() != state) || (base != "" && p.baseRef != base) ||
			// GitHub ignores a head without an owner.
			(strings.Contains(head, ":") && !strings.EqualFold(head, p.headLabel()))
	})
	slices.SortStableFunc(list, func(a, b *pull) int {
		order := a.number - b.number
		switch sort {
		case "updated":
			order = a.updated.Compare(b.updated)
		case "popularity":
			order = len(a.comments) - len(b.comments)
		}
		if direction == "desc" {
			return -order
		}
		return order
	})
	if list, err = page(c, list); err != nil {
		return nil, err
	}
	out := []pullJSON{}
	for _, p := range list {
		out = append(out, s.simplePull(p))
	}
	return out, nil
}

func (s *Server) createPull(c *call) (any, error) {
	var in struct {
		Title               string `json:"title"`
		Head                string `json:"head"`
		HeadRepo            string `json:"head_repo"`
		Base                string `json:"base"`
		Body                string `json:"body"`
		MaintainerCanModify *bool  `json:"maintainer_can_modify"`
		Draft               bool   `json:"draft"`
		Issue               *int   `json:"issue"`
	}
	if err := c.body(&in); err != nil {
		return nil, err
	}
	if in.Issue != nil || in.HeadRepo != "" {
		return nil, refuse(http.StatusUnprocessableEntity, "issue and head_repo are not supported here")
	}
	pr, err := s.openPull(c.ctx, c.actor, c.repo, newPull{title: in.Title, body: in.Body, head: in.Head, base: in.Base,
		draft: in.Draft, maintainerCan: in.MaintainerCanModify == nil || *in.MaintainerCanModify})
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return c.created(s.fullPull(pr))
}

func (s *Server) getPull(c *call) (any, error) {
	pr, err := c.lockedPull()
	if err != nil {
		return nil, err
	}
	if err := s.fresh(c.ctx, pr); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.fullPull(pr), nil
}

func (s *Server) updatePull(c *call) (any, error) {
	var in struct {
		Title               *string `json:"title"`
		Body                *string `json:"body"`
		State               *string `json:"state"`
		Base                *string `json:"base"`
		MaintainerCanModify *bool   `json:"maintainer_can_modify"`
	}
	if err := c.body(&in); err != nil {
		return nil, err
	}
	pr, err := c.lockedPull()
	if err != nil {
		return nil, err
	}
	if err := s.changePull(c.ctx, c.actor, pr, pullChange{title: in.Title, body: in.Body, state: in.State, base: in.Base}); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if in.MaintainerCanModify != nil {
		pr.maintainerCan = *in.MaintainerCanModify && pr.headRepo != pr.repo
	}
	return s.fullPull(pr), nil
}

// maxPullCommits and maxPullFiles are what GitHub lists of a pull request.
const (
	maxPullCommits = 250
	maxPullFiles   = 3000
)

func (s *Server) listPullCommits(c *call) (any, error) {
	pr, err := c.lockedPull()
	if err != nil {
		return nil, err
	}
	if err := s.fresh(c.ctx, pr); err != nil {
		return nil, err
	}
	s.mu.Lock()
	shas := slices.Clone(pr.commits)
	s.mu.Unlock()
	shas, err = page(c, shas[:min(len(shas), maxPullCommits)])
	if err != nil {
		return nil, err
	}
	return s.readCommits(c, shas)
}

// readCommits answers with a list of commits.
func (s *Server) readCommits(c *call, shas []string) (any, error) {
	commits, err := c.repo.git.commits(c.ctx, shas...)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.commitList(c.repo, commits), nil
}

func (s *Server) listPullFiles(c *call) (any, error) {
	pr, err := c.lockedPull()
	if err != nil {
		return nil, err
	}
	if err := s.fresh(c.ctx, pr); err != nil {
		return nil, err
	}
	s.mu.Lock()
	from, head := pr.mergeBase, pr.headSHA
	s.mu.Unlock()
	if from == "" {
		return []fileJSON{}, nil
	}
	files, err := c.repo.git.diff(c.ctx, from, head, true)
	if err != nil {
		return nil, err
	}
	if files, err = page(c, files[:min(len(files), maxPullFiles)]); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return fileList(c.repo, head, files), nil
}

func (s *Server) putMerge(c *call) (any, error) {
	in := struct {
		Title   string  `json:"commit_title"`
		Message *string `json:"commit_message"`
		SHA     string  `json:"sha"`
		Method  string  `json:"merge_method"`
	}{Method: "merge"}
	if err := c.body(&in); err != nil {
		return nil, err
	}
	pr, err := c.lockedPull()
	if err != nil {
		return nil, err
	}
	sha, err := s.mergePull(c.ctx, c.actor, pr, mergeRequest{method: in.Method, title: in.Title, message: in.Message, sha: in.SHA})
	if err != nil {
		return nil, err
	}
	return map[string]any{"sha": sha, "merged": true, "message": "Pull Request successfully merged"}, nil
}

func (s *Server) putUpdateBranch(c *call) (any, error) {
	var in struct {
		Expected string `json:"expected_head_sha"`
	}
	if err := c.body(&in); err != nil {
		return nil, err
	}
	pr, err := c.lockedPull()
	if err != nil {
		return nil, err
	}
	if _, err := s.updateBranch(c.ctx, c.actor, pr, in.Expected); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	c.status = http.StatusAccepted
	return map[string]string{"message": "Updating pull request branch.", "url": pr.links().URL}, nil
}

// reviewerLists is the body of requested_reviewers.
type reviewerLists struct {
	Reviewers     []string `json:"reviewers"`
	TeamReviewers []string `json:"team_reviewers"`
}

func (s *Server) reviewerLists(c *call) (*pull, []*account, []*team, error) {
	var in reviewerLists
	if err := c.body(&in); err != nil {
		return nil, nil, nil, err
	}
	if in.Reviewers == nil && c.r.Method == http.MethodDelete { // required there, and not when asking for reviews
		return nil, nil, nil, refuse(http.StatusUnprocessableEntity, "Invalid request.\n\n%q wasn't supplied.", "reviewers")
	}
	pr, err := c.pull()
	if err != nil {
		return nil, nil, nil, err
	}
	if err := s.needs(c.actor, pr.repo, roleTriage); err != nil {
		return nil, nil, nil, err
	}
	people, err := s.people(in.Reviewers)
	if err != nil {
		return nil, nil, nil, invalidBecause("PullRequest", "Could not resolve to a node with the given login.")
	}
	var teams []*team
	for _, slug := range in.TeamReviewers {
		t := pr.repo.owner.team(slug)
		if t == nil {
			return nil, nil, nil, invalidBecause("PullRequest", "Could not resolve to a node with the global id of '%s'.", slug)
		}
		teams = append(teams, t)
	}
	return pr, people, teams, nil
}

func (s *Server) listRequestedReviewers(c *call) (any, error) {
	pr, err := c.pull()
	if err != nil {
		return nil, err
	}
	return map[string]any{"users": simples(pr.reviewers), "teams": s.teams(pr.teams)}, nil
}

func (s *Server) requestReviewers(c *call) (any, error) {
	pr, people, teams, err := s.reviewerLists(c)
	if err != nil {
		return nil, err
	}
	if err := s.addReviewers(c.actor, pr, people, teams); err != nil {
		return nil, err
	}
	return c.created(s.simplePull(pr))
}

// addReviewers needs Server.mu.
func (s *Server) addReviewers(a *actor, pr *pull, people []*account, teams []*team) error {
	for _, p := range people {
		if p == pr.author {
			return refuse(http.StatusUnprocessableEntity, "Review cannot be requested from pull request author.")
		}
		if s.roleOf(p, pr.repo) < roleRead {
			return refuse(http.StatusUnprocessableEntity, "Reviews may only be requested from collaborators. One or more of the users or teams you specified is not a collaborator of the %s repository.", pr.repo.fullName())
		}
	}
	pr.updated = s.now()
	for _, p := range people {
		if !slices.Contains(pr.reviewers, p) {
			pr.reviewers = append(pr.reviewers, p)
			s.note(pr, a.user, timelineEntry{event: "review_requested", reviewer: p, app: a.app})
			s.emitPull(pr, a.user, "review_requested", map[string]any{"requested_reviewer": p.view})
		}
	}
	for _, t := range teams {
		if !slices.Contains(pr.teams, t) {
			pr.teams = append(pr.teams, t)
			s.note(pr, a.user, timelineEntry{event: "review_requested", team: t, app: a.app})
			s.emitPull(pr, a.user, "review_requested", map[string]any{"requested_team": s.team(t)})
		}
	}
	return nil
}

func (s *Server) removeReviewers(c *call) (any, error) {
	pr, people, teams, err := s.reviewerLists(c)
	if err != nil {
		return nil, err
	}
	pr.updated = s.now()
	for _, p := range people {
		if i := slices.Index(pr.reviewers, p); i >= 0 {
			pr.reviewers = slices.Delete(pr.reviewers, i, i+1)
			s.note(pr, c.actor.user, timelineEntry{event: "review_request_removed", reviewer: p, app: c.actor.app})
			s.emitPull(pr, c.actor.user, "review_request_removed", map[string]any{"requested_reviewer": p.view})
		}
	}
	for _, t := range teams {
		if i := slices.Index(pr.teams, t); i >= 0 {
			pr.teams = slices.Delete(pr.teams, i, i+1)
			s.note(pr, c.actor.user, timelineEntry{event: "review_request_removed", team: t, app: c.actor.app})
			s.emitPull(pr, c.actor.user, "review_request_removed", map[string]any{"requested_team": s.team(t)})
		}
	}
	return s.simplePull(pr), nil
}
