package registry

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"path"
	"slices"
	"strings"
	"time"
)

// Options is what a Client may ask, and how.
type Options struct {
	// Registries lists whom to ask. What is not listed is never connected to.
	Registries []Registry
	// DockerConfig is the path of a docker config.json, also in the form that
	// Kubernetes mounts from a Secret of type kubernetes.io/dockerconfigjson. It is
	// read again for every call, so whatever renews short-lived credentials of a cloud's
	// registry can write them there. Credential helpers are programs and are not run.
	// Empty: everything is read anonymously.
	DockerConfig string
	// Timeout bounds each call of the Client as a whole; 0 means 20 seconds.
	Timeout time.Duration
	// Requests bounds the requests under way at the same time; 0 means 8.
	Requests int
}

// Registry is one registry that may be asked.
type Registry struct {
	// Host is the registry as images name it, with a port if they do: "ghcr.io",
	// "registry.example.com:5000"; "docker.io" for Docker Hub.
	Host string
	// Repositories lists what may be read there: "acme/app", "acme/*" for one path
	// segment of any name, "acme/**" for everything below acme, "**" for everything.
	// None listed means that none may be read, which New refuses.
	Repositories []string
	// CAFile holds PEM certificates to trust for this registry besides the
	// system's. It is read again for every call.
	CAFile string
	// Redirects lists further hosts that this registry may send us to, at whatever
	// address: a token server or blob store in the private network, and hosts that
	// serve manifests on its behalf. Blobs and tokens at public addresses need no entry.
	Redirects []string
	// Insecure allows plain HTTP; only for a loopback address.
	Insecure bool
	// MatchReference refuses signatures whose docker-reference is not the repository
	// that is asked for. Only the layout of cosign 2 names one, so signatures in
	// bundles do not count then.
	MatchReference bool
}

const (
	defaultTimeout  = 20 * time.Second
	defaultRequests = 8
)

// listing is one registry after its check.
type listing struct {
	Registry
	base string   // "https://host", without a slash at the end
	api  string   // host of the API, with its port if it is not the default
	own  []string // hosts, with ports if not the default, at whatever address
}

func newListing(r Registry) (*listing, error) {
	host, err := parseHost(r.Host)
	if err != nil {
		return nil, err
	}
	r.Host = host
	l := &listing{Registry: r, api: host}
	if host == dockerHub {
		l.api = "registry-1.docker.io"
	}
	if len(r.Repositories) == 0 {
		return nil, fmt.Errorf("registry %s lists no repositories; \"**\" allows all of them", host)
	}
	for _, p := range r.Repositories {
		if err := checkPattern(p); err != nil {
			return nil, fmt.Errorf("registry %s: %w", host, err)
		}
	}
	l.own = []string{l.api}
	for _, h := range r.Redirects {
		if h, err = parseHost(h); err != nil {
			return nil, fmt.Errorf("registry %s: %w", host, err)
		}
		l.own = append(l.own, h)
	}
	l.base = "https://" + l.api
	if r.Insecure {
		for _, h := range l.own {
			if !isLoopback(h) {
				return nil, fmt.Errorf("registry %s: plain HTTP is allowed at loopback addresses alone, and %s is none", host, h)
			}
		}
		if r.CAFile != "" {
			return nil, fmt.Errorf("registry %s: plain HTTP needs no CA file", host)
		}
		l.base = "http://" + l.api
	}
	return l, nil
}

// isLoopback is true for a loopback address, not for a name: a name could mean
// another address tomorrow.
func isLoopback(host string) bool {
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	a, err := netip.ParseAddr(strings.Trim(host, "[]"))
	return err == nil && a.Unmap().IsLoopback()
}

func checkPattern(p string) error {
	before, deep := strings.CutSuffix(p, "**")
	if deep && before != "" && !strings.HasSuffix(before, "/") {
		return fmt.Errorf("repository pattern %s: ** stands for whole path segments at the end", quote(p))
	}
	if p == "" || strings.Contains(before, "**") || strings.ContainsAny(before, `[]\?`) {
		return fmt.Errorf("repository pattern %s: only * within a segment and ** at the end are known", quote(p))
	}
	// Replaced by a letter, what is left must be a repository's path.
	example := strings.ReplaceAll(before, "*", "a")
	if deep {
		example += "a"
	}
	if !pathGrammar.MatchString(example) {
		return fmt.Errorf("repository pattern %s can match no repository", quote(p))
	}
	return nil
}

// allows tells whether a path may be read. Patterns were checked before.
func (l *listing) allows(repo string) bool {
	return slices.ContainsFunc(l.Repositories, func(p string) bool {
		before, deep := strings.CutSuffix(p, "**")
		if !deep {
			ok, err := path.Match(p, repo)
			return err == nil && ok
		}
		// The fixed segments, then one or more of any name.
		fixed := strings.Count(before, "/")
		segments := strings.Split(repo, "/")
		if len(segments) <= fixed {
			return false
		}
		if fixed == 0 {
			return true
		}
		ok, err := path.Match(strings.TrimSuffix(before, "/"), strings.Join(segments[:fixed], "/"))
		return err == nil && ok
	})
}

// isOwn tells whether a host, as a URL writes it, is the registry or listed with it.
func (l *listing) isOwn(host string) bool {
	return slices.Contains(l.own, hostWithoutDefaultPort(host))
}

func hostWithoutDefaultPort(host string) string {
	return strings.ToLower(strings.TrimSuffix(host, ":443"))
}

// New checks the options. Files are not read before they are needed.
func New(o Options) (*Client, error) {
	if len(o.Registries) == 0 {
		return nil, errors.New("no registry is listed")
	}
	if o.Timeout < 0 || o.Requests < 0 {
		return nil, errors.New("the timeout and the number of requests must not be negative")
	}
	if o.Timeout == 0 {
		o.Timeout = defaultTimeout
	}
	if o.Requests == 0 {
		o.Requests = defaultRequests
	}
	c := &Client{
		options:   o,
		listings:  map[string]*listing{},
		slots:     make(chan struct{}, o.Requests),
		wires:     map[string]*wire{},
		tokens:    newMemory[tokenKey, token](tokenMemory),
		types:     newMemory[imageKey, string](typeMemory),
		evidences: newMemory[imageKey, evidence](evidenceMemory),
	}
	for _, r := range o.Registries {
		l, err := newListing(r)
		if err != nil {
			return nil, err
		}
		if _, twice := c.listings[l.Host]; twice {
			return nil, fmt.Errorf("registry %s is listed twice", l.Host)
		}
		c.listings[l.Host] = l
	}
	return c, nil
}

// listed finds the listing of a repository, or says that there is none.
func (c *Client) listed(r repository) (*listing, error) {
	l := c.listings[r.host]
	if l == nil {
		return nil, &Error{Reason: ReasonNotListed, Text: fmt.Sprintf(
			"registry %s is not listed and was not asked; add it to the registries in the configuration if images may come from there", r.host)}
	}
	if !l.allows(r.path) {
		return nil, &Error{Reason: ReasonNotListed, Text: fmt.Sprintf(
			"repository %s is not among those listed for its registry, which was not asked; add it to the configuration if images may come from there", r)}
	}
	return l, nil
}
