package certs

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"slices"
	"time"
)

// pair is a serving certificate with its key.
type pair struct {
	certPEM, keyPEM []byte
	tls             *tls.Certificate
}

// parsePair reads a certificate, with the chain that may follow it, and its key.
func parsePair(certPEM, keyPEM []byte) (*pair, error) {
	c, err := tls.X509KeyPair(certPEM, keyPEM)
	if err != nil {
		return nil, fmt.Errorf("read the certificate and its key: %w", err)
	}
	return &pair{certPEM: certPEM, keyPEM: keyPEM, tls: &c}, nil
}

func (p *pair) leaf() *x509.Certificate { return p.tls.Leaf }

// fingerprint names a certificate in a log.
func (p *pair) fingerprint() string {
	sum := sha256.Sum256(p.leaf().Raw)
	return hex.EncodeToString(sum[:8])
}

// verify says why a client that trusts cas and calls hosts would refuse the pair
// at that time; nil when it would not.
func (p *pair) verify(cas []*x509.Certificate, hosts []string, now time.Time) error {
	roots, intermediates := x509.NewCertPool(), x509.NewCertPool()
	for _, ca := range cas {
		roots.AddCert(ca)
	}
	for _, der := range p.tls.Certificate[1:] {
		c, err := x509.ParseCertificate(der)
		if err != nil {
			return fmt.Errorf("read the certificate chain: %w", err)
		}
		intermediates.AddCert(c)
	}
	for _, host := range hosts {
		_, err := p.leaf().Verify(x509.VerifyOptions{
			DNSName: host, Roots: roots, Intermediates: intermediates, CurrentTime: now,
			KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		})
		if err != nil {
			return fmt.Errorf("check the certificate for %s: %w", host, err)
		}
	}
	return nil
}

// trusts are those of cas by which a client accepts the pair at that time.
func (p *pair) trusts(cas []*x509.Certificate, hosts []string, now time.Time) []*x509.Certificate {
	return slices.DeleteFunc(slices.Clone(cas), func(ca *x509.Certificate) bool {
		return p.verify([]*x509.Certificate{ca}, hosts, now) != nil
	})
}

// due says whether two thirds of the lifetime are over.
func (p *pair) due(now time.Time) bool {
	leaf := p.leaf()
	return !now.Before(leaf.NotAfter.Add(-leaf.NotAfter.Sub(leaf.NotBefore) / 3))
}

// hosts are the names that the certificate is for.
func (p *pair) hosts() []string {
	out := slices.Clone(p.leaf().DNSNames)
	for _, ip := range p.leaf().IPAddresses {
		out = append(out, ip.String())
	}
	return out
}

// maxSkew is how far an API server's clock may be behind.
const maxSkew = time.Hour

// issue makes an authority and the one certificate that it signs. The authority's
// key is forgotten.
func issue(hosts []string, now time.Time, lifetime time.Duration) (*x509.Certificate, *pair, error) {
	// A lifetime of minutes, as tests have, must not begin with its renewal.
	from, to := now.Add(-min(maxSkew, lifetime/10)), now.Add(lifetime)
	caSerial, err := serial()
	if err != nil {
		return nil, nil, err
	}
	caKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, fmt.Errorf("generate the authority's key: %w", err)
	}
	ca := &x509.Certificate{
		SerialNumber: caSerial,
		// Each has a name of its own: authorities of one name in one bundle would
		// be tried in turn.
		Subject:   pkix.Name{CommonName: "Gatekeeper admission " + hex.EncodeToString(caSerial.Bytes()[:4])},
		NotBefore: from, NotAfter: to,
		KeyUsage: x509.KeyUsageCertSign, BasicConstraintsValid: true, IsCA: true, MaxPathLenZero: true,
	}
	caDER, err := x509.CreateCertificate(rand.Reader, ca, ca, caKey.Public(), caKey)
	if err != nil {
		return nil, nil, fmt.Errorf("sign the authority: %w", err)
	}
	if ca, err = x509.ParseCertificate(caDER); err != nil {
		return nil, nil, fmt.Errorf("read the new authority: %w", err)
	}
	p, err := sign(ca, caKey, hosts)
	if err != nil {
		return nil, nil, err
	}
	return ca, p, nil
}

func sign(ca *x509.Certificate, caKey *ecdsa.PrivateKey, hosts []string) (*pair, error) {
	number, err := serial()
	if err != nil {
		return nil, err
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("generate the serving key: %w", err)
	}
	leaf := &x509.Certificate{
		SerialNumber: number, Subject: pkix.Name{CommonName: "gatekeeper"},
		NotBefore: ca.NotBefore, NotAfter: ca.NotAfter,
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		BasicConstraintsValid: true,
	}
	for _, host := range hosts {
		if ip := net.ParseIP(host); ip != nil {
			leaf.IPAddresses = append(leaf.IPAddresses, ip)
		} else {
			leaf.DNSNames = append(leaf.DNSNames, host)
		}
	}
	der, err := x509.CreateCertificate(rand.Reader, leaf, ca, key.Public(), caKey)
	if err != nil {
		return nil, fmt.Errorf("sign the serving certificate: %w", err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, fmt.Errorf("encode the serving key: %w", err)
	}
	return parsePair(
		pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}),
		pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER}))
}

// serial is a random positive number of 127 bits, of which the first is never 0:
// its bytes are always 16.
func serial() (*big.Int, error) {
	raw := make([]byte, 16)
	if _, err := rand.Read(raw); err != nil {
		return nil, fmt.Errorf("choose a serial number: %w", err)
	}
	raw[0] = raw[0]&0x7f | 0x40
	return new(big.Int).SetBytes(raw), nil
}

// maxAuthorities is far above what renewals leave behind.
const maxAuthorities = 16

var errNoAuthority = errors.New("there is no certificate of an authority")

// parseAuthorities reads PEM with one or more certificates and nothing else.
func parseAuthorities(text []byte) ([]*x509.Certificate, error) {
	var out []*x509.Certificate
	for rest := text; ; {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			break
		}
		if block.Type != "CERTIFICATE" {
			return nil, fmt.Errorf("read the authorities: there is a %q among them", block.Type)
		}
		c, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("read an authority: %w", err)
		}
		if out = append(out, c); len(out) > maxAuthorities {
			return nil, fmt.Errorf("read the authorities: there are more than %d", maxAuthorities)
		}
	}
	if len(out) == 0 {
		return nil, errNoAuthority
	}
	return out, nil
}

func encodeAuthorities(cas []*x509.Certificate) []byte {
	var b bytes.Buffer
	for _, ca := range cas {
		b.Write(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: ca.Raw}))
	}
	return b.Bytes()
}

// join is a with what b has besides, without duplicates and what has expired.
func join(now time.Time, a, b []*x509.Certificate) []*x509.Certificate {
	var out []*x509.Certificate
	for _, c := range slices.Concat(a, b) {
		if now.Before(c.NotAfter) && !slices.ContainsFunc(out, c.Equal) {
			out = append(out, c)
		}
	}
	return out
}
