package certs

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"
)

// holder is what both sources publish. It may be used concurrently.
type holder struct {
	hosts  []string
	settle time.Duration
	now    func() time.Time

	changed chan struct{} // the bundle is another one
	wake    chan struct{} // what is installed is another one

	mu          sync.Mutex
	current     *pair
	cas         []*x509.Certificate
	bundle      []byte
	installed   []*x509.Certificate
	installedAs []byte
	installedAt time.Time
	problem     error
}

func newHolder(hosts []string, settle time.Duration, now func() time.Time) *holder {
	if now == nil {
		now = time.Now
	}
	return &holder{
		hosts: slices.Clone(hosts), settle: settle, now: now, problem: errNotRead,
		changed: make(chan struct{}, 1), wake: make(chan struct{}, 1),
	}
}

var (
	errNotRead = errors.New("the certificate of the admission webhook has not been read yet")
	errExpired = errors.New("the certificate of the admission webhook has expired")
)

// GetCertificate is for tls.Config. It fails as long as there is no certificate.
func (h *holder) GetCertificate(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.current == nil {
		return nil, errNotRead
	}
	return h.current.tls, nil
}

// Bundle is what the webhook configuration must have as its caBundle: PEM of one
// or more authorities; nil as long as there is no certificate.
func (h *holder) Bundle() []byte {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.bundle)
}

// Changed receives a value when the bundle has changed. One reader.
func (h *holder) Changed() <-chan struct{} { return h.changed }

// Installed tells which caBundle the webhook configuration has now, nil for none.
// Tell it again and again: a renewal waits for it.
func (h *holder) Installed(caBundle []byte) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.installedAs != nil && bytes.Equal(caBundle, h.installedAs) {
		return
	}
	h.installedAs, h.installedAt, h.installed = append([]byte{}, caBundle...), h.now(), nil
	if cas, err := parseAuthorities(caBundle); err == nil {
		h.installed = cas
	}
	signal(h.wake)
}

// Ready says why no API server can trust the certificate; nil when one can.
func (h *holder) Ready() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	switch {
	case h.current == nil:
		return h.problem
	case !h.now().Before(h.current.leaf().NotAfter):
		return fmt.Errorf("%w: %w", errExpired, h.problem)
	default:
		return nil
	}
}

// Expires is when the serving certificate ends; zero when there is none.
func (h *holder) Expires() time.Time {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.current == nil {
		return time.Time{}
	}
	return h.current.leaf().NotAfter
}

// serving returns what is served at the moment, nil for nothing.
func (h *holder) serving() (*pair, []*x509.Certificate) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.current, h.cas
}

// publish serves p and asks for a bundle of cas.
func (h *holder) publish(p *pair, cas []*x509.Certificate) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.current, h.cas = p, cas
	if bundle := encodeAuthorities(cas); !bytes.Equal(bundle, h.bundle) {
		h.bundle = bundle
		signal(h.changed)
	}
}

// failed keeps why the source could not be read or written; nil for success.
func (h *holder) failed(err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if err == nil {
		err = errNotRenewed
	}
	h.problem = err
}

var errNotRenewed = errors.New("it was not renewed in time")

// settled says whether every API server trusts p by now, as far as what is
// installed tells.
func (h *holder) settled(p *pair) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	now := h.now()
	return len(h.installed) > 0 && !now.Before(h.installedAt.Add(h.settle)) && p.verify(h.installed, h.hosts, now) == nil
}

func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
