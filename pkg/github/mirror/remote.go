package mirror

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
)

// remote is the repository at the other end: its address and how to get in.
type remote struct {
	token  func(context.Context) (string, error)
	caFile string
	proxy  *url.URL

	mu      sync.Mutex
	address string
}

func newRemote(o Options) (*remote, error) {
	if err := checkAddress(o.URL); err != nil {
		return nil, err
	}
	r := &remote{token: o.Token, proxy: o.Proxy, address: strings.TrimSuffix(o.URL, "/")}
	if o.CAFile != "" {
		file, err := filepath.Abs(o.CAFile)
		if err != nil {
			return nil, fmt.Errorf("find the CA file: %w", err)
		}
		r.caFile = file
	}
	return r, nil
}

// checkAddress refuses whatever could carry credentials in the clear, name
// another transport or be read as an option.
func checkAddress(address string) error {
	u, err := url.Parse(address)
	if err != nil {
		// The parser quotes the address, which may hold credentials.
		return errors.New("the URL of the repository cannot be read")
	}
	switch {
	case u.User != nil:
		return errors.New("the URL of the repository must not hold credentials")
	case u.RawQuery != "" || u.Fragment != "" || u.ForceQuery || u.Opaque != "":
		return errors.New("the URL of the repository must not have a query or a fragment")
	case u.Hostname() == "" || strings.Trim(u.Path, "/") == "":
		return fmt.Errorf("%q does not name a repository", address)
	case strings.ContainsFunc(address, func(r rune) bool { return r <= ' ' || r == 0x7f }):
		return errors.New("the URL of the repository contains white space or control characters")
	case u.Scheme == "https", u.Scheme == "http" && loopback(u.Hostname()):
		return nil
	default:
		return fmt.Errorf("the URL of the repository must be https (http is accepted on loopback only), not %q", address)
	}
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

func (r *remote) url() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.address
}

// credentials are one token in the forms in which it travels.
type credentials struct{ token, encoded string }

func (r *remote) credentials(ctx context.Context) (credentials, error) {
	if r.token == nil {
		return credentials{}, nil
	}
	token, err := r.token(ctx)
	if err != nil {
		return credentials{}, fmt.Errorf("get a token: %w", err)
	}
	if token == "" {
		return credentials{}, errors.New("get a token: it is empty")
	}
	// GitHub takes installation tokens as the password of "x-access-token"
	// (GitHub Docs, "Authenticating as a GitHub App installation").
	return credentials{token: token, encoded: base64.StdEncoding.EncodeToString([]byte("x-access-token:" + token))}, nil
}

func (c credentials) header() string { return "Basic " + c.encoded }

// scrub removes the token, in whichever form, from a text.
func (c credentials) scrub(s string) string {
	if c.token == "" {
		return s
	}
	return strings.NewReplacer(c.encoded, "[token]", c.token, "[token]", url.QueryEscape(c.token), "[token]").Replace(s)
}

// scrub removes the proxy's password from a text.
func (r *remote) scrub(s string) string {
	if r.proxy == nil {
		return s
	}
	password, ok := r.proxy.User.Password()
	if !ok || password == "" {
		return s
	}
	return strings.NewReplacer(password, "[password]", url.QueryEscape(password), "[password]").Replace(s)
}

// settings are the part of git's configuration that concerns the transport.
func (r *remote) settings(c credentials) []setting {
	list := []setting{
		{"protocol.version", "2"},
		{"fetch.fsckObjects", "true"},
		// Two defects that old and well-known histories have and that change
		// nothing here: git reads the modes as numbers, and no date is used.
		{"fetch.fsck.zeroPaddedFilemode", "ignore"},
		{"fetch.fsck.badTimezone", "ignore"},
		// Every fetch is one pack, so that a pull request's objects and its ref
		// come together and the number of files stays small.
		{"fetch.unpackLimit", "1"},
		{"fetch.recurseSubmodules", "false"},
		{"fetch.writeCommitGraph", "false"},
		{"transfer.bundleURI", "false"},
		// git would send an extra header to the host it is redirected to
		// (2.39.5 and curl 7.88.1, tried 2026-11-21), so redirects are resolved
		// by redirected.
		{"http.followRedirects", "false"},
		{"http.sslVerify", "true"},
		// A connection that stalls is given up: less than 1 kB/s for a minute.
		{"http.lowSpeedLimit", "1000"},
		{"http.lowSpeedTime", "60"},
	}
	if c.token != "" {
		list = append(list, setting{"http.extraHeader", "Authorization: " + c.header()})
	}
	if r.caFile != "" {
		list = append(list, setting{"http.sslCAInfo", r.caFile})
	}
	if r.proxy != nil {
		list = append(list, setting{"http.proxy", r.proxy.String()})
	}
	return list
}

// protocol is the only transport that git may use.
func protocol(address string) string {
	scheme, _, _ := strings.Cut(address, ":")
	return scheme
}

const (
	discovery = "/info/refs"
	service   = "service=git-upload-pack"
	maxHops   = 3
)

// redirected asks the server where the repository is now, as GitHub answers
// after a rename, and keeps the new address. Redirects to another host are
// refused: the credentials are for this one.
func (r *remote) redirected(ctx context.Context, c credentials) (bool, error) {
	client, err := r.client()
	if err != nil {
		return false, err
	}
	defer client.CloseIdleConnections()
	first := r.url()
	address := first
	for range maxHops {
		next, err := hop(ctx, client, c, address)
		if err != nil {
			return false, err
		}
		if next == address {
			break
		}
		address = next
	}
	r.mu.Lock()
	r.address = address
	r.mu.Unlock()
	return address != first, nil
}

// hop follows at most one redirect.
func hop(ctx context.Context, client *http.Client, c credentials, address string) (string, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address+discovery+"?"+service, nil)
	if err != nil {
		return "", fmt.Errorf("ask for the repository's address: %w", err)
	}
	if c.token != "" {
		request.Header.Set("Authorization", c.header())
	}
	response, err := client.Do(request)
	if err != nil {
		return "", fmt.Errorf("ask for the repository's address: %w", err)
	}
	defer func() { _ = response.Body.Close() }()
	_, _ = io.Copy(io.Discard, io.LimitReader(response.Body, 64<<10))
	switch response.StatusCode {
	case http.StatusMovedPermanently, http.StatusFound, http.StatusTemporaryRedirect, http.StatusPermanentRedirect:
	default:
		return address, nil
	}
	from := request.URL
	to, err := response.Location()
	if err != nil {
		return "", fmt.Errorf("the server redirects to nowhere: %w", err)
	}
	path, ok := strings.CutSuffix(to.Path, discovery)
	if to.Scheme != from.Scheme || to.Host != from.Host || to.User != nil || to.RawQuery != service || !ok {
		return "", fmt.Errorf("the server redirects to another place, %q, which is not followed", clip(to.Redacted(), 200))
	}
	next := (&url.URL{Scheme: to.Scheme, Host: to.Host, Path: path}).String()
	return next, checkAddress(next)
}

func (r *remote) client() (*http.Client, error) {
	transport := &http.Transport{TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS12}}
	if r.proxy != nil {
		transport.Proxy = http.ProxyURL(r.proxy)
	}
	if r.caFile != "" {
		pem, err := os.ReadFile(r.caFile)
		if err != nil {
			return nil, fmt.Errorf("read the CA file: %w", err)
		}
		transport.TLSClientConfig.RootCAs = x509.NewCertPool()
		if !transport.TLSClientConfig.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("%s holds no certificate", r.caFile)
		}
	}
	return &http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error {
		return http.ErrUseLastResponse
	}}, nil
}
