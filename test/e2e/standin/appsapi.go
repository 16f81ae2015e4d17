package standin

import (
	"maps"
	"net/http"
	"slices"
	"time"
)

var zeroTime time.Time

func (s *Server) getApp(c *call) (any, error) {
	out := s.app(c.actor.app)
	n := len(s.installationsOf(c.actor.app))
	out.InstallationsCount = &n
	return out, nil
}

// installationsOf lists by ID; it needs Server.mu.
func (s *Server) installationsOf(a *app) []*installation {
	var out []*installation
	for _, i := range s.installations {
		if i.app == a {
			out = append(out, i)
		}
	}
	slices.SortFunc(out, func(a, b *installation) int { return int(a.id - b.id) })
	return out
}

func (s *Server) listInstallations(c *call) (any, error) {
	list, err := page(c, s.installationsOf(c.actor.app))
	if err != nil {
		return nil, err
	}
	out := []installationJSON{}
	for _, i := range list {
		out = append(out, s.installation(i))
	}
	return out, nil
}

// ownInstallation is the installation of the path, when it is one of the App's.
func (c *call) ownInstallation() (*installation, error) {
	id, err := c.id("installation_id")
	if err != nil {
		return nil, err
	}
	i := c.s.installations[id]
	if i == nil || i.app != c.actor.app {
		return nil, notFound()
	}
	return i, nil
}

func (s *Server) getInstallation(c *call) (any, error) {
	i, err := c.ownInstallation()
	if err != nil {
		return nil, err
	}
	return s.installation(i), nil
}

func (s *Server) getRepositoryInstallation(c *call) (any, error) {
	r := s.names[fold(c.r.PathValue("owner")+"/"+c.r.PathValue("repo"))]
	if id, err := c.id("repository_id"); err == nil {
		r = s.repos[id]
	}
	for _, i := range s.installationsOf(c.actor.app) {
		if r != nil && i.covers(r) {
			return s.installation(i), nil
		}
	}
	return nil, notFound()
}

type tokenRequest struct {
	Repositories  []string          `json:"repositories"`
	RepositoryIDs []int64           `json:"repository_ids"`
	Permissions   map[string]string `json:"permissions"`
}

// tokenLife is how long installation tokens work.
const tokenLife = time.Hour

func (s *Server) createToken(c *call) (any, error) {
	i, err := c.ownInstallation()
	if err != nil {
		return nil, err
	}
	if !i.suspended.IsZero() {
		return nil, refuse(http.StatusForbidden, "This installation has been suspended")
	}
	var in tokenRequest
	if err := c.body(&in); err != nil {
		return nil, err
	}
	t := &token{installation: i, permissions: maps.Clone(i.app.permissions), minted: s.now(), expires: s.now().Add(tokenLife)}
	if in.Permissions != nil {
		t.permissions = in.Permissions
		for name, level := range in.Permissions {
			granted := &actor{token: &token{permissions: i.app.permissions}}
			if (level != "read" && level != "write" && level != "admin") || !granted.permitted([]string{name + ":" + level}) {
				return nil, refuse(http.StatusUnprocessableEntity, "The permissions requested are not granted to this installation.")
			}
		}
		t.permissions["metadata"] = "read"
	}
	out := installationTokenJSON{ExpiresAt: stamp(t.expires), Permissions: t.permissions, RepositorySelection: i.selection()}
	if in.Repositories != nil || in.RepositoryIDs != nil {
		out.RepositorySelection, t.repos = "selected", map[int64]bool{}
		ids := slices.Clone(in.RepositoryIDs)
		for _, name := range in.Repositories {
			if r := s.names[fold(i.account.login+"/"+name)]; r != nil {
				ids = append(ids, r.id)
			} else {
				ids = append(ids, 0)
			}
		}
		for _, id := range ids {
			r := s.repos[id]
			if r == nil || !i.covers(r) {
				return nil, refuse(http.StatusUnprocessableEntity, "There is at least one repository that does not exist or is not accessible to the parent installation.")
			}
			t.repos[id] = true
			out.Repositories = append(out.Repositories, s.repository(r))
		}
	}
	out.Token = newTokenValue(i.app)
	s.tokens[out.Token] = t
	return c.created(out)
}

func (s *Server) listInstallationRepositories(c *call) (any, error) {
	if c.actor.kind != installationToken {
		return nil, refuse(http.StatusForbidden, "You must authenticate with an installation access token in order to list repositories for an installation.")
	}
	var visible []*repository
	for _, r := range s.covered(c.actor.installation) {
		if c.actor.inScope(r) {
			visible = append(visible, r)
		}
	}
	list, err := page(c, visible)
	if err != nil {
		return nil, err
	}
	out := []*repositoryJSON{}
	for _, r := range list {
		out = append(out, s.repository(r))
	}
	return map[string]any{"total_count": len(visible), "repository_selection": c.actor.installation.selection(), "repositories": out}, nil
}
