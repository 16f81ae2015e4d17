package standin

import (
	"encoding/json"
	"fmt"
	"strings"
)

type enabledJSON struct {
	URL     string `json:"url,omitempty"`
	Enabled bool   `json:"enabled"`
}

// branchCheckJSON is one required check; app_id is null when anybody may report it.
type branchCheckJSON struct {
	Context string `json:"context"`
	AppID   *int64 `json:"app_id"`
}

type requiredChecksJSON struct {
	URL         string            `json:"url"`
	Strict      bool              `json:"strict"`
	Contexts    []string          `json:"contexts"`
	ContextsURL string            `json:"contexts_url"`
	Checks      []branchCheckJSON `json:"checks"`
}

type actorsJSON struct {
	URL      string      `json:"url,omitempty"`
	UsersURL string      `json:"users_url,omitempty"`
	TeamsURL string      `json:"teams_url,omitempty"`
	AppsURL  string      `json:"apps_url,omitempty"`
	Users    []*userJSON `json:"users"`
	Teams    []*teamJSON `json:"teams"`
	Apps     []*appJSON  `json:"apps"`
}

type requiredReviewsJSON struct {
	URL          string      `json:"url"`
	Dismissal    *actorsJSON `json:"dismissal_restrictions,omitempty"`
	Bypass       *actorsJSON `json:"bypass_pull_request_allowances,omitempty"`
	DismissStale bool        `json:"dismiss_stale_reviews"`
	CodeOwners   bool        `json:"require_code_owner_reviews"`
	LastPush     bool        `json:"require_last_push_approval"`
	Count        int         `json:"required_approving_review_count"`
}

// protectionJSON is "branch-protection", and "protected-branch" as PUT answers it.
type protectionJSON struct {
	URL                    string               `json:"url"`
	Checks                 *requiredChecksJSON  `json:"required_status_checks,omitempty"`
	Restrictions           *actorsJSON          `json:"restrictions,omitempty"`
	Reviews                *requiredReviewsJSON `json:"required_pull_request_reviews,omitempty"`
	Signatures             enabledJSON          `json:"required_signatures"`
	EnforceAdmins          enabledJSON          `json:"enforce_admins"`
	LinearHistory          enabledJSON          `json:"required_linear_history"`
	AllowForcePushes       enabledJSON          `json:"allow_force_pushes"`
	AllowDeletions         enabledJSON          `json:"allow_deletions"`
	BlockCreations         enabledJSON          `json:"block_creations"`
	ConversationResolution enabledJSON          `json:"required_conversation_resolution"`
	LockBranch             enabledJSON          `json:"lock_branch"`
	AllowForkSyncing       enabledJSON          `json:"allow_fork_syncing"`
}

func (s *Server) protectionJSON(r *repository, p *protection) protectionJSON {
	u := r.links.URL + "/branches/" + p.branch + "/protection"
	out := protectionJSON{
		URL: u, Signatures: enabledJSON{u + "/required_signatures", p.RequireSignatures}, EnforceAdmins: enabledJSON{u + "/enforce_admins", p.EnforceAdmins},
		LinearHistory: enabledJSON{Enabled: p.LinearHistory}, AllowForcePushes: enabledJSON{Enabled: p.AllowForcePushes},
		AllowDeletions: enabledJSON{Enabled: p.AllowDeletions}, BlockCreations: enabledJSON{Enabled: p.BlockCreations},
		ConversationResolution: enabledJSON{Enabled: p.ConversationResolution}, LockBranch: enabledJSON{Enabled: p.LockBranch},
	}
	if c := p.Checks; c != nil {
		out.Checks = &requiredChecksJSON{URL: u + "/required_status_checks", Strict: c.Strict, Contexts: []string{},
			ContextsURL: u + "/required_status_checks/contexts", Checks: []branchCheckJSON{}}
		for _, one := range c.Checks {
			out.Checks.Contexts = append(out.Checks.Contexts, one.Context)
			out.Checks.Checks = append(out.Checks.Checks, checkShape(one))
		}
	}
	if v := p.Reviews; v != nil {
		w := u + "/required_pull_request_reviews"
		out.Reviews = &requiredReviewsJSON{URL: w, DismissStale: v.DismissStale, CodeOwners: v.CodeOwners, LastPush: v.LastPush, Count: v.Count}
		if v.Dismissers != nil {
			d := u + "/dismissal_restrictions"
			list := s.actors(r, v.Dismissers)
			list.URL, list.UsersURL, list.TeamsURL = d, d+"/users", d+"/teams"
			out.Reviews.Dismissal = &list
		}
		if v.Bypass != nil {
			list := s.actors(r, v.Bypass)
			out.Reviews.Bypass = &list
		}
	}
	if p.Restrictions != nil {
		w := u + "/restrictions"
		list := s.actors(r, p.Restrictions)
		list.URL, list.UsersURL, list.TeamsURL, list.AppsURL = w, w+"/users", w+"/teams", w+"/apps"
		out.Restrictions = &list
	}
	return out
}

func checkShape(c RequiredCheck) branchCheckJSON {
	out := branchCheckJSON{Context: c.Context}
	if c.AppID != 0 {
		out.AppID = &c.AppID
	}
	return out
}

func (s *Server) actors(r *repository, list *Actors) actorsJSON {
	out := actorsJSON{Users: []*userJSON{}, Teams: []*teamJSON{}, Apps: []*appJSON{}}
	for _, login := range list.Users {
		if a := s.logins[fold(login)]; a != nil {
			out.Users = append(out.Users, a.view)
		}
	}
	for _, slug := range list.Teams {
		if t := r.owner.team(slug); t != nil {
			out.Teams = append(out.Teams, s.team(t))
		}
	}
	for _, a := range s.sortedApps() {
		for _, slug := range list.Apps {
			if a.slug == slug {
				out.Apps = append(out.Apps, s.app(a))
			}
		}
	}
	return out
}

// protectionSummary is "protection" of a branch.
func (s *Server) protectionSummary(r *repository, branch string) map[string]any {
	level, contexts, checks := "off", []string{}, []branchCheckJSON{}
	p := r.protection[branch]
	if p != nil && p.Checks != nil {
		level = "non_admins"
		if p.EnforceAdmins {
			level = "everyone"
		}
		for _, c := range p.Checks.Checks {
			contexts, checks = append(contexts, c.Context), append(checks, checkShape(c))
		}
	}
	return map[string]any{"enabled": p != nil,
		"required_status_checks": map[string]any{"enforcement_level": level, "contexts": contexts, "checks": checks}}
}

// protectionRule is "rule" of branch_protection_rule events.
func (s *Server) protectionRule(r *repository, p *protection) map[string]any {
	everyone := "non_admins"
	if p.EnforceAdmins {
		everyone = "everyone"
	}
	level := func(on bool) string {
		if on {
			return everyone
		}
		return "off"
	}
	names, contexts := []string{}, []string{}
	if p.Restrictions != nil {
		names = append(append(append(names, p.Restrictions.Users...), p.Restrictions.Teams...), p.Restrictions.Apps...)
	}
	checks, reviews := p.Checks, p.Reviews
	if checks == nil {
		checks = &RequiredChecks{}
	}
	for _, c := range checks.Checks {
		contexts = append(contexts, c.Context)
	}
	if reviews == nil {
		reviews = &RequiredReviews{}
	}
	return map[string]any{
		"id": p.id, "repository_id": r.id, "name": p.branch, "created_at": stamp(p.created), "updated_at": stamp(p.updated),
		"admin_enforced": p.EnforceAdmins, "authorized_actor_names": names, "authorized_actors_only": p.Restrictions != nil,
		"authorized_dismissal_actors_only": reviews.Dismissers != nil, "create_protected": p.BlockCreations,
		"allow_deletions_enforcement_level": level(p.AllowDeletions), "allow_force_pushes_enforcement_level": level(p.AllowForcePushes),
		"dismiss_stale_reviews_on_push": reviews.DismissStale, "ignore_approvals_from_contributors": false,
		"linear_history_requirement_enforcement_level": level(p.LinearHistory), "lock_branch_enforcement_level": level(p.LockBranch),
		"lock_allows_fork_sync": false, "merge_queue_enforcement_level": "off",
		"pull_request_reviews_enforcement_level": level(p.Reviews != nil), "require_code_owner_review": reviews.CodeOwners,
		"require_last_push_approval": reviews.LastPush, "required_approving_review_count": reviews.Count,
		"required_conversation_resolution_level": level(p.ConversationResolution), "required_deployments_enforcement_level": "off",
		"required_status_checks": contexts, "required_status_checks_enforcement_level": level(p.Checks != nil),
		"signature_requirement_enforcement_level": level(p.RequireSignatures), "strict_required_status_checks_policy": checks.Strict,
	}
}

// protectionChanges are the changes that GitHub's event has names for, as far as they are settings here.
func protectionChanges(was, is *protection) map[string]any {
	out := map[string]any{}
	if was.EnforceAdmins != is.EnforceAdmins {
		out["admin_enforced"] = map[string]bool{"from": was.EnforceAdmins}
	}
	if (was.Restrictions == nil) != (is.Restrictions == nil) {
		out["authorized_actors_only"] = map[string]bool{"from": was.Restrictions != nil}
	}
	last := func(p *protection) bool { return p.Reviews != nil && p.Reviews.LastPush }
	if last(was) != last(is) {
		out["require_last_push_approval"] = map[string]bool{"from": last(was)}
	}
	contexts := func(p *protection) []string {
		names := []string{}
		if p.Checks != nil {
			for _, c := range p.Checks.Checks {
				names = append(names, c.Context)
			}
		}
		return names
	}
	if strings.Join(contexts(was), "\x00") != strings.Join(contexts(is), "\x00") {
		out["required_status_checks"] = map[string]any{"from": contexts(was)}
	}
	return out
}

// branchRuleJSON is "repository-rule-detailed".
type branchRuleJSON struct {
	Rule
	SourceType string `json:"ruleset_source_type"`
	Source     string `json:"ruleset_source"`
	RulesetID  int64  `json:"ruleset_id"`
}

func (set *ruleset) source() (kind, name string) {
	if set.org != nil {
		return "Organization", set.org.login
	}
	return "Repository", set.repo.fullName()
}

// rulesetJSON is "repository-ruleset" as lists have it; with the rest as a single one has it.
type rulesetJSON struct {
	ID          int64               `json:"id"`
	Name        string              `json:"name"`
	Target      string              `json:"target"`
	SourceType  string              `json:"source_type"`
	Source      string              `json:"source"`
	Enforcement string              `json:"enforcement"`
	NodeID      string              `json:"node_id"`
	Links       map[string]hrefJSON `json:"_links"`
	CreatedAt   stamp               `json:"created_at"`
	UpdatedAt   stamp               `json:"updated_at"`

	*rulesetRest
}

type rulesetRest struct {
	Bypass     any            `json:"bypass_actors,omitempty"` // for those who may change it; empty is not absent
	CanBypass  string         `json:"current_user_can_bypass,omitempty"`
	Conditions map[string]any `json:"conditions"`
	Rules      []Rule         `json:"rules"`
}

func (s *Server) ruleset(set *ruleset) rulesetJSON {
	kind, source := set.source()
	self := fmt.Sprintf("%s/orgs/%s/rulesets/%d", s.api(), source, set.id)
	html := fmt.Sprintf("%s/organizations/%s/settings/rules/%d", s.base, source, set.id)
	if set.repo != nil {
		self, html = fmt.Sprintf("%s/rulesets/%d", set.repo.links.URL, set.id), fmt.Sprintf("%s/rules/%d", set.repo.links.HTMLURL, set.id)
	}
	return rulesetJSON{ID: set.id, Name: set.Name, Target: "branch", SourceType: kind, Source: source, Enforcement: set.Enforcement,
		NodeID: nodeID("RRS", set.id), Links: map[string]hrefJSON{"self": {self}, "html": {html}},
		CreatedAt: stamp(set.created), UpdatedAt: stamp(set.updated)}
}

// fullRuleset is a ruleset with its rules; c is nil in events, which name nobody who reads.
func (s *Server) fullRuleset(set *ruleset, c *call) rulesetJSON {
	list := func(in []string) []string { return append([]string{}, in...) }
	out := s.ruleset(set)
	rest := &rulesetRest{Rules: append([]Rule{}, set.Rules...),
		Conditions: map[string]any{"ref_name": map[string]any{"include": list(set.Include), "exclude": list(set.Exclude)}}}
	if set.org != nil {
		names := list(set.Repositories)
		if len(names) == 0 {
			names = []string{"~ALL"}
		}
		rest.Conditions["repository_name"] = map[string]any{"include": names, "exclude": []string{}}
	}
	if c == nil || (c.actor.kind == installationToken && c.actor.permitted([]string{"administration:write"})) || s.isAdmin(c.actor, c.repo) {
		rest.Bypass = append([]BypassActor{}, set.Bypass...)
	}
	if c != nil {
		rest.CanBypass = "never"
		switch {
		case c.actor.user != nil && s.bypasses(c.actor, c.repo, set, pushing):
			rest.CanBypass = "always"
		case c.actor.user != nil && s.bypasses(c.actor, c.repo, set, merging):
			rest.CanBypass = "pull_requests_only"
		}
	}
	out.rulesetRest = rest
	return out
}

// missingKeys says which of the keys an object lacks, in GitHub's words.
func missingKeys(raw []byte, keys ...string) string {
	var have map[string]json.RawMessage
	_ = json.Unmarshal(raw, &have) // was read before; an empty body has no keys
	var out []string
	for _, k := range keys {
		if _, ok := have[k]; !ok {
			out = append(out, fmt.Sprintf("%q", k))
		}
	}
	switch len(out) {
	case 0:
		return ""
	case 1:
		return out[0] + " wasn't supplied."
	default:
		return strings.Join(out, ", ") + " weren't supplied."
	}
}
