package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/argo-gatekeeper/gatekeeper/internal/config"
	"github.com/argo-gatekeeper/gatekeeper/internal/inspect"
	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
)

// chosenGate is a gate of the configuration with its policy.
type chosenGate struct {
	config config.Gate
	policy approval.Policy
}

// loadGates reads the gates that the flags ask for.
func loadGates(o inspectOptions) (config.Config, []chosenGate, error) {
	cfg, err := config.LoadGates(o.config)
	if err != nil {
		return config.Config{}, nil, err
	}
	var all, chosen []chosenGate
	for i, p := range cfg.Policies {
		all = append(all, chosenGate{cfg.File.Gates[i], p})
	}
	if len(o.gates) == 0 {
		return cfg, all, nil
	}
	for _, name := range o.gates {
		named := func(g chosenGate) bool { return g.policy.Gate == name }
		i := slices.IndexFunc(all, named)
		if i < 0 {
			var names []string
			for _, g := range all {
				names = append(names, g.policy.Gate)
			}
			return config.Config{}, nil, fmt.Errorf("--gate %q is none of the configuration, which has: %s: %w", name, strings.Join(names, ", "), errUsage)
		}
		if !slices.ContainsFunc(chosen, named) {
			chosen = append(chosen, all[i])
		}
	}
	return cfg, chosen, nil
}

// inspectGates finds the gates to judge by, what each covers in the repository, and
// whose signatures it takes. The warning, if any, is why signatures are not verified.
func inspectGates(o inspectOptions, remotes []string) (gates []inspect.Gate, warning string, err error) {
	cfg, chosen, err := loadGates(o)
	if err != nil {
		return nil, "", err
	}
	name, err := repositoryName(o, chosen, remotes)
	if err != nil {
		return nil, "", err
	}
	for _, g := range chosen {
		r, ok := g.policy.Repository(name)
		if !ok && len(o.gates) > 0 {
			return nil, "", fmt.Errorf("gate %s does not have the repository %s", g.policy.Gate, name)
		}
		if !ok {
			continue
		}
		classifier := inspect.ImageClassifier{Policy: &g.policy}
		one := inspect.Gate{Name: g.policy.Gate, Repository: r}
		if g.config.Image != nil {
			if classifier.Rules, err = imageRules(g.config.Image); err != nil {
				return nil, "", err
			}
			if one.Signers, err = offlineSigners(cfg, g); err != nil && warning == "" {
				warning = fmt.Sprintf("signatures are not verified: gate %s: %s", g.policy.Gate, err)
			}
		}
		one.Classifier = classifier
		gates = append(gates, one)
	}
	if len(gates) == 0 {
		return nil, "", fmt.Errorf("no gate of %s has the repository %s", o.config, name)
	}
	if warning != "" {
		for i := range gates {
			gates[i].Signers = nil // half of the gates could not call a signature trusted
		}
	}
	return gates, warning, nil
}

// offlineSigners verify with the keys of a gate's signers. Whom GitHub alone can
// vouch for cannot be told offline.
func offlineSigners(cfg config.Config, g chosenGate) (inspect.Signers, error) {
	for _, s := range g.policy.Image.Signers {
		if s.GitHubTrusted {
			return nil, fmt.Errorf("only GitHub can say what signer %s signed", s.Name)
		}
	}
	keys, err := cfg.PublicKeysOf(g.config)
	if err != nil {
		return nil, err
	}
	verifier, err := signers(cfg, keys, g.config.Image.Signers)
	if err != nil {
		return nil, err
	}
	return verifier, nil
}

// repositoryName says which protected repository this is: the one that was named,
// that of the remotes, or the only one that there is.
func repositoryName(o inspectOptions, gates []chosenGate, remotes []string) (approval.RepositoryName, error) {
	if o.repository != "" {
		name, err := approval.ParseRepositoryName(o.repository)
		if err != nil {
			return "", fmt.Errorf("--repository: %w: %w", err, errUsage)
		}
		return name, nil
	}
	var known, matching []approval.RepositoryName
	for _, g := range gates {
		for _, r := range g.policy.Repositories {
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
