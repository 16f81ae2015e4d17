package standin

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// resolve finds the commit of a branch, tag, "heads/x", "tags/x" or (abbreviated) commit name; "" when there is none.
func (s *Server) resolve(ctx context.Context, r *repository, ref string) (string, error) {
	s.mu.Lock()
	for _, name := range []string{"refs/heads/" + ref, "refs/tags/" + ref, "refs/" + ref, ref} {
		if sha := r.refs[name]; sha != "" && (strings.HasPrefix(name, "refs/heads/") || strings.HasPrefix(name, "refs/tags/")) {
			s.mu.Unlock()
			return r.git.resolve(ctx, sha) // a tag may be an object of its own
		}
	}
	s.mu.Unlock()
	return r.git.resolve(ctx, ref)
}

// mustResolve refuses with GitHub's answer for an unknown commit.
func (s *Server) mustResolve(ctx context.Context, r *repository, ref string) (string, error) {
	sha, err := s.resolve(ctx, r, ref)
	if err == nil && sha == "" {
		return "", refuse(http.StatusUnprocessableEntity, "No commit found for SHA: %s", ref)
	}
	return sha, err
}

func (s *Server) listCommits(c *call) (any, error) {
	ref := c.r.URL.Query().Get("sha")
	if ref == "" {
		ref = c.repo.defaultBranch
	}
	sha, err := s.resolve(c.ctx, c.repo, ref)
	if err != nil {
		return nil, err
	}
	if sha == "" {
		return nil, notFound()
	}
	args := []string{sha}
	for _, name := range []string{"since", "until"} {
		if v := c.r.URL.Query().Get(name); v != "" {
			at, err := time.Parse(time.RFC3339, v)
			if err != nil {
				return nil, refuse(http.StatusUnprocessableEntity, "Invalid request.\n\n%q is not a time.", v)
			}
			args = append(args, fmt.Sprintf("--%s=%d", name, at.Unix()))
		}
	}
	if path := c.r.URL.Query().Get("path"); strings.Contains(path, "\x00") {
		return nil, refuse(http.StatusUnprocessableEntity, "Invalid request.\n\n%q is not a path.", path)
	} else if path != "" {
		args = append(args, "--", ":(literal)"+path)
	}
	shas, err := c.repo.git.revList(c.ctx, args...)
	if err != nil {
		return nil, err
	}
	if shas, err = s.commitsBy(c, shas); err != nil {
		return nil, err
	}
	if shas, err = page(c, shas); err != nil {
		return nil, err
	}
	return s.readCommits(c, shas)
}

// commitsBy keeps the commits of an author and a committer, each "GitHub username or email address".
func (s *Server) commitsBy(c *call, shas []string) ([]string, error) {
	author, committer := c.r.URL.Query().Get("author"), c.r.URL.Query().Get("committer")
	if author == "" && committer == "" {
		return shas, nil
	}
	commits, err := c.repo.git.commits(c.ctx, shas...)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	is := func(who string, email string) bool {
		owner := s.byEmail(email)
		return who == "" || strings.EqualFold(who, email) || (owner != nil && strings.EqualFold(who, owner.login))
	}
	var out []string
	for _, one := range commits {
		if is(author, one.author.Email) && is(committer, one.committer.Email) {
			out = append(out, one.sha)
		}
	}
	return out, nil
}

// maxCommitFiles is how many files of a commit or comparison GitHub lists on the first page.
const maxCommitFiles = 300

func (s *Server) getCommit(c *call) (any, error) {
	sha, err := s.mustResolve(c.ctx, c.repo, c.r.PathValue("ref"))
	if err != nil {
		return nil, err
	}
	commit, err := c.repo.git.commit(c.ctx, sha)
	if err != nil {
		return nil, err
	}
	parent := emptyTree
	if len(commit.parents) > 0 {
		parent = commit.parents[0]
	}
	if c.accepts("sha") {
		return rawAnswer{"application/vnd.github.sha; charset=utf-8", []byte(sha)}, nil
	}
	if text, ok, err := c.asText(parent, sha); ok || err != nil {
		return text, err
	}
	files, err := c.repo.git.diff(c.ctx, parent, sha, true)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	out := s.commit(c.repo, commit)
	out.Stats = &statsJSON{}
	for _, f := range files {
		out.Stats.Additions += f.additions
		out.Stats.Deletions += f.deletions
	}
	out.Stats.Total = out.Stats.Additions + out.Stats.Deletions
	files = files[:min(len(files), maxPullFiles)]
	from, to, err := c.pageBounds(len(files), maxCommitFiles)
	files = files[from:to]
	out.Files = fileList(c.repo, sha, files)
	return out, err
}

// emptyTree is git's name for a tree without entries.
const emptyTree = "4b825dc642cb6eb9a060e54bf8d69288fbee4904"

func (s *Server) getBranch(c *call) (any, error) {
	name := c.r.PathValue("branch")
	s.mu.Lock()
	sha := c.repo.branch(name)
	s.mu.Unlock()
	if sha == "" {
		return nil, refuse(http.StatusNotFound, "Branch not found")
	}
	commit, err := c.repo.git.commit(c.ctx, sha)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	self := c.repo.links.URL + "/branches/" + name
	return map[string]any{
		"name": name, "commit": s.commit(c.repo, commit), "protected": s.protected(c.repo, name), "protection_url": self + "/protection",
		"_links":     map[string]string{"self": self, "html": c.repo.links.HTMLURL + "/tree/" + name},
		"protection": s.protectionSummary(c.repo, name),
	}, nil
}

// activityJSON is "activity".
type activityJSON struct {
	ID           int64     `json:"id"`
	NodeID       string    `json:"node_id"`
	Before       string    `json:"before"`
	After        string    `json:"after"`
	Ref          string    `json:"ref"`
	Timestamp    stamp     `json:"timestamp"`
	ActivityType string    `json:"activity_type"`
	Actor        *userJSON `json:"actor"`
}

// listActivity is paged by cursors: Link leads on, page numbers do not exist.
func (s *Server) listActivity(c *call) (any, error) {
	q := c.r.URL.Query()
	per, err := c.number("per_page", 30)
	if err != nil {
		return nil, err
	}
	direction, err := c.oneOf("direction", "desc", "asc")
	if err != nil {
		return nil, err
	}
	kind, err := c.oneOf("activity_type", "", "push", "force_push", "branch_creation", "branch_deletion", "pr_merge", "merge_queue_merge")
	if err != nil {
		return nil, err
	}
	period, err := c.oneOf("time_period", "", "day", "week", "month", "quarter", "year")
	if err != nil {
		return nil, err
	}
	days := map[string]int{"": 365000, "day": 1, "week": 7, "month": 30, "quarter": 91, "year": 365}[period]
	since := s.now().AddDate(0, 0, -days)
	ref := q.Get("ref")
	list := slices.DeleteFunc(slices.Clone(c.repo.activity), func(a *activity) bool {
		return (ref != "" && ref != a.change.ref && "refs/heads/"+ref != a.change.ref) || (kind != "" && kind != a.kind) ||
			(q.Get("actor") != "" && (a.actor == nil || !strings.EqualFold(a.actor.login, q.Get("actor")))) || a.at.Before(since)
	})
	if direction == "desc" {
		slices.Reverse(list)
	}
	list, err = cursorPage(c, list, min(max(per, 1), 100))
	if err != nil {
		return nil, err
	}
	out := []activityJSON{}
	for _, a := range list {
		out = append(out, activityJSON{ID: a.id, NodeID: nodeID("PSH", a.id), Before: a.change.before, After: a.change.after,
			Ref: a.change.ref, Timestamp: stamp(a.at), ActivityType: a.kind, Actor: a.actor.simple()})
	}
	return out, nil
}

func cursorPage(c *call, list []*activity, per int) ([]*activity, error) {
	from, to := 0, min(per, len(list))
	for _, name := range []string{"after", "before"} {
		cursor := c.r.URL.Query().Get(name)
		if cursor == "" {
			continue
		}
		id, err := strconv.ParseInt(cursor, 10, 64)
		at := slices.IndexFunc(list, func(a *activity) bool { return a.id == id })
		if err != nil || at < 0 {
			return nil, refuse(http.StatusUnprocessableEntity, "Invalid cursor: %s", cursor)
		}
		if from, to = at+1, min(at+1+per, len(list)); name == "before" {
			from, to = max(at-per, 0), at
		}
		break
	}
	var links []string
	if to < len(list) && to > 0 {
		links = append(links, c.link("next", map[string]string{"after": itoa(list[to-1].id), "before": ""}))
	}
	if from > 0 && from < len(list) {
		links = append(links, c.link("prev", map[string]string{"before": itoa(list[from].id), "after": ""}))
	}
	if links != nil {
		c.header.Set("Link", strings.Join(links, ", "))
	}
	return list[from:to], nil
}

// LagCommitIndex delays commits/{sha}/pulls: a pull request is found only this long after its head
// was pushed or it was merged. GitHub's index was seen empty for 13 seconds and more.
func (s *Server) LagCommitIndex(d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.indexLag = d
}
