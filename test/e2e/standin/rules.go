package standin

import (
	"regexp"
	"slices"
	"strings"
	"time"
)

// Protection is a classic branch protection rule of one branch.
type Protection struct {
	Checks        *RequiredChecks
	Reviews       *RequiredReviews
	Restrictions  *Actors // only they may push; nil restricts nobody
	EnforceAdmins bool    // without it, admins are bound by nothing of this rule

	LinearHistory          bool
	RequireSignatures      bool
	AllowForcePushes       bool
	AllowDeletions         bool
	BlockCreations         bool
	ConversationResolution bool
	LockBranch             bool
}

// RequiredChecks must have passed on the head. Strict wants the head to contain the base as well.
type RequiredChecks struct {
	Strict bool
	Checks []RequiredCheck
}

// RequiredCheck is a check run or status by name; AppID 0 takes it from anybody.
type RequiredCheck struct {
	Context string
	AppID   int64
}

// RequiredReviews are the pull request settings of a protection rule.
type RequiredReviews struct {
	Count        int  // 0 to 6
	DismissStale bool // dismiss approvals when the diff changes
	CodeOwners   bool // CODEOWNERS of the base branch have to approve
	LastPush     bool // somebody other than the last pusher has to approve after the push
	Dismissers   *Actors
	Bypass       *Actors // may merge and push without a review
}

// Actors are people by login, teams by slug and Apps by slug.
type Actors struct{ Users, Teams, Apps []string }

// protection is a stored rule.
type protection struct {
	Protection
	id               int64
	branch           string
	created, updated time.Time
}

// Ruleset is a set of rules of a repository, or of an organisation for its repositories.
type Ruleset struct {
	Name        string
	Enforcement string   // active when empty; evaluate and disabled rules bind nobody
	Include     []string // refs: refs/heads/main, patterns, ~DEFAULT_BRANCH, ~ALL; the default branch when empty
	Exclude     []string
	// Repositories names those of an organisation's ruleset, patterns allowed; all when empty.
	Repositories []string
	Bypass       []BypassActor
	Rules        []Rule
}

// BypassActor may go past a ruleset. ActorType is Integration, OrganizationAdmin, RepositoryRole (IDs 2
// maintain, 4 write, 5 admin), Team or User; Mode is always or pull_request.
type BypassActor struct {
	ActorID   int64  `json:"actor_id"`
	ActorType string `json:"actor_type"`
	Mode      string `json:"bypass_mode"`
}

// Rule is one rule: Parameters is one of the *Rule types below, or any object for rules that the
// stand-in lists without enforcing them.
type Rule struct {
	Type       string `json:"type"`
	Parameters any    `json:"parameters,omitempty"`
}

// PullRequestRule are the parameters of a rule of type pull_request.
type PullRequestRule struct {
	AllowedMergeMethods []string `json:"allowed_merge_methods,omitempty"`
	DismissStale        bool     `json:"dismiss_stale_reviews_on_push"`
	CodeOwners          bool     `json:"require_code_owner_review"`
	LastPush            bool     `json:"require_last_push_approval"`
	Count               int      `json:"required_approving_review_count"`
	ThreadResolution    bool     `json:"required_review_thread_resolution"`
}

// StatusChecksRule are the parameters of a rule of type required_status_checks.
type StatusChecksRule struct {
	SkipOnCreate bool              `json:"do_not_enforce_on_create"`
	Checks       []StatusCheckRule `json:"required_status_checks"`
	Strict       bool              `json:"strict_required_status_checks_policy"`
}

// StatusCheckRule is one required check of a ruleset.
type StatusCheckRule struct {
	Context string `json:"context"`
	AppID   int64  `json:"integration_id,omitempty"`
}

// MergeQueueRule are the parameters of a rule of type merge_queue.
type MergeQueueRule struct {
	CheckResponseTimeoutMinutes  int    `json:"check_response_timeout_minutes"`
	GroupingStrategy             string `json:"grouping_strategy"`
	MaxEntriesToBuild            int    `json:"max_entries_to_build"`
	MaxEntriesToMerge            int    `json:"max_entries_to_merge"`
	MergeMethod                  string `json:"merge_method"`
	MinEntriesToMerge            int    `json:"min_entries_to_merge"`
	MinEntriesToMergeWaitMinutes int    `json:"min_entries_to_merge_wait_minutes"`
}

// ruleset is a stored ruleset; its source is a repository or an organisation.
type ruleset struct {
	Ruleset
	id               int64
	repo             *repository
	org              *account
	created, updated time.Time
}

// branchRules is what binds one actor on one branch.
type branchRules struct {
	pullRequest  bool // changes go through a pull request
	count        int
	dismissStale bool
	codeOwners   bool
	lastPush     bool
	checks       []RequiredCheck
	strict       bool
	linear       bool
	signatures   bool
	noForce      bool
	noDelete     bool
	noCreate     bool
	noUpdate     bool
	locked       bool
	unauthorized bool // pushing is for others
	queue        bool
	methods      []string // allowed ways to merge; nil is all
	ruleset      bool     // a ruleset said so, which changes GitHub's texts
}

// deed is what an actor is about to do to a branch.
type deed int

const (
	merging deed = iota
	pushing
)

// rulesOn adds up what binds an actor; nil asks what binds everybody who has no bypass. It needs Server.mu.
func (s *Server) rulesOn(r *repository, branch string, a *actor, what deed) branchRules {
	var out branchRules
	if p := r.protection[branch]; p != nil && (p.EnforceAdmins || !s.isAdmin(a, r)) {
		out.addProtection(s, p, a, r)
	}
	for _, set := range s.rulesetsOn(r, branch) {
		if !s.bypasses(a, r, set, what) {
			for _, rule := range set.Rules {
				out.addRule(rule)
			}
		}
	}
	return out
}

func (b *branchRules) addProtection(s *Server, p *protection, a *actor, r *repository) {
	if c := p.Checks; c != nil {
		b.checks, b.strict = append(b.checks, c.Checks...), c.Strict
	}
	if v := p.Reviews; v != nil && !s.among(a, r, v.Bypass) {
		b.pullRequest, b.count, b.dismissStale, b.codeOwners, b.lastPush = true, v.Count, v.DismissStale, v.CodeOwners, v.LastPush
	}
	b.linear, b.signatures, b.locked = p.LinearHistory, p.RequireSignatures, p.LockBranch
	b.noForce, b.noDelete = !p.AllowForcePushes, !p.AllowDeletions
	b.unauthorized = p.Restrictions != nil && !s.among(a, r, p.Restrictions)
	b.noCreate = p.BlockCreations && b.unauthorized
}

func (b *branchRules) addRule(rule Rule) {
	b.ruleset = true
	switch rule.Type {
	case "pull_request":
		b.pullRequest = true
		p, _ := rule.Parameters.(PullRequestRule)
		b.count = max(b.count, p.Count)
		b.dismissStale, b.codeOwners, b.lastPush = b.dismissStale || p.DismissStale, b.codeOwners || p.CodeOwners, b.lastPush || p.LastPush
		if p.AllowedMergeMethods != nil {
			b.methods = p.AllowedMergeMethods
		}
	case "required_status_checks":
		p, _ := rule.Parameters.(StatusChecksRule)
		for _, c := range p.Checks {
			b.checks = append(b.checks, RequiredCheck(c))
		}
		b.strict = b.strict || p.Strict
	case "non_fast_forward":
		b.noForce = true
	case "deletion":
		b.noDelete = true
	case "creation":
		b.noCreate = true
	case "update":
		b.noUpdate = true
	case "required_linear_history":
		b.linear = true
	case "required_signatures":
		b.signatures = true
	case "merge_queue":
		b.queue = true
	}
}

func (s *Server) isAdmin(a *actor, r *repository) bool {
	return a != nil && a.kind == userToken && s.roleOf(a.user, r) == roleAdmin
}

// among tells whether the actor is one of the listed ones; nobody is among nil.
func (s *Server) among(a *actor, r *repository, list *Actors) bool {
	if a == nil || list == nil {
		return false
	}
	if a.kind == installationToken {
		return slices.Contains(list.Apps, a.app.slug)
	}
	if slices.ContainsFunc(list.Users, func(login string) bool { return strings.EqualFold(login, a.user.login) }) {
		return true
	}
	return slices.ContainsFunc(list.Teams, func(slug string) bool {
		t := r.owner.team(slug)
		return t != nil && t.includes(a.user)
	})
}

// roleIDs are GitHub's numbers of repository roles.
var roleIDs = map[int64]role{2: roleMaintain, 4: roleWrite, 5: roleAdmin}

func (s *Server) bypasses(a *actor, r *repository, set *ruleset, what deed) bool {
	if a == nil {
		return false
	}
	for _, b := range set.Bypass {
		if b.Mode == "pull_request" && what != merging {
			continue
		}
		switch b.ActorType {
		case "Integration":
			if a.app != nil && a.app.id == b.ActorID {
				return true
			}
		case "OrganizationAdmin":
			if a.kind == userToken && r.owner.owners[a.user.id] {
				return true
			}
		case "RepositoryRole":
			if need, ok := roleIDs[b.ActorID]; ok && a.kind == userToken && s.roleOf(a.user, r) >= need {
				return true
			}
		case "User":
			if a.user != nil && a.user.id == b.ActorID {
				return true
			}
		case "Team":
			for _, t := range r.owner.teams {
				if t.id == b.ActorID && a.user != nil && t.includes(a.user) {
					return true
				}
			}
		}
	}
	return false
}

// rulesetsOn are the active rulesets of a branch, the organisation's first; it needs Server.mu.
func (s *Server) rulesetsOn(r *repository, branch string) []*ruleset {
	var out []*ruleset
	for _, set := range slices.Concat(r.owner.rulesets, r.rulesets) {
		if set.Enforcement == "active" && set.covers(r) && set.matches(r, "refs/heads/"+branch) {
			out = append(out, set)
		}
	}
	return out
}

func (set *ruleset) covers(r *repository) bool {
	if set.org == nil {
		return set.repo == r
	}
	return set.org == r.owner && (len(set.Repositories) == 0 ||
		slices.ContainsFunc(set.Repositories, func(p string) bool { return p == "~ALL" || matchRef(p, r.name) }))
}

func (set *ruleset) matches(r *repository, ref string) bool {
	hit := func(p string) bool {
		return p == "~ALL" || (p == "~DEFAULT_BRANCH" && ref == "refs/heads/"+r.defaultBranch) || matchRef(p, ref)
	}
	return slices.ContainsFunc(set.Include, hit) && !slices.ContainsFunc(set.Exclude, hit)
}

// matchRef is fnmatch as GitHub uses it: * and ? stay within a path segment, ** does not. As an
// expression of package regexp it takes time in proportion to its text, whoever wrote it.
func matchRef(pattern, ref string) bool {
	var re strings.Builder
	re.WriteString(`^(?s:`)
	for pattern != "" {
		switch {
		case strings.HasPrefix(pattern, "**/"):
			re.WriteString(`(?:.*/)?`)
			pattern = pattern[3:]
			continue
		case strings.HasPrefix(pattern, "**"):
			re.WriteString(`.*`)
			pattern = pattern[2:]
			continue
		case pattern[0] == '*':
			re.WriteString(`[^/]*`)
		case pattern[0] == '?':
			re.WriteString(`[^/]`)
		default:
			re.WriteString(regexp.QuoteMeta(pattern[:1]))
		}
		pattern = pattern[1:]
	}
	compiled, err := regexp.Compile(re.String() + `)$`)
	return err == nil && compiled.MatchString(ref)
}

// protected tells whether any rule holds on the branch; it needs Server.mu.
func (s *Server) protected(r *repository, branch string) bool {
	return r.protection[branch] != nil || len(s.rulesetsOn(r, branch)) > 0
}
