package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/argo-gatekeeper/gatekeeper/internal/config"
	"github.com/argo-gatekeeper/gatekeeper/internal/inspect"
	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
)

// loadGates reads the gates that the flags ask for.
func loadGates(o inspectOptions) ([]approval.Policy, error) {
	policies, err := config.LoadGates(o.config)
	if err != nil || len(o.gates) == 0 {
		return policies, err
	}
	var chosen []approval.Policy
	for _, name := range o.gates {
		i := slices.IndexFunc(policies, func(p approval.Policy) bool { return p.Gate == name })
		if i < 0 {
			var names []string
			for _, p := range policies {
				names = append(names, p.Gate)
			}
			return nil, fmt.Errorf("--gate %q is none of the configuration, which has: %s: %w", name, strings.Join(names, ", "), errUsage)
		}
		if !slices.ContainsFunc(chosen, func(p approval.Policy) bool { return p.Gate == name }) {
			chosen = append(chosen, policies[i])
		}
	}
	return chosen, nil
}

// inspectGates finds the gates to judge by, and what each covers in the repository.
func inspectGates(o inspectOptions, remotes []string) ([]inspect.Gate, error) {
	policies, err := loadGates(o)
	if err != nil {
		return nil, err
	}
	name, err := repositoryName(o, policies, remotes)
	if err != nil {
		return nil, err
	}
	var gates []inspect.Gate
	for _, p := range policies {
		if r, ok := p.Repository(name); ok {
			gates = append(gates, inspect.Gate{Name: p.Gate, Repository: r})
		} else if len(o.gates) > 0 {
			return nil, fmt.Errorf("gate %s does not have the repository %s", p.Gate, name)
		}
	}
	if len(gates) == 0 {
		return nil, fmt.Errorf("no gate of %s has the repository %s", o.config, name)
	}
	return gates, nil
}

// repositoryName says which protected repository this is: the one that was named,
// that of the remotes, or the only one that there is.
func repositoryName(o inspectOptions, policies []approval.Policy, remotes []string) (approval.RepositoryName, error) {
	if o.repository != "" {
		name, err := approval.ParseRepositoryName(o.repository)
		if err != nil {
			return "", fmt.Errorf("--repository: %w: %w", err, errUsage)
		}
		return name, nil
	}
	var known, matching []approval.RepositoryName
	for _, p := range policies {
		for _, r := range p.Repositories {
			if slices.ContainsFunc(known, r.Name.Equal) {
				continue
			}
			known = append(known, r.Name)
			if slices.ContainsFunc(remotes, func(url string) bool { return r.Name.Equal(remoteName(url)) }) {
				matching = append(matching, r.Name)
			}
		}
	}
	switch {
	case len(matching) == 1:
		return matching[0], nil
	case len(matching) == 0 && len(known) == 1:
		return known[0], nil
	default:
		names := make([]string, len(known))
		for i, n := range known {
			names[i] = string(n)
		}
		return "", fmt.Errorf("the remotes do not say which repository of the configuration this is; name it with --repository, one of: %s: %w", strings.Join(names, ", "), errUsage)
	}
}

// remoteName is owner/name at the end of a remote's URL: https://host/owner/name.git
// or git@host:owner/name.git.
func remoteName(url string) approval.RepositoryName {
	parts := strings.FieldsFunc(strings.TrimSuffix(strings.TrimRight(url, "/"), ".git"), func(r rune) bool { return r == '/' || r == ':' })
	if len(parts) < 2 {
		return ""
	}
	name, err := approval.ParseRepositoryName(parts[len(parts)-2] + "/" + parts[len(parts)-1])
	if err != nil {
		return ""
	}
	return name
}
