package standin_test

import (
	"crypto/tls"
	"crypto/x509"
	"net/http"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/test/e2e/standin"
)

func TestTLS(t *testing.T) {
	w := newWorld(t, func(o *standin.Options) { o.TLS = true })
	require.Regexp(t, `^https://127\.0\.0\.1:\d+$`, w.s.URL())
	require.Regexp(t, `^https://`, w.repo.CloneURL)
	require.Equal(t, []string{"ping", "installation.created"}, names(w.take()), "webhooks go to plain HTTP still")

	get := func(config *tls.Config, url string) (answer string, err error) {
		transport := &http.Transport{TLSClientConfig: config, ForceAttemptHTTP2: true}
		defer transport.CloseIdleConnections()
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
		require.NoError(t, err)
		resp, err := transport.RoundTrip(req)
		if err != nil {
			return "", err
		}
		return resp.Proto + " " + resp.Status, resp.Body.Close()
	}
	roots := x509.NewCertPool()
	require.True(t, roots.AppendCertsFromPEM(w.s.CACertPEM()))
	answer, err := get(&tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}, w.s.APIURL()+"meta")
	require.NoError(t, err)
	require.Equal(t, "HTTP/2.0 200 OK", answer, "as GitHub does")
	_, err = get(&tls.Config{MinVersion: tls.VersionTLS12}, w.s.APIURL()+"meta")
	require.ErrorAs(t, err, new(*tls.CertificateVerificationError), "nobody trusts the authority unasked")
	answer, err = get(nil, "http"+w.s.APIURL()[len("https"):]+"meta")
	require.NoError(t, err)
	require.Equal(t, "HTTP/1.0 400 Bad Request", answer, "no plain HTTP beside it")

	ca := filepath.Join(t.TempDir(), "ca.pem")
	require.NoError(t, os.WriteFile(ca, w.s.CACertPEM(), 0o600))
	address := "https://x-access-token:" + w.alice.Token + "@" + w.repo.CloneURL[len("https://"):]
	runGit(t, t.TempDir(), "-c", "http.sslCAInfo="+ca, "clone", "--quiet", address, "copy")
	out, err := tryGit(t, t.TempDir(), "clone", "--quiet", address, "copy")
	require.Error(t, err)
	require.Contains(t, out, "certificate")
}

func TestNoAuthorityWithoutTLS(t *testing.T) {
	require.Nil(t, newWorld(t).s.CACertPEM())
}
