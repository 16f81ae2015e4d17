package argo

import (
	"fmt"
	"net"
	"net/url"
	"strings"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
)

// gitHubSSHHost is where github.com takes SSH connections on port 443 (GitHub's
// documentation, "Using SSH over the HTTPS port").
const gitHubSSHHost = "ssh.github.com"

// defaultPort is the port that a URL need not name.
func defaultPort(scheme string) string {
	switch scheme {
	case "https":
		return "443"
	case "http":
		return "80"
	case "ssh":
		return "22"
	default:
		return ""
	}
}

// checkHost accepts "host" and "host:port" and returns the form that is compared.
func checkHost(host string) (string, error) {
	parsed, err := url.Parse("//" + host)
	if err != nil || parsed.Host != host || parsed.Hostname() == "" || parsed.User != nil {
		return "", fmt.Errorf("%q is not a host or host:port", host)
	}
	return strings.ToLower(host), nil
}

// Repository is the GitHub repository that a repoURL names, on one of the
// configured hosts. It is empty for everything else: another host, another
// protocol than HTTP(S) and SSH, a path that is not exactly owner/name.
func (p *Parser) Repository(repoURL string) approval.RepositoryName {
	host, path, ok := splitRepoURL(repoURL)
	if !ok || !p.hosts[host] {
		return ""
	}
	path = strings.TrimSuffix(strings.TrimPrefix(path, "/"), "/")
	path = strings.TrimSuffix(path, ".git")
	name, err := approval.ParseRepositoryName(path)
	// GitHub lets no repository's name end in ".git", so what is left of
	// "owner/name.git.git" names none.
	if err != nil || strings.HasSuffix(string(name), ".git") {
		return ""
	}
	return name
}

// splitRepoURL takes https://host/path, ssh://user@host/path and the scp-like
// user@host:path apart. The host is in lower case, with its port unless that is
// the protocol's own.
func splitRepoURL(repoURL string) (host, path string, ok bool) {
	// Beyond ASCII, what one program takes for the same host another does not.
	if strings.ContainsFunc(repoURL, func(r rune) bool { return r <= ' ' || r >= 0x7f }) {
		return "", "", false
	}
	if !strings.Contains(repoURL, "://") {
		// git takes "host:path" for SSH unless a slash comes before the colon
		// (git-clone documentation, "GIT URLS").
		before, after, found := strings.Cut(repoURL, ":")
		if !found || strings.ContainsAny(before, "/[]") {
			return "", "", false
		}
		return sshHost(before[strings.LastIndex(before, "@")+1:], "22"), after, !strings.ContainsAny(repoURL, "%?#\\")
	}
	parsed, err := url.Parse(repoURL)
	if err != nil || parsed.RawQuery != "" || parsed.ForceQuery || parsed.Fragment != "" || strings.ContainsAny(parsed.EscapedPath(), "%\\") {
		return "", "", false
	}
	port := parsed.Port()
	switch parsed.Scheme {
	case "ssh":
		if port == "" {
			port = "22"
		}
		return sshHost(parsed.Hostname(), port), parsed.Path, true
	case "https", "http":
		host = strings.ToLower(parsed.Hostname())
		if port != "" && port != defaultPort(parsed.Scheme) {
			host = net.JoinHostPort(host, port)
		}
		return host, parsed.Path, true
	default:
		return "", "", false
	}
}

func sshHost(host, port string) string {
	host = strings.ToLower(host)
	switch {
	case host == gitHubSSHHost && port == "443":
		return "github.com"
	case port == "22":
		return host
	default:
		return net.JoinHostPort(host, port)
	}
}

// withoutCredentials removes what must not reach a record or a log from a repoURL:
// the user information, except the user name of an SSH URL, and the query.
func withoutCredentials(repoURL string) string {
	scheme, rest, ok := strings.Cut(repoURL, "://")
	if !ok {
		return repoURL
	}
	end := strings.IndexAny(rest, "/?#")
	if _, err := url.Parse(repoURL); err != nil || end < 0 {
		// A password may hold a slash; then only the last @ tells where it ends.
		end = len(rest)
	}
	user := ""
	if at := strings.LastIndexByte(rest[:end], '@'); at >= 0 {
		if scheme == "ssh" && !strings.Contains(rest[:at], ":") {
			user = rest[:at+1]
		}
		rest = rest[at+1:]
	}
	rest, _, _ = strings.Cut(rest, "?")
	return scheme + "://" + user + rest
}
