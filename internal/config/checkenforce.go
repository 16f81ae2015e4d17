package config

import (
	"net"
	"net/url"
	"regexp"
	"strings"

	"go.yaml.in/yaml/v4"
)

// The modes of enforcement.
const (
	ModeEnforce = "enforce"
	ModeWarn    = "warn"
)

// admissionPath is where reviews are answered.
const admissionPath = "/admission"

func (e *Enforcement) setDefaults() {
	if e.Name == "" {
		e.Name = "gatekeeper"
	}
	if e.Listen == "" {
		e.Listen = ":8443"
	}
	if e.Mode == "" {
		e.Mode = ModeEnforce
	}
	if e.ArgoCDNamespace == "" {
		e.ArgoCDNamespace = "argocd"
	}
	account := "system:serviceaccount:" + e.ArgoCDNamespace + ":"
	if len(e.Controllers) == 0 {
		e.Controllers = []string{account + "argocd-application-controller"}
	}
	if len(e.Servers) == 0 {
		e.Servers = []string{account + "argocd-server"}
	}
	if e.Service == nil {
		return
	}
	if e.Service.Port == 0 {
		e.Service.Port = 443
	}
	if e.Certificate == (Certificate{}) && e.Service.Namespace != "" {
		e.Certificate.Secret = e.Service.Namespace + "/gatekeeper-admission"
	}
}

// Managed says whether Gatekeeper keeps the objects in place.
func (e *Enforcement) Managed() bool { return e.Manage == nil || *e.Manage }

// Hosts are the names or addresses by which the API server knows Gatekeeper.
func (e *Enforcement) Hosts() []string {
	if e.Service != nil {
		return []string{e.Service.Name + "." + e.Service.Namespace + ".svc"}
	}
	u, err := url.Parse(e.URL)
	if err != nil {
		return nil
	}
	return []string{u.Hostname()}
}

// WebhookURL is the URL that the API server calls; empty when it is a service.
func (e *Enforcement) WebhookURL() string {
	if e.Service != nil {
		return ""
	}
	return strings.TrimSuffix(trimSlash(e.URL), admissionPath) + admissionPath
}

// SecretName takes certificate.secret apart.
func (e *Enforcement) SecretName() (namespace, name string) {
	namespace, name, _ = strings.Cut(e.Certificate.Secret, "/")
	return namespace, name
}

// label is a DNS label, as namespaces and services have; subdomain is a name of a
// Secret (RFC 1123, as Kubernetes reads it).
var (
	label     = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$`)
	subdomain = regexp.MustCompile(`^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$`)
)

func (c *checker) enforcement(e *Enforcement, n *yaml.Node) {
	if e == nil {
		return
	}
	if !gateName.MatchString(e.Name) {
		c.add(at(n, "name"), "enforcement.name %q must consist of at most 40 lower-case letters, digits and dashes, for example gatekeeper", e.Name)
	}
	if _, _, err := net.SplitHostPort(e.Listen); err != nil {
		c.add(at(n, "listen"), "enforcement.listen must be an address such as \":8443\"")
	}
	if e.Mode != ModeEnforce && e.Mode != ModeWarn {
		c.add(at(n, "mode"), "enforcement.mode %q is none of enforce, warn", e.Mode)
	}
	switch {
	case e.URL == "" && e.Service == nil:
		c.add(n, "the API server needs to know how to reach Gatekeeper; write enforcement.service: {namespace: gatekeeper, name: gatekeeper}, or enforcement.url")
	case e.URL != "" && e.Service != nil:
		c.add(at(n, "url"), "enforcement.url and enforcement.service exclude each other; keep one of them")
	case e.Service != nil:
		c.service(*e.Service, at(n, "service"))
	default:
		c.webhookURL(e.URL, at(n, "url"))
	}
	c.certificate(e.Certificate, at(n, "certificate"))
	if !label.MatchString(e.ArgoCDNamespace) {
		c.add(at(n, "argocdNamespace"), "enforcement.argocdNamespace %q is no name of a namespace, for example argocd", e.ArgoCDNamespace)
	}
	for key, users := range map[string][]string{"controllers": e.Controllers, "servers": e.Servers} {
		for i, user := range users {
			if strings.TrimSpace(user) != user || user == "" {
				c.add(at(n, key, i), "enforcement.%s: %q is no user name; write for example system:serviceaccount:argocd:argocd-server", key, user)
			}
		}
	}
}

func (c *checker) service(s Service, n *yaml.Node) {
	if !label.MatchString(s.Namespace) {
		c.add(at(n, "namespace"), "enforcement.service.namespace must be the namespace of the service, for example gatekeeper")
	}
	if !label.MatchString(s.Name) {
		c.add(at(n, "name"), "enforcement.service.name must be the name of the service, for example gatekeeper")
	}
	if s.Port < 1 || s.Port > 65535 {
		c.add(at(n, "port"), "enforcement.service.port must be a number from 1 to 65535")
	}
}

// webhookURL follows what Kubernetes takes for a clientConfig.url.
func (c *checker) webhookURL(raw string, n *yaml.Node) {
	u, err := url.Parse(raw)
	if err != nil || u.Scheme != "https" || u.Hostname() == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" ||
		(trimSlash(u.Path) != "" && trimSlash(u.Path) != admissionPath) {
		c.add(n, "enforcement.url must be https://host:port, without anything behind it; Gatekeeper answers at /admission")
	}
}

func (c *checker) certificate(k Certificate, n *yaml.Node) {
	files := 0
	for _, name := range []string{k.CertFile, k.KeyFile, k.CAFile} {
		if name != "" {
			files++
		}
	}
	namespace, name, _ := strings.Cut(k.Secret, "/")
	switch {
	case k.Secret != "" && files > 0:
		c.add(at(n, "secret"), "enforcement.certificate.secret and the files exclude each other; keep one of them")
	case k.Secret == "" && files == 0:
		c.add(n, "there is no certificate for the API server; write enforcement.certificate: {secret: gatekeeper/gatekeeper-admission}, or certFile, keyFile and caFile")
	case k.Secret == "" && files < 3:
		c.add(n, "enforcement.certificate needs all of certFile, keyFile and caFile")
	case k.Secret != "" && (!label.MatchString(namespace) || !subdomain.MatchString(name)):
		c.add(at(n, "secret"), "enforcement.certificate.secret must be namespace/name, for example gatekeeper/gatekeeper-admission")
	}
}

// EnforcementDescription says in words what the API server refuses.
type EnforcementDescription struct {
	// Rules are empty when nothing is enforced.
	Rules []string `json:"rules"`
	// Warnings are what is legal but risky.
	Warnings []Warning `json:"warnings"`
}

// DescribeEnforcement says in words what is enforced, and what is risky about it.
func (c Config) DescribeEnforcement() EnforcementDescription {
	d := EnforcementDescription{Rules: []string{}, Warnings: []Warning{}}
	warn := func(code, text, remedy string) { d.Warnings = append(d.Warnings, Warning{code, text, remedy}) }
	e := c.File.Enforcement
	if e == nil {
		warn("not-enforced", "nothing is enforced: whoever may sync in Argo CD, or write Applications, can pass every gate by", "write an enforcement section")
		return d
	}
	how := e.WebhookURL()
	if e.Service != nil {
		how = "the service " + e.Service.Namespace + "/" + e.Service.Name
	}
	d.Rules = append(d.Rules, "the API server asks "+how)
	if e.Mode == ModeWarn {
		d.Rules = append(d.Rules, "what no gate allows passes with a warning")
		warn("warn-only", "nothing is refused in the mode warn, and nothing is asked while Gatekeeper is down", "write mode: enforce when the warnings say what you expect")
	} else {
		d.Rules = append(d.Rules, "what no gate allows is refused")
	}
	if e.Managed() {
		d.Rules = append(d.Rules, "Gatekeeper keeps the policy, its binding and the webhook configuration in place")
	} else {
		d.Rules = append(d.Rules, "somebody else keeps the policy, its binding and the webhook configuration in place (gatekeeper enforcement render)")
		if e.Certificate.Secret != "" {
			warn("renewal-by-hand", "Gatekeeper renews its certificate but not the caBundle that the API server trusts it by; when nobody does, all is refused at the end", "write manage: true, or certificate files whose authority stays")
		}
	}
	return d
}
