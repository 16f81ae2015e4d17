package github

import (
	"context"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	gh "github.com/google/go-github/v60/github"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
)

// DefaultTimeout bounds one request when Options names no other time.
const DefaultTimeout = 15 * time.Second

// Options configure an App.
type Options struct {
	// BaseURL is that of the REST API: https://api.github.com/ or
	// https://HOST/api/v3/ of a GitHub Enterprise Server. Plain HTTP is accepted
	// on a loopback address alone.
	BaseURL string
	// AppID is the App's numeric ID.
	AppID int64
	// PrivateKeyPEM is the App's RSA key as GitHub gives it.
	PrivateKeyPEM []byte
	// CertificatesPEM are the roots that sign the server's certificate; empty
	// means those of the system.
	CertificatesPEM []byte
	// Transport sends the requests. Nil means a new http.Transport.
	Transport http.RoundTripper
	// Timeout bounds each request, the reading of its answer included. Zero
	// means DefaultTimeout.
	Timeout time.Duration
	// YoungToken is the age up to which GitHub may not know a new token everywhere:
	// an answer that such a token got is asked for again. Zero means ten seconds.
	YoungToken time.Duration
	// Version is told to GitHub in the User-Agent header.
	Version string
	// Observe is told of every request that was sent, with the request's context. It
	// must be safe for concurrent use and return at once. Nil is allowed.
	Observe func(context.Context, Call)
	// Guard is asked before each request that could change something; what it refuses is
	// not sent. It must be safe for concurrent use. Nil lets everything through.
	Guard func() error
	// Logger is required.
	Logger *slog.Logger
}

// App is Gatekeeper's GitHub App. Safe for concurrent use.
type App struct {
	id      int64
	key     atomic.Pointer[rsa.PrivateKey]
	base    *url.URL
	next    http.RoundTripper
	wire    *wire // for requests as the App itself
	api     *gh.Client
	options Options
	slots   chan struct{}

	mu     sync.Mutex
	owners map[string]*installation // by account, in lower case
}

// NewApp checks the options and makes no request.
func NewApp(o Options) (*App, error) {
	if o.Logger == nil {
		return nil, errors.New("a logger is required")
	}
	if o.AppID <= 0 {
		return nil, fmt.Errorf("%d is not the ID of a GitHub App", o.AppID)
	}
	base, err := parseBaseURL(o.BaseURL)
	if err != nil {
		return nil, err
	}
	key, err := parseKey(o.PrivateKeyPEM)
	if err != nil {
		return nil, err
	}
	o.PrivateKeyPEM = nil
	if o.Timeout <= 0 {
		o.Timeout = DefaultTimeout
	}
	if o.YoungToken <= 0 {
		o.YoungToken = youngToken
	}
	if o.Observe == nil {
		o.Observe = func(context.Context, Call) {}
	}
	next, err := baseTransport(o)
	if err != nil {
		return nil, err
	}
	if o.Guard != nil {
		next = guarded{next, o.Guard}
	}
	a := &App{id: o.AppID, base: base, next: next, options: o, owners: map[string]*installation{},
		slots: make(chan struct{}, maxInFlight)}
	a.key.Store(key)
	a.wire = a.newWire("")
	a.api = a.newAPI(a.signed(a.wire, a.key.Load))
	return a, nil
}

// ID is the App's numeric ID.
func (a *App) ID() int64 { return a.id }

// API makes calls as the App itself, for example to list webhook deliveries.
func (a *App) API() *gh.Client { return a.api }

// Client returns a client that acts on the repository with a token of the
// installation on its owner's account. The error is an *Error; it matches
// approval.ErrNotFound when the App is not installed there.
func (a *App) Client(ctx context.Context, repository approval.RepositoryName) (*Client, error) {
	repository, err := approval.ParseRepositoryName(string(repository))
	if err != nil {
		return nil, err
	}
	return a.client(ctx, repository, repository.Owner(), func(ctx context.Context) (int64, error) {
		found, _, err := a.api.Apps.FindRepositoryInstallation(ctx, repository.Owner(), repository.Name())
		return found.GetID(), Wrap("find the App's installation", repository, err)
	})
}

// Organization returns a client for what belongs to an organization: its teams.
// Its Repository is empty.
func (a *App) Organization(ctx context.Context, organization string) (*Client, error) {
	if _, err := approval.ParseTeamName(organization + "/any"); err != nil {
		return nil, fmt.Errorf("%q is not the name of an organization", organization)
	}
	return a.client(ctx, "", organization, func(ctx context.Context) (int64, error) {
		found, _, err := a.api.Apps.FindOrganizationInstallation(ctx, organization)
		return found.GetID(), Wrap("find the App's installation on organization "+organization, "", err)
	})
}

// client finds the installation now, so that an App that is not installed is
// told apart from a repository that it may not see.
func (a *App) client(ctx context.Context, repository approval.RepositoryName, owner string, find finder) (*Client, error) {
	in := a.installation(owner)
	known := in.found.Load()
	checked := func(ctx context.Context) (int64, error) {
		id, err := find(ctx)
		if err == nil && id <= 0 {
			err = &Error{Op: "find the App's installation", Repository: repository, Message: "GitHub's answer has no ID"}
		}
		return id, err
	}
	src, err := in.current(ctx, checked)
	if err != nil {
		return nil, err
	}
	if src != known {
		a.options.Logger.LogAttrs(ctx, slog.LevelInfo, "github.installation_found",
			slog.String("owner", owner), slog.Int64("installation", src.id))
	}
	t := &installationTransport{in: in, find: checked}
	return &Client{repository: repository, api: a.newAPI(t), transport: t}, nil
}

// installation returns that of an account. An App is installed on an account at
// most once, so all its repositories share one token.
func (a *App) installation(owner string) *installation {
	a.mu.Lock()
	defer a.mu.Unlock()
	key := strings.ToLower(owner)
	if in, ok := a.owners[key]; ok {
		return in
	}
	in := newInstallation(a, owner)
	a.owners[key] = in
	return in
}

// newWire is that of an account, or of the App itself when it is empty.
func (a *App) newWire(account string) *wire {
	return &wire{
		next: a.next, base: a.base, endpoints: newEndpoints(), slots: a.slots,
		timeout: a.options.Timeout, observe: a.options.Observe, limiter: &limiter{}, account: strings.ToLower(account),
	}
}

func (a *App) newAPI(t http.RoundTripper) *gh.Client {
	api := gh.NewClient(&http.Client{Transport: t, CheckRedirect: checkRedirect(a.base)})
	api.BaseURL = a.base
	// Nothing is ever uploaded; without this an upload would go to github.com.
	api.UploadURL = a.base
	api.UserAgent = "argo-gatekeeper"
	if a.options.Version != "" {
		api.UserAgent += "/" + a.options.Version
	}
	return api
}

func baseTransport(o Options) (http.RoundTripper, error) {
	if o.Transport != nil {
		if len(o.CertificatesPEM) > 0 {
			return nil, errors.New("certificates cannot be combined with a transport of one's own")
		}
		return o.Transport, nil
	}
	return Transport(o.CertificatesPEM)
}

// Transport trusts the authorities of a PEM file, or the system's when there are none,
// and uses the proxy of the environment. It makes no request.
func Transport(certificatesPEM []byte) (*http.Transport, error) {
	t := &http.Transport{
		Proxy:                 http.ProxyFromEnvironment,
		DialContext:           (&net.Dialer{Timeout: 10 * time.Second, KeepAlive: 30 * time.Second}).DialContext,
		TLSHandshakeTimeout:   10 * time.Second,
		TLSClientConfig:       &tls.Config{MinVersion: tls.VersionTLS12},
		ForceAttemptHTTP2:     true,
		MaxIdleConns:          64,
		MaxIdleConnsPerHost:   32,
		IdleConnTimeout:       90 * time.Second,
		ExpectContinueTimeout: time.Second,
	}
	if len(certificatesPEM) > 0 {
		roots := x509.NewCertPool()
		if !roots.AppendCertsFromPEM(certificatesPEM) {
			return nil, errors.New("the file of root certificates holds none")
		}
		t.TLSClientConfig.RootCAs = roots
	}
	return t, nil
}

func parseBaseURL(s string) (*url.URL, error) {
	u, err := url.Parse(s)
	if err != nil {
		return nil, fmt.Errorf("the API's URL %q is not valid: %w", s, err)
	}
	if u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" || u.Opaque != "" {
		return nil, fmt.Errorf("the API's URL %q must have a host and a path alone", s)
	}
	switch {
	case u.Scheme == "https":
	case u.Scheme == "http" && isLoopback(u.Hostname()):
	default:
		return nil, fmt.Errorf("the API's URL %q must use https", s)
	}
	// go-github resolves its paths against the base, which needs the slash.
	if !strings.HasSuffix(u.Path, "/") {
		u.Path += "/"
	}
	return u, nil
}

func isLoopback(host string) bool {
	if strings.EqualFold(host, "localhost") {
		return true
	}
	ip := net.ParseIP(host)
	return ip != nil && ip.IsLoopback()
}

// parseKey reads an RSA key in the form that GitHub gives (PKCS #1) or the one
// that tools convert it to (PKCS #8).
func parseKey(data []byte) (*rsa.PrivateKey, error) {
	block, _ := pem.Decode(data)
	if block == nil {
		return nil, errors.New("the App's private key is not in PEM form")
	}
	key, err := x509.ParsePKCS1PrivateKey(block.Bytes)
	if err != nil {
		// The error of a key parser may quote the key, so it is not passed on.
		parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
		if err != nil {
			return nil, errors.New("the App's private key cannot be read")
		}
		var ok bool
		if key, ok = parsed.(*rsa.PrivateKey); !ok {
			return nil, errors.New("the App's private key is not an RSA key")
		}
	}
	if bits := key.N.BitLen(); bits < 2048 {
		return nil, errors.New("the App's private key has only " + strconv.Itoa(bits) + " bits")
	}
	return key, nil
}
