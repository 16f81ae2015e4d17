package github

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"go/parser"
	"go/token"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	gh "github.com/google/go-github/v60/github"
	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
)

func TestNewAppRefuses(t *testing.T) {
	small, err := rsa.GenerateKey(rand.Reader, 1024)
	require.NoError(t, err)
	curve, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	curveDER, err := x509.MarshalPKCS8PrivateKey(curve)
	require.NoError(t, err)
	tests := map[string]struct {
		change func(*Options)
		want   string
	}{
		"no logger":                {func(o *Options) { o.Logger = nil }, "logger"},
		"no ID":                    {func(o *Options) { o.AppID = 0 }, "not the ID"},
		"no URL":                   {func(o *Options) { o.BaseURL = "" }, "host"},
		"plain HTTP":               {func(o *Options) { o.BaseURL = "http://ghes.test/api/v3/" }, "https"},
		"HTTP, not quite loopback": {func(o *Options) { o.BaseURL = "http://localhost.evil.test/" }, "https"},
		"other scheme":             {func(o *Options) { o.BaseURL = "ftp://127.0.0.1/" }, "https"},
		"password in URL":          {func(o *Options) { o.BaseURL = "https://u:p@api.github.com/" }, "alone"},
		"query in URL":             {func(o *Options) { o.BaseURL = "https://api.github.com/?x=1" }, "alone"},
		"no key":                   {func(o *Options) { o.PrivateKeyPEM = nil }, "PEM"},
		"broken key": {func(o *Options) {
			o.PrivateKeyPEM = pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: []byte("secret")})
		}, "cannot be read"},
		"short key": {func(o *Options) {
			o.PrivateKeyPEM = pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(small)})
		}, "1024 bits"},
		"other key": {func(o *Options) {
			o.PrivateKeyPEM = pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: curveDER})
		}, "not an RSA key"},
		"no certificates": {func(o *Options) { o.CertificatesPEM = []byte("x") }, "holds none"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			o := Options{BaseURL: "https://api.github.com/", AppID: 1, PrivateKeyPEM: testKey(), Logger: logger(t)}
			tt.change(&o)
			_, err := NewApp(o)
			require.ErrorContains(t, err, tt.want)
			require.NotContains(t, err.Error(), "secret")
		})
	}
	for _, base := range []string{"http://127.0.0.1:8080", "http://[::1]:8080/api/v3", "http://localhost", "https://ghes.test/api/v3/"} {
		_, err := NewApp(Options{BaseURL: base, AppID: 1, PrivateKeyPEM: testKey(), Logger: logger(t)})
		require.NoError(t, err, base)
	}
}

func TestCertificates(t *testing.T) {
	s := newServer(t, nil)
	srv := httptest.NewTLSServer(s)
	t.Cleanup(srv.Close)
	o := Options{BaseURL: srv.URL, AppID: 1, PrivateKeyPEM: testKey(), Logger: logger(t)}
	app, err := NewApp(o)
	require.NoError(t, err)
	_, err = app.Client(t.Context(), "acme/deploy")
	require.ErrorContains(t, err, "certificate")

	o.PrivateKeyPEM = testKey()
	o.CertificatesPEM = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: srv.Certificate().Raw})
	app, err = NewApp(o)
	require.NoError(t, err)
	_, err = app.Client(t.Context(), "acme/deploy")
	require.NoError(t, err)
}

// go-github v60 builds paths from the parts of a name without escaping "..".
func TestNamesCannotChangeThePath(t *testing.T) {
	s := newServer(t, nil)
	app := newTestApp(t, "https://api.github.test/", s, inMemory{s})
	for _, name := range []approval.RepositoryName{"", "acme", "../x", "acme/..", "acme/a/b", "acme/a?b", "acme/%2e%2e"} {
		_, err := app.Client(t.Context(), name)
		require.Error(t, err, name)
	}
	for _, name := range []string{"", "..", "a/b", "a?b"} {
		_, err := app.Organization(t.Context(), name)
		require.Error(t, err, name)
	}
	require.Empty(t, s.calls)
}

func TestOneInstallationPerOwner(t *testing.T) {
	s := newServer(t, func(w http.ResponseWriter, _ *http.Request) { writeJSON(w, http.StatusOK, map[string]any{}) })
	app := newTestApp(t, "https://api.github.test/", s, inMemory{s})
	for _, name := range []approval.RepositoryName{"acme/deploy", "acme/other", "ACME/third"} {
		c, err := app.Client(t.Context(), name)
		require.NoError(t, err)
		require.Equal(t, name, c.Repository())
		require.NoError(t, getRepository(t.Context(), c))
	}
	org, err := app.Organization(t.Context(), "acme")
	require.NoError(t, err)
	require.Empty(t, org.Repository())
	require.Equal(t, 1, s.finds)
	require.Equal(t, 1, s.minted, "the repositories of an owner share a token")
}

func TestYoungToken(t *testing.T) {
	tests := map[string]struct {
		age      time.Duration
		answers  []int // until they run out, then 200
		header   string
		wantSent int
		wantTook time.Duration
		wantErr  int
	}{
		"works at once":         {answers: nil, wantSent: 1},
		"not known for a while": {answers: []int{404, 403, 401}, wantSent: 4, wantTook: 7 * time.Second},
		"not known for long":    {answers: []int{404, 404, 404, 404}, wantSent: 5, wantTook: 10 * time.Second},
		"still not known":       {answers: []int{404, 404, 404, 404, 404}, wantSent: 5, wantTook: 10 * time.Second, wantErr: 404},
		"old token, not found":  {age: time.Minute, answers: []int{404}, wantSent: 1, wantErr: 404},
		"old token, forbidden":  {age: time.Minute, answers: []int{403}, wantSent: 1, wantErr: 403},
		"grows old meanwhile":   {age: 8 * time.Second, answers: []int{404, 404, 404}, wantSent: 3, wantTook: 2 * time.Second, wantErr: 404},
		"rate limit":            {answers: []int{403}, header: "60", wantSent: 1, wantErr: 403},
		"server error":          {answers: []int{500}, wantSent: 1, wantErr: 500},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				sent := 0
				var bodies []string
				s := newServer(t, func(w http.ResponseWriter, r *http.Request) {
					sent++
					body, err := io.ReadAll(r.Body)
					if err != nil {
						t.Error(err)
					}
					bodies = append(bodies, strings.TrimSpace(string(body)))
					if sent > len(tt.answers) {
						writeJSON(w, http.StatusCreated, map[string]any{"id": 5})
						return
					}
					if tt.header != "" {
						w.Header().Set("Retry-After", tt.header)
					}
					writeJSON(w, tt.answers[sent-1], map[string]any{"message": "no"})
				})
				c := inMemoryClient(t, s)
				_, err := c.Token(t.Context())
				require.NoError(t, err)
				time.Sleep(tt.age)
				start := time.Now()
				_, _, err = c.API().Issues.CreateComment(t.Context(), "acme", "deploy", 1, &gh.IssueComment{Body: new("hello")})
				if tt.wantErr == 0 {
					require.NoError(t, err)
				} else {
					var e *Error
					require.ErrorAs(t, err, &e)
					require.Equal(t, tt.wantErr, e.Status)
				}
				require.Equal(t, slices.Repeat([]string{`{"body":"hello"}`}, tt.wantSent), bodies, "the body must be sent anew each time")
				require.Equal(t, tt.wantTook, time.Since(start))
			})
		})
	}
}

func TestRevokedTokenIsReplacedOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		good := "Bearer ghs_xx"
		s := newServer(t, func(w http.ResponseWriter, r *http.Request) {
			if r.Header.Get("Authorization") != good {
				writeJSON(w, http.StatusUnauthorized, map[string]any{"message": "Bad credentials"})
				return
			}
			writeJSON(w, http.StatusOK, map[string]any{})
		})
		c := inMemoryClient(t, s)
		_, err := c.Token(t.Context())
		require.NoError(t, err)
		time.Sleep(time.Minute)
		require.NoError(t, getRepository(t.Context(), c))
		require.Equal(t, 2, s.minted)

		good = "nothing"
		time.Sleep(time.Minute)
		var e *Error
		require.ErrorAs(t, getRepository(t.Context(), c), &e)
		require.Equal(t, http.StatusUnauthorized, e.Status)
		require.Equal(t, 3, s.minted)
	})
}

// Permissions that an owner accepts later come with a new token. One that stays
// without is replaced now and then, and nobody waits for it.
func TestLackingTokenIsReplaced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		good := "Bearer ghs_xx"
		s := newServer(t, func(w http.ResponseWriter, r *http.Request) {
			if r.Header.Get("Authorization") != good {
				w.Header().Set("X-Accepted-GitHub-Permissions", "issues=write; pull_requests=write")
				writeJSON(w, http.StatusForbidden, map[string]any{"message": "Resource not accessible by integration"})
				return
			}
			writeJSON(w, http.StatusOK, map[string]any{})
		})
		c := inMemoryClient(t, s)
		_, err := c.Token(t.Context())
		require.NoError(t, err)
		time.Sleep(time.Minute)
		require.NoError(t, getRepository(t.Context(), c))
		require.Equal(t, 2, s.minted)

		good = "nothing"
		time.Sleep(time.Minute)
		start := time.Now()
		for _, minted := range []int{3, 3, 4, 4} {
			err := getRepository(t.Context(), c)
			require.EqualError(t, err, "read the repository of acme/deploy: GitHub answered 403 Forbidden: Resource not accessible by integration; "+
				"give the GitHub App the permission issues: write or pull_requests: write, which an owner of acme then has to accept")
			require.Equal(t, minted, s.minted)
			time.Sleep(10 * time.Second)
		}
		require.Equal(t, 40*time.Second, time.Since(start), "only this test waits")
	})
}

func TestReinstalledAppIsFoundAgain(t *testing.T) {
	s := newServer(t, func(w http.ResponseWriter, _ *http.Request) { writeJSON(w, http.StatusOK, map[string]any{}) })
	c := inMemoryClient(t, s)
	s.gone[1] = true
	s.installation = 2
	require.NoError(t, getRepository(t.Context(), c))
	require.Equal(t, 2, s.finds)

	s.gone[2] = true
	c = inMemoryClient(t, s)
	require.ErrorIs(t, getRepository(t.Context(), c), approval.ErrNotFound)
}

func TestUnusableTokens(t *testing.T) {
	future := time.Now().Add(time.Hour).Format(time.RFC3339)
	tests := map[string]string{
		"null":             `null`,
		"nothing":          `{}`,
		"no JSON":          `<html>`,
		"empty":            `{"token":"","expires_at":"` + future + `"}`,
		"header injection": `{"token":"a\r\nX: y","expires_at":"` + future + `"}`,
		"no expiry":        `{"token":"ghs_1"}`,
		"expired":          `{"token":"ghs_1","expires_at":"2020-01-01T00:00:00Z"}`,
	}
	for name, answer := range tests {
		t.Run(name, func(t *testing.T) {
			s := newServer(t, nil)
			srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if strings.HasSuffix(r.URL.Path, "/access_tokens") {
					w.WriteHeader(http.StatusCreated)
					_, _ = w.Write([]byte(answer))
					return
				}
				s.ServeHTTP(w, r)
			}))
			t.Cleanup(srv.Close)
			c, err := newTestApp(t, srv.URL, s, nil).Client(t.Context(), "acme/deploy")
			require.NoError(t, err)
			_, err = c.Token(t.Context())
			require.Error(t, err)
			require.NotContains(t, err.Error(), "ghs_1")
		})
	}
}

// Both formats of a token that GitHub has issued since April 2026.
func TestTokensAreOpaque(t *testing.T) {
	require.True(t, validToken("ghs_16C7e42F292c6912E7710c838347Ae178B4a"))
	require.True(t, validToken("ghs_7_"+strings.Repeat("eyJ.", 130)))
	require.False(t, validToken("a b"))
	require.False(t, validToken(strings.Repeat("x", 9000)))
}

// ghinstallation writes to the AppsTransport at every refresh. With one for
// each installation the race detector stays quiet.
func TestInstallationsRefreshConcurrently(t *testing.T) {
	s := newServer(t, func(w http.ResponseWriter, _ *http.Request) { writeJSON(w, http.StatusOK, map[string]any{}) })
	srv := httptest.NewServer(s)
	t.Cleanup(srv.Close)
	app := newTestApp(t, srv.URL, s, nil)
	var wg sync.WaitGroup
	errs := make(chan error, 16)
	for i := range 16 {
		wg.Go(func() {
			c, err := app.Client(t.Context(), approval.RepositoryName(fmt.Sprintf("owner%d/deploy", i%8)))
			if err == nil {
				_, err = c.Token(t.Context())
			}
			errs <- err
		})
	}
	wg.Wait()
	close(errs)
	for err := range errs {
		require.NoError(t, err)
	}
	require.Equal(t, 8, s.minted)
	require.Equal(t, 8, s.finds)
}

func TestClientWaitsNoLongerThanItsContext(t *testing.T) {
	in := newInstallation(newTestApp(t, "https://api.github.test/", newServer(t, nil), roundTripper(nil)), "acme")
	<-in.turn // somebody else is looking
	ctx, cancel := contextWithCause(t)
	gone := errors.New("gone")
	cancel(gone)
	_, err := in.current(ctx, nil)
	require.ErrorIs(t, err, gone)
}

func TestOneFileImportsGhinstallation(t *testing.T) {
	files, err := os.ReadDir(".")
	require.NoError(t, err)
	var importers []string
	for _, f := range files {
		if !strings.HasSuffix(f.Name(), ".go") {
			continue
		}
		parsed, err := parser.ParseFile(token.NewFileSet(), f.Name(), nil, parser.ImportsOnly)
		require.NoError(t, err)
		for _, i := range parsed.Imports {
			if strings.Contains(i.Path.Value, "bradleyfalzon/ghinstallation") {
				importers = append(importers, f.Name())
			}
		}
	}
	require.Equal(t, []string{"installation.go"}, importers)
}

func FuzzBaseURL(f *testing.F) {
	for _, s := range []string{"https://api.github.com", "http://127.0.0.1", "http://a@localhost/", "https://x/?y#z", "http:localhost"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		u, err := parseBaseURL(s)
		if err != nil {
			return
		}
		require.True(t, u.Scheme == "https" || isLoopback(u.Hostname()))
		require.True(t, strings.HasSuffix(u.Path, "/"))
		require.Nil(t, u.User)
	})
}
