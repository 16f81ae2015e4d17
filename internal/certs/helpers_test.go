package certs

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"log/slog"
	"math/big"
	"net"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

const host = "gatekeeper.gatekeeper.svc"

var secretsResource = schema.GroupResource{Resource: "secrets"}

// namespace keeps Secrets as the API server does: versions count up, and a write
// under another version than the present one is a conflict.
type namespace struct {
	mu      sync.Mutex
	version int
	objects map[string]*corev1.Secret
	// fail makes a verb fail.
	fail map[string]error
	// before runs before a write is looked at.
	before func(verb string)
	writes int
}

func newNamespace() *namespace {
	return &namespace{objects: map[string]*corev1.Secret{}, fail: map[string]error{}}
}

func (n *namespace) Get(_ context.Context, name string, _ metav1.GetOptions) (*corev1.Secret, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if err := n.fail["get"]; err != nil {
		return nil, err
	}
	s, ok := n.objects[name]
	if !ok {
		return nil, apierrors.NewNotFound(secretsResource, name)
	}
	return s.DeepCopy(), nil
}

func (n *namespace) Create(_ context.Context, s *corev1.Secret, _ metav1.CreateOptions) (*corev1.Secret, error) {
	return n.write("create", s)
}

func (n *namespace) Update(_ context.Context, s *corev1.Secret, _ metav1.UpdateOptions) (*corev1.Secret, error) {
	return n.write("update", s)
}

func (n *namespace) write(verb string, s *corev1.Secret) (*corev1.Secret, error) {
	if n.before != nil {
		n.before(verb)
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if err := n.fail[verb]; err != nil {
		return nil, err
	}
	old, ok := n.objects[s.Name]
	switch {
	case verb == "create" && ok:
		return nil, apierrors.NewAlreadyExists(secretsResource, s.Name)
	case verb == "update" && !ok:
		return nil, apierrors.NewNotFound(secretsResource, s.Name)
	case verb == "update" && old.ResourceVersion != s.ResourceVersion:
		return nil, apierrors.NewConflict(secretsResource, s.Name, nil)
	}
	n.version++
	n.writes++
	kept := s.DeepCopy()
	kept.ResourceVersion = strconv.Itoa(n.version)
	n.objects[s.Name] = kept
	return kept.DeepCopy(), nil
}

// logged collects a log and shows it.
type logged struct {
	t  *testing.T
	mu sync.Mutex
	b  strings.Builder
}

func (l *logged) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logged) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func newLog(t *testing.T) (*slog.Logger, *logged) {
	t.Helper()
	l := &logged{t: t}
	t.Cleanup(func() {
		if t.Failed() {
			text := l.String()
			t.Log(text[max(0, len(text)-4000):])
		}
	})
	return slog.New(slog.NewTextHandler(l, nil)), l
}

type server interface {
	GetCertificate(*tls.ClientHelloInfo) (*tls.Certificate, error)
}

// handshake connects over TLS with a client that trusts the bundle.
func handshake(t *testing.T, s server, bundle []byte) error {
	t.Helper()
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(bundle)
	near, far := net.Pipe()
	defer func() { _, _ = near.Close(), far.Close() }()
	// A client that refuses writes its alert while the server still writes, and a
	// pipe has no buffer.
	require.NoError(t, near.SetDeadline(time.Now().Add(time.Second)))
	go func() {
		// Its failure is the client's as well.
		_ = tls.Server(far, &tls.Config{GetCertificate: s.GetCertificate, MinVersion: tls.VersionTLS12, SessionTicketsDisabled: true}).HandshakeContext(t.Context())
	}()
	return tls.Client(near, &tls.Config{RootCAs: roots, ServerName: host, MinVersion: tls.VersionTLS12}).HandshakeContext(t.Context())
}

func requireNoKey(t *testing.T, text string) {
	t.Helper()
	require.NotContains(t, text, "PRIVATE KEY")
}

// oneAuthority signs two certificates, as an issuer that keeps its key does.
func oneAuthority(t *testing.T) (ca *x509.Certificate, first, second *pair) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "issuer"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		KeyUsage: x509.KeyUsageCertSign, BasicConstraintsValid: true, IsCA: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	require.NoError(t, err)
	ca, err = x509.ParseCertificate(der)
	require.NoError(t, err)
	first, err = sign(ca, key, []string{host})
	require.NoError(t, err)
	second, err = sign(ca, key, []string{host})
	require.NoError(t, err)
	return ca, first, second
}
