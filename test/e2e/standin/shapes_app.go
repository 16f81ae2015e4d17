package standin

import "maps"

// appJSON is "integration".
type appJSON struct {
	ID                 int64             `json:"id"`
	ClientID           string            `json:"client_id"`
	Slug               string            `json:"slug"`
	NodeID             string            `json:"node_id"`
	Owner              *userJSON         `json:"owner"`
	Name               string            `json:"name"`
	Description        *string           `json:"description"`
	ExternalURL        string            `json:"external_url"`
	HTMLURL            string            `json:"html_url"`
	CreatedAt          stamp             `json:"created_at"`
	UpdatedAt          stamp             `json:"updated_at"`
	Permissions        map[string]string `json:"permissions"`
	Events             []string          `json:"events"`
	InstallationsCount *int              `json:"installations_count,omitempty"`
}

func (s *Server) app(a *app) *appJSON {
	if a == nil {
		return nil
	}
	external := a.details.ExternalURL
	if external == "" {
		external = s.base
	}
	return &appJSON{
		ID: a.id, ClientID: a.clientID, Slug: a.slug, NodeID: nodeID("A", a.id), Owner: a.owner.view, Name: a.name,
		Description: nullable(a.details.Description), ExternalURL: external, HTMLURL: s.base + "/apps/" + a.slug, CreatedAt: stamp(a.created), UpdatedAt: stamp(a.created),
		Permissions: maps.Clone(a.permissions), Events: append([]string{}, a.events...),
	}
}

// installationJSON is "installation".
type installationJSON struct {
	ID                  int64             `json:"id"`
	ClientID            string            `json:"client_id"`
	Account             *userJSON         `json:"account"`
	RepositorySelection string            `json:"repository_selection"`
	AccessTokensURL     string            `json:"access_tokens_url"`
	RepositoriesURL     string            `json:"repositories_url"`
	HTMLURL             string            `json:"html_url"`
	AppID               int64             `json:"app_id"`
	AppSlug             string            `json:"app_slug"`
	TargetID            int64             `json:"target_id"`
	TargetType          string            `json:"target_type"`
	Permissions         map[string]string `json:"permissions"`
	Events              []string          `json:"events"`
	CreatedAt           stamp             `json:"created_at"`
	UpdatedAt           stamp             `json:"updated_at"`
	SingleFileName      *string           `json:"single_file_name"`
	SuspendedBy         *userJSON         `json:"suspended_by"`
	SuspendedAt         stamp             `json:"suspended_at"`
}

func (i *installation) selection() string {
	if i.all {
		return "all"
	}
	return "selected"
}

func (s *Server) installation(i *installation) installationJSON {
	u := s.api() + "/app/installations/" + itoa(i.id)
	out := installationJSON{
		ID: i.id, ClientID: i.app.clientID, Account: i.account.view, RepositorySelection: i.selection(),
		AccessTokensURL: u + "/access_tokens", RepositoriesURL: s.api() + "/installation/repositories",
		HTMLURL: s.base + "/organizations/" + i.account.login + "/settings/installations/" + itoa(i.id),
		AppID:   i.app.id, AppSlug: i.app.slug, TargetID: i.account.id, TargetType: i.account.kind,
		Permissions: maps.Clone(i.app.permissions), Events: append([]string{}, i.app.events...),
		CreatedAt: stamp(i.created), UpdatedAt: stamp(i.updated), SuspendedAt: stamp(i.suspended),
	}
	if !i.suspended.IsZero() {
		out.SuspendedBy = i.account.view
	}
	return out
}

// installationTokenJSON is "installation-token".
type installationTokenJSON struct {
	Token               string            `json:"token"`
	ExpiresAt           stamp             `json:"expires_at"`
	Permissions         map[string]string `json:"permissions"`
	RepositorySelection string            `json:"repository_selection"`
	Repositories        []*repositoryJSON `json:"repositories,omitempty"`
}

// checkRunJSON is "check-run".
type checkRunJSON struct {
	ID           int64             `json:"id"`
	HeadSHA      string            `json:"head_sha"`
	NodeID       string            `json:"node_id"`
	ExternalID   *string           `json:"external_id"`
	URL          string            `json:"url"`
	HTMLURL      string            `json:"html_url"`
	DetailsURL   *string           `json:"details_url"`
	Status       string            `json:"status"`
	Conclusion   *string           `json:"conclusion"`
	StartedAt    stamp             `json:"started_at"`
	CompletedAt  stamp             `json:"completed_at"`
	Output       checkOutputJSON   `json:"output"`
	Name         string            `json:"name"`
	CheckSuite   any               `json:"check_suite"`
	App          *appJSON          `json:"app"`
	PullRequests []minimalPullJSON `json:"pull_requests"`
}

type checkOutputJSON struct {
	Title            *string `json:"title"`
	Summary          *string `json:"summary"`
	Text             *string `json:"text"`
	AnnotationsCount int     `json:"annotations_count"`
	AnnotationsURL   string  `json:"annotations_url"`
}

func (s *Server) checkRun(c *checkRun) checkRunJSON {
	r := c.suite.repo
	u := r.links.URL + "/check-runs/" + itoa(c.id)
	return checkRunJSON{
		ID: c.id, HeadSHA: c.suite.sha, NodeID: nodeID("CR", c.id), ExternalID: c.externalID, URL: u,
		HTMLURL: r.links.HTMLURL + "/runs/" + itoa(c.id), DetailsURL: c.detailsURL, Status: c.status, Conclusion: c.conclusion,
		StartedAt: stamp(c.started), CompletedAt: stamp(c.completed), Name: c.name, App: s.app(c.suite.app),
		Output: checkOutputJSON{Title: c.output.Title, Summary: c.output.Summary, Text: c.output.Text,
			AnnotationsCount: len(c.output.Annotations), AnnotationsURL: u + "/annotations"},
		CheckSuite: map[string]int64{"id": c.suite.id}, PullRequests: openPullsAt(r, c.suite.sha),
	}
}

// openPullsAt lists the open pull requests of the repository whose head is the commit.
func openPullsAt(r *repository, sha string) []minimalPullJSON {
	out := []minimalPullJSON{}
	for _, p := range r.sortedPulls() {
		if p.headSHA == sha && p.state() == "open" && p.headRepo == r {
			out = append(out, minimalPull(p))
		}
	}
	return out
}

// checkSuiteJSON is the suite of a check run in events.
type checkSuiteJSON struct {
	ID           int64             `json:"id"`
	NodeID       string            `json:"node_id"`
	HeadBranch   *string           `json:"head_branch"`
	HeadSHA      string            `json:"head_sha"`
	Status       string            `json:"status"`
	Conclusion   *string           `json:"conclusion"`
	URL          string            `json:"url"`
	Before       *string           `json:"before"`
	After        *string           `json:"after"`
	PullRequests []minimalPullJSON `json:"pull_requests"`
	App          *appJSON          `json:"app"`
	CreatedAt    stamp             `json:"created_at"`
	UpdatedAt    stamp             `json:"updated_at"`
}

// eventCheckRun is the check run with its suite, as events carry it.
func (s *Server) eventCheckRun(c *checkRun) checkRunJSON {
	out := s.checkRun(c)
	suite := checkSuiteJSON{
		ID: c.suite.id, NodeID: nodeID("CS", c.suite.id), HeadSHA: c.suite.sha, Status: c.status, Conclusion: c.conclusion,
		URL: c.suite.repo.links.URL + "/check-suites/" + itoa(c.suite.id), PullRequests: out.PullRequests, App: out.App,
		CreatedAt: stamp(c.suite.created), UpdatedAt: stamp(c.suite.updated),
		HeadBranch: nullable(c.suite.branch), Before: nullable(c.suite.before), After: nullable(c.suite.after),
	}
	suite.Status, suite.Conclusion = c.suite.state()
	out.CheckSuite = suite
	return out
}
