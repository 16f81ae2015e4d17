package standin

import (
	"crypto/rand"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
)

// User is a person, with a token that works for the API and for git.
type User struct {
	ID    int64
	Login string
	Email string
	Token string
}

var loginForm = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9-]{0,38}$`)

// newAccount needs Server.mu.
func (s *Server) newAccount(login, name, kind string, emails ...string) (*account, error) {
	if kind != "Bot" && !loginForm.MatchString(login) {
		return nil, fmt.Errorf("login %q is not allowed", login)
	}
	if s.logins[fold(login)] != nil {
		return nil, fmt.Errorf("login %q is taken", login)
	}
	for _, e := range emails {
		if s.emails[fold(e)] != nil {
			return nil, fmt.Errorf("e-mail %q is taken", e)
		}
	}
	a := &account{id: s.nextID("user"), login: login, name: name, kind: kind, emails: emails, created: s.now()}
	if kind == "Organization" {
		a.owners, a.members, a.base, a.pending = map[int64]bool{}, map[int64]bool{}, roleRead, map[int64]bool{}
	}
	a.view = s.newUserJSON(a)
	s.accounts[a.id], s.logins[fold(login)] = a, a
	for _, e := range append(emails, fmt.Sprintf("%d+%s@users.noreply.github.com", a.id, login), login+"@users.noreply.github.com") {
		s.emails[fold(e)] = a
	}
	return a, nil
}

// CreateUser adds a person. Without an e-mail, commits carry ID+login@users.noreply.github.com; every
// e-mail given maps commits to the person.
func (s *Server) CreateUser(login, name string, emails ...string) (User, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	a, err := s.newAccount(login, name, "User", emails...)
	if err != nil {
		return User{}, fmt.Errorf("create user: %w", err)
	}
	value := "ghp_" + rand.Text() + rand.Text()[:10]
	s.tokens[value] = &token{user: a}
	return User{ID: a.id, Login: login, Email: a.identity().Email, Token: value}, nil
}

// CreateOrganization adds an organisation. Owners are admins of all its repositories.
func (s *Server) CreateOrganization(login string, owners ...string) (int64, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	people, err := s.people(owners)
	if err != nil {
		return 0, fmt.Errorf("create organization: %w", err)
	}
	org, err := s.newAccount(login, login, "Organization")
	if err != nil {
		return 0, fmt.Errorf("create organization: %w", err)
	}
	for _, p := range people {
		org.owners[p.id], org.members[p.id] = true, true
	}
	return org.id, nil
}

// people needs Server.mu.
func (s *Server) people(logins []string) ([]*account, error) {
	out := make([]*account, len(logins))
	for i, login := range logins {
		if out[i] = s.logins[fold(login)]; out[i] == nil || out[i].kind == "Organization" {
			return nil, fmt.Errorf("no user %q", login)
		}
	}
	return out, nil
}

// CreateTeam adds a team; its members become members of the organisation. A parent team is named by
// "parent/slug".
func (s *Server) CreateTeam(org, slug string, members ...string) (int64, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	o, err := s.org(org)
	if err != nil {
		return 0, fmt.Errorf("create team: %w", err)
	}
	t := &team{id: s.nextID("team"), slug: slug, org: o, members: map[int64]string{}, grants: map[int64]role{}, created: s.now()}
	if parent, own, nested := strings.Cut(slug, "/"); nested {
		if t.parent, t.slug = o.team(parent), own; t.parent == nil {
			return 0, fmt.Errorf("create team: no team %q", parent)
		}
	}
	if o.team(t.slug) != nil {
		return 0, fmt.Errorf("create team: %q exists", t.slug)
	}
	people, err := s.people(members)
	if err != nil {
		return 0, fmt.Errorf("create team: %w", err)
	}
	o.teams = append(o.teams, t)
	for _, p := range people {
		s.joinOrg(o, p)
		t.members[p.id] = "active"
	}
	s.emitOrg(o, "team", "created", map[string]any{"team": s.team(t)})
	return t.id, nil
}

// org needs Server.mu.
func (s *Server) org(login string) (*account, error) {
	o := s.logins[fold(login)]
	if o == nil || o.kind != "Organization" {
		return nil, fmt.Errorf("no organization %q", login)
	}
	return o, nil
}

func (a *account) team(slug string) *team {
	i := slices.IndexFunc(a.teams, func(t *team) bool { return strings.EqualFold(t.slug, slug) })
	if i < 0 {
		return nil
	}
	return a.teams[i]
}

// AddTeamMember makes a person an active member of a team, and of the organisation.
func (s *Server) AddTeamMember(org, slug, login string) error {
	return s.changeMember(org, slug, login, "active")
}

// InviteTeamMember makes a person a pending member, who does not count until AddTeamMember.
func (s *Server) InviteTeamMember(org, slug, login string) error {
	return s.changeMember(org, slug, login, "pending")
}

// RemoveTeamMember takes a person out of a team; membership of the organisation stays.
func (s *Server) RemoveTeamMember(org, slug, login string) error {
	return s.changeMember(org, slug, login, "")
}

func (s *Server) changeMember(org, slug, login, state string) error {
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
	t := o.team(slug)
	if t == nil {
		return fmt.Errorf("no team %q", slug)
	}
	p, before := people[0], t.members[people[0].id]
	action := ""
	switch {
	case state == "":
		delete(t.members, p.id)
		if before == "active" {
			action = "removed"
		}
	case state == "active" && before != "active":
		s.joinOrg(o, p)
		t.members[p.id] = state
		action = "added"
	default:
		t.members[p.id] = state
	}
	if action != "" {
		s.emitOrg(o, "membership", action, map[string]any{"scope": "team", "member": p.view, "team": s.team(t)})
	}
	return nil
}

// GrantTeam gives a team, and the teams below it, a role on a repository; "none" takes it away.
func (s *Server) GrantTeam(org, slug, repo, roleName string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	o, err := s.org(org)
	if err != nil {
		return err
	}
	t, r := o.team(slug), s.names[fold(repo)]
	role, ok := parseRole(roleName)
	if t == nil || r == nil || (!ok && roleName != "none") {
		return fmt.Errorf("grant %s/%s %s on %s: no such team, role or repository", org, slug, roleName, repo)
	}
	was := t.grants[r.id]
	if t.grants[r.id] = role; role == roleNone {
		delete(t.grants, r.id)
	}
	s.emitGrant(t, r, was, role)
	return nil
}

// SetCollaborator gives a person a role on a repository; "none" takes it away.
func (s *Server) SetCollaborator(repo, login, roleName string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	people, err := s.people([]string{login})
	if err != nil {
		return err
	}
	r := s.names[fold(repo)]
	role, ok := parseRole(roleName)
	if r == nil || (!ok && roleName != "none") {
		return fmt.Errorf("give %s %s on %s: no such role or repository", login, roleName, repo)
	}
	was := r.collaborators[people[0].id]
	r.collaborators[people[0].id] = role
	s.emitMember(r, people[0], was, role)
	return nil
}

// teamMembers are the active members of a team and of those below it, by ID; it needs Server.mu.
func (s *Server) teamMembers(t *team) []*account {
	var out []*account
	for _, a := range s.accounts {
		if t.includes(a) {
			out = append(out, a)
		}
	}
	slices.SortFunc(out, func(a, b *account) int { return int(a.id - b.id) })
	return out
}

func (s *Server) getUser(c *call) (any, error) {
	var a *account
	if login := c.r.PathValue("username"); login != "" {
		a = s.logins[fold(login)]
	} else if id, err := c.id("account_id"); err == nil {
		a = s.accounts[id]
	}
	if a == nil {
		return nil, notFound()
	}
	return s.publicUser(a), nil
}

func (s *Server) getAuthenticatedUser(c *call) (any, error) {
	switch c.actor.kind {
	case userToken:
		return s.publicUser(c.actor.user), nil
	case noToken:
		return nil, refuse(http.StatusUnauthorized, "Requires authentication")
	default:
		return nil, forbidden()
	}
}

type permissionJSON struct {
	Permission string           `json:"permission"`
	RoleName   string           `json:"role_name"`
	User       collaboratorJSON `json:"user"`
}

type collaboratorJSON struct {
	*userJSON
	Permissions permissionsJSON `json:"permissions"`
	RoleName    string          `json:"role_name"`
}

func (s *Server) getPermission(c *call) (any, error) {
	if err := s.needs(c.actor, c.repo, roleRead); err != nil {
		return nil, err
	}
	a := s.logins[fold(c.r.PathValue("username"))]
	if a == nil || a.kind == "Organization" {
		return nil, refuse(http.StatusNotFound, "%s is not a user", c.r.PathValue("username"))
	}
	role := s.roleOf(a, c.repo)
	return permissionJSON{Permission: role.legacy(), RoleName: role.String(), User: collaboratorJSON{
		userJSON: a.view, RoleName: role.String(),
		Permissions: *s.permissions(c.repo, &actor{kind: userToken, user: a})}}, nil
}

// visibleOrg needs the actor to be a member, or an installation on the organisation.
func (c *call) visibleOrg() (*account, error) {
	o := c.s.logins[fold(c.r.PathValue("org"))]
	if o == nil || o.kind != "Organization" {
		return nil, notFound()
	}
	switch {
	case c.actor.kind == userToken && o.members[c.actor.user.id]:
		return o, nil
	case c.actor.kind == installationToken && c.actor.installation.account == o:
		return o, nil
	}
	return nil, notFound()
}

func (c *call) team() (*team, error) {
	o, err := c.visibleOrg()
	if err != nil {
		return nil, err
	}
	if t := o.team(c.r.PathValue("team_slug")); t != nil {
		return t, nil
	}
	return nil, notFound()
}

func (s *Server) listTeams(c *call) (any, error) {
	o, err := c.visibleOrg()
	if err != nil {
		return nil, err
	}
	teams, err := page(c, o.teams)
	if err != nil {
		return nil, err
	}
	return s.teams(teams), nil
}

func (s *Server) getTeam(c *call) (any, error) {
	t, err := c.team()
	if err != nil {
		return nil, err
	}
	return s.fullTeam(t), nil
}

func (s *Server) listTeamMembers(c *call) (any, error) {
	t, err := c.team()
	if err != nil {
		return nil, err
	}
	members, err := page(c, s.teamMembers(t))
	if err != nil {
		return nil, err
	}
	return simples(members), nil
}

func (s *Server) getTeamMembership(c *call) (any, error) {
	t, err := c.team()
	if err != nil {
		return nil, err
	}
	a := s.logins[fold(c.r.PathValue("username"))]
	if a == nil {
		return nil, notFound()
	}
	state := t.members[a.id]
	if t.includes(a) {
		state = "active"
	}
	if state == "" {
		return nil, notFound()
	}
	return map[string]string{"state": state, "role": "member",
		"url": s.team(t).URL + "/memberships/" + a.login}, nil
}
