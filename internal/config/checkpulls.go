package config

import (
	"net/url"
	"slices"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v4"
)

// maxEnvironment is what GitHub allows in the name of an environment.
const maxEnvironment = 255

// maxLabelled is the longest name of a gate that fits into a label.
const maxLabelled = 29

// pulls checks what a gate shows of pull requests on GitHub.
func (c *checker) pulls(g Gate, n *yaml.Node) {
	d := g.Deployments
	at := at(n, "deployments")
	if !utf8.ValidString(d.Environment) || len(d.Environment) > maxEnvironment || strings.ContainsFunc(d.Environment, func(r rune) bool { return r < 0x20 || r == 0x7f }) {
		c.add(at, "deployments.environment must be one line of at most %d bytes", maxEnvironment)
	}
	c.link(d.URL, at, "deployments.url")
	if g.Labels && len(g.Name) > maxLabelled {
		c.add(child(n, "labels"), "the name of gate %q is too long for labels, which GitHub limits; use at most %d characters, or leave labels out", g.Name, maxLabelled)
	}
	switch g.ReviewRequests {
	case "", "none", "people", "team":
	default:
		c.add(child(n, "reviewRequests"), "reviewRequests %q is none of none, people, team", g.ReviewRequests)
	}
}

// environments refuses two gates that would show the same repository under one name:
// each would take the place of the other's deployments.
func (c *checker) environments(gates []Gate, root *yaml.Node) {
	for i, g := range gates {
		for _, other := range gates[:i] {
			if g.Deployments.Off || other.Deployments.Off || g.Environment() != other.Environment() || g.Name == other.Name {
				continue
			}
			if slices.ContainsFunc(g.Repositories, func(r Repository) bool {
				return slices.ContainsFunc(other.Repositories, func(o Repository) bool { return strings.EqualFold(r.Repository, o.Repository) })
			}) {
				c.add(at(root, "gates", i, "deployments", "environment"),
					"gates %q and %q would show deployments of one repository under the same environment %q; give each its own", other.Name, g.Name, g.Environment())
			}
		}
	}
}

// link checks an address that is shown to people; empty is none.
func (c *checker) link(raw string, n *yaml.Node, what string) {
	if raw == "" {
		return
	}
	u, err := url.Parse(raw)
	if err != nil || u.Host == "" || u.User != nil || (u.Scheme != "https" && u.Scheme != "http") || len(raw) > 1000 {
		c.add(n, "%s must be an address such as https://shop.example.com, without a password", what)
	}
}

// Environment is GitHub's name for what the gate protects.
func (g Gate) Environment() string {
	if g.Deployments.Environment != "" {
		return g.Deployments.Environment
	}
	return g.Name
}
