package standin

import (
	"net/http"
	"strings"
)

// Who may use an endpoint is decided before its body is read, as on GitHub:
//
//	App endpoint, but no App JWT       401  A JSON web token could not be decoded
//	App JWT anywhere else              403  Resource not accessible by integration
//	nobody, where somebody is needed   401  Requires authentication
//	a private repository, not seen     404  Not Found
//	an App without the permission      403  Resource not accessible by integration, with the permissions that would do
//	an App outside its selection       403  on public repositories, for anything but reading
//	a person whose role is too low     403  Must have … access; 404 where only admins may look
//	any change of an archived one      403  Repository was archived so is read-only.

// leastRole is what a person needs: to read where nothing else is declared for GET, else to write.
func (rt *route) leastRole() role {
	switch {
	case rt.role != roleNone:
		return rt.role
	case rt.method == http.MethodGet:
		return roleRead
	default:
		return roleWrite
	}
}

// mayUse is the last part of authorize; c.repo is visible when it is set. It needs Server.mu.
func (s *Server) mayUse(c *call, rt *route) error {
	reading := c.r.Method == http.MethodGet
	if c.actor.kind == noToken && (rt.closed || (c.repo == nil && !rt.anybody)) {
		return refuse(http.StatusUnauthorized, "Requires authentication")
	}
	if c.actor.kind == installationToken && (c.repo == nil || c.repo.private || !reading || rt.closed) && !c.actor.permitted(rt.perms) {
		err := forbidden()
		err.header = http.Header{"X-Accepted-Github-Permissions": {strings.NewReplacer(":", "=").Replace(strings.Join(rt.perms, "; "))}}
		return err
	}
	if c.repo == nil {
		return nil
	}
	if rt.closed && c.actor.kind == installationToken && !c.actor.inScope(c.repo) {
		return forbidden()
	}
	if c.repo.archived && !reading {
		return refuse(http.StatusForbidden, "Repository was archived so is read-only.")
	}
	if least := rt.leastRole(); c.actor.kind == userToken && s.roleOf(c.actor.user, c.repo) < least {
		if least == roleAdmin {
			return notFound()
		}
		return s.needs(c.actor, c.repo, least)
	}
	return nil
}

// noContent is the answer without a body: 204, unless the handler set another status.
func noContent() (any, error) {
	return nil, nil //nolint:nilnil // a nil object is an empty answer
}
