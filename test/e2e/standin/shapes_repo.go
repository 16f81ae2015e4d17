package standin

import "strings"

// repositoryLinks are the addresses and constants of a repository object; they change only when the
// repository is renamed, so they are made once.
type repositoryLinks struct {
	URL              string `json:"url"`
	HTMLURL          string `json:"html_url"`
	ArchiveURL       string `json:"archive_url"`
	AssigneesURL     string `json:"assignees_url"`
	BlobsURL         string `json:"blobs_url"`
	BranchesURL      string `json:"branches_url"`
	CollaboratorsURL string `json:"collaborators_url"`
	CommentsURL      string `json:"comments_url"`
	CommitsURL       string `json:"commits_url"`
	CompareURL       string `json:"compare_url"`
	ContentsURL      string `json:"contents_url"`
	ContributorsURL  string `json:"contributors_url"`
	DeploymentsURL   string `json:"deployments_url"`
	DownloadsURL     string `json:"downloads_url"`
	EventsURL        string `json:"events_url"`
	ForksURL         string `json:"forks_url"`
	GitCommitsURL    string `json:"git_commits_url"`
	GitRefsURL       string `json:"git_refs_url"`
	GitTagsURL       string `json:"git_tags_url"`
	GitURL           string `json:"git_url"`
	IssueCommentURL  string `json:"issue_comment_url"`
	IssueEventsURL   string `json:"issue_events_url"`
	IssuesURL        string `json:"issues_url"`
	KeysURL          string `json:"keys_url"`
	LabelsURL        string `json:"labels_url"`
	LanguagesURL     string `json:"languages_url"`
	MergesURL        string `json:"merges_url"`
	MilestonesURL    string `json:"milestones_url"`
	NotificationsURL string `json:"notifications_url"`
	PullsURL         string `json:"pulls_url"`
	ReleasesURL      string `json:"releases_url"`
	SSHURL           string `json:"ssh_url"`
	StargazersURL    string `json:"stargazers_url"`
	StatusesURL      string `json:"statuses_url"`
	SubscribersURL   string `json:"subscribers_url"`
	SubscriptionURL  string `json:"subscription_url"`
	TagsURL          string `json:"tags_url"`
	TeamsURL         string `json:"teams_url"`
	TreesURL         string `json:"trees_url"`
	CloneURL         string `json:"clone_url"`
	HooksURL         string `json:"hooks_url"`
	SVNURL           string `json:"svn_url"`
}

func (s *Server) newRepositoryLinks(fullName string) *repositoryLinks {
	u, html := s.api()+"/repos/"+fullName, s.base+"/"+fullName
	return &repositoryLinks{
		URL: u, HTMLURL: html, ArchiveURL: u + "/{archive_format}{/ref}", AssigneesURL: u + "/assignees{/user}",
		BlobsURL: u + "/git/blobs{/sha}", BranchesURL: u + "/branches{/branch}", CollaboratorsURL: u + "/collaborators{/collaborator}",
		CommentsURL: u + "/comments{/number}", CommitsURL: u + "/commits{/sha}", CompareURL: u + "/compare/{base}...{head}",
		ContentsURL: u + "/contents/{+path}", ContributorsURL: u + "/contributors", DeploymentsURL: u + "/deployments",
		DownloadsURL: u + "/downloads", EventsURL: u + "/events", ForksURL: u + "/forks", GitCommitsURL: u + "/git/commits{/sha}",
		GitRefsURL: u + "/git/refs{/sha}", GitTagsURL: u + "/git/tags{/sha}",
		GitURL: "git" + html[strings.Index(html, "://"):] + ".git", IssueCommentURL: u + "/issues/comments{/number}",
		IssueEventsURL: u + "/issues/events{/number}", IssuesURL: u + "/issues{/number}", KeysURL: u + "/keys{/key_id}",
		LabelsURL: u + "/labels{/name}", LanguagesURL: u + "/languages", MergesURL: u + "/merges", MilestonesURL: u + "/milestones{/number}",
		NotificationsURL: u + "/notifications{?since,all,participating}", PullsURL: u + "/pulls{/number}", ReleasesURL: u + "/releases{/id}",
		SSHURL: "git@localhost:" + fullName + ".git", StargazersURL: u + "/stargazers", StatusesURL: u + "/statuses/{sha}",
		SubscribersURL: u + "/subscribers", SubscriptionURL: u + "/subscription", TagsURL: u + "/tags", TeamsURL: u + "/teams",
		TreesURL: u + "/git/trees{/sha}", CloneURL: html + ".git", HooksURL: u + "/hooks", SVNURL: html,
	}
}

// repositoryJSON is "repository", which has every field of "minimal-repository".
type repositoryJSON struct {
	ID            int64     `json:"id"`
	NodeID        string    `json:"node_id"`
	Name          string    `json:"name"`
	FullName      string    `json:"full_name"`
	Private       bool      `json:"private"`
	Owner         *userJSON `json:"owner"`
	Description   *string   `json:"description"`
	Fork          bool      `json:"fork"`
	DefaultBranch string    `json:"default_branch"`
	Visibility    string    `json:"visibility"`
	CreatedAt     any       `json:"created_at"` // a stamp; Unix seconds in push events
	UpdatedAt     stamp     `json:"updated_at"`
	PushedAt      any       `json:"pushed_at"` // likewise

	*repositoryLinks
	Homepage         *string          `json:"homepage"`
	Language         *string          `json:"language"`
	License          *string          `json:"license"`
	MirrorURL        *string          `json:"mirror_url"`
	Forks            int              `json:"forks"`
	ForksCount       int              `json:"forks_count"`
	OpenIssues       int              `json:"open_issues"`
	OpenIssuesCount  int              `json:"open_issues_count"`
	Size             int              `json:"size"`
	StargazersCount  int              `json:"stargazers_count"`
	Watchers         int              `json:"watchers"`
	WatchersCount    int              `json:"watchers_count"`
	Topics           []string         `json:"topics"`
	HasIssues        bool             `json:"has_issues"`
	HasProjects      bool             `json:"has_projects"`
	HasWiki          bool             `json:"has_wiki"`
	HasPages         bool             `json:"has_pages"`
	HasDownloads     bool             `json:"has_downloads"`
	HasDiscussions   bool             `json:"has_discussions"`
	Archived         bool             `json:"archived"`
	Disabled         bool             `json:"disabled"`
	IsTemplate       bool             `json:"is_template"`
	AllowForking     bool             `json:"allow_forking"`
	SignoffRequired  bool             `json:"web_commit_signoff_required"`
	Permissions      *permissionsJSON `json:"permissions,omitempty"`
	AllowMergeCommit *bool            `json:"allow_merge_commit,omitempty"`
	AllowSquashMerge *bool            `json:"allow_squash_merge,omitempty"`
	AllowRebaseMerge *bool            `json:"allow_rebase_merge,omitempty"`
	DeleteBranch     *bool            `json:"delete_branch_on_merge,omitempty"`
	MergeTitle       string           `json:"merge_commit_title,omitempty"`
	MergeMessage     string           `json:"merge_commit_message,omitempty"`
	SquashTitle      string           `json:"squash_merge_commit_title,omitempty"`
	SquashMessage    string           `json:"squash_merge_commit_message,omitempty"`
	SubscribersCount *int             `json:"subscribers_count,omitempty"`
	NetworkCount     *int             `json:"network_count,omitempty"`
	Organization     any              `json:"organization,omitempty"` // an account; a login in push events
	Parent           *repositoryJSON  `json:"parent,omitempty"`
	MasterBranch     string           `json:"master_branch,omitempty"`
	Stargazers       *int             `json:"stargazers,omitempty"`
}

type permissionsJSON struct {
	Admin    bool `json:"admin"`
	Maintain bool `json:"maintain"`
	Push     bool `json:"push"`
	Triage   bool `json:"triage"`
	Pull     bool `json:"pull"`
}

func (s *Server) repository(r *repository) *repositoryJSON {
	if r == nil {
		return nil
	}
	out := &repositoryJSON{
		ID: r.id, NodeID: nodeID("R", r.id), Name: r.name, FullName: r.fullName(), Private: r.private, Owner: r.owner.view,
		Fork: r.parent != nil, DefaultBranch: r.defaultBranch, Visibility: "public", CreatedAt: stamp(r.created),
		UpdatedAt: stamp(r.created), PushedAt: stamp(r.pushed), repositoryLinks: r.links, Topics: []string{},
		Archived: r.archived, HasIssues: true, HasDownloads: true, AllowForking: true,
	}
	if r.private {
		out.Visibility = "private"
	}
	for _, p := range r.pulls {
		if p.state() == "open" {
			out.OpenIssues++
		}
	}
	out.OpenIssuesCount = out.OpenIssues
	for _, other := range s.repos {
		if other.parent == r {
			out.Forks++
		}
	}
	out.ForksCount = out.Forks
	return out
}

// fullRepository is "full-repository", as the actor sees it.
func (s *Server) fullRepository(r *repository, a *actor) *repositoryJSON {
	out := s.repository(r)
	no, m := 0, r.merging
	allows := func(method string) *bool { ok := m.allowed(method) == nil; return &ok }
	out.AllowMergeCommit, out.AllowSquashMerge, out.AllowRebaseMerge = allows("merge"), allows("squash"), allows("rebase")
	out.DeleteBranch, out.MergeTitle, out.MergeMessage = &m.DeleteBranch, m.MergeTitle, m.MergeMessage
	out.SquashTitle, out.SquashMessage = m.SquashTitle, m.SquashMessage
	out.SubscribersCount, out.NetworkCount = &no, &no
	out.Permissions = s.permissions(r, a)
	if r.owner.kind == "Organization" {
		out.Organization = r.owner.view
	}
	out.Parent = s.repository(r.parent)
	return out
}

func (s *Server) permissions(r *repository, a *actor) *permissionsJSON {
	if a.kind != userToken {
		// Installations get these from GitHub too; what counts for them are their permissions.
		return &permissionsJSON{Pull: true}
	}
	role := s.roleOf(a.user, r)
	return &permissionsJSON{Admin: role >= roleAdmin, Maintain: role >= roleMaintain, Push: role >= roleWrite,
		Triage: role >= roleTriage, Pull: role >= roleRead}
}

// pushedRepository is the older form of a repository in push events.
func (s *Server) pushedRepository(r *repository) *repositoryJSON {
	out := s.repository(r)
	no := 0
	out.CreatedAt, out.PushedAt, out.MasterBranch, out.Stargazers = r.created.Unix(), r.pushed.Unix(), r.defaultBranch, &no
	if r.owner.kind == "Organization" {
		out.Organization = r.owner.login
	}
	return out
}
