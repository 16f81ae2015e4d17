package standin

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
)

func (s *Server) memberRoutes() []route {
	org, team, read := "/orgs/{org}", "/orgs/{org}/teams/{team_slug}", anyOf("members:read")
	return []route{
		{method: "GET", pattern: org + "/members", perms: read, anybody: true, handle: locked(s.listMembers)},
		{method: "GET", pattern: org + "/members/{username}", perms: read, anybody: true, handle: locked(s.checkMember)},
		{method: "GET", pattern: org + "/memberships/{username}", perms: read, handle: locked(s.getMembership)},
		{method: "GET", pattern: team + "/teams", perms: read, handle: locked(s.listChildTeams)},
		{method: "GET", pattern: team + "/repos", perms: read, handle: locked(s.listTeamRepositories)},
		{method: "GET", pattern: team + "/repos/{owner}/{repo}", perms: read, closed: true, handle: locked(s.checkTeamRepository)},
		{method: "GET", pattern: repoPath + "/teams", perms: anyOf("administration:read"), closed: true, handle: locked(s.listRepositoryTeams)},
		{method: "GET", pattern: repoPath + "/collaborators", perms: anyOf("metadata:read"), closed: true, role: roleWrite, handle: locked(s.listCollaborators)},
		{method: "GET", pattern: repoPath + "/collaborators/{username}", perms: anyOf("metadata:read"), closed: true, role: roleWrite, handle: locked(s.checkCollaborator)},
	}
}

// insider tells whether the actor sees who is in an organisation.
func (c *call) insider(o *account) bool {
	return (c.actor.kind == userToken && o.members[c.actor.user.id]) ||
		(c.actor.kind == installationToken && c.actor.installation.account == o)
}

func (c *call) anyOrg() (*account, error) {
	if o := c.s.logins[fold(c.r.PathValue("org"))]; o != nil && o.kind == "Organization" {
		return o, nil
	}
	return nil, notFound()
}

// listMembers shows members to members; others see public memberships, of which there are none here.
func (s *Server) listMembers(c *call) (any, error) {
	o, err := c.anyOrg()
	if err != nil {
		return nil, err
	}
	want, err := c.oneOf("role", "all", "admin", "member")
	if err != nil {
		return nil, err
	}
	var list []*account
	for id := range o.members {
		if a := s.accounts[id]; c.insider(o) && (want == "all" || o.owners[id] == (want == "admin")) {
			list = append(list, a)
		}
	}
	slices.SortFunc(list, func(a, b *account) int { return int(a.id - b.id) })
	if list, err = page(c, list); err != nil {
		return nil, err
	}
	return simples(list), nil
}

// checkMember is 204 or 404 for members, and leads everybody else to the public members.
func (s *Server) checkMember(c *call) (any, error) {
	o, err := c.anyOrg()
	if err != nil {
		return nil, err
	}
	if !c.insider(o) {
		c.status = http.StatusFound
		c.header.Set("Location", s.api()+"/orgs/"+o.login+"/public_members/"+c.r.PathValue("username"))
		return noContent()
	}
	if a := s.logins[fold(c.r.PathValue("username"))]; a == nil || !o.members[a.id] {
		return nil, refuse(http.StatusNotFound, "User does not exist or is not a member of the organization")
	}
	return noContent()
}

// membershipJSON is "org-membership".
type membershipJSON struct {
	URL             string            `json:"url"`
	State           string            `json:"state"`
	Role            string            `json:"role"`
	OrganizationURL string            `json:"organization_url"`
	Direct          bool              `json:"direct_membership"`
	Organization    *organizationJSON `json:"organization,omitempty"` // not in events
	User            *userJSON         `json:"user"`
}

func (s *Server) membership(o, a *account) membershipJSON {
	org := s.organization(o)
	out := membershipJSON{URL: org.URL + "/memberships/" + a.login, State: "active", Role: "member", OrganizationURL: org.URL, Direct: true,
		Organization: org, User: a.view}
	if o.owners[a.id] {
		out.Role = "admin"
	}
	if !o.members[a.id] {
		out.State = "pending"
	}
	return out
}

func (s *Server) getMembership(c *call) (any, error) {
	o, err := c.visibleOrg()
	if err != nil {
		return nil, err
	}
	a := s.logins[fold(c.r.PathValue("username"))]
	if a == nil || (!o.members[a.id] && !o.pending[a.id]) {
		return nil, notFound()
	}
	return s.membership(o, a), nil
}

func (s *Server) listChildTeams(c *call) (any, error) {
	t, err := c.team()
	if err != nil {
		return nil, err
	}
	list, err := page(c, slices.DeleteFunc(slices.Clone(t.org.teams), func(other *team) bool { return other.parent != t }))
	if err != nil {
		return nil, err
	}
	return s.teams(list), nil
}

// grant is the team's own role on a repository, or the one of a team above it.
func (t *team) grant(r *repository) role {
	best := roleNone
	for up := t; up != nil; up = up.parent {
		best = max(best, up.grants[r.id])
	}
	return best
}

// teamRepositoryJSON is "team-repository", and "minimal-repository" with a role.
type teamRepositoryJSON struct {
	*repositoryJSON
	RoleName string `json:"role_name"`
}

func (s *Server) teamRepository(t *team, r *repository) teamRepositoryJSON {
	out, role := s.repository(r), t.grant(r)
	out.Permissions = role.permissions()
	return teamRepositoryJSON{out, role.String()}
}

func (r role) permissions() *permissionsJSON {
	return &permissionsJSON{Admin: r >= roleAdmin, Maintain: r >= roleMaintain, Push: r >= roleWrite, Triage: r >= roleTriage, Pull: r >= roleRead}
}

func (s *Server) listTeamRepositories(c *call) (any, error) {
	t, err := c.team()
	if err != nil {
		return nil, err
	}
	out := []teamRepositoryJSON{}
	for _, r := range s.sortedRepositories() {
		if r.owner == t.org && t.grant(r) > roleNone && s.sees(c.actor, r) {
			out = append(out, s.teamRepository(t, r))
		}
	}
	return page(c, out)
}

// checkTeamRepository is 204, or the repository when it is asked for by media type.
func (s *Server) checkTeamRepository(c *call) (any, error) {
	t, err := c.team()
	if err != nil {
		return nil, err
	}
	if c.repo.owner != t.org || t.grant(c.repo) == roleNone {
		return nil, notFound()
	}
	if strings.Contains(c.r.Header.Get("Accept"), ".repository+json") {
		return s.teamRepository(t, c.repo), nil
	}
	return noContent()
}

func (s *Server) listRepositoryTeams(c *call) (any, error) {
	out := []*teamJSON{}
	for _, t := range c.repo.owner.teams {
		if given := t.grant(c.repo); given > roleNone {
			shape := s.team(t)
			shape.Permission = given.verb()
			out = append(out, shape)
		}
	}
	return page(c, out)
}

// verb is a role as permissions of teams are named.
func (r role) verb() string {
	switch r {
	case roleRead:
		return "pull"
	case roleWrite:
		return "push"
	default:
		return r.String()
	}
}

// listCollaborators lists who has access by more than the repository being public.
func (s *Server) listCollaborators(c *call) (any, error) {
	affiliation, err := c.oneOf("affiliation", "all", "direct", "outside")
	if err != nil {
		return nil, err
	}
	permission, err := c.oneOf("permission", "", "pull", "triage", "push", "maintain", "admin")
	if err != nil {
		return nil, err
	}
	least, _ := parseRole(permission)
	out := []collaboratorJSON{}
	for _, a := range s.sortedAccounts() {
		if a.kind != "User" || !s.collaborates(a, c.repo, affiliation) {
			continue
		}
		if role := s.roleOf(a, c.repo); role >= least {
			out = append(out, collaboratorJSON{userJSON: a.view, RoleName: role.String(), Permissions: *role.permissions()})
		}
	}
	return page(c, out)
}

func (s *Server) collaborates(a *account, r *repository, affiliation string) bool {
	direct := r.collaborators[a.id] > roleNone || r.owner == a
	switch affiliation {
	case "direct":
		return direct
	case "outside":
		return direct && r.owner.kind == "Organization" && !r.owner.members[a.id]
	}
	if direct || r.owner.owners[a.id] || (r.owner.members[a.id] && r.owner.base > roleNone) {
		return true
	}
	return slices.ContainsFunc(r.owner.teams, func(t *team) bool { return t.has(a) && t.grant(r) > roleNone })
}

func (s *Server) checkCollaborator(c *call) (any, error) {
	a := s.logins[fold(c.r.PathValue("username"))]
	if a == nil || !s.collaborates(a, c.repo, "all") {
		return nil, refuse(http.StatusNotFound, "%s is not a collaborator", c.r.PathValue("username"))
	}
	return noContent()
}

// AddMember makes a person a member of an organisation.
func (s *Server) AddMember(org, login string) error { return s.setMember(org, login, true) }

// RemoveMember takes a person out of an organisation and all its teams.
func (s *Server) RemoveMember(org, login string) error { return s.setMember(org, login, false) }

func (s *Server) setMember(org, login string, add bool) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	o, err := s.org(org)
	if err != nil {
		return err
	}
	people, err := s.people([]string{login})
	if err != nil {
		return err
	}
	p := people[0]
	if o.members[p.id] == add {
		return fmt.Errorf("membership of %s in %s is so already", login, org)
	}
	if add {
		s.joinOrg(o, p)
		return nil
	}
	for _, t := range o.teams {
		if t.has(p) {
			s.emitOrg(o, "membership", "removed", map[string]any{"scope": "team", "member": p.view, "team": s.team(t)})
		}
		delete(t.members, p.id)
	}
	shape := s.membership(o, p)
	shape.Organization = nil
	delete(o.members, p.id)
	delete(o.owners, p.id)
	s.emitOrg(o, "organization", "member_removed", map[string]any{"membership": shape})
	return nil
}

// joinOrg needs Server.mu.
func (s *Server) joinOrg(o, p *account) {
	if o.members[p.id] {
		return
	}
	o.members[p.id] = true
	delete(o.pending, p.id)
	shape := s.membership(o, p)
	shape.Organization = nil
	s.emitOrg(o, "organization", "member_added", map[string]any{"membership": shape})
}

// InviteMember makes a person a pending member, who has no rights until AddMember.
func (s *Server) InviteMember(org, login string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	o, err := s.org(org)
	if err != nil {
		return err
	}
	people, err := s.people([]string{login})
	if err != nil {
		return err
	}
	if !o.members[people[0].id] {
		o.pending[people[0].id] = true
	}
	return nil
}

// SetBasePermission changes what members may do on all repositories of their organisation: none,
// read (at first), write or admin.
func (s *Server) SetBasePermission(org, roleName string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	o, err := s.org(org)
	if err != nil {
		return err
	}
	role, ok := parseRole(roleName)
	if !ok && roleName != "none" {
		return fmt.Errorf("base permission %q of %s", roleName, org)
	}
	o.base = role
	return nil
}
