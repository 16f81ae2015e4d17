package standin

import (
	"net/http"
	"net/url"
)

func (s *Server) installationRoutes() []route {
	one := "/app/installations/{installation_id}"
	return []route{
		{method: "GET", pattern: "/app/hook/config", jwt: true, handle: locked(s.getHookConfig)},
		{method: "PATCH", pattern: "/app/hook/config", jwt: true, handle: locked(s.patchHookConfig)},
		{method: "GET", pattern: "/orgs/{org}/installation", jwt: true, handle: locked(s.getAccountInstallation)},
		{method: "GET", pattern: "/users/{username}/installation", jwt: true, handle: locked(s.getAccountInstallation)},
		{method: "DELETE", pattern: one, jwt: true, handle: locked(s.deleteInstallation)},
		{method: "PUT", pattern: one + "/suspended", jwt: true, handle: locked(s.putSuspended)},
		{method: "DELETE", pattern: one + "/suspended", jwt: true, handle: locked(s.deleteSuspended)},
		{method: "DELETE", pattern: "/installation/token", perms: anyOf("metadata:read"), handle: locked(s.revokeToken)},
	}
}

// hookConfigJSON is "webhook-config"; the secret is never shown.
type hookConfigJSON struct {
	ContentType string `json:"content_type"`
	InsecureSSL string `json:"insecure_ssl"`
	Secret      string `json:"secret,omitempty"`
	URL         string `json:"url,omitempty"` // absent without a webhook
}

func (a *app) hookConfig() hookConfigJSON {
	out := hookConfigJSON{ContentType: "json", InsecureSSL: "0", URL: a.hookURL}
	if a.hookSecret != "" {
		out.Secret = "********"
	}
	return out
}

func (s *Server) getHookConfig(c *call) (any, error) { return c.actor.app.hookConfig(), nil }

// patchHookConfig changes where events go from the next one on; unlike the settings page, it sends no
// ping. Events are delivered as JSON only.
func (s *Server) patchHookConfig(c *call) (any, error) {
	var in struct {
		URL         *string `json:"url"`
		ContentType *string `json:"content_type"`
		Secret      *string `json:"secret"`
		InsecureSSL any     `json:"insecure_ssl"`
	}
	if err := c.body(&in); err != nil {
		return nil, err
	}
	if in.ContentType != nil && *in.ContentType != "json" {
		return nil, refuse(http.StatusUnprocessableEntity, "Invalid request.\n\n%q is not a possible value of content_type here.", *in.ContentType)
	}
	if in.URL != nil {
		if u, err := url.Parse(*in.URL); err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https") {
			return nil, invalid("Hook", "url", "invalid")
		}
		c.actor.app.hookURL = *in.URL
	}
	if in.Secret != nil {
		c.actor.app.hookSecret = *in.Secret
	}
	return c.actor.app.hookConfig(), nil
}

func (s *Server) getAccountInstallation(c *call) (any, error) {
	name := c.r.PathValue("org") + c.r.PathValue("username")
	wantsOrg := c.r.PathValue("org") != ""
	for _, i := range s.installationsOf(c.actor.app) {
		if fold(i.account.login) == fold(name) && (i.account.kind == "Organization") == wantsOrg {
			return s.installation(i), nil
		}
	}
	return nil, notFound()
}

func (s *Server) deleteInstallation(c *call) (any, error) {
	i, err := c.ownInstallation()
	if err != nil {
		return nil, err
	}
	s.uninstall(i)
	return noContent()
}

func (s *Server) putSuspended(c *call) (any, error)    { return s.changeSuspended(c, true) }
func (s *Server) deleteSuspended(c *call) (any, error) { return s.changeSuspended(c, false) }

func (s *Server) changeSuspended(c *call, suspend bool) (any, error) {
	i, err := c.ownInstallation()
	if err != nil {
		return nil, err
	}
	if i.suspended.IsZero() != suspend {
		return nil, notFound()
	}
	s.suspend(i, suspend)
	return noContent()
}

// revokeToken ends the installation token that asks for it.
func (s *Server) revokeToken(c *call) (any, error) {
	if c.actor.kind != installationToken {
		return nil, refuse(http.StatusForbidden, "You must authenticate with an installation access token in order to revoke it.")
	}
	for value, t := range s.tokens {
		if t == c.actor.token {
			delete(s.tokens, value)
		}
	}
	return noContent()
}
