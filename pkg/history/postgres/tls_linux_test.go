package postgres_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/pkg/history/postgres"
	"github.com/argo-gatekeeper/gatekeeper/test/postgrestest"
)

// authority signs certificates of servers.
type authority struct {
	certificate *x509.Certificate
	key         *ecdsa.PrivateKey
	file        string
}

func newAuthority(t *testing.T) authority {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "authority"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	require.NoError(t, err)
	certificate, err := x509.ParseCertificate(der)
	require.NoError(t, err)
	file := filepath.Join(t.TempDir(), "authority.pem")
	require.NoError(t, os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600))
	return authority{certificate, key, file}
}

func (a authority) server(t *testing.T, ip string) (certificate, key []byte) {
	t.Helper()
	own, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(2), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.ParseIP(ip)}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.certificate, &own.PublicKey, a.key)
	require.NoError(t, err)
	private, err := x509.MarshalECPrivateKey(own)
	require.NoError(t, err)
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: private})
}

// TestVerifiedTLS connects with a password over TLS, and refuses a server that is not who
// it should be. The password and the connection string are in no error.
func TestVerifiedTLS(t *testing.T) {
	t.Parallel()
	cluster := postgrestest.Start(t, "listen_addresses=127.0.0.1")
	own, other := newAuthority(t), newAuthority(t)
	const password = "qu1te secret/%"
	cluster.SQL(t, "postgres", "CREATE ROLE gatekeeper LOGIN PASSWORD '"+password+"'; GRANT CREATE ON DATABASE postgres TO gatekeeper")
	present := func(ip string) {
		certificate, key := own.server(t, ip)
		cluster.Give(t, "server.crt", certificate)
		cluster.Give(t, "server.key", key)
		require.NoError(t, cluster.Stop())
		cluster.Set("ssl=on", "ssl_cert_file="+filepath.Join(cluster.Folder(), "server.crt"), "ssl_key_file="+filepath.Join(cluster.Folder(), "server.key"))
		require.NoError(t, cluster.Run(t.Context()))
	}
	dsn := func(password string, trusted authority) string {
		return fmt.Sprintf("host=127.0.0.1 port=%d dbname=postgres user=gatekeeper password='%s' sslmode=verify-full sslrootcert=%s", cluster.Port, password, trusted.file)
	}
	refused := func(o postgres.Options, want string) {
		t.Helper()
		_, err := postgres.Open(t.Context(), o)
		require.ErrorContains(t, err, want)
		require.NotContains(t, fmt.Sprintf("%v %+v %#v", err, err, err), password)
		require.NotContains(t, err.Error(), o.DSN)
	}
	present("127.0.0.1")
	store, err := postgres.Create(t.Context(), postgres.Options{DSN: dsn(password, own)}, "")
	require.NoError(t, err)
	head := deploy(t, store, "i-1")
	require.Equal(t, "t", cluster.SQL(t, "postgres", "SELECT bool_and(ssl) FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) WHERE usename = 'gatekeeper'"))
	require.NoError(t, store.Close())

	refused(postgres.Options{DSN: dsn(password, other)}, "certificate signed by unknown authority")
	refused(postgres.Options{DSN: dsn(password+"x", own)}, "password authentication failed")
	present("127.0.0.2")
	refused(postgres.Options{DSN: dsn(password, own)}, "certificate is valid for 127.0.0.2, not 127.0.0.1")
	require.NoError(t, cluster.Stop())
	refused(postgres.Options{DSN: dsn(password, own)}, "connection refused")
	require.NoError(t, cluster.Run(t.Context()))
	present("127.0.0.1")
	requireIntact(t, open(t, postgres.Options{DSN: dsn(password, own)}), head)
}

// TestNobodyAnswers: what takes connections and says nothing is given up in time.
func TestNobodyAnswers(t *testing.T) {
	t.Parallel()
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer func() { require.NoError(t, listener.Close()) }()
	start := time.Now()
	_, err = postgres.Open(t.Context(), postgres.Options{
		DSN: fmt.Sprintf("host=127.0.0.1 port=%d user=u dbname=d password=s3cret sslmode=disable", listener.Addr().(*net.TCPAddr).Port), Timeout: 300 * time.Millisecond,
	})
	require.Error(t, err)
	require.NotContains(t, err.Error(), "s3cret")
	require.Less(t, time.Since(start), patience)
}
