package registry

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"slices"
	"syscall"
	"time"
)

// wire holds the connections made for one registry.
type wire struct {
	authority [sha256.Size]byte // of the CA file's content
	transport *http.Transport
}

// wire gives the registry's connections, new ones when its CA file changed.
func (c *Client) wire(l *listing) (*http.Transport, error) {
	var pem []byte
	if l.CAFile != "" {
		var err error
		if pem, err = readFile(l.CAFile); err != nil {
			return nil, &Error{Reason: ReasonAuthority, Text: "the CA file of registry " + l.Host + " cannot be read", Err: err}
		}
	}
	sum := sha256.Sum256(pem)

	c.mu.Lock()
	defer c.mu.Unlock()
	if w := c.wires[l.Host]; w != nil {
		if w.authority == sum {
			return w.transport, nil
		}
		w.transport.CloseIdleConnections()
	}
	conf := &tls.Config{MinVersion: tls.VersionTLS12}
	if l.CAFile != "" {
		pool, err := x509.SystemCertPool()
		if err != nil {
			return nil, &Error{Reason: ReasonAuthority, Text: "the system's CA certificates cannot be read", Err: err}
		}
		if !pool.AppendCertsFromPEM(pem) {
			return nil, &Error{Reason: ReasonAuthority, Text: "the CA file of registry " + l.Host + " holds no PEM certificate"}
		}
		conf.RootCAs = pool
	}
	w := &wire{authority: sum, transport: &http.Transport{
		TLSClientConfig:        conf,
		DialContext:            l.dial,
		TLSHandshakeTimeout:    10 * time.Second,
		MaxResponseHeaderBytes: 64 << 10,
		MaxIdleConnsPerHost:    2,
		MaxIdleConns:           8,
		IdleConnTimeout:        time.Minute,
		// Bytes are hashed and bounded as they are stored.
		DisableCompression: true,
		ForceAttemptHTTP2:  true,
	}}
	c.wires[l.Host] = w
	return w.transport, nil
}

// errAddress says that a host resolved to an address that must not be asked.
var errAddress = errors.New("refused to connect")

// dial connects to hosts that are listed at whatever address but a link-local one,
// where clouds serve their metadata, and to others at public addresses alone. The
// address is checked when it is connected to, so no second resolution can differ.
func (l *listing) dial(ctx context.Context, network, address string) (net.Conn, error) {
	own := l.isOwn(address) || l.isOwn(trimPort(address, ":80"))
	d := &net.Dialer{Timeout: 10 * time.Second, KeepAlive: 30 * time.Second, Control: func(_, target string, _ syscall.RawConn) error {
		a, err := netip.ParseAddrPort(target)
		if err != nil {
			return fmt.Errorf("%w: %w", errAddress, err)
		}
		if own && !isForbidden(a.Addr()) || isPublic(a.Addr()) {
			return nil
		}
		return fmt.Errorf("%w: %s is not a public address; list the host among the redirects of registry %s if it belongs to it",
			errAddress, a.Addr(), l.Host)
	}}
	return d.DialContext(ctx, network, address)
}

// trimPort takes a port off that a transport added for plain HTTP.
func trimPort(address, port string) string {
	if len(address) > len(port) && address[len(address)-len(port):] == port {
		return address[:len(address)-len(port)]
	}
	return address
}

// isForbidden is true for addresses that no registry has: link-local ones, among
// them the metadata services of clouds, multicast, and the unspecified one, which
// means this host.
func isForbidden(a netip.Addr) bool {
	a = a.Unmap()
	return !a.IsValid() || a.IsUnspecified() || a.IsMulticast() || a.IsLinkLocalUnicast() ||
		a == netip.MustParseAddr("fd00:ec2::254") // the metadata service of AWS over IPv6
}

// notPublic are the networks of IANA's special-purpose registries that the methods
// of netip.Addr do not know: shared, reserved, for documentation or benchmarks, and
// those that carry an IPv4 address inside of an IPv6 one.
var notPublic = []netip.Prefix{
	netip.MustParsePrefix("0.0.0.0/8"), netip.MustParsePrefix("100.64.0.0/10"), netip.MustParsePrefix("192.0.0.0/24"),
	netip.MustParsePrefix("192.0.2.0/24"), netip.MustParsePrefix("198.18.0.0/15"), netip.MustParsePrefix("198.51.100.0/24"),
	netip.MustParsePrefix("203.0.113.0/24"), netip.MustParsePrefix("240.0.0.0/4"),
	netip.MustParsePrefix("64:ff9b::/96"), netip.MustParsePrefix("64:ff9b:1::/48"), netip.MustParsePrefix("100::/64"),
	netip.MustParsePrefix("2001::/23"), netip.MustParsePrefix("2001:db8::/32"), netip.MustParsePrefix("2002::/16"),
	netip.MustParsePrefix("fec0::/10"),
}

// isPublic is true for an address of the public internet.
func isPublic(a netip.Addr) bool {
	if isForbidden(a) {
		return false
	}
	a = a.Unmap().WithZone("")
	return a.IsGlobalUnicast() && !a.IsPrivate() && !a.IsLoopback() &&
		!slices.ContainsFunc(notPublic, func(p netip.Prefix) bool { return p.Contains(a) })
}

// fileLimit is far above any key, CA bundle or docker config.
const fileLimit = 1 << 20

// readFile reads a small file to its end, or fails.
func readFile(path string) ([]byte, error) {
	f, err := os.Open(path) //nolint:gosec // the operator names the file
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	b, err := io.ReadAll(io.LimitReader(f, fileLimit+1))
	if err != nil {
		return nil, err
	}
	if len(b) > fileLimit {
		return nil, fmt.Errorf("%s is larger than %d bytes", path, fileLimit)
	}
	return b, nil
}
