package standin

import (
	"fmt"
	"strings"
)

type hrefJSON struct {
	Href string `json:"href"`
}

// pullLinks are the addresses of a pull request.
type pullLinks struct {
	URL               string `json:"url"`
	HTMLURL           string `json:"html_url"`
	DiffURL           string `json:"diff_url"`
	PatchURL          string `json:"patch_url"`
	IssueURL          string `json:"issue_url"`
	CommitsURL        string `json:"commits_url"`
	ReviewCommentsURL string `json:"review_comments_url"`
	ReviewCommentURL  string `json:"review_comment_url"`
	CommentsURL       string `json:"comments_url"`
	StatusesURL       string `json:"statuses_url"`
}

func (p *pull) links() pullLinks {
	repo := p.repo.links
	u := fmt.Sprintf("%s/pulls/%d", repo.URL, p.number)
	issue := fmt.Sprintf("%s/issues/%d", repo.URL, p.number)
	html := fmt.Sprintf("%s/pull/%d", repo.HTMLURL, p.number)
	return pullLinks{URL: u, HTMLURL: html, DiffURL: html + ".diff", PatchURL: html + ".patch", IssueURL: issue,
		CommitsURL: u + "/commits", ReviewCommentsURL: u + "/comments", ReviewCommentURL: repo.URL + "/pulls/comments{/number}",
		CommentsURL: issue + "/comments", StatusesURL: repo.URL + "/statuses/" + p.headSHA}
}

// pullJSON is "pull-request-simple"; with the rest "pull-request".
type pullJSON struct {
	ID     int64  `json:"id"`
	NodeID string `json:"node_id"`
	pullLinks
	Number             int                 `json:"number"`
	State              string              `json:"state"`
	Locked             bool                `json:"locked"`
	Title              string              `json:"title"`
	User               *userJSON           `json:"user"`
	Body               *string             `json:"body"`
	Labels             []labelJSON         `json:"labels"`
	Milestone          *string             `json:"milestone"`
	ActiveLockReason   *string             `json:"active_lock_reason"`
	CreatedAt          stamp               `json:"created_at"`
	UpdatedAt          stamp               `json:"updated_at"`
	ClosedAt           stamp               `json:"closed_at"`
	MergedAt           stamp               `json:"merged_at"`
	MergeCommitSHA     *string             `json:"merge_commit_sha"`
	Assignee           *userJSON           `json:"assignee"`
	Assignees          []*userJSON         `json:"assignees"`
	RequestedReviewers []*userJSON         `json:"requested_reviewers"`
	RequestedTeams     []*teamJSON         `json:"requested_teams"`
	Head               branchEndJSON       `json:"head"`
	Base               branchEndJSON       `json:"base"`
	Links              map[string]hrefJSON `json:"_links"`
	AuthorAssociation  string              `json:"author_association"`
	AutoMerge          *string             `json:"auto_merge"`
	Draft              bool                `json:"draft"`

	*pullRest
}

type pullRest struct {
	Merged              bool      `json:"merged"`
	Mergeable           *bool     `json:"mergeable"`
	Rebaseable          *bool     `json:"rebaseable"`
	MergeableState      string    `json:"mergeable_state"`
	MergedBy            *userJSON `json:"merged_by"`
	Comments            int       `json:"comments"`
	ReviewComments      int       `json:"review_comments"`
	MaintainerCanModify bool      `json:"maintainer_can_modify"`
	Commits             int       `json:"commits"`
	Additions           int       `json:"additions"`
	Deletions           int       `json:"deletions"`
	ChangedFiles        int       `json:"changed_files"`
}

type branchEndJSON struct {
	Label string          `json:"label"`
	Ref   string          `json:"ref"`
	SHA   string          `json:"sha"`
	User  *userJSON       `json:"user"`
	Repo  *repositoryJSON `json:"repo"`
}

func (s *Server) simplePull(p *pull) pullJSON {
	l := p.links()
	head, base := s.repository(p.headRepo), s.repository(p.repo)
	return pullJSON{
		ID: p.id, NodeID: nodeID("PR", p.id), pullLinks: l, Number: p.number, State: p.state(), Title: p.title,
		User: p.author.simple(), Body: nullable(p.body), Labels: p.repo.describedLabels(p.labels), CreatedAt: stamp(p.created),
		UpdatedAt: stamp(p.updated), ClosedAt: stamp(p.closed), MergedAt: stamp(p.merged), MergeCommitSHA: nullable(p.mergeSHA),
		Assignees: []*userJSON{}, RequestedReviewers: simples(p.reviewers), RequestedTeams: s.teams(p.teams),
		Head: branchEndJSON{Label: p.headLabel(), Ref: p.headRef, SHA: p.headSHA, User: p.headRepo.owner.view, Repo: head},
		Base: branchEndJSON{Label: p.repo.owner.login + ":" + p.baseRef, Ref: p.baseRef, SHA: p.baseSHA, User: p.repo.owner.view, Repo: base},
		Links: map[string]hrefJSON{
			"self": {l.URL}, "html": {l.HTMLURL}, "issue": {l.IssueURL}, "comments": {l.CommentsURL},
			"review_comments": {l.ReviewCommentsURL}, "review_comment": {l.ReviewCommentURL},
			"commits": {l.CommitsURL}, "statuses": {l.StatusesURL},
		},
		AuthorAssociation: s.association(p.author, p.repo), Draft: p.draft,
	}
}

func (s *Server) fullPull(p *pull) pullJSON {
	out := s.simplePull(p)
	out.Labels = p.repo.labelShapes(p.labels)
	rest := &pullRest{
		Merged: !p.merged.IsZero(), MergeableState: "unknown", MergedBy: p.mergedBy.simple(), Comments: len(p.comments),
		MaintainerCanModify: p.maintainerCan, Commits: len(p.commits), Additions: p.additions, Deletions: p.deletions,
		ChangedFiles: p.files,
	}
	if p.state() == "open" && !p.stale {
		can := p.mergeable
		rest.Mergeable, rest.Rebaseable = &can, &can
		rest.MergeableState = s.mergeableState(p)
	}
	out.pullRest = rest
	return out
}

// association is "author_association"; it says nothing about permissions.
func (s *Server) association(a *account, r *repository) string {
	switch {
	case a == nil:
		return "NONE"
	case r.owner == a:
		return "OWNER"
	case r.owner.members[a.id] || r.owner.owners[a.id]:
		return "MEMBER"
	case r.collaborators[a.id] > roleNone:
		return "COLLABORATOR"
	}
	for _, p := range r.pulls {
		if p.author == a && !p.merged.IsZero() {
			return "CONTRIBUTOR"
		}
	}
	return "NONE"
}

// minimalPullJSON is "pull-request-minimal", as in check runs.
type minimalPullJSON struct {
	ID     int64          `json:"id"`
	Number int            `json:"number"`
	URL    string         `json:"url"`
	Head   minimalEndJSON `json:"head"`
	Base   minimalEndJSON `json:"base"`
}

type minimalEndJSON struct {
	Ref  string          `json:"ref"`
	SHA  string          `json:"sha"`
	Repo minimalRepoJSON `json:"repo"`
}

type minimalRepoJSON struct {
	ID   int64  `json:"id"`
	URL  string `json:"url"`
	Name string `json:"name"`
}

func minimalPull(p *pull) minimalPullJSON {
	end := func(r *repository, ref, sha string) minimalEndJSON {
		return minimalEndJSON{Ref: ref, SHA: sha, Repo: minimalRepoJSON{ID: r.id, URL: r.links.URL, Name: r.name}}
	}
	return minimalPullJSON{ID: p.id, Number: p.number, URL: p.links().URL,
		Head: end(p.headRepo, p.headRef, p.headSHA), Base: end(p.repo, p.baseRef, p.baseSHA)}
}

// reviewJSON is "pull-request-review"; events write the state in lower case.
type reviewJSON struct {
	ID                int64               `json:"id"`
	NodeID            string              `json:"node_id"`
	User              *userJSON           `json:"user"`
	Body              string              `json:"body"`
	State             string              `json:"state"`
	HTMLURL           string              `json:"html_url"`
	PullRequestURL    string              `json:"pull_request_url"`
	AuthorAssociation string              `json:"author_association"`
	Links             map[string]hrefJSON `json:"_links"`
	SubmittedAt       *stamp              `json:"submitted_at,omitempty"` // absent while pending
	UpdatedAt         *stamp              `json:"updated_at,omitempty"`   // in events only
	CommitID          *string             `json:"commit_id"`
}

func (s *Server) review(v *review) reviewJSON {
	l := v.pull.links()
	html := fmt.Sprintf("%s#pullrequestreview-%d", l.HTMLURL, v.id)
	out := reviewJSON{
		ID: v.id, NodeID: nodeID("PRR", v.id), User: v.author.simple(), Body: v.body, State: v.state, HTMLURL: html,
		PullRequestURL: l.URL, AuthorAssociation: s.association(v.author, v.pull.repo), CommitID: nullable(v.commit),
		Links: map[string]hrefJSON{"html": {html}, "pull_request": {l.URL}},
	}
	if !v.submitted.IsZero() {
		at := stamp(v.submitted)
		out.SubmittedAt = &at
	}
	return out
}

func (s *Server) eventReview(v *review) reviewJSON {
	out := s.review(v)
	out.State = strings.ToLower(out.State)
	at := stamp(v.updated)
	out.UpdatedAt = &at
	return out
}

// commentJSON is "issue-comment".
type commentJSON struct {
	ID                int64         `json:"id"`
	NodeID            string        `json:"node_id"`
	URL               string        `json:"url"`
	HTMLURL           string        `json:"html_url"`
	IssueURL          string        `json:"issue_url"`
	User              *userJSON     `json:"user"`
	Body              string        `json:"body"`
	CreatedAt         stamp         `json:"created_at"`
	UpdatedAt         stamp         `json:"updated_at"`
	AuthorAssociation string        `json:"author_association"`
	Reactions         reactionsJSON `json:"reactions"`
	App               *appJSON      `json:"performed_via_github_app"`
}

type reactionsJSON struct {
	URL        string `json:"url"`
	TotalCount int    `json:"total_count"`
	PlusOne    int    `json:"+1"`
	MinusOne   int    `json:"-1"`
	Laugh      int    `json:"laugh"`
	Confused   int    `json:"confused"`
	Heart      int    `json:"heart"`
	Hooray     int    `json:"hooray"`
	Eyes       int    `json:"eyes"`
	Rocket     int    `json:"rocket"`
}

func (s *Server) comment(c *comment) commentJSON {
	l := c.pull.links()
	u := fmt.Sprintf("%s/issues/comments/%d", c.pull.repo.links.URL, c.id)
	return commentJSON{
		ID: c.id, NodeID: nodeID("IC", c.id), URL: u, HTMLURL: fmt.Sprintf("%s#issuecomment-%d", l.HTMLURL, c.id),
		IssueURL: l.IssueURL, User: c.author.simple(), Body: c.body, CreatedAt: stamp(c.created), UpdatedAt: stamp(c.updated),
		AuthorAssociation: s.association(c.author, c.pull.repo), Reactions: rollup(u+"/reactions", c.reactions), App: s.app(c.app),
	}
}

// issueJSON is the issue side of a pull request, as comment events carry it.
type issueJSON struct {
	ID                int64          `json:"id"`
	NodeID            string         `json:"node_id"`
	URL               string         `json:"url"`
	RepositoryURL     string         `json:"repository_url"`
	LabelsURL         string         `json:"labels_url"`
	CommentsURL       string         `json:"comments_url"`
	EventsURL         string         `json:"events_url"`
	HTMLURL           string         `json:"html_url"`
	Number            int            `json:"number"`
	Title             string         `json:"title"`
	User              *userJSON      `json:"user"`
	Labels            []labelJSON    `json:"labels"`
	State             string         `json:"state"`
	Locked            bool           `json:"locked"`
	Assignee          *userJSON      `json:"assignee"`
	Assignees         []*userJSON    `json:"assignees"`
	Milestone         *string        `json:"milestone"`
	Comments          int            `json:"comments"`
	CreatedAt         stamp          `json:"created_at"`
	UpdatedAt         stamp          `json:"updated_at"`
	ClosedAt          stamp          `json:"closed_at"`
	AuthorAssociation string         `json:"author_association"`
	ActiveLockReason  *string        `json:"active_lock_reason"`
	Draft             bool           `json:"draft"`
	PullRequest       map[string]any `json:"pull_request"`
	Body              *string        `json:"body"`
	Reactions         reactionsJSON  `json:"reactions"`
	TimelineURL       string         `json:"timeline_url"`
	App               *appJSON       `json:"performed_via_github_app"`
	StateReason       *string        `json:"state_reason"`
}

func (s *Server) issue(p *pull) issueJSON {
	l := p.links()
	return issueJSON{
		ID: p.id, NodeID: nodeID("PR", p.id), URL: l.IssueURL, RepositoryURL: p.repo.links.URL, LabelsURL: l.IssueURL + "/labels{/name}",
		CommentsURL: l.CommentsURL, EventsURL: l.IssueURL + "/events", HTMLURL: l.HTMLURL, Number: p.number, Title: p.title,
		User: p.author.simple(), Labels: p.repo.labelShapes(p.labels), State: p.state(), Assignees: []*userJSON{}, Comments: len(p.comments),
		CreatedAt: stamp(p.created), UpdatedAt: stamp(p.updated), ClosedAt: stamp(p.closed), Draft: p.draft,
		AuthorAssociation: s.association(p.author, p.repo), Body: nullable(p.body), Reactions: rollup(l.IssueURL+"/reactions", p.reactions),
		PullRequest: map[string]any{"url": l.URL, "html_url": l.HTMLURL, "diff_url": l.DiffURL, "patch_url": l.PatchURL,
			"merged_at": stamp(p.merged)},
		TimelineURL: l.IssueURL + "/timeline",
	}
}
