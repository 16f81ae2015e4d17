package standin

import (
	"net/http"
	"net/url"
	"slices"
)

func (s *Server) ruleRoutes() []route {
	branch := repoPath + "/branches/{branch}/protection"
	return []route{
		{method: "GET", pattern: branch, perms: anyOf("administration:read"), role: roleAdmin, closed: true, handle: locked(s.getProtection)},
		{method: "PUT", pattern: branch, perms: anyOf("administration:write"), role: roleAdmin, closed: true, handle: locked(s.putProtection)},
		{method: "DELETE", pattern: branch, perms: anyOf("administration:write"), role: roleAdmin, closed: true, handle: locked(s.deleteProtection)},
		{method: "GET", pattern: repoPath + "/rules/branches/{branch...}", perms: anyOf("metadata:read"), handle: locked(s.listBranchRules)},
		{method: "GET", pattern: repoPath + "/rulesets", perms: anyOf("metadata:read"), handle: locked(s.listRulesets)},
		{method: "GET", pattern: repoPath + "/rulesets/{ruleset_id}", perms: anyOf("metadata:read"), handle: locked(s.getRuleset)},
	}
}

// protectedBranch is the branch of the path.
func (c *call) protectedBranch() (string, error) {
	name := c.r.PathValue("branch")
	if c.repo.branch(name) == "" {
		return "", refuse(http.StatusNotFound, "Branch not found")
	}
	return name, nil
}

func (s *Server) getProtection(c *call) (any, error) {
	name, err := c.protectedBranch()
	if err != nil {
		return nil, err
	}
	if c.repo.protection[name] == nil {
		return nil, refuse(http.StatusNotFound, "Branch not protected")
	}
	return s.protectionJSON(c.repo, c.repo.protection[name]), nil
}

func (s *Server) deleteProtection(c *call) (any, error) {
	name, err := c.protectedBranch()
	if err != nil {
		return nil, err
	}
	if c.repo.protection[name] == nil {
		return nil, refuse(http.StatusNotFound, "Branch not protected")
	}
	s.unprotect(c.repo, c.actor.user, name)
	return noContent()
}

type actorsRequest struct {
	Users []string `json:"users"`
	Teams []string `json:"teams"`
	Apps  []string `json:"apps"`
}

// protectionRequest is the body of PUT …/protection; the first four keys must be there, null or not.
type protectionRequest struct {
	Checks *struct {
		Strict   *bool    `json:"strict"`
		Contexts []string `json:"contexts"`
		Checks   []struct {
			Context string `json:"context"`
			AppID   *int64 `json:"app_id"`
		} `json:"checks"`
	} `json:"required_status_checks"`
	EnforceAdmins *bool `json:"enforce_admins"`
	Reviews       *struct {
		Dismissal    *actorsRequest `json:"dismissal_restrictions"`
		DismissStale bool           `json:"dismiss_stale_reviews"`
		CodeOwners   bool           `json:"require_code_owner_reviews"`
		Count        *int           `json:"required_approving_review_count"`
		LastPush     bool           `json:"require_last_push_approval"`
		Bypass       *actorsRequest `json:"bypass_pull_request_allowances"`
	} `json:"required_pull_request_reviews"`
	Restrictions           *actorsRequest `json:"restrictions"`
	LinearHistory          bool           `json:"required_linear_history"`
	AllowForcePushes       *bool          `json:"allow_force_pushes"`
	AllowDeletions         bool           `json:"allow_deletions"`
	BlockCreations         bool           `json:"block_creations"`
	ConversationResolution bool           `json:"required_conversation_resolution"`
	LockBranch             bool           `json:"lock_branch"`
	AllowForkSyncing       bool           `json:"allow_fork_syncing"`
}

func (s *Server) putProtection(c *call) (any, error) {
	name, err := c.protectedBranch()
	if err != nil {
		return nil, err
	}
	var in protectionRequest
	if err := c.body(&in); err != nil {
		return nil, err
	}
	if missing := missingKeys(c.raw, "required_status_checks", "enforce_admins", "required_pull_request_reviews", "restrictions"); missing != "" {
		return nil, refuse(http.StatusUnprocessableEntity, "Invalid request.\n\n%s", missing)
	}
	p := Protection{EnforceAdmins: in.EnforceAdmins != nil && *in.EnforceAdmins, LinearHistory: in.LinearHistory,
		AllowForcePushes: in.AllowForcePushes != nil && *in.AllowForcePushes, AllowDeletions: in.AllowDeletions,
		BlockCreations: in.BlockCreations, ConversationResolution: in.ConversationResolution, LockBranch: in.LockBranch}
	if old := c.repo.protection[name]; old != nil {
		p.RequireSignatures = old.RequireSignatures // has an endpoint of its own
	}
	if in.Checks != nil {
		p.Checks = &RequiredChecks{Strict: in.Checks.Strict != nil && *in.Checks.Strict}
		for _, one := range in.Checks.Checks {
			check := RequiredCheck{Context: one.Context}
			if one.AppID != nil && *one.AppID > 0 {
				check.AppID = *one.AppID
			}
			p.Checks.Checks = append(p.Checks.Checks, check)
		}
		for _, context := range in.Checks.Contexts {
			if !slices.ContainsFunc(p.Checks.Checks, func(have RequiredCheck) bool { return have.Context == context }) {
				p.Checks.Checks = append(p.Checks.Checks, RequiredCheck{Context: context})
			}
		}
	}
	if in.Reviews != nil {
		p.Reviews = &RequiredReviews{Count: 1, DismissStale: in.Reviews.DismissStale, CodeOwners: in.Reviews.CodeOwners,
			LastPush: in.Reviews.LastPush, Dismissers: in.Reviews.Dismissal.list(), Bypass: in.Reviews.Bypass.list()}
		if in.Reviews.Count != nil {
			p.Reviews.Count = *in.Reviews.Count
		}
		if p.Reviews.Count < 0 || p.Reviews.Count > 6 {
			return nil, refuse(http.StatusUnprocessableEntity, "Invalid request.\n\n%d must be between 0 and 6.", p.Reviews.Count)
		}
	}
	if p.Restrictions = in.Restrictions.list(); p.Restrictions != nil && c.repo.owner.kind != "Organization" {
		return nil, refuse(http.StatusUnprocessableEntity, "Validation Failed: Only organization repositories can have users and team restrictions")
	}
	return s.protectionJSON(c.repo, s.protect(c.repo, c.actor.user, name, p)), nil
}

func (in *actorsRequest) list() *Actors {
	if in == nil {
		return nil
	}
	out := Actors(*in)
	return &out
}

// listBranchRules merges the rules of repository and organisation. Rulesets that are only evaluated
// are left out, and so is who may bypass. Branches need not exist.
func (s *Server) listBranchRules(c *call) (any, error) {
	name := c.r.PathValue("branch")
	if unescaped, err := url.PathUnescape(name); err == nil {
		name = unescaped
	}
	out := []branchRuleJSON{}
	for _, set := range s.rulesetsOn(c.repo, name) {
		kind, source := set.source()
		for _, rule := range set.Rules {
			out = append(out, branchRuleJSON{Rule: rule, SourceType: kind, Source: source, RulesetID: set.id})
		}
	}
	return page(c, out)
}

func (s *Server) listRulesets(c *call) (any, error) {
	parents, err := c.oneOf("includes_parents", "true", "false")
	if err != nil {
		return nil, err
	}
	list := slices.Clone(c.repo.rulesets)
	if parents == "true" {
		for _, set := range c.repo.owner.rulesets {
			if set.covers(c.repo) {
				list = append(list, set)
			}
		}
	}
	if list, err = page(c, list); err != nil {
		return nil, err
	}
	out := []rulesetJSON{}
	for _, set := range list {
		out = append(out, s.ruleset(set))
	}
	return out, nil
}

func (s *Server) getRuleset(c *call) (any, error) {
	id, err := c.id("ruleset_id")
	if err != nil {
		return nil, err
	}
	for _, set := range slices.Concat(c.repo.rulesets, c.repo.owner.rulesets) {
		if set.id == id && set.covers(c.repo) {
			return s.fullRuleset(set, c), nil
		}
	}
	return nil, notFound()
}
