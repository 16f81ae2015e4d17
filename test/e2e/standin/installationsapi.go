package standin

import (
	"maps"
	"net/http"
)

// installationRoutes are the ways to an installation by its account, and the end of a token.
func (s *Server) installationRoutes() []route {
	return []route{
		{method: "GET", pattern: "/orgs/{org}/installation", jwt: true, handle: locked(s.getAccountInstallation)},
		{method: "GET", pattern: "/users/{username}/installation", jwt: true, handle: locked(s.getAccountInstallation)},
		{method: "DELETE", pattern: "/installation/token", perms: anyOf("metadata:read"), handle: locked(s.revokeToken)},
	}
}

// getAccountInstallation finds organisations under /orgs and people under /users alone.
func (s *Server) getAccountInstallation(c *call) (any, error) {
	login, kind := c.r.PathValue("org"), "Organization"
	if login == "" {
		login, kind = c.r.PathValue("username"), "User"
	}
	for _, i := range s.installationsOf(c.actor.app) {
		if i.account.kind == kind && fold(i.account.login) == fold(login) {
			return s.installation(i), nil
		}
	}
	return nil, notFound()
}

// revokeToken ends the installation token that the request was made with.
func (s *Server) revokeToken(c *call) (any, error) {
	var err error
	if c.actor.kind == installationToken {
		maps.DeleteFunc(s.tokens, func(_ string, t *token) bool { return t == c.actor.token })
	} else {
		err = refuse(http.StatusForbidden, "You must authenticate with an installation access token in order to revoke it.")
	}
	return nil, err
}
