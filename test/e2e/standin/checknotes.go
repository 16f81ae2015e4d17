package standin

import (
	"maps"
	"net/http"
	"slices"
	"unicode/utf8"
)

// checkNote is an annotation as sent.
type checkNote struct {
	Path        string  `json:"path"`
	StartLine   *int    `json:"start_line"`
	EndLine     *int    `json:"end_line"`
	StartColumn *int    `json:"start_column"`
	EndColumn   *int    `json:"end_column"`
	Level       string  `json:"annotation_level"`
	Message     string  `json:"message"`
	Title       *string `json:"title"`
	RawDetails  *string `json:"raw_details"`
}

func (n *checkNote) check() error {
	bad := func(format string, args ...any) error {
		return refuse(http.StatusUnprocessableEntity, "Invalid request.\n\n"+format, args...)
	}
	switch {
	case n.Path == "" || n.StartLine == nil || n.EndLine == nil || n.Message == "":
		return bad("an annotation needs path, start_line, end_line, annotation_level and message.")
	case !slices.Contains([]string{"notice", "warning", "failure"}, n.Level):
		return bad("%s is not a possible value of annotation_level.", n.Level)
	case *n.StartLine > *n.EndLine:
		return bad("start_line is after end_line.")
	case (n.StartColumn != nil || n.EndColumn != nil) && *n.StartLine != *n.EndLine:
		return bad("columns need start_line and end_line to be the same.")
	case len(n.Message) > 64<<10 || (n.RawDetails != nil && len(*n.RawDetails) > 64<<10):
		return bad("message and raw_details have at most 64 KB.")
	case n.Title != nil && utf8.RuneCountInString(*n.Title) > 255:
		return bad("title has at most 255 characters.")
	}
	return nil
}

// noteJSON is "check-annotation".
type noteJSON struct {
	Path        string  `json:"path"`
	StartLine   int     `json:"start_line"`
	EndLine     int     `json:"end_line"`
	StartColumn *int    `json:"start_column"`
	EndColumn   *int    `json:"end_column"`
	Level       string  `json:"annotation_level"`
	Title       *string `json:"title"`
	Message     string  `json:"message"`
	RawDetails  *string `json:"raw_details"`
	BlobHref    string  `json:"blob_href"`
}

func (s *Server) listAnnotations(c *call) (any, error) {
	run, err := c.checkRun()
	if err != nil {
		return nil, err
	}
	out := []noteJSON{}
	for _, n := range run.output.Annotations {
		out = append(out, noteJSON{Path: n.Path, StartLine: *n.StartLine, EndLine: *n.EndLine, StartColumn: n.StartColumn, EndColumn: n.EndColumn,
			Level: n.Level, Title: n.Title, Message: n.Message, RawDetails: n.RawDetails,
			BlobHref: c.repo.links.HTMLURL + "/blob/" + run.suite.sha + "/" + n.Path})
	}
	return page(c, out)
}

// simpleStatusJSON is "simple-commit-status".
type simpleStatusJSON struct {
	URL         string  `json:"url"`
	AvatarURL   *string `json:"avatar_url"`
	ID          int64   `json:"id"`
	NodeID      string  `json:"node_id"`
	State       string  `json:"state"`
	Description *string `json:"description"`
	TargetURL   *string `json:"target_url"`
	Context     string  `json:"context"`
	CreatedAt   stamp   `json:"created_at"`
	UpdatedAt   stamp   `json:"updated_at"`
}

// getCombinedStatus sums up the latest status of each context: failure when one failed or erred,
// success when all are, else pending. Check runs are no part of it.
func (s *Server) getCombinedStatus(c *call) (any, error) {
	sha, err := s.resolve(c.ctx, c.repo, c.r.PathValue("ref"))
	if err != nil {
		return nil, err
	}
	if sha == "" {
		return nil, notFound()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	state, list := "success", []simpleStatusJSON{}
	for _, st := range c.repo.latestStatuses(sha) {
		switch {
		case st.state == "failure" || st.state == "error":
			state = "failure"
		case st.state == "pending" && state == "success":
			state = "pending"
		}
		one := s.status(c.repo, st)
		list = append(list, simpleStatusJSON{URL: one.URL, AvatarURL: one.AvatarURL, ID: one.ID, NodeID: one.NodeID, State: one.State,
			Description: one.Description, TargetURL: one.TargetURL, Context: one.Context, CreatedAt: one.CreatedAt, UpdatedAt: one.UpdatedAt})
	}
	if len(list) == 0 {
		state = "pending"
	}
	total := len(list)
	if list, err = page(c, list); err != nil {
		return nil, err
	}
	u := c.repo.links.URL + "/commits/" + sha
	return map[string]any{"state": state, "statuses": list, "sha": sha, "total_count": total, "repository": s.repository(c.repo),
		"commit_url": u, "url": u + "/status"}, nil
}

// emitStatus sends a status event with the branches whose tip is the commit; it needs Server.mu.
func (s *Server) emitStatus(r *repository, st *status, commit *commit) {
	branches := []map[string]any{}
	for _, ref := range sortedKeys(r.refs) {
		if name := (refChange{ref: ref}).branch(); name != "" && r.refs[ref] == st.sha && len(branches) < 10 {
			branches = append(branches, map[string]any{"name": name, "protected": s.protected(r, name),
				"commit": map[string]string{"sha": st.sha, "url": r.links.URL + "/commits/" + st.sha}})
		}
	}
	s.emit(r, st.creator, "status", "", map[string]any{"id": st.id, "sha": st.sha, "name": r.fullName(), "avatar_url": st.creator.view.AvatarURL,
		"target_url": st.targetURL, "context": st.context, "description": st.description, "state": st.state, "commit": s.commit(r, commit),
		"branches": branches, "created_at": stamp(st.created), "updated_at": stamp(st.created)})
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
