package standin

import "net/url"

// The shapes_*.go files hold GitHub's response objects and the functions that fill them. Those
// functions read the state: their callers hold Server.mu.

// userJSON is "simple-user".
type userJSON struct {
	Login            string `json:"login"`
	ID               int64  `json:"id"`
	NodeID           string `json:"node_id"`
	AvatarURL        string `json:"avatar_url"`
	GravatarID       string `json:"gravatar_id"`
	URL              string `json:"url"`
	HTMLURL          string `json:"html_url"`
	FollowersURL     string `json:"followers_url"`
	FollowingURL     string `json:"following_url"`
	GistsURL         string `json:"gists_url"`
	StarredURL       string `json:"starred_url"`
	SubscriptionsURL string `json:"subscriptions_url"`
	OrganizationsURL string `json:"organizations_url"`
	ReposURL         string `json:"repos_url"`
	EventsURL        string `json:"events_url"`
	ReceivedURL      string `json:"received_events_url"`
	Type             string `json:"type"`
	SiteAdmin        bool   `json:"site_admin"`
}

func (s *Server) newUserJSON(a *account) *userJSON {
	u, html := s.api()+"/users/"+url.PathEscape(a.login), s.base+"/"+url.PathEscape(a.login)
	prefix := map[string]string{"User": "U", "Organization": "O", "Bot": "BOT"}[a.kind]
	return &userJSON{
		Login: a.login, ID: a.id, NodeID: nodeID(prefix, a.id), AvatarURL: s.base + "/avatars/" + url.PathEscape(a.login),
		URL: u, HTMLURL: html, FollowersURL: u + "/followers", FollowingURL: u + "/following{/other_user}",
		GistsURL: u + "/gists{/gist_id}", StarredURL: u + "/starred{/owner}{/repo}", SubscriptionsURL: u + "/subscriptions",
		OrganizationsURL: u + "/orgs", ReposURL: u + "/repos", EventsURL: u + "/events{/privacy}",
		ReceivedURL: u + "/received_events", Type: a.kind,
	}
}

// simple is nil, so null, for a deleted account.
func (a *account) simple() *userJSON {
	if a == nil {
		return nil
	}
	return a.view
}

func simples(accounts []*account) []*userJSON {
	out := make([]*userJSON, len(accounts))
	for i, a := range accounts {
		out[i] = a.simple()
	}
	return out
}

// publicUserJSON is "public-user".
type publicUserJSON struct {
	*userJSON
	Name        *string `json:"name"`
	Company     *string `json:"company"`
	Blog        string  `json:"blog"`
	Location    *string `json:"location"`
	Email       *string `json:"email"`
	Hireable    *bool   `json:"hireable"`
	Bio         *string `json:"bio"`
	PublicRepos int     `json:"public_repos"`
	PublicGists int     `json:"public_gists"`
	Followers   int     `json:"followers"`
	Following   int     `json:"following"`
	CreatedAt   stamp   `json:"created_at"`
	UpdatedAt   stamp   `json:"updated_at"`
}

func (s *Server) publicUser(a *account) publicUserJSON {
	out := publicUserJSON{userJSON: a.view, Name: nullable(a.name), CreatedAt: stamp(a.created), UpdatedAt: stamp(a.created)}
	for _, r := range s.repos {
		if r.owner == a && !r.private {
			out.PublicRepos++
		}
	}
	return out
}

// nullable is nil for "".
func nullable(v string) *string {
	if v == "" {
		return nil
	}
	return &v
}

// organizationJSON is "organization-simple-webhooks".
type organizationJSON struct {
	Login            string `json:"login"`
	ID               int64  `json:"id"`
	NodeID           string `json:"node_id"`
	URL              string `json:"url"`
	ReposURL         string `json:"repos_url"`
	EventsURL        string `json:"events_url"`
	HooksURL         string `json:"hooks_url"`
	IssuesURL        string `json:"issues_url"`
	MembersURL       string `json:"members_url"`
	PublicMembersURL string `json:"public_members_url"`
	AvatarURL        string `json:"avatar_url"`
	Description      string `json:"description"`
}

func (s *Server) organization(a *account) *organizationJSON {
	u := s.api() + "/orgs/" + a.login
	return &organizationJSON{
		Login: a.login, ID: a.id, NodeID: a.view.NodeID, URL: u, ReposURL: u + "/repos", EventsURL: u + "/events",
		HooksURL: u + "/hooks", IssuesURL: u + "/issues", MembersURL: u + "/members{/member}",
		PublicMembersURL: u + "/public_members{/member}", AvatarURL: a.view.AvatarURL,
	}
}

// simpleTeamJSON is "team-simple": a parent has no parent of its own.
type simpleTeamJSON struct {
	ID                  int64   `json:"id"`
	NodeID              string  `json:"node_id"`
	Name                string  `json:"name"`
	Slug                string  `json:"slug"`
	Description         *string `json:"description"`
	Privacy             string  `json:"privacy"`
	NotificationSetting string  `json:"notification_setting"`
	Permission          string  `json:"permission"`
	URL                 string  `json:"url"`
	HTMLURL             string  `json:"html_url"`
	MembersURL          string  `json:"members_url"`
	RepositoriesURL     string  `json:"repositories_url"`
	Type                string  `json:"type"`
	OrganizationID      int64   `json:"organization_id"`
}

// teamJSON is "team", and with the counts "team-full".
type teamJSON struct {
	*simpleTeamJSON
	Parent *simpleTeamJSON `json:"parent"`
}

func (s *Server) team(t *team) *teamJSON {
	return &teamJSON{simpleTeamJSON: s.simpleTeam(t), Parent: s.simpleTeam(t.parent)}
}

func (s *Server) simpleTeam(t *team) *simpleTeamJSON {
	if t == nil {
		return nil
	}
	u := s.api() + "/orgs/" + t.org.login + "/teams/" + t.slug
	return &simpleTeamJSON{
		ID: t.id, NodeID: nodeID("T", t.id), Name: t.slug, Slug: t.slug, Privacy: "closed",
		NotificationSetting: "notifications_enabled", Permission: "pull", URL: u,
		HTMLURL:    s.base + "/orgs/" + t.org.login + "/teams/" + t.slug,
		MembersURL: u + "/members{/member}", RepositoriesURL: u + "/repos", Type: "organization",
		OrganizationID: t.org.id,
	}
}

func (s *Server) teams(teams []*team) []*teamJSON {
	out := make([]*teamJSON, len(teams))
	for i, t := range teams {
		out[i] = s.team(t)
	}
	return out
}

// teamOrganizationJSON is "team-organization".
type teamOrganizationJSON struct {
	*organizationJSON
	Name                    string `json:"name"`
	HTMLURL                 string `json:"html_url"`
	Type                    string `json:"type"`
	HasOrganizationProjects bool   `json:"has_organization_projects"`
	HasRepositoryProjects   bool   `json:"has_repository_projects"`
	PublicRepos             int    `json:"public_repos"`
	PublicGists             int    `json:"public_gists"`
	Followers               int    `json:"followers"`
	Following               int    `json:"following"`
	CreatedAt               stamp  `json:"created_at"`
	UpdatedAt               stamp  `json:"updated_at"`
	ArchivedAt              stamp  `json:"archived_at"`
}

type fullTeamJSON struct {
	*teamJSON
	MembersCount int                  `json:"members_count"`
	ReposCount   int                  `json:"repos_count"`
	CreatedAt    stamp                `json:"created_at"`
	UpdatedAt    stamp                `json:"updated_at"`
	Organization teamOrganizationJSON `json:"organization"`
}

func (s *Server) fullTeam(t *team) fullTeamJSON {
	org := teamOrganizationJSON{organizationJSON: s.organization(t.org), Name: t.org.name, HTMLURL: t.org.view.HTMLURL,
		Type: t.org.kind, CreatedAt: stamp(t.org.created), UpdatedAt: stamp(t.org.created)}
	return fullTeamJSON{teamJSON: s.team(t), MembersCount: len(s.teamMembers(t)), ReposCount: len(t.grants),
		CreatedAt: stamp(t.created), UpdatedAt: stamp(t.created), Organization: org}
}
