package standin

import (
	"crypto/rand"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"
)

// Manifest is a GitHub App manifest ("Registering a GitHub App from a manifest").
type Manifest struct {
	Name                  string            `json:"name"`
	URL                   string            `json:"url"`
	HookAttributes        *ManifestHook     `json:"hook_attributes"`
	RedirectURL           string            `json:"redirect_url"`
	CallbackURLs          []string          `json:"callback_urls"`
	SetupURL              string            `json:"setup_url"`
	Description           string            `json:"description"`
	Public                bool              `json:"public"`
	DefaultPermissions    map[string]string `json:"default_permissions"`
	DefaultEvents         []string          `json:"default_events"`
	RequestOAuthOnInstall bool              `json:"request_oauth_on_install"`
	SetupOnUpdate         bool              `json:"setup_on_update"`
	// Version is undocumented; Probot sends "v1".
	Version string `json:"version"`
}

// ManifestHook is where events go.
type ManifestHook struct {
	URL    string `json:"url"`
	Active *bool  `json:"active"` // true when absent
}

// NewApp is what the conversion of a manifest hands out, once.
type NewApp struct {
	App
	Name                        string
	ClientID                    string
	ClientSecret, WebhookSecret string
}

// conversionLife is how long the code of the manifest flow works.
const conversionLife = time.Hour

// conversion is an App whose credentials nobody has fetched yet.
type conversion struct {
	app          *app
	pem          []byte
	clientSecret string
	hookURL      string // deliveries begin when somebody knows the secret
	hookSecret   string
	expires      time.Time
}

const (
	maxAppName   = 34 // GitHub's limit for names of Apps
	maxCallbacks = 10
)

// ParseManifest reads a manifest, with GitHub's refusals.
func ParseManifest(raw []byte) (Manifest, error) {
	var m Manifest
	if len(raw) > maxBody {
		return m, refuse(http.StatusRequestEntityTooLarge, "Payload too big: %d bytes are allowed", maxBody)
	}
	if len(strings.TrimSpace(string(raw))) == 0 || strings.TrimSpace(string(raw)) == "null" {
		return m, refuse(http.StatusUnprocessableEntity, "The manifest is empty.")
	}
	if err := decodeObject(raw, &m); err != nil {
		return m, err
	}
	return m, m.check()
}

func (m *Manifest) check() error {
	bad := func(field, format string, args ...any) error {
		return &APIError{Status: http.StatusUnprocessableEntity, Message: "Invalid GitHub App configuration", Errors: []FieldError{
			{Resource: "Integration", Field: field, Code: "custom", Message: fmt.Sprintf(format, args...)}}}
	}
	if len([]rune(m.Name)) > maxAppName {
		return bad("name", "name is too long (maximum is %d characters)", maxAppName)
	}
	if m.RedirectURL == "" {
		return bad("redirect_url", "redirect_url must be given: nobody would get the code")
	}
	if m.URL == "" {
		return bad("url", "url must be given")
	}
	addresses := map[string]string{"url": m.URL, "redirect_url": m.RedirectURL, "setup_url": m.SetupURL}
	if m.HookAttributes != nil {
		if m.HookAttributes.URL == "" && (m.HookAttributes.Active == nil || *m.HookAttributes.Active) {
			return bad("hook_attributes", "hook url must be given")
		}
		addresses["hook url"] = m.HookAttributes.URL
	}
	if len(m.CallbackURLs) > maxCallbacks {
		return bad("callback_urls", "no more than %d callback_urls are allowed", maxCallbacks)
	}
	for i, u := range m.CallbackURLs {
		addresses[fmt.Sprintf("callback_urls %d", i+1)] = u
	}
	for field, address := range addresses {
		if address != "" && !isWebAddress(address) {
			return bad(field, "%s %q is not an address", field, address)
		}
	}
	for name, level := range m.DefaultPermissions {
		levels, known := appPermissions[name]
		if !known {
			return bad("default_permissions", "permission %q does not exist", name)
		}
		if !slices.Contains(levels, level) {
			return bad("default_permissions", "permission %s cannot be %q", name, level)
		}
	}
	for _, event := range m.DefaultEvents {
		need, known := eventNeeds[event]
		if !known || need == "" {
			return bad("default_events", "event %q cannot be subscribed to", event)
		}
		if need != "metadata" && m.DefaultPermissions[need] == "" {
			return bad("default_events", "event %q is not supported by the permissions: it needs %s", event, need)
		}
	}
	return nil
}

var webHost = regexp.MustCompile(`^(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(:[0-9]{1,5})?$`)

// isWebAddress tells http and https addresses with a plain host.
func isWebAddress(text string) bool {
	u, err := url.Parse(text)
	return err == nil && (u.Scheme == "http" || u.Scheme == "https") && webHost.MatchString(u.Host) && u.User == nil
}

var notInSlug = regexp.MustCompile(`[^a-z0-9]+`)

// CreateFromManifest registers an App for an account, as the button of the confirmation page does, and
// returns the code with which CompleteManifest gets its credentials within an hour.
func (s *Server) CreateFromManifest(owner string, m Manifest) (code string, err error) {
	if err := m.check(); err != nil {
		return "", err
	}
	slug := strings.Trim(notInSlug.ReplaceAllString(strings.ToLower(m.Name), "-"), "-")
	if slug == "" {
		return "", invalidBecause("Integration", "name must be given")
	}
	s.mu.Lock()
	a := s.logins[fold(owner)]
	taken := s.logins[fold(slug+"[bot]")] != nil || (s.logins[slug] != nil && s.logins[slug] != a)
	s.mu.Unlock()
	if a == nil || a.kind == "Bot" {
		return "", fmt.Errorf("%w: no account %q", ErrNotFound, owner)
	}
	if taken {
		return "", invalidBecause("Integration", "name is already taken")
	}
	made, err := s.CreateApp(AppOptions{Slug: slug, Name: m.Name, Owner: owner, Permissions: m.DefaultPermissions, Events: m.DefaultEvents,
		Details: AppDetails{Description: m.Description, ExternalURL: m.URL, SetupURL: m.SetupURL, SetupOnUpdate: m.SetupOnUpdate,
			CallbackURLs: slices.Clone(m.CallbackURLs), Public: m.Public}})
	if err != nil {
		return "", err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	c := &conversion{app: s.apps[made.ID], pem: made.PrivateKeyPEM, clientSecret: secretText(), hookSecret: secretText(), expires: s.now().Add(conversionLife)}
	if h := m.HookAttributes; h != nil && (h.Active == nil || *h.Active) {
		c.hookURL = h.URL
	}
	code = secretText()
	s.conversions[code] = c
	return code, nil
}

// secretText has 40 characters, as GitHub's.
func secretText() string { return strings.ToLower(rand.Text() + rand.Text())[:40] }

// CompleteManifest hands out the credentials of a new App. The code works once; webhook deliveries begin
// now, with the secret that is handed out.
func (s *Server) CompleteManifest(code string) (NewApp, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c, err := s.takeConversion(code)
	if err != nil {
		return NewApp{}, err
	}
	return NewApp{App: App{ID: c.app.id, Slug: c.app.slug, PrivateKeyPEM: c.pem, BotID: c.app.bot.id}, Name: c.app.name,
		ClientID: c.app.clientID, ClientSecret: c.clientSecret, WebhookSecret: c.hookSecret}, nil
}

// takeConversion uses a code up; it needs Server.mu.
func (s *Server) takeConversion(code string) (*conversion, error) {
	for other, c := range s.conversions {
		if !s.now().Before(c.expires) {
			delete(s.conversions, other)
		}
	}
	c := s.conversions[code]
	if c == nil {
		return nil, notFound()
	}
	delete(s.conversions, code)
	if c.hookURL != "" {
		c.app.hookURL, c.app.hookSecret = c.hookURL, c.hookSecret
		s.ping(c.app)
	}
	return c, nil
}

func (s *Server) manifestRoutes() []route {
	return []route{
		{method: "POST", pattern: "/app-manifests/{code}/conversions", open: true, handle: locked(s.convertManifest)},
	}
}

// conversionJSON is "integration" with what is handed out once.
type conversionJSON struct {
	*appJSON
	ClientSecret  string  `json:"client_secret"`
	WebhookSecret *string `json:"webhook_secret"` // null without a webhook
	PEM           string  `json:"pem"`
}

func (s *Server) convertManifest(c *call) (any, error) {
	var in struct{}
	if err := c.body(&in); err != nil {
		return nil, err
	}
	done, err := s.takeConversion(c.r.PathValue("code"))
	if err != nil {
		return nil, err
	}
	out := conversionJSON{appJSON: s.app(done.app), ClientSecret: done.clientSecret, PEM: string(done.pem)}
	if done.hookURL != "" {
		out.WebhookSecret = &done.hookSecret
	}
	return c.created(out)
}

// JSON is the manifest as it is sent.
func (m Manifest) JSON() ([]byte, error) {
	raw, err := json.Marshal(m)
	if err != nil {
		return nil, fmt.Errorf("write manifest: %w", err)
	}
	return raw, nil
}

// appPermissions are the permissions of an App and their levels, from "app-permissions" of GitHub's
// OpenAPI description (@octokit/openapi 23.0.2, 2026-11-21).
var appPermissions = func() map[string][]string {
	out := map[string][]string{}
	for _, group := range []struct {
		levels []string
		names  string
	}{
		{[]string{"read", "write"}, `actions administration artifact_metadata attestations checks code_quality codespaces contents
			custom_properties_for_organizations dependabot_secrets deployments discussions email_addresses
			environments followers git_ssh_keys gpg_keys interaction_limits issues members merge_queues
			metadata organization_administration organization_announcement_banners
			organization_copilot_agent_settings organization_copilot_seat_management
			organization_custom_org_roles organization_custom_roles organization_hooks
			organization_packages organization_personal_access_token_requests
			organization_personal_access_tokens organization_secrets organization_self_hosted_runners
			organization_user_blocking packages pages pull_requests repository_custom_properties
			repository_hooks secret_scanning_alerts secrets security_events single_file starring statuses
			vulnerability_alerts`},
		{[]string{"read", "write", "admin"}, `enterprise_custom_properties_for_organizations organization_custom_properties
			organization_projects repository_projects`},
		{[]string{"write"}, `profile workflows`},
		{[]string{"read"}, `organization_events organization_plan`},
	} {
		for name := range strings.FieldsSeq(group.names) {
			out[name] = group.levels
		}
	}
	return out
}()
