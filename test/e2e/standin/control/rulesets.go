package control

import (
	"context"
	"encoding/json"

	"github.com/argo-gatekeeper/gatekeeper/test/e2e/standin"
	"github.com/argo-gatekeeper/gatekeeper/test/e2e/standin/control/wire"
)

func (a *API) rulesetOperations() []operation {
	return []operation{
		op("PUT", "rulesets", "create or replace, by name, a ruleset of a repository or an organization", "Server.SetRuleset", a.setRuleset),
	}
}

type inRuleset struct {
	Source       string `wire:"required" doc:"owner/name, or the login of an organization"`
	Name         string `wire:"required" doc:"of the ruleset"`
	Enforcement  string `doc:"active when empty; evaluate, disabled"`
	Include      []string
	Exclude      []string
	Repositories []string `doc:"of an organization's ruleset; all when empty"`
	Bypass       []standin.BypassActor
	Rules        []inRule
}

type inRule struct {
	Type       string          `wire:"required" doc:"pull_request, required_status_checks, merge_queue, or another of GitHub's"`
	Parameters json.RawMessage `doc:"of that type; any object for rules that are listed and not enforced"`
}

func (a *API) setRuleset(_ context.Context, in inRuleset) (NewID, error) {
	set := standin.Ruleset{Name: in.Name, Enforcement: in.Enforcement, Include: in.Include, Exclude: in.Exclude, Repositories: in.Repositories, Bypass: in.Bypass}
	for i, one := range in.Rules {
		rule, err := one.rule()
		if err != nil {
			return NewID{}, problemf(400, "rules[%d].parameters: %v", i, err)
		}
		set.Rules = append(set.Rules, rule)
	}
	return newID(a.s.SetRuleset(in.Source, set))
}

// rule reads the parameters as the type of the rule wants them.
func (r inRule) rule() (standin.Rule, error) {
	out := standin.Rule{Type: r.Type}
	if len(r.Parameters) == 0 {
		return out, nil
	}
	var err error
	switch r.Type {
	case "pull_request":
		out.Parameters, err = parameters[standin.PullRequestRule](r.Parameters)
	case "required_status_checks":
		out.Parameters, err = parameters[standin.StatusChecksRule](r.Parameters)
	case "merge_queue":
		out.Parameters, err = parameters[standin.MergeQueueRule](r.Parameters)
	default:
		var other map[string]any
		err = json.Unmarshal(r.Parameters, &other)
		out.Parameters = other
	}
	return out, err
}

func parameters[T any](raw json.RawMessage) (out T, err error) {
	err = wire.Unmarshal(raw, &out)
	return out, err
}
