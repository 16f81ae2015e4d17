package standin

import (
	"fmt"
	"net/http"
	"slices"
	"time"
	"unicode/utf8"
)

// checkOutput is the output of a check run as sent.
type checkOutput struct {
	Title       *string     `json:"title"`
	Summary     *string     `json:"summary"`
	Text        *string     `json:"text"`
	Annotations []checkNote `json:"annotations"`
	Images      []any       `json:"images"`
}

type checkAction struct {
	Label       string `json:"label"`
	Description string `json:"description"`
	Identifier  string `json:"identifier"`
}

// checkRequest is the body of POST and PATCH check-runs.
type checkRequest struct {
	Name        *string       `json:"name"`
	HeadSHA     *string       `json:"head_sha"` // POST only
	DetailsURL  *string       `json:"details_url"`
	ExternalID  *string       `json:"external_id"`
	Status      *string       `json:"status"`
	StartedAt   *time.Time    `json:"started_at"`
	Conclusion  *string       `json:"conclusion"`
	CompletedAt *time.Time    `json:"completed_at"`
	Output      *checkOutput  `json:"output"`
	Actions     []checkAction `json:"actions"`
}

const (
	maxCheckText   = 65535
	maxAnnotations = 50
	maxActions     = 3
)

var (
	checkStatuses    = []string{"queued", "in_progress", "completed", "waiting", "requested", "pending"}
	checkConclusions = []string{"action_required", "cancelled", "failure", "neutral", "success", "skipped", "timed_out"}
)

func (in *checkRequest) check() error {
	bad := func(format string, args ...any) error {
		return refuse(http.StatusUnprocessableEntity, "Invalid request.\n\n"+format, args...)
	}
	switch {
	case in.Name != nil && *in.Name == "":
		return bad("name is required.")
	case in.Status != nil && !slices.Contains(checkStatuses, *in.Status):
		return bad("%s is not a possible value of status.", *in.Status)
	case in.Conclusion != nil && !slices.Contains(checkConclusions, *in.Conclusion):
		return bad("%s is not a possible value of conclusion.", *in.Conclusion)
	case in.Status != nil && *in.Status == "completed" && in.Conclusion == nil:
		return bad("a completed check run needs a conclusion.")
	case len(in.Actions) > maxActions:
		return bad("No more than %d items are allowed; %d were supplied.", maxActions, len(in.Actions))
	}
	for _, a := range in.Actions {
		if a.Label == "" || a.Identifier == "" || a.Description == "" ||
			utf8.RuneCountInString(a.Label) > 20 || utf8.RuneCountInString(a.Identifier) > 20 || utf8.RuneCountInString(a.Description) > 40 {
			return bad("action %q: label and identifier have 1 to 20 characters, description 1 to 40.", a.Identifier)
		}
	}
	if o := in.Output; o != nil {
		for _, text := range []*string{o.Summary, o.Text} {
			if text != nil && utf8.RuneCountInString(*text) > maxCheckText {
				return bad("Only %d characters are allowed; %d were supplied.", maxCheckText, utf8.RuneCountInString(*text))
			}
		}
		if o.Title == nil && in.HeadSHA != nil || o.Summary == nil {
			return bad("output needs title and summary.")
		}
		if len(o.Annotations) > maxAnnotations {
			return bad("No more than %d items are allowed; %d were supplied.", maxAnnotations, len(o.Annotations))
		}
		for i := range o.Annotations {
			if err := o.Annotations[i].check(); err != nil {
				return err
			}
		}
	}
	return nil
}

func (s *Server) createCheckRun(c *call) (any, error) {
	if c.actor.kind != installationToken {
		return nil, refuse(http.StatusForbidden, "You must authenticate via a GitHub App.")
	}
	var in checkRequest
	if err := c.body(&in); err != nil {
		return nil, err
	}
	if in.Name == nil || in.HeadSHA == nil {
		return nil, refuse(http.StatusUnprocessableEntity, "Invalid request.\n\n\"name\", \"head_sha\" weren't supplied.")
	}
	if err := in.check(); err != nil {
		return nil, err
	}
	sha, err := s.resolve(c.ctx, c.repo, *in.HeadSHA)
	if err != nil {
		return nil, err
	}
	if sha != *in.HeadSHA {
		return nil, refuse(http.StatusUnprocessableEntity, "No commit found for SHA: %s", *in.HeadSHA)
	}
	commit, err := c.repo.git.commit(c.ctx, sha)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	none, app := "", s.app(c.actor.app).ExternalURL
	run := &checkRun{id: s.nextID("check_run"), suite: s.suite(c.repo, c.actor.app, commit), status: "queued", started: s.now(),
		externalID: &none, detailsURL: &app}
	c.repo.checks = append(c.repo.checks, run)
	s.applyCheck(run, in)
	s.pruneRuns(run.suite, run.name)
	s.emitCheck(run, c.actor.user, "created")
	if run.status == "completed" {
		s.emitCheck(run, c.actor.user, "completed")
		s.suiteMoved(run.suite, c.actor.user)
	}
	return c.created(s.checkRun(run))
}

func (s *Server) applyCheck(run *checkRun, in checkRequest) {
	if in.Name != nil {
		run.name = *in.Name
	}
	if in.DetailsURL != nil {
		run.detailsURL = in.DetailsURL
	}
	if in.ExternalID != nil {
		run.externalID = in.ExternalID
	}
	if in.Status != nil {
		run.status = *in.Status
		if run.status != "completed" {
			run.conclusion, run.completed = nil, zeroTime
		}
	}
	if in.StartedAt != nil {
		run.started = *in.StartedAt
	}
	if in.Conclusion != nil { // "Providing conclusion will automatically set the status parameter to completed"
		run.status, run.conclusion, run.completed = "completed", in.Conclusion, s.now()
	}
	if in.CompletedAt != nil {
		run.completed = *in.CompletedAt
	}
	if in.Output != nil {
		annotations := append(run.output.Annotations, in.Output.Annotations...)
		title := run.output.Title
		if run.output = *in.Output; run.output.Title == nil {
			run.output.Title = title
		}
		run.output.Annotations = annotations
	}
	if in.Actions != nil {
		run.actions = in.Actions
	}
}

func (s *Server) emitCheck(run *checkRun, sender *account, action string) {
	s.emit(run.suite.repo, sender, "check_run", action, map[string]any{"check_run": s.eventCheckRun(run)})
}

func (c *call) checkRun() (*checkRun, error) {
	id, err := c.id("check_run_id")
	if err != nil {
		return nil, err
	}
	for _, run := range c.repo.checks {
		if run.id == id {
			return run, nil
		}
	}
	return nil, notFound()
}

func (s *Server) getCheckRun(c *call) (any, error) {
	run, err := c.checkRun()
	if err != nil {
		return nil, err
	}
	return s.checkRun(run), nil
}

func (s *Server) updateCheckRun(c *call) (any, error) {
	var in checkRequest
	if err := c.body(&in); err != nil {
		return nil, err
	}
	run, err := c.checkRun()
	if err != nil {
		return nil, err
	}
	if c.actor.kind != installationToken || run.suite.app != c.actor.app {
		return nil, refuse(http.StatusForbidden, "Invalid app_id `%d` - check run can only be modified by the GitHub App that created it.", run.suite.app.id)
	}
	if in.HeadSHA != nil {
		return nil, refuse(http.StatusUnprocessableEntity, "Invalid request.\n\n\"head_sha\" is not a permitted key.")
	}
	if err := in.check(); err != nil {
		return nil, err
	}
	before := run.status
	s.applyCheck(run, in)
	if run.status == "completed" && before != "completed" {
		s.emitCheck(run, c.actor.user, "completed")
		s.suiteMoved(run.suite, c.actor.user)
	}
	return s.checkRun(run), nil
}

func (s *Server) listCheckRuns(c *call) (any, error) {
	sha, err := s.mustResolve(c.ctx, c.repo, c.r.PathValue("ref"))
	if err != nil {
		return nil, err
	}
	filter, err := c.oneOf("filter", "latest", "all")
	if err != nil {
		return nil, err
	}
	appID, err := c.number("app_id", 0)
	if err != nil {
		return nil, err
	}
	q := c.r.URL.Query()
	s.mu.Lock()
	defer s.mu.Unlock()
	type key struct {
		app  *app
		name string
	}
	latest := map[key]bool{}
	found := []checkRunJSON{}
	for _, run := range slices.Backward(c.repo.checks) {
		if run.suite.sha != sha || (q.Get("check_name") != "" && q.Get("check_name") != run.name) ||
			(q.Get("status") != "" && q.Get("status") != run.status) || (appID != 0 && int64(appID) != run.suite.app.id) {
			continue
		}
		if k := (key{run.suite.app, run.name}); filter == "latest" && latest[k] {
			continue
		} else {
			latest[k] = true
		}
		found = append(found, s.checkRun(run))
	}
	shown, err := page(c, found)
	return map[string]any{"total_count": len(found), "check_runs": shown}, err
}

// statusJSON is "status".
type statusJSON struct {
	URL         string    `json:"url"`
	AvatarURL   *string   `json:"avatar_url"`
	ID          int64     `json:"id"`
	NodeID      string    `json:"node_id"`
	State       string    `json:"state"`
	Description *string   `json:"description"`
	TargetURL   *string   `json:"target_url"`
	Context     string    `json:"context"`
	CreatedAt   stamp     `json:"created_at"`
	UpdatedAt   stamp     `json:"updated_at"`
	Creator     *userJSON `json:"creator"`
}

func (s *Server) status(r *repository, st *status) statusJSON {
	return statusJSON{URL: r.links.URL + "/statuses/" + st.sha, AvatarURL: &st.creator.view.AvatarURL, ID: st.id, NodeID: nodeID("SC", st.id),
		State: st.state, Description: st.description, TargetURL: st.targetURL, Context: st.context,
		CreatedAt: stamp(st.created), UpdatedAt: stamp(st.created), Creator: st.creator.view}
}

func (s *Server) createStatus(c *call) (any, error) {
	in := struct {
		State       string  `json:"state"`
		TargetURL   *string `json:"target_url"`
		Description *string `json:"description"`
		Context     string  `json:"context"`
	}{Context: "default"}
	if err := c.body(&in); err != nil {
		return nil, err
	}
	sha, err := s.mustResolve(c.ctx, c.repo, c.r.PathValue("sha"))
	if err != nil {
		return nil, err
	}
	if !slices.Contains([]string{"error", "failure", "pending", "success"}, in.State) {
		return nil, invalid("Status", "state", "invalid")
	}
	if in.Description != nil && utf8.RuneCountInString(*in.Description) > 140 {
		return nil, invalidBecause("Status", "description is too long (maximum is 140 characters)")
	}
	commit, err := c.repo.git.commit(c.ctx, sha)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.needs(c.actor, c.repo, roleWrite); err != nil {
		return nil, err
	}
	st := &status{id: s.nextID("status"), sha: sha, state: in.State, context: in.Context, description: in.Description,
		targetURL: in.TargetURL, creator: c.actor.user, created: s.now()}
	c.repo.statuses = append(c.repo.statuses, st)
	s.emitStatus(c.repo, st, commit)
	return c.created(s.status(c.repo, st))
}

func (s *Server) listStatuses(c *call) (any, error) {
	sha, err := s.mustResolve(c.ctx, c.repo, c.r.PathValue("ref"))
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	out := []statusJSON{}
	for _, st := range slices.Backward(c.repo.statuses) {
		if st.sha == sha {
			out = append(out, s.status(c.repo, st))
		}
	}
	return page(c, out)
}

// findCheckRun needs Server.mu.
func (s *Server) findCheckRun(repo string, id int64) (*checkRun, error) {
	r := s.names[fold(repo)]
	if r != nil {
		for _, run := range r.checks {
			if run.id == id {
				return run, nil
			}
		}
	}
	return nil, fmt.Errorf("no check run %d in %s", id, repo)
}
