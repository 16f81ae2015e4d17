package config

import (
	"net"
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v4"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
	"github.com/argo-gatekeeper/gatekeeper/pkg/approval/appname"
	"github.com/argo-gatekeeper/gatekeeper/pkg/approval/imagediff"
)

// image checks what a gate says about images.
func (c *checker) image(i *Image, gate string, n *yaml.Node) *approval.ImagePolicy {
	if i == nil {
		return nil
	}
	p := &approval.ImagePolicy{
		Downgrade:     c.handling(i.Downgrade, approval.HandleEscalate, at(n, "downgrade"), "downgrade"),
		MutableTag:    c.handling(i.MutableTag, approval.HandleRefuse, at(n, "mutableTag"), "mutableTag"),
		RequireDigest: i.RequireDigest,
	}
	if len(i.Requirements) == 0 {
		c.add(at(n, "requirements"), "the image quorum of gate %q requires no approval; write image.requirements with at least one entry", gate)
	}
	for k, r := range i.Requirements {
		p.Requirements = append(p.Requirements, c.requirement(r, at(n, "requirements", k)))
	}
	if len(i.Requirements) > 0 && !slices.ContainsFunc(i.Requirements, func(r Requirement) bool { return len(r.Paths) == 0 }) {
		c.add(at(n, "requirements"), "every requirement of the image quorum of gate %q is limited to paths, so other images could never be approved; add one without paths", gate)
	}
	if len(i.Signers) == 0 {
		c.add(at(n, "signers"), "nobody may sign changes of images of gate %q, so none could ever be approved; write image.signers with at least one entry", gate)
	}
	for k, s := range i.Signers {
		p.Signers = append(p.Signers, c.signer(s, i.Signers[:k], at(n, "signers", k)))
	}
	for k, v := range i.Verify {
		p.Verify = append(p.Verify, c.imageKeys(v, at(n, "verify", k)))
	}
	for k, pattern := range i.Values {
		if !approval.ValidPattern(pattern) {
			c.add(at(n, "values", k), "the path %q is not a pattern such as envs/**/values.yaml", pattern)
		}
	}
	for k, text := range i.Paths {
		if _, err := imagediff.ParsePattern(text); err != nil {
			c.add(at(n, "paths", k), "%s", err)
		}
	}
	if i.ProvenIn != nil {
		p.ProvenIn = c.provenIn(*i.ProvenIn, at(n, "provenIn"))
	}
	return p
}

func (c *checker) handling(text string, otherwise approval.Handling, n *yaml.Node, key string) approval.Handling {
	switch h := approval.Handling(text); h {
	case "":
		return otherwise
	case approval.HandleAllow, approval.HandleEscalate, approval.HandleRefuse:
		return h
	default:
		c.add(n, "%s %q is none of allow, escalate, refuse", key, text)
		return approval.HandleRefuse
	}
}

func (c *checker) signer(s Signer, before []Signer, n *yaml.Node) approval.Signer {
	c.named(People{Users: s.Users}, n)
	keys := len(s.OpenPGP) + len(s.SSH) + len(s.AllowedSigners)
	switch {
	case !gateName.MatchString(s.Name):
		c.add(at(n, "name"), "the signer's name %q must consist of at most 40 lower-case letters, digits and dashes, for example renovate", s.Name)
	case slices.ContainsFunc(before, func(o Signer) bool { return o.Name == s.Name }):
		c.add(at(n, "name"), "signer %q exists twice; give each signer a name of its own", s.Name)
	}
	switch {
	case keys == 0 && !s.GitHubTrusted:
		c.add(n, "signer %q has no key; write openpgp, ssh or allowedSigners with files of public keys", s.Name)
	case keys > 0 && s.GitHubTrusted:
		c.add(at(n, "githubTrusted"), "signer %q has keys and trusts GitHub, which would make the keys worthless; make it two signers", s.Name)
	case s.GitHubTrusted && len(s.Users) == 0:
		c.add(n, "signer %q trusts GitHub, but names nobody; write users: [login] for whom to trust it", s.Name)
	}
	return approval.Signer{Name: s.Name, Users: s.Users, GitHubTrusted: s.GitHubTrusted}
}

func (c *checker) imageKeys(k ImageKeys, n *yaml.Node) approval.ImageKeys {
	if !gateName.MatchString(k.Name) {
		c.add(at(n, "name"), "the keys' name %q must consist of at most 40 lower-case letters, digits and dashes, for example build", k.Name)
	}
	if len(k.Repositories) == 0 {
		c.add(at(n, "repositories"), "these keys are for no repository; write for example repositories: [ghcr.io/acme/**]")
	}
	for i, r := range k.Repositories {
		host, _, found := strings.Cut(r, "/")
		if !approval.ValidPattern(r) || !found || strings.ContainsAny(host, "*?[") || !strings.ContainsAny(host, ".:") && host != "localhost" {
			c.add(at(n, "repositories", i), "the repository %q must begin with a registry, without a wildcard in it, for example ghcr.io/acme/** or docker.io/library/redis", r)
		}
	}
	if len(k.Keys) == 0 {
		c.add(at(n, "keys"), "there is no key, so no image could ever be verified; write keys: [cosign.pub]")
	}
	return approval.ImageKeys{Name: k.Name, Repositories: k.Repositories}
}

// maxSoak bounds how long an image can be asked to run elsewhere first.
const maxSoak = 30 * 24 * time.Hour

func (c *checker) provenIn(p ProvenIn, n *yaml.Node) *approval.ProvenIn {
	if p.From == "" {
		c.add(at(n, "from"), "from is missing; write how the gate's Applications are called, for example \"{{ .Service }}-prod\"")
	} else if _, err := appname.New(appname.Rule{From: p.From, To: p.Application, Namespace: p.Namespace}); err != nil {
		c.add(n, "%s; write for example from: \"{{ .Service }}-prod\" and application: \"{{ .Service }}-stage\"", err)
	}
	switch {
	case p.From == p.Application && p.Namespace == "":
		c.add(at(n, "application"), "an Application cannot prove its own images; name another one than from")
	case p.Soak <= 0 || p.Soak > maxSoak:
		c.add(at(n, "soak"), "soak must be a time of at most 720h, for example 30m")
	}
	return &approval.ProvenIn{Application: p.Application, Soak: p.Soak}
}

func (c *checker) registries(r Registries, n *yaml.Node) {
	for i, h := range r.Hosts {
		at := at(n, "hosts", i)
		host, _, err := net.SplitHostPort(h.Host)
		if err != nil {
			host = h.Host
		}
		switch {
		case h.Host == "" || strings.ContainsAny(h.Host, "/@ "):
			c.add(at, "host %q must be the name of a registry, for example ghcr.io", h.Host)
		case slices.ContainsFunc(r.Hosts[:i], func(o RegistryHost) bool { return o.Host == h.Host }):
			c.add(at, "registry %q is listed twice", h.Host)
		case h.Plaintext && !loopback(host):
			c.add(at, "registry %q would be talked to without TLS, which is accepted for a loopback address only", h.Host)
		}
	}
}
