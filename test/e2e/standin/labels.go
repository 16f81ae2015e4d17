package standin

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// label is a label of a repository.
type label struct {
	id          int64
	name, color string
	description *string
}

// labelJSON is "label".
type labelJSON struct {
	ID          int64   `json:"id"`
	NodeID      string  `json:"node_id"`
	URL         string  `json:"url"`
	Name        string  `json:"name"`
	Description *string `json:"description"`
	Color       string  `json:"color"`
	Default     bool    `json:"default"`
}

func (r *repository) labelShape(l *label) labelJSON {
	return labelJSON{ID: l.id, NodeID: nodeID("LA", l.id), URL: r.links.URL + "/labels/" + url.PathEscape(l.name),
		Name: l.name, Description: l.description, Color: l.color}
}

func (r *repository) labelShapes(labels []*label) []labelJSON {
	out := make([]labelJSON, len(labels))
	for i, l := range labels {
		out[i] = r.labelShape(l)
	}
	return out
}

// describedLabels are labels as "pull-request-simple" has them: there the description is never null.
func (r *repository) describedLabels(labels []*label) []labelJSON {
	out := r.labelShapes(labels)
	for i := range out {
		if out[i].Description == nil {
			out[i].Description = new(string)
		}
	}
	return out
}

func (s *Server) labelRoutes() []route {
	read, write := anyOf("issues:read", "pull_requests:read"), anyOf("issues:write", "pull_requests:write")
	issue := repoPath + "/issues/{number}/labels"
	return []route{
		{method: "GET", pattern: repoPath + "/labels", perms: read, handle: locked(s.listLabels)},
		{method: "POST", pattern: repoPath + "/labels", perms: write, handle: locked(s.createLabel)},
		{method: "GET", pattern: repoPath + "/labels/{name}", perms: read, handle: locked(s.getLabel)},
		{method: "GET", pattern: issue, perms: read, handle: locked(s.listIssueLabels)},
		{method: "POST", pattern: issue, perms: write, role: roleTriage, handle: locked(s.addLabels)},
		{method: "PUT", pattern: issue, perms: write, role: roleTriage, handle: locked(s.setLabels)},
		{method: "DELETE", pattern: issue, perms: write, role: roleTriage, handle: locked(s.removeLabels)},
		{method: "DELETE", pattern: issue + "/{name}", perms: write, role: roleTriage, handle: locked(s.removeLabel)},
	}
}

func (r *repository) label(name string) *label {
	for _, l := range r.labels {
		if strings.EqualFold(l.name, name) {
			return l
		}
	}
	return nil
}

// defaultColor is GitHub's colour of labels that came into being by use.
const defaultColor = "ededed"

// newLabel needs Server.mu.
func (s *Server) newLabel(r *repository, name, color string, description *string) *label {
	l := &label{id: s.nextID("label"), name: name, color: color, description: description}
	r.labels = append(r.labels, l)
	return l
}

func (s *Server) listLabels(c *call) (any, error) { return page(c, c.repo.labelShapes(c.repo.labels)) }

func (s *Server) getLabel(c *call) (any, error) {
	if l := c.repo.label(c.r.PathValue("name")); l != nil {
		return c.repo.labelShape(l), nil
	}
	return nil, notFound()
}

func (s *Server) createLabel(c *call) (any, error) {
	var in struct {
		Name        string  `json:"name"`
		Color       string  `json:"color"`
		Description *string `json:"description"`
	}
	if err := c.body(&in); err != nil {
		return nil, err
	}
	if err := s.needs(c.actor, c.repo, roleWrite); err != nil {
		return nil, err
	}
	if in.Color == "" {
		in.Color = defaultColor
	}
	switch {
	case in.Name == "":
		return nil, invalid("Label", "name", "missing_field")
	case !isHex(strings.ToLower(in.Color)) || len(in.Color) != 6:
		return nil, invalid("Label", "color", "invalid")
	case c.repo.label(in.Name) != nil:
		return nil, invalid("Label", "name", "already_exists")
	case len([]rune(in.Name)) > 50:
		return nil, invalidBecause("Label", "name is too long (maximum is 50 characters)")
	}
	return c.created(c.repo.labelShape(s.newLabel(c.repo, in.Name, strings.ToLower(in.Color), in.Description)))
}

func (s *Server) listIssueLabels(c *call) (any, error) {
	pr, err := c.pull()
	if err != nil {
		return nil, err
	}
	return page(c, pr.repo.labelShapes(pr.labels))
}

// labelNames reads an object with "labels", or a bare list; entries are texts or objects with a name.
func (c *call) labelNames() ([]string, error) {
	var list []json.RawMessage
	if raw := strings.TrimSpace(string(c.raw)); strings.HasPrefix(raw, "[") {
		if err := json.Unmarshal(c.raw, &list); err != nil {
			return nil, refuse(http.StatusBadRequest, "Problems parsing JSON")
		}
	} else {
		var in struct {
			Labels []json.RawMessage `json:"labels"`
		}
		if err := c.body(&in); err != nil {
			return nil, err
		}
		list = in.Labels
	}
	var out []string
	for _, raw := range list {
		var name string
		var object struct {
			Name string `json:"name"`
		}
		if json.Unmarshal(raw, &name) != nil {
			if err := json.Unmarshal(raw, &object); err != nil {
				return nil, refuse(http.StatusUnprocessableEntity, "Invalid request.\n\nFor 'items', %s is not a string.", raw)
			}
			name = object.Name
		}
		if name == "" {
			return nil, invalid("Label", "name", "missing_field")
		}
		out = append(out, name)
	}
	return out, nil
}

// labelledPull is the pull request of the path, for somebody who may label: triage and above.
func (c *call) labelledPull() (*pull, error) {
	pr, err := c.pull()
	if err != nil {
		return nil, err
	}
	return pr, c.s.needs(c.actor, pr.repo, roleTriage)
}

func (s *Server) addLabels(c *call) (any, error) { return s.changeLabels(c, false) }
func (s *Server) setLabels(c *call) (any, error) { return s.changeLabels(c, true) }

func (s *Server) changeLabels(c *call, replace bool) (any, error) {
	names, err := c.labelNames()
	if err != nil {
		return nil, err
	}
	pr, err := c.labelledPull()
	if err != nil {
		return nil, err
	}
	if replace {
		for _, l := range slices.Clone(pr.labels) {
			if !slices.ContainsFunc(names, func(n string) bool { return strings.EqualFold(n, l.name) }) {
				s.unlabel(c.actor, pr, l)
			}
		}
	}
	for _, name := range names {
		l := pr.repo.label(name)
		if l == nil {
			l = s.newLabel(pr.repo, name, defaultColor, nil)
		}
		s.addLabel(c.actor, pr, l)
	}
	return pr.repo.labelShapes(pr.labels), nil
}

// addLabel needs Server.mu.
func (s *Server) addLabel(a *actor, pr *pull, l *label) {
	if slices.Contains(pr.labels, l) {
		return
	}
	pr.labels, pr.updated = append(pr.labels, l), s.now()
	s.note(pr, a.user, timelineEntry{event: "labeled", label: l, app: a.app})
	s.emitPull(pr, a.user, "labeled", map[string]any{"label": pr.repo.labelShape(l)})
}

// unlabel needs Server.mu.
func (s *Server) unlabel(a *actor, pr *pull, l *label) {
	pr.labels, pr.updated = slices.DeleteFunc(pr.labels, func(other *label) bool { return other == l }), s.now()
	s.note(pr, a.user, timelineEntry{event: "unlabeled", label: l, app: a.app})
	s.emitPull(pr, a.user, "unlabeled", map[string]any{"label": pr.repo.labelShape(l)})
}

func (s *Server) removeLabels(c *call) (any, error) {
	pr, err := c.labelledPull()
	if err != nil {
		return nil, err
	}
	for _, l := range slices.Clone(pr.labels) {
		s.unlabel(c.actor, pr, l)
	}
	return noContent()
}

func (s *Server) removeLabel(c *call) (any, error) {
	pr, err := c.labelledPull()
	if err != nil {
		return nil, err
	}
	l := pr.repo.label(c.r.PathValue("name"))
	if l == nil || !slices.Contains(pr.labels, l) {
		return nil, refuse(http.StatusNotFound, "Label does not exist")
	}
	s.unlabel(c.actor, pr, l)
	return pr.repo.labelShapes(pr.labels), nil
}

// Label puts a label on a pull request, and makes it first when the repository has none of that name.
func (a As) Label(repo string, number int, name string) error {
	return a.label(repo, number, func(act *actor, pr *pull) error {
		l := pr.repo.label(name)
		if l == nil {
			l = a.s.newLabel(pr.repo, name, defaultColor, nil)
		}
		a.s.addLabel(act, pr, l)
		return nil
	})
}

// Unlabel takes a label off a pull request.
func (a As) Unlabel(repo string, number int, name string) error {
	return a.label(repo, number, func(act *actor, pr *pull) error {
		l := pr.repo.label(name)
		if l == nil || !slices.Contains(pr.labels, l) {
			return fmt.Errorf("pull request #%d has no label %q", number, name)
		}
		a.s.unlabel(act, pr, l)
		return nil
	})
}

func (a As) label(repo string, number int, change func(*actor, *pull) error) error {
	act, pr, err := a.on(repo, number)
	if err != nil {
		return err
	}
	a.s.mu.Lock()
	defer a.s.mu.Unlock()
	if err := a.s.needs(act, pr.repo, roleTriage); err != nil {
		return err
	}
	return change(act, pr)
}
