package standin

import (
	"fmt"
	"slices"
	"time"
)

// issueSide is what a pull request has as an issue.
type issueSide struct {
	labels    []*label
	reactions []*reaction
	closedBy  *account
	timeline  []timelineEntry // oldest first
}

// timelineEntry is one event of a timeline. Commits, reviews and comments are written from what they
// are when the timeline is read.
type timelineEntry struct {
	event    string
	id       int64
	at       time.Time
	actor    *account
	app      *app
	commit   string // null when empty; of "committed" the commit itself
	review   *review
	comment  *comment
	label    *label
	reviewer *account
	team     *team
	from, to string
	state    string // of a dismissed review, before
	message  string
}

// note appends to the timeline; it needs Server.mu.
func (s *Server) note(pr *pull, who *account, e timelineEntry) {
	e.id, e.at, e.actor = s.nextID("event"), s.now(), who
	pr.timeline = append(pr.timeline, e)
}

// noteCommits notes commits that are new to the pull request; it needs Server.mu.
func (s *Server) noteCommits(pr *pull, commits []string) {
	for _, sha := range commits {
		if !slices.ContainsFunc(pr.timeline, func(e timelineEntry) bool { return e.event == "committed" && e.commit == sha }) {
			s.note(pr, nil, timelineEntry{event: "committed", commit: sha})
		}
	}
}

// noteForce notes that the head was replaced rather than moved on; it needs Server.mu.
func (s *Server) noteForce(pr *pull, who *account, c refChange) {
	for _, a := range slices.Backward(pr.headRepo.activity) {
		if a.change.ref == c.ref && a.change.after == c.after {
			if a.kind == "force_push" {
				s.note(pr, who, timelineEntry{event: "head_ref_force_pushed", commit: c.after})
			}
			return
		}
	}
}

// overwrite dismisses a review in place and keeps its text, as GitHub does; it needs Server.mu.
// commit is the one whose push dismissed it, "" when a person did.
func (s *Server) overwrite(v *review, who *account, message, commit string) {
	before := v.state
	v.state, v.updated, v.pull.updated = "DISMISSED", s.now(), s.now()
	s.note(v.pull, who, timelineEntry{event: "review_dismissed", review: v, state: fold(before), message: message, to: commit})
	s.rememberDismissal(v, who, message)
	s.emitReview(v, who, "dismissed", nil)
}

func (s *Server) timelineRoutes() []route {
	issue := repoPath + "/issues/{number}"
	either := anyOf("issues:read", "pull_requests:read")
	return []route{
		{method: "GET", pattern: issue, perms: either, handle: locked(s.getIssue)},
		{method: "GET", pattern: issue + "/timeline", perms: either, handle: s.listTimeline},
	}
}

// closedIssueJSON is "issue" as GET issues/{n} answers it.
type closedIssueJSON struct {
	issueJSON
	ClosedBy *userJSON `json:"closed_by"`
}

func (s *Server) getIssue(c *call) (any, error) {
	pr, err := c.pull()
	if err != nil {
		return nil, err
	}
	return closedIssueJSON{issueJSON: s.issue(pr), ClosedBy: pr.closedBy.simple()}, nil
}

func (s *Server) listTimeline(c *call) (any, error) {
	pr, err := c.lockedPull()
	if err != nil {
		return nil, err
	}
	if err := s.fresh(c.ctx, pr); err != nil {
		return nil, err
	}
	s.mu.Lock()
	entries := slices.DeleteFunc(slices.Clone(pr.timeline), func(e timelineEntry) bool { return !c.inTimeline(pr, e) })
	s.mu.Unlock()
	if entries, err = page(c, entries); err != nil {
		return nil, err
	}
	out := make([]any, len(entries))
	for i, e := range entries {
		if e.event == "committed" {
			commit, err := c.repo.git.commit(c.ctx, e.commit)
			if err != nil {
				return nil, err
			}
			out[i] = s.committedEntry(c.repo, commit)
			continue
		}
		_ = s.locked(func() error { out[i] = s.timelineEntry(pr, e); return nil })
	}
	return out, nil
}

// inTimeline leaves out commits that a force-push took away, deleted comments and other people's pending reviews.
func (c *call) inTimeline(pr *pull, e timelineEntry) bool {
	switch e.event {
	case "committed":
		return slices.Contains(pr.commits, e.commit)
	case "commented":
		return slices.Contains(pr.comments, e.comment)
	case "reviewed":
		return c.seesReview(e.review)
	}
	return true
}

// committedJSON is "timeline-committed-event".
type committedJSON struct {
	gitCommitShape
	Event string `json:"event"`
}

// gitCommitShape is a commit as git data has it.
type gitCommitShape struct {
	SHA          string           `json:"sha"`
	NodeID       string           `json:"node_id"`
	URL          string           `json:"url"`
	HTMLURL      string           `json:"html_url"`
	Author       gitUserJSON      `json:"author"`
	Committer    gitUserJSON      `json:"committer"`
	Message      string           `json:"message"`
	Tree         shaJSON          `json:"tree"`
	Parents      []shaJSON        `json:"parents"`
	Verification verificationJSON `json:"verification"`
}

func (s *Server) committedEntry(r *repository, commit *commit) committedJSON {
	s.mu.Lock()
	defer s.mu.Unlock()
	full := s.commit(r, commit)
	out := committedJSON{Event: "committed", gitCommitShape: gitCommitShape{SHA: full.SHA, NodeID: full.NodeID, URL: full.Commit.URL,
		HTMLURL: full.HTMLURL, Author: full.Commit.Author, Committer: full.Commit.Committer, Message: full.Commit.Message,
		Tree: full.Commit.Tree, Parents: full.Parents, Verification: full.Commit.Verification}}
	for i, p := range out.Parents {
		out.Parents[i].URL = r.links.URL + "/git/commits/" + p.SHA
	}
	return out
}

// timelineComment is "timeline-comment-event".
type timelineComment struct {
	commentJSON
	Event string    `json:"event"`
	Actor *userJSON `json:"actor"`
}

// timelineReview is "timeline-reviewed-event".
type timelineReview struct {
	reviewJSON
	Event string `json:"event"`
}

func (s *Server) timelineEntry(pr *pull, e timelineEntry) any {
	switch e.event {
	case "commented":
		return timelineComment{s.comment(e.comment), e.event, e.comment.author.simple()}
	case "reviewed":
		return timelineReview{s.eventReview(e.review), e.event}
	}
	repo := pr.repo.links.URL
	out := map[string]any{"id": e.id, "node_id": nodeID("EV", e.id), "url": fmt.Sprintf("%s/issues/events/%d", repo, e.id),
		"actor": e.actor.simple(), "event": e.event, "commit_id": nil, "commit_url": nil, "created_at": stamp(e.at),
		"performed_via_github_app": s.app(e.app)}
	if e.commit != "" {
		out["commit_id"], out["commit_url"] = e.commit, repo+"/commits/"+e.commit
	}
	switch e.event {
	case "labeled", "unlabeled":
		out["label"] = map[string]string{"name": e.label.name, "color": e.label.color}
	case "renamed":
		out["rename"] = map[string]string{"from": e.from, "to": e.to}
	case "review_requested", "review_request_removed":
		out["review_requester"] = e.actor.simple()
		if e.team != nil {
			out["requested_team"] = s.team(e.team)
		} else {
			out["requested_reviewer"] = e.reviewer.simple()
		}
	case "review_dismissed":
		dismissed := map[string]any{"state": e.state, "review_id": e.review.id, "dismissal_message": nullable(e.message)}
		if e.to != "" {
			dismissed["dismissal_commit_id"] = e.to
		}
		out["dismissed_review"] = dismissed
	case "closed", "reopened":
		out["state_reason"] = nil
	}
	return out
}
