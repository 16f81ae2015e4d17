package standin

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"time"
)

// certificateLife is how long the certificates of a TLS stand-in are valid. The clock is the
// machine's and not Options.Now: clients check against theirs.
const certificateLife = 90 * 24 * time.Hour

// authority is a certificate authority that signed one certificate, for a server on loopback.
type authority struct {
	pem    []byte // of the authority
	config *tls.Config
}

// newAuthority makes an authority and a certificate for localhost, the loopback addresses and ip.
// Nobody can sign a second one: the authority's key is forgotten.
func newAuthority(ip net.IP) (*authority, error) {
	now := time.Now()
	ca := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "GitHub stand-in CA"},
		NotBefore: now.Add(-time.Hour), NotAfter: now.Add(certificateLife), IsCA: true, BasicConstraintsValid: true,
		MaxPathLenZero: true, KeyUsage: x509.KeyUsageCertSign}
	leaf := &x509.Certificate{SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "GitHub stand-in"},
		NotBefore: ca.NotBefore, NotAfter: ca.NotAfter, KeyUsage: x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}, DNSNames: []string{"localhost"},
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback, ip}}
	caKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("make the authority's key: %w", err)
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("make the server's key: %w", err)
	}
	caDER, err := x509.CreateCertificate(rand.Reader, ca, ca, caKey.Public(), caKey)
	if err != nil {
		return nil, fmt.Errorf("sign the authority: %w", err)
	}
	der, err := x509.CreateCertificate(rand.Reader, leaf, ca, key.Public(), caKey)
	if err != nil {
		return nil, fmt.Errorf("sign the server's certificate: %w", err)
	}
	return &authority{
		pem: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: caDER}),
		config: &tls.Config{MinVersion: tls.VersionTLS12,
			Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}},
	}, nil
}

// CACertPEM is the certificate of the authority that clients of a TLS stand-in have to trust; nil
// without Options.TLS.
func (s *Server) CACertPEM() []byte {
	if s.authority == nil {
		return nil
	}
	return append([]byte(nil), s.authority.pem...)
}

// serve answers until the server is closed.
func (s *Server) serve(listener net.Listener) error {
	if s.authority == nil {
		return s.http.Serve(listener)
	}
	return s.http.ServeTLS(listener, "", "")
}
