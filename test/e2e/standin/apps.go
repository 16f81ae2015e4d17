package standin

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// AppOptions describe a GitHub App.
type AppOptions struct {
	Slug  string
	Name  string // the slug when empty
	Owner string // an account; the slug's own organisation is not created
	// WebhookURL may be set later with SetWebhook; until then no deliveries are made.
	WebhookURL, WebhookSecret string
	Permissions               map[string]string // "pull_requests": "read" or "write"; metadata is always read
	Events                    []string          // each needs its permission
	// LongTokens issues installation tokens in the form ghs_APPID_JWT of about 520 characters,
	// which GitHub introduces from 2026-04 on, instead of 40 characters.
	LongTokens bool
	Details    AppDetails
	// PrivateKeyPEM is used instead of a fresh key, which takes a good part of a second to make.
	PrivateKeyPEM []byte
}

// App is a created App; the key is PKCS #1, as GitHub hands it out.
type App struct {
	ID            int64
	Slug          string
	PrivateKeyPEM []byte
	BotID         int64 // the user "slug[bot]"
}

// AppDetails are what an App says about itself and where it leads people.
type AppDetails struct {
	Description   string
	ExternalURL   string // the App's own page; the stand-in's address when empty
	SetupURL      string // where people go after installing; nowhere when empty
	SetupOnUpdate bool   // there too after the selection of repositories changed
	CallbackURLs  []string
	Public        bool
}

// eventNeeds is the permission with which an App can subscribe to an event ("Webhook events and
// payloads"). Events with an empty need are sent to every App.
var eventNeeds = map[string]string{
	"push": "contents", "pull_request": "pull_requests", "pull_request_review": "pull_requests",
	"issue_comment": "issues", "check_run": "checks", "membership": "members", "team": "members",
	"repository": "metadata", "check_suite": "checks", "status": "statuses", "deployment": "deployments",
	"deployment_status": "deployments", "member": "members", "organization": "members",
	"branch_protection_rule": "administration", "repository_ruleset": "administration",
	"pull_request_review_comment": "pull_requests", "merge_group": "merge_queues",
	"installation": "", "installation_repositories": "", "ping": "",
}

// CreateApp registers an App with a fresh RSA key.
func (s *Server) CreateApp(o AppOptions) (App, error) {
	key, err := appKey(o.PrivateKeyPEM)
	if err != nil {
		return App{}, fmt.Errorf("create app: %w", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	owner := s.logins[fold(o.Owner)]
	if owner == nil {
		return App{}, fmt.Errorf("create app: no account %q", o.Owner)
	}
	if o.Name == "" {
		o.Name = o.Slug
	}
	a := &app{slug: o.Slug, name: o.Name, owner: owner, permissions: map[string]string{}, created: s.now(), details: o.Details,
		key: &key.PublicKey, hookURL: o.WebhookURL, hookSecret: o.WebhookSecret, longTokens: o.LongTokens}
	maps.Copy(a.permissions, o.Permissions)
	a.permissions["metadata"] = "read"
	for name, level := range a.permissions {
		if level != "read" && level != "write" && level != "admin" {
			return App{}, fmt.Errorf("create app: permission %s: %q", name, level)
		}
	}
	for _, event := range o.Events {
		need, known := eventNeeds[event]
		if !known || need == "" || a.permissions[need] == "" {
			return App{}, fmt.Errorf("create app: event %q is not supported by its permissions", event)
		}
	}
	a.events = slices.Sorted(slices.Values(o.Events))
	if a.bot, err = s.newAccount(o.Slug+"[bot]", o.Name, "Bot"); err != nil {
		return App{}, fmt.Errorf("create app: %w", err)
	}
	a.id = s.nextID("app")
	a.clientID = "Iv23li" + rand.Text()[:14]
	a.queue = newDeliveryQueue()
	s.apps[a.id] = a
	s.startDeliveries(a)
	block := &pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)}
	if a.hookURL != "" {
		s.ping(a)
	}
	return App{ID: a.id, Slug: a.slug, PrivateKeyPEM: pem.EncodeToMemory(block), BotID: a.bot.id}, nil
}

// appKey reads a PKCS #1 key, or makes one.
func appKey(text []byte) (*rsa.PrivateKey, error) {
	if text == nil {
		return rsa.GenerateKey(rand.Reader, 2048)
	}
	block, _ := pem.Decode(text)
	if block == nil {
		return nil, errors.New("the private key is not PEM")
	}
	return x509.ParsePKCS1PrivateKey(block.Bytes)
}

// SetWebhook changes where an App's events go, and sends a ping there. An empty url stops deliveries.
func (s *Server) SetWebhook(appID int64, url, secret string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	a := s.apps[appID]
	if a == nil {
		return fmt.Errorf("no app %d", appID)
	}
	a.hookURL, a.hookSecret = url, secret
	if url != "" {
		s.ping(a)
	}
	return nil
}

var errNoInstallation = errors.New("no such installation")

// Install gives an App access to an account's repositories, named without the owner; to all of
// them, future ones included, when none is named.
func (s *Server) Install(appID int64, owner string, repos ...string) (int64, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	a, o := s.apps[appID], s.logins[fold(owner)]
	if a == nil || o == nil {
		return 0, fmt.Errorf("install app %d on %q: no such app or account", appID, owner)
	}
	for _, other := range s.installations {
		if other.app == a && other.account == o {
			return 0, fmt.Errorf("install app %d on %q: it is installed", appID, owner)
		}
	}
	i := &installation{id: 0, app: a, account: o, all: len(repos) == 0, repos: map[int64]bool{}, created: s.now(), updated: s.now()}
	for _, name := range repos {
		r := s.names[fold(owner+"/"+name)]
		if r == nil {
			return 0, fmt.Errorf("install app %d on %q: no repository %q", appID, owner, name)
		}
		i.repos[r.id] = true
	}
	i.id = s.nextID("installation")
	s.installations[i.id] = i
	s.emitInstallation(i, "installation", "created", map[string]any{"repositories": s.reducedRepositories(s.covered(i))})
	return i.id, nil
}

// Uninstall takes all access back; tokens of the installation stop working.
func (s *Server) Uninstall(installationID int64) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	i := s.installations[installationID]
	if i == nil {
		return errNoInstallation
	}
	s.uninstall(i)
	return nil
}

// uninstall needs Server.mu.
func (s *Server) uninstall(i *installation) {
	s.emitInstallation(i, "installation", "deleted", map[string]any{"repositories": s.reducedRepositories(s.covered(i))})
	delete(s.installations, i.id)
}

// SuspendInstallation suspends an installation or wakes it up again. GitHub sends no events to a
// suspended installation and refuses its tokens.
func (s *Server) SuspendInstallation(installationID int64, suspend bool) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	i := s.installations[installationID]
	if i == nil {
		return errNoInstallation
	}
	s.suspend(i, suspend)
	return nil
}

// suspend needs Server.mu.
func (s *Server) suspend(i *installation, suspend bool) {
	action := "unsuspend"
	if i.suspended = zeroTime; suspend {
		i.suspended, action = s.now(), "suspend"
	}
	s.emitInstallation(i, "installation", action, nil)
}

// AddToInstallation gives a "selected" installation one more repository, named without the owner.
func (s *Server) AddToInstallation(installationID int64, repo string) error {
	return s.changeSelection(installationID, repo, true)
}

// RemoveFromInstallation takes one repository away from a "selected" installation.
func (s *Server) RemoveFromInstallation(installationID int64, repo string) error {
	return s.changeSelection(installationID, repo, false)
}

func (s *Server) changeSelection(installationID int64, repo string, add bool) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	i := s.installations[installationID]
	if i == nil || i.all {
		return errNoInstallation
	}
	r := s.names[fold(i.account.login+"/"+repo)]
	if r == nil || i.repos[r.id] == add {
		return fmt.Errorf("change selection of installation %d: repository %q", installationID, repo)
	}
	changed := s.reducedRepositories([]*repository{r})
	lists := map[string]any{"repository_selection": "selected", "repositories_added": []any{}, "repositories_removed": changed, "requester": nil}
	action := "removed"
	if add {
		i.repos[r.id] = true
		action, lists["repositories_added"], lists["repositories_removed"] = "added", changed, []any{}
	} else {
		delete(i.repos, r.id)
	}
	i.updated = s.now()
	s.emitInstallation(i, "installation_repositories", action, lists)
	return nil
}

// covered lists the repositories of an installation by ID; it needs Server.mu.
func (s *Server) covered(i *installation) []*repository {
	var out []*repository
	for _, r := range s.repos {
		if i.covers(r) {
			out = append(out, r)
		}
	}
	slices.SortFunc(out, func(a, b *repository) int { return int(a.id - b.id) })
	return out
}

// reducedRepositories is the short form in installation events.
func (s *Server) reducedRepositories(repos []*repository) []map[string]any {
	out := []map[string]any{}
	for _, r := range repos {
		out = append(out, map[string]any{"id": r.id, "node_id": nodeID("R", r.id), "name": r.name, "full_name": r.fullName(), "private": r.private})
	}
	return out
}

// newTokenValue is the text of an installation token. The long form has the look of a JWT; it is
// opaque to callers, and the stand-in finds it by its text like the short one.
func newTokenValue(a *app) string {
	if !a.longTokens {
		return "ghs_" + (rand.Text() + rand.Text())[:36]
	}
	part := func(n int) string {
		raw := make([]byte, n)
		_, _ = rand.Read(raw) // never fails, see crypto/rand
		return base64.RawURLEncoding.EncodeToString(raw)
	}
	return strings.Join([]string{"ghs_" + itoa(a.id) + "_" + part(27), part(90), part(256)}, ".")
}
