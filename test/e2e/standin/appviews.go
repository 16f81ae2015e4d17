package standin

import (
	"maps"
	"slices"
	"time"
)

// AppView is an App as its page shows it; secrets are not part of it.
type AppView struct {
	ID                int64
	Slug, Name, Owner string
	Bot               string // login
	ClientID          string
	WebhookURL        string
	HasWebhookSecret  bool
	Permissions       map[string]string
	Events            []string
	Created           time.Time
	Details           AppDetails
}

// InstallationView is an installation as its page shows it.
type InstallationView struct {
	ID             int64
	AppID          int64
	AppSlug        string
	Account        string
	AccountKind    string // User, Organization
	All            bool   // all repositories, future ones included
	Repositories   []string
	Suspended      bool
	Created        time.Time
	SuspendedSince time.Time
}

// Apps lists all Apps in the order in which they were created.
func (s *Server) Apps() []AppView {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []AppView
	for _, id := range slices.Sorted(maps.Keys(s.apps)) {
		a := s.apps[id]
		out = append(out, AppView{ID: a.id, Slug: a.slug, Name: a.name, Owner: a.owner.login, Bot: a.bot.login, ClientID: a.clientID,
			WebhookURL: a.hookURL, HasWebhookSecret: a.hookSecret != "", Permissions: maps.Clone(a.permissions),
			Events: slices.Clone(a.events), Created: a.created, Details: a.details})
	}
	return out
}

// Installations lists the installations of all Apps in the order in which they were made.
func (s *Server) Installations() []InstallationView {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []InstallationView
	for _, i := range s.sortedInstallations() {
		one := InstallationView{ID: i.id, AppID: i.app.id, AppSlug: i.app.slug, Account: i.account.login, AccountKind: i.account.kind,
			All: i.all, Suspended: !i.suspended.IsZero(), Created: i.created, SuspendedSince: i.suspended}
		for _, r := range s.covered(i) {
			one.Repositories = append(one.Repositories, r.fullName())
		}
		out = append(out, one)
	}
	return out
}
