package config

import (
	"net"
	"net/url"
	"regexp"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v4"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
)

// gateName is what may stand in the name of a check run and of a metric.
var gateName = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?$`)

// check tests the meaning of a file and returns the policies of its gates.
func (c *checker) check(f *File, root *yaml.Node) []approval.Policy {
	c.checkURL(f.GitHub.URL, root, "github", "url")
	c.checkURL(f.GitHub.APIURL, root, "github", "apiURL")
	if f.GitHub.AppID <= 0 {
		c.add(at(root, "github", "appID"), "github.appID is missing; write the App ID that GitHub shows on the App's page")
	}
	if f.GitHub.IndexGrace < 0 {
		c.add(at(root, "github", "indexGrace"), "github.indexGrace must not be negative")
	}
	if f.GitHub.MembershipTTL < 0 {
		c.add(at(root, "github", "membershipTTL"), "github.membershipTTL must not be negative")
	}
	if _, _, err := net.SplitHostPort(f.ArgoCD.Server); err != nil {
		c.add(at(root, "argocd", "server"), "argocd.server must be host:port, for example argocd-server.argocd.svc:443")
	}
	c.link(f.ArgoCD.URL, at(root, "argocd", "url"), "argocd.url")
	if _, _, err := net.SplitHostPort(f.Server.Listen); err != nil {
		c.add(at(root, "server", "listen"), "server.listen must be an address such as \":8080\"")
	}
	if f.DataDirectory == "" {
		c.add(at(root, "dataDirectory"), "dataDirectory is missing; write a folder on a volume that is kept, for example /var/lib/gatekeeper")
	}
	c.registries(f.Registries, at(root, "registries"))
	c.enforcement(f.Enforcement, at(root, "enforcement"))
	c.previews(&f.Previews, at(root, "previews"))
	c.record(&f.Record, at(root, "record"))
	c.replicas(f, root)
	c.metrics(f.Metrics, at(root, "metrics"))
	c.api(f.API, at(root, "api"))
	c.tracing(f.Tracing, at(root, "tracing"))
	return c.gates(f, root)
}

func (c *checker) checkURL(raw string, root *yaml.Node, path ...any) {
	u, err := url.Parse(raw)
	switch {
	case err != nil || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "":
		c.add(at(root, path...), "%s must be a URL such as https://github.com", dotted(path))
	case u.Scheme == "https":
	case u.Scheme == "http" && loopback(u.Hostname()):
	default:
		c.add(at(root, path...), "%s must begin with https://; http is accepted for a loopback address only, since tokens would be readable on the way", dotted(path))
	}
}

func loopback(host string) bool {
	if host == "localhost" {
		return true
	}
	ip := net.ParseIP(host)
	return ip != nil && ip.IsLoopback()
}

func (c *checker) gate(g Gate, n *yaml.Node) approval.Policy {
	p := approval.Policy{Gate: g.Name}
	if !gateName.MatchString(g.Name) {
		c.add(at(n, "name"), "the gate's name %q must consist of at most 40 lower-case letters, digits and dashes, for example prod", g.Name)
	}
	if len(g.Applications) == 0 {
		c.add(at(n, "applications"), "gate %q selects no Application, so it would protect nothing; write for example: applications: [{project: payments-prod}]", g.Name)
	}
	for i, s := range g.Applications {
		if s == (Selector{}) {
			c.add(at(n, "applications", i), "this selector is empty; write project, server or namespace (\"*\" for any)")
		}
		p.Applications = append(p.Applications, approval.Selector{Project: s.Project, Server: s.Server, Namespace: s.Namespace})
	}
	if len(g.Repositories) == 0 {
		c.add(at(n, "repositories"), "gate %q has no repository, so no change could ever be judged; write the env-overrides repository", g.Name)
	}
	for i, r := range g.Repositories {
		p.Repositories = append(p.Repositories, c.repository(r, at(n, "repositories", i)))
		for _, earlier := range p.Repositories[:i] {
			if earlier.Name.Equal(p.Repositories[i].Name) {
				c.add(at(n, "repositories", i, "repository"), "repository %s is listed twice in gate %q; one gate judges one branch of it", r.Repository, g.Name)
			}
		}
	}
	if len(g.Config.Requirements) == 0 {
		c.add(at(n, "config", "requirements"), "gate %q requires no approval, so it would let everything through; write config.requirements with at least one entry", g.Name)
	}
	for i, r := range g.Config.Requirements {
		p.Config.Requirements = append(p.Config.Requirements, c.requirement(r, at(n, "config", "requirements", i)))
	}
	p.Image = c.image(g.Image, g.Name, at(n, "image"))
	c.gateRules(g, n, &p)
	return p
}

func (c *checker) repository(r Repository, n *yaml.Node) approval.ProtectedRepository {
	name, err := approval.ParseRepositoryName(r.Repository)
	if err != nil {
		c.add(at(n, "repository"), "repository must be owner/name, for example acme/env-overrides")
	}
	if !validBranch(r.Branch) {
		c.add(at(n, "branch"), "branch must be the name of the protected branch, for example main")
	}
	sha, err := approval.ParseSHA(r.EnrolledAt)
	if err != nil {
		c.add(at(n, "enrolledAt"), "enrolledAt must be the full SHA of the commit that is live now, from which on changes need approval (git rev-parse HEAD)")
	}
	c.patterns(r.Paths, n)
	return approval.ProtectedRepository{Name: name, Branch: r.Branch, EnrolledAt: sha, Paths: r.Paths}
}

// validBranch follows git-check-ref-format, as far as a short name goes.
func validBranch(s string) bool {
	if s == "" || len(s) > 200 || s == "HEAD" || s == "@" || strings.HasPrefix(s, "refs/") ||
		strings.HasPrefix(s, "-") || strings.HasPrefix(s, "/") || strings.HasSuffix(s, "/") ||
		strings.HasSuffix(s, ".") || strings.HasSuffix(s, ".lock") {
		return false
	}
	for _, bad := range []string{"..", "//", "@{", "/.", "\\", " ", "~", "^", ":", "?", "*", "["} {
		if strings.Contains(s, bad) {
			return false
		}
	}
	return !strings.ContainsFunc(s, func(r rune) bool { return r < 0x20 || r == 0x7f })
}

// secrets reads the files that the configuration names. A relative name is
// relative to the configuration file.
func (c *checker) secrets(f File, root *yaml.Node, dir string, from func(path string) (Secret, error)) Secrets {
	var s Secrets
	read := func(name string, path ...any) Secret {
		n := at(root, path...)
		if name == "" {
			c.add(n, "%s is missing; write the name of the file that holds the secret", dotted(path))
			return Secret{}
		}
		secret, err := from(resolve(dir, name))
		if err != nil {
			c.add(n, "%s: %s; create the file, or name the right one", dotted(path), err)
		}
		return secret
	}
	s.PrivateKey = read(f.GitHub.PrivateKeyFile, "github", "privateKeyFile")
	if len(f.GitHub.WebhookSecretFiles) == 0 {
		c.add(at(root, "github", "webhookSecretFiles"), "github.webhookSecretFiles is missing; without a secret anybody could send webhooks. Write the file that holds it: webhookSecretFiles: [/etc/gatekeeper/webhook-secret]")
	}
	for i, name := range f.GitHub.WebhookSecretFiles {
		s.WebhookSecrets = append(s.WebhookSecrets, read(name, "github", "webhookSecretFiles", i))
	}
	s.ArgoCDToken = read(f.ArgoCD.TokenFile, "argocd", "tokenFile")
	if f.Record.Postgres != nil {
		s.RecordDSN = read(f.Record.Postgres.DSNFile, "record", "postgres", "dsnFile")
	}
	if f.Checkpoints.KeyFile != "" {
		s.CheckpointKey = read(f.Checkpoints.KeyFile, "checkpoints", "keyFile")
	}
	s.APITokens = c.apiTokens(f.API, at(root, "api"), read)
	s.TracingHeaders = c.headers(f.Tracing, at(root, "tracing"), read)
	return s
}

// at finds a node by keys and indices. What is missing is reported at the
// nearest node above it.
func at(n *yaml.Node, path ...any) *yaml.Node {
	for _, step := range path {
		next := child(n, step)
		if next == nil {
			return n
		}
		n = next
	}
	return n
}

func child(n *yaml.Node, step any) *yaml.Node {
	if n == nil {
		return nil
	}
	switch step := step.(type) {
	case int:
		if n.Kind == yaml.SequenceNode && step < len(n.Content) {
			return n.Content[step]
		}
	case string:
		if n.Kind == yaml.MappingNode {
			for i := 0; i+1 < len(n.Content); i += 2 {
				if n.Content[i].Value == step {
					return n.Content[i+1]
				}
			}
		}
	}
	return nil
}

func dotted(path []any) string {
	var b strings.Builder
	for _, step := range path {
		switch step := step.(type) {
		case int:
			b.WriteString("[" + strconv.Itoa(step) + "]")
		case string:
			if b.Len() > 0 {
				b.WriteByte('.')
			}
			b.WriteString(step)
		}
	}
	return b.String()
}

func trimSlash(s string) string { return strings.TrimRight(s, "/") }
