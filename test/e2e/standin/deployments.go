package standin

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

// deployment is a request to deploy a commit somewhere, with what became of it.
type deployment struct {
	id          int64
	sha, ref    string
	task        string
	environment string
	original    string
	description *string
	payload     json.RawMessage // as it was sent: text or object
	transient   bool
	production  bool
	creator     *account
	app         *app
	created     time.Time
	updated     time.Time
	statuses    []*deploymentStatus // oldest first
}

type deploymentStatus struct {
	id             int64
	deployment     *deployment
	state          string
	description    string
	environment    string
	logURL         string
	environmentURL string
	creator        *account
	app            *app
	created        time.Time
}

var deploymentStates = []string{"error", "failure", "inactive", "in_progress", "queued", "pending", "success"}

func (s *Server) deploymentRoutes() []route {
	all, read, write := repoPath+"/deployments", anyOf("deployments:read"), anyOf("deployments:write")
	one := all + "/{deployment_id}"
	return []route{
		{method: "GET", pattern: all, perms: read, handle: locked(s.listDeployments)},
		{method: "POST", pattern: all, perms: write, handle: s.createDeployment},
		{method: "GET", pattern: one, perms: read, handle: locked(s.getDeployment)},
		{method: "DELETE", pattern: one, perms: write, handle: locked(s.deleteDeployment)},
		{method: "GET", pattern: one + "/statuses", perms: read, handle: locked(s.listDeploymentStatuses)},
		{method: "POST", pattern: one + "/statuses", perms: write, handle: locked(s.createDeploymentStatus)},
		{method: "GET", pattern: one + "/statuses/{status_id}", perms: read, handle: locked(s.getDeploymentStatus)},
	}
}

func (c *call) deployment() (*deployment, error) {
	id, err := c.id("deployment_id")
	if err != nil {
		return nil, err
	}
	for _, d := range c.repo.deployments {
		if d.id == id {
			return d, nil
		}
	}
	return nil, notFound()
}

// listDeployments is newest first.
func (s *Server) listDeployments(c *call) (any, error) {
	q := c.r.URL.Query()
	out := []deploymentJSON{}
	for _, d := range slices.Backward(c.repo.deployments) {
		fits := true
		for name, have := range map[string]string{"sha": d.sha, "ref": d.ref, "task": d.task, "environment": d.environment} {
			if want := q.Get(name); want != "" && want != "none" && want != have {
				fits = false
			}
		}
		if fits {
			out = append(out, s.deployment(c.repo, d))
		}
	}
	return page(c, out)
}

func (s *Server) getDeployment(c *call) (any, error) {
	d, err := c.deployment()
	if err != nil {
		return nil, err
	}
	return s.deployment(c.repo, d), nil
}

// deleteDeployment refuses what is active, unless it is the only one.
func (s *Server) deleteDeployment(c *call) (any, error) {
	d, err := c.deployment()
	if err != nil {
		return nil, err
	}
	if err := s.needs(c.actor, c.repo, roleWrite); err != nil {
		return nil, err
	}
	if n := len(d.statuses); len(c.repo.deployments) > 1 && (n == 0 || d.statuses[n-1].state != "inactive") {
		return nil, refuse(http.StatusUnprocessableEntity, "We cannot delete an active deployment unless it is the only deployment in a given environment.")
	}
	c.repo.deployments = slices.DeleteFunc(c.repo.deployments, func(other *deployment) bool { return other == d })
	return noContent()
}

type deploymentRequest struct {
	Ref              string          `json:"ref"`
	Task             string          `json:"task"`
	AutoMerge        *bool           `json:"auto_merge"`
	RequiredContexts *[]string       `json:"required_contexts"`
	Payload          json.RawMessage `json:"payload"`
	Environment      string          `json:"environment"`
	Description      *string         `json:"description"`
	Transient        bool            `json:"transient_environment"`
	Production       *bool           `json:"production_environment"`
}

func (in *deploymentRequest) check() error {
	if in.Ref == "" {
		return invalid("Deployment", "ref", "missing_field")
	}
	if in.Description != nil && utf8.RuneCountInString(*in.Description) > 140 {
		return invalidBecause("Deployment", "description is too long (maximum is 140 characters)")
	}
	if text := strings.TrimSpace(string(in.Payload)); text == "" || text == "null" {
		in.Payload = json.RawMessage(`""`)
	} else if text[0] != '"' && text[0] != '{' {
		return refuse(http.StatusUnprocessableEntity, "Invalid request.\n\nFor 'properties/payload', %s is not an object or a string.", text)
	}
	return nil
}

// createDeployment follows GitHub's order: merge the default branch in when it is missing (202, or 409
// on a conflict), then the required contexts (409), then the deployment.
func (s *Server) createDeployment(c *call) (any, error) {
	in := deploymentRequest{Task: "deploy", Environment: "production"}
	if err := c.body(&in); err != nil {
		return nil, err
	}
	if err := in.check(); err != nil {
		return nil, err
	}
	if err := s.locked(func() error { return s.needs(c.actor, c.repo, roleWrite) }); err != nil {
		return nil, err
	}
	sha, err := s.resolve(c.ctx, c.repo, in.Ref)
	if err != nil {
		return nil, err
	}
	if sha == "" {
		return nil, refuse(http.StatusUnprocessableEntity, "No ref found for: %s", in.Ref)
	}
	if in.AutoMerge == nil || *in.AutoMerge {
		answer, err := s.autoMerge(c, in.Ref, sha)
		if answer != nil || err != nil {
			return answer, err
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.checkContexts(c.repo, sha, in); err != nil {
		return nil, err
	}
	d := &deployment{id: s.nextID("deployment"), sha: sha, ref: in.Ref, task: in.Task, environment: in.Environment, original: in.Environment,
		description: in.Description, payload: in.Payload, transient: in.Transient, production: in.Environment == "production",
		creator: c.actor.user, app: c.actor.app, created: s.now(), updated: s.now()}
	if in.Production != nil {
		d.production = *in.Production
	}
	c.repo.deployments = append(c.repo.deployments, d)
	s.emit(c.repo, c.actor.user, "deployment", "created", map[string]any{"deployment": s.deployment(c.repo, d), "workflow": nil, "workflow_run": nil})
	return c.created(s.deployment(c.repo, d))
}

// checkContexts wants the named contexts, or all the commit has, to be green; it needs Server.mu.
func (s *Server) checkContexts(r *repository, sha string, in deploymentRequest) error {
	have := map[string]string{}
	for _, st := range slices.Backward(r.latestStatuses(sha)) {
		have[st.context] = st.state
	}
	for _, run := range s.latestRuns(r, sha) {
		have[run.name] = map[string]string{"success": "success", "failing": "failure", "pending": "pending"}[run.verdict()]
	}
	wanted := []string{}
	if in.RequiredContexts != nil {
		wanted = *in.RequiredContexts
	} else {
		for name := range have {
			wanted = append(wanted, name)
		}
	}
	slices.Sort(wanted)
	for _, name := range wanted {
		if have[name] != "success" {
			return &APIError{Status: http.StatusConflict, Message: fmt.Sprintf("Conflict: Commit status checks failed for %s.", in.Ref),
				Errors: []FieldError{{Resource: "Deployment", Field: "required_contexts", Code: "invalid"}}}
		}
	}
	return nil
}

// autoMerge brings the default branch into the branch that is to be deployed; nil when there is nothing to merge.
func (s *Server) autoMerge(c *call, ref, sha string) (any, error) {
	r := c.repo
	r.work.Lock()
	defer r.work.Unlock()
	s.mu.Lock()
	main, isBranch, who := r.branch(r.defaultBranch), r.branch(ref) == sha, signature{c.actor.user.identity(), s.now()}
	s.mu.Unlock()
	if !isBranch || ref == r.defaultBranch || main == "" {
		return nil, nil //nolint:nilnil // nothing to answer with
	}
	contained, err := r.git.isAncestor(c.ctx, main, sha)
	if err != nil || contained {
		return nil, err
	}
	tree, err := r.git.mergeTree(c.ctx, sha, main)
	if errors.Is(err, errConflict) {
		return nil, refuse(http.StatusConflict, "Conflict merging %s into %s.", r.defaultBranch, ref)
	}
	if err != nil {
		return nil, err
	}
	made, err := r.git.commitTree(c.ctx, tree, []string{sha, main}, who, signature{webFlow, who.when},
		fmt.Sprintf("Merge branch '%s' into %s", r.defaultBranch, ref))
	if err != nil {
		return nil, err
	}
	if err := s.moveBranch(c.ctx, push{repo: r, actor: c.actor}, refChange{"refs/heads/" + ref, sha, made}); err != nil {
		return nil, err
	}
	c.status = http.StatusAccepted
	return map[string]string{"message": fmt.Sprintf("Auto-merged %s into %s on deployment.", r.defaultBranch, ref)}, nil
}

func (s *Server) listDeploymentStatuses(c *call) (any, error) {
	d, err := c.deployment()
	if err != nil {
		return nil, err
	}
	out := []deploymentStatusJSON{}
	for _, st := range slices.Backward(d.statuses) {
		out = append(out, s.deploymentStatus(c.repo, st))
	}
	return page(c, out)
}

func (s *Server) getDeploymentStatus(c *call) (any, error) {
	d, err := c.deployment()
	if err != nil {
		return nil, err
	}
	id, err := c.id("status_id")
	if err != nil {
		return nil, err
	}
	for _, st := range d.statuses {
		if st.id == id {
			return s.deploymentStatus(c.repo, st), nil
		}
	}
	return nil, notFound()
}

// createDeploymentStatus makes earlier deployments of the environment inactive after a success, unless
// auto_inactive is false; inactive statuses send no event.
func (s *Server) createDeploymentStatus(c *call) (any, error) {
	in := struct {
		State          string `json:"state"`
		TargetURL      string `json:"target_url"`
		LogURL         string `json:"log_url"`
		Description    string `json:"description"`
		Environment    string `json:"environment"`
		EnvironmentURL string `json:"environment_url"`
		AutoInactive   *bool  `json:"auto_inactive"`
	}{}
	if err := c.body(&in); err != nil {
		return nil, err
	}
	d, err := c.deployment()
	if err != nil {
		return nil, err
	}
	if err := s.needs(c.actor, c.repo, roleWrite); err != nil {
		return nil, err
	}
	if !slices.Contains(deploymentStates, in.State) {
		return nil, invalid("DeploymentStatus", "state", "invalid")
	}
	if utf8.RuneCountInString(in.Description) > 140 {
		return nil, invalidBecause("DeploymentStatus", "description is too long (maximum is 140 characters)")
	}
	if in.LogURL == "" {
		in.LogURL = in.TargetURL
	}
	if in.Environment == "" { // the one of the status before, if any
		in.Environment = d.environment
	}
	d.environment = in.Environment
	st := &deploymentStatus{deployment: d, state: in.State, description: in.Description, environment: in.Environment, logURL: in.LogURL,
		environmentURL: in.EnvironmentURL, creator: c.actor.user, app: c.actor.app}
	s.addDeploymentStatus(c.repo, st)
	if in.State == "success" && (in.AutoInactive == nil || *in.AutoInactive) {
		s.supersede(c, d)
	}
	return c.created(s.deploymentStatus(c.repo, st))
}

// supersede makes earlier deployments of the environment inactive that had succeeded and are neither
// transient nor of production; it needs Server.mu.
func (s *Server) supersede(c *call, d *deployment) {
	for _, other := range c.repo.deployments {
		n := len(other.statuses)
		if other.id >= d.id || other.environment != d.environment || other.transient || other.production || n == 0 || other.statuses[n-1].state != "success" {
			continue
		}
		s.addDeploymentStatus(c.repo, &deploymentStatus{deployment: other, state: "inactive", environment: other.environment, creator: c.actor.user, app: c.actor.app})
	}
}

// addDeploymentStatus needs Server.mu.
func (s *Server) addDeploymentStatus(r *repository, st *deploymentStatus) {
	d := st.deployment
	st.id, st.created, d.updated = s.nextID("deployment_status"), s.now(), s.now()
	d.statuses = append(d.statuses, st)
	if st.state != "inactive" {
		s.emit(r, st.creator, "deployment_status", "created", map[string]any{"deployment": s.deployment(r, d),
			"deployment_status": s.deploymentStatus(r, st), "check_run": nil, "workflow": nil, "workflow_run": nil})
	}
}
