package standin

import (
	"errors"
	"fmt"
	"slices"
)

// SetProtection protects a branch, or changes how it is protected; the Apps hear of it as
// branch_protection_rule. What it forbids is refused from then on, over HTTP, git and control calls.
func (s *Server) SetProtection(repo, branch string, p Protection) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	r := s.names[fold(repo)]
	if r == nil || branch == "" {
		return fmt.Errorf("protect %q of %s: no such repository, or no branch", branch, repo)
	}
	s.protect(r, s.someOwner(r.owner), branch, p)
	return nil
}

// protect needs Server.mu.
func (s *Server) protect(r *repository, sender *account, branch string, p Protection) *protection {
	if r.protection == nil {
		r.protection = map[string]*protection{}
	}
	old, action := r.protection[branch], "edited"
	made := &protection{Protection: p, branch: branch, updated: s.now()}
	if old == nil {
		made.id, made.created, action = s.nextID("protection"), s.now(), "created"
	} else {
		made.id, made.created = old.id, old.created
	}
	r.protection[branch] = made
	s.rulesChanged(r)
	payload := map[string]any{"rule": s.protectionRule(r, made)}
	if old != nil {
		payload["changes"] = protectionChanges(old, made)
	}
	s.emit(r, sender, "branch_protection_rule", action, payload)
	return made
}

// RemoveProtection takes the protection of a branch away.
func (s *Server) RemoveProtection(repo, branch string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	r := s.names[fold(repo)]
	if r == nil || r.protection[branch] == nil {
		return fmt.Errorf("unprotect %q of %s: it is not protected", branch, repo)
	}
	s.unprotect(r, s.someOwner(r.owner), branch)
	return nil
}

// unprotect needs Server.mu.
func (s *Server) unprotect(r *repository, sender *account, branch string) {
	p := r.protection[branch]
	delete(r.protection, branch)
	s.rulesChanged(r)
	s.emit(r, sender, "branch_protection_rule", "deleted", map[string]any{"rule": s.protectionRule(r, p)})
}

// rulesChanged has open pull requests looked at again; it needs Server.mu.
func (s *Server) rulesChanged(repos ...*repository) {
	for _, r := range repos {
		for _, pr := range r.pulls {
			pr.stale = pr.stale || pr.state() == "open"
		}
	}
}

var errRuleset = errors.New("the ruleset cannot be stored")

// checkParameters holds rules that are enforced to their parameter types.
func checkParameters(rules []Rule) error {
	for _, rule := range rules {
		ok := true
		switch rule.Type {
		case "pull_request":
			_, ok = rule.Parameters.(PullRequestRule)
		case "required_status_checks":
			_, ok = rule.Parameters.(StatusChecksRule)
		case "merge_queue":
			_, ok = rule.Parameters.(MergeQueueRule)
		case "":
			ok = false
		}
		if !ok {
			return fmt.Errorf("rule %q with %T: %w", rule.Type, rule.Parameters, errRuleset)
		}
	}
	return nil
}

// SetRuleset creates or replaces, by name, a ruleset of a repository ("owner/name") or an organisation
// ("login"), and returns its ID; the Apps hear of it as repository_ruleset.
func (s *Server) SetRuleset(source string, set Ruleset) (int64, error) {
	if set.Enforcement == "" {
		set.Enforcement = "active"
	}
	if len(set.Include) == 0 {
		set.Include = []string{"~DEFAULT_BRANCH"}
	}
	if !slices.Contains([]string{"active", "evaluate", "disabled"}, set.Enforcement) || set.Name == "" {
		return 0, fmt.Errorf("ruleset %q, enforcement %q: %w", set.Name, set.Enforcement, errRuleset)
	}
	set.Bypass = slices.Clone(set.Bypass)
	for i := range set.Bypass {
		if set.Bypass[i].Mode == "" {
			set.Bypass[i].Mode = "always"
		}
	}
	if err := checkParameters(set.Rules); err != nil {
		return 0, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	made := &ruleset{Ruleset: set, updated: s.now(), created: s.now()}
	list, err := s.rulesetsOf(source, made)
	if err != nil {
		return 0, err
	}
	action := "created"
	if i := slices.IndexFunc(*list, func(other *ruleset) bool { return other.Name == set.Name }); i >= 0 {
		made.id, made.created, action = (*list)[i].id, (*list)[i].created, "edited"
		(*list)[i] = made
	} else {
		made.id = s.nextID("ruleset")
		*list = append(*list, made)
	}
	s.announceRuleset(made, action)
	return made.id, nil
}

// RemoveRuleset deletes a ruleset by name.
func (s *Server) RemoveRuleset(source, name string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	list, err := s.rulesetsOf(source, &ruleset{})
	if err != nil {
		return err
	}
	i := slices.IndexFunc(*list, func(other *ruleset) bool { return other.Name == name })
	if i < 0 {
		return fmt.Errorf("no ruleset %q of %s", name, source)
	}
	gone := (*list)[i]
	*list = slices.Delete(*list, i, i+1)
	s.announceRuleset(gone, "deleted")
	return nil
}

// rulesetsOf finds the list of a source and notes the source in the ruleset; it needs Server.mu.
func (s *Server) rulesetsOf(source string, set *ruleset) (*[]*ruleset, error) {
	if r := s.names[fold(source)]; r != nil {
		set.repo = r
		return &r.rulesets, nil
	}
	o, err := s.org(source)
	if err != nil {
		return nil, fmt.Errorf("rulesets of %s: no such repository or organization", source)
	}
	set.org = o
	return &o.rulesets, nil
}

// announceRuleset needs Server.mu.
func (s *Server) announceRuleset(set *ruleset, action string) {
	payload := map[string]any{"repository_ruleset": s.fullRuleset(set, nil)}
	if action == "edited" {
		payload["changes"] = map[string]any{}
	}
	if set.repo != nil {
		s.rulesChanged(set.repo)
		s.emit(set.repo, s.someOwner(set.repo.owner), "repository_ruleset", action, payload)
		return
	}
	for _, r := range s.repos {
		if set.covers(r) {
			s.rulesChanged(r)
		}
	}
	s.emitOrg(set.org, "repository_ruleset", action, payload)
}
