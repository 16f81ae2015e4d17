package registry

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

const password = "correct horse battery staple"

func writeConfig(t *testing.T, path, host, entry string) {
	t.Helper()
	require.NoError(t, os.WriteFile(path, fmt.Appendf(nil, `{"auths":{%q:%s}}`, host, entry), 0o600))
}

// TestBasic: user name and password, read again when the file changes, and never
// printed.
func TestBasic(t *testing.T) {
	w := newWorld(t, true)
	d := w.image("1")
	w.intercept = func(rw http.ResponseWriter, r *http.Request) bool {
		if user, pass, ok := r.BasicAuth(); ok && user == "robot" && pass == password {
			return false
		}
		rw.Header().Set("WWW-Authenticate", `Basic realm="registry"`)
		rw.WriteHeader(http.StatusUnauthorized)
		return true
	}
	config := fileIn(t, "config.json")
	client := w.newClient(func(o *Options) { o.DockerConfig = config })
	resolve := func() Reason {
		got, err := client.Resolve(t.Context(), w.repo()+":1")
		if err != nil {
			require.NotContains(t, fmt.Sprintf("%v %+v %#v", err, err, err), password)
			return reasonOf(t, err)
		}
		require.Equal(t, d, got.Digest)
		return ""
	}
	require.Equal(t, ReasonCredentials, resolve(), "the file is not there")
	writeConfig(t, config, "other.example.com", `{"username":"robot","password":"`+password+`"}`)
	require.Equal(t, ReasonUnauthorized, resolve())
	writeConfig(t, config, w.host, `{"username":"robot","password":"wrong"}`)
	require.Equal(t, ReasonUnauthorized, resolve())
	writeConfig(t, config, w.host, `{"username":"robot","password":"`+password+`"}`)
	require.Empty(t, resolve())
	writeConfig(t, config, w.host, `{"auth":"`+base64.StdEncoding.EncodeToString([]byte("robot:"+password))+`"}`)
	require.Empty(t, resolve())
	w.forget()
	require.Empty(t, resolve())
	require.Len(t, w.asked(), 1, "the way to log in is remembered")
	require.NoError(t, os.WriteFile(config, []byte(`{"auths":{"x":{"password":"`+password), 0o600))
	require.Equal(t, ReasonCredentials, resolve())
	for _, v := range []any{client.tokens, credentials{password: newSecret(password)}, token{header: newSecret(password)}} {
		require.NotContains(t, fmt.Sprintf("%v %+v", v, v), password)
	}
}

// tokenServer answers as a token server; grant decides by the request.
func tokenServer(w *world, grant func(*http.Request) (string, int)) *atomic.Int64 {
	var granted atomic.Int64
	w.on("/v2/", nil)
	w.intercept = func(rw http.ResponseWriter, r *http.Request) bool {
		if r.URL.Path == "/token" {
			text, code := grant(r)
			granted.Add(1)
			rw.WriteHeader(code)
			_, _ = rw.Write([]byte(text))
			return true
		}
		if r.Header.Get("Authorization") == "Bearer good" {
			return false
		}
		rw.Header().Set("WWW-Authenticate", `Bearer realm="`+w.server.URL+`/token",service="registry.test",scope="repository:acme/app:pull"`)
		rw.WriteHeader(http.StatusUnauthorized)
		return true
	}
	return &granted
}

func TestBearer(t *testing.T) {
	w := newWorld(t, true)
	d := w.image("1")
	config := fileIn(t, "config.json")
	writeConfig(t, config, w.host, `{"username":"robot","password":"`+password+`"}`)
	granted := tokenServer(w, func(r *http.Request) (string, int) {
		user, pass, _ := r.BasicAuth()
		if user != "robot" || pass != password || r.Method != http.MethodGet {
			return "", http.StatusUnauthorized
		}
		if r.URL.Query().Get("scope") != "repository:acme/app:pull" || r.URL.Query().Get("service") != "registry.test" {
			return "", http.StatusBadRequest
		}
		return `{"token":"good","expires_in":300}`, http.StatusOK
	})
	client := w.newClient(func(o *Options) { o.DockerConfig = config })
	for range 3 {
		got, err := client.Resolve(t.Context(), w.repo()+":1")
		require.NoError(t, err)
		require.Equal(t, d, got.Digest)
	}
	require.Equal(t, int64(1), granted.Load(), "a token is used while it lives")

	_, err := w.client.Resolve(t.Context(), w.repo()+":1")
	require.Equal(t, ReasonUnauthorized, reasonOf(t, err), "without credentials")
	writeConfig(t, config, w.host, `{"username":"robot","password":"changed"}`)
	_, err = client.Resolve(t.Context(), w.repo()+":1")
	require.Equal(t, ReasonUnauthorized, reasonOf(t, err), "a token of other credentials is not used")
}

func TestIdentityToken(t *testing.T) {
	w := newWorld(t, true)
	w.image("1")
	config := fileIn(t, "config.json")
	writeConfig(t, config, w.host, `{"identitytoken":"refresh me"}`)
	tokenServer(w, func(r *http.Request) (string, int) {
		if r.Method != http.MethodPost || r.FormValue("grant_type") != "refresh_token" || r.FormValue("refresh_token") != "refresh me" ||
			r.FormValue("scope") != "repository:acme/app:pull" || strings.Contains(r.URL.RawQuery, "refresh") {
			return "", http.StatusBadRequest
		}
		return `{"access_token":"good"}`, http.StatusOK
	})
	_, err := w.newClient(func(o *Options) { o.DockerConfig = config }).Resolve(t.Context(), w.repo()+":1")
	require.NoError(t, err)
	writeConfig(t, config, w.host, `{"registrytoken":"good"}`)
	_, err = w.newClient(func(o *Options) { o.DockerConfig = config }).Resolve(t.Context(), w.repo()+":1")
	require.NoError(t, err)
}

func TestTokenServerFails(t *testing.T) {
	for name, c := range map[string]struct {
		text string
		code int
		want Reason
	}{
		"no token":         {`{}`, 200, ReasonMalformed},
		"not JSON":         {`token secret-token`, 200, ReasonMalformed},
		"header injection": {`{"token":"good\r\nHost: x"}`, 200, ReasonMalformed},
		"wrong token":      {`{"token":"secret-token"}`, 200, ReasonUnauthorized},
		"broken":           {`secret-token`, 500, ReasonUnavailable},
		"limited":          {`secret-token`, 429, ReasonLimited},
		"huge":             {strings.Repeat("secret-token", tokenLimit), 200, ReasonTooLarge},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, true)
			d := w.image("1")
			tokenServer(w, func(*http.Request) (string, int) { return c.text, c.code })
			_, err := w.client.Resolve(t.Context(), w.repo()+":1")
			require.Equal(t, c.want, reasonOf(t, err))
			require.NotContains(t, fmt.Sprintf("%+v", err), "secret-token")
			res := w.client.Verify(t.Context(), w.repo(), d, newSigner().keys(t, "release"))
			require.Equal(t, StateUnknown, res.State)
		})
	}
}

// TestTokenServerElsewhere: the registry names the token server, so it must not be
// able to send our credentials anywhere in the private network, or in clear.
func TestTokenServerElsewhere(t *testing.T) {
	elsewhere := newWorld(t, true)
	tls := newTLSServer(t, http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("it was asked") }))
	for _, realm := range []string{elsewhere.server.URL + "/token", tls.URL + "/token", "http://169.254.169.254/latest", "file:///etc/passwd", "", "/token",
		"http://u:p@" + elsewhere.host + "/", "https:///x"} {
		w := newWorld(t, true)
		w.on("/v2/", func(rw http.ResponseWriter, _ *http.Request) {
			rw.Header().Set("WWW-Authenticate", `Bearer realm="`+realm+`",service="x"`)
			rw.WriteHeader(http.StatusUnauthorized)
		})
		config := fileIn(t, "config.json")
		writeConfig(t, config, w.host, `{"username":"robot","password":"`+password+`"}`)
		_, err := w.newClient(func(o *Options) { o.DockerConfig = config }).Resolve(t.Context(), w.repo()+":1")
		require.Contains(t, []Reason{ReasonRedirect, ReasonUnauthorized}, reasonOf(t, err), realm)
	}
	require.Empty(t, elsewhere.asked())
}

func TestTokensExpire(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, err := New(Options{Registries: []Registry{{Host: "ghcr.io", Repositories: []string{"**"}}}})
		require.NoError(t, err)
		repo := repository{"ghcr.io", "acme/app"}
		in, err := c.login(c.listings["ghcr.io"], repo)
		require.NoError(t, err)
		require.Empty(t, in.header())
		c.tokens.put(in.key, token{header: newSecret("Bearer x"), until: time.Now().Add(time.Minute)})
		in, err = c.login(c.listings["ghcr.io"], repo)
		require.NoError(t, err)
		require.Equal(t, "Bearer x", in.header())
		time.Sleep(time.Minute)
		in, err = c.login(c.listings["ghcr.io"], repo)
		require.NoError(t, err)
		require.Empty(t, in.header())
	})
}

func TestParseCredentials(t *testing.T) {
	basic := func(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }
	for name, c := range map[string]struct {
		file string
		host string
		path string
		want credentials
		err  string
	}{
		"empty":            {file: `{}`, host: "ghcr.io", path: "a/b"},
		"none of ours":     {file: `{"auths":{"quay.io":{"username":"u"}}}`, host: "ghcr.io", path: "a/b"},
		"not a suffix":     {file: `{"auths":{"io":{"username":"u"},"evil-ghcr.io":{"username":"u"}}}`, host: "ghcr.io", path: "a/b"},
		"host":             {file: `{"auths":{"ghcr.io":{"auth":"` + basic("u:p:q") + `"}}}`, host: "ghcr.io", path: "a/b", want: credentials{username: "u", password: newSecret("p:q")}},
		"hub":              {file: `{"auths":{"https://index.docker.io/v1/":{"auth":"` + basic("u:p") + `"}}}`, host: "docker.io", path: "a/b", want: credentials{username: "u", password: newSecret("p")}},
		"longest path":     {file: `{"auths":{"ghcr.io":{"username":"1"},"ghcr.io/a":{"username":"2"},"ghcr.io/a/bc":{"username":"3"}}}`, host: "ghcr.io", path: "a/b", want: credentials{username: "2"}},
		"two that differ":  {file: `{"auths":{"ghcr.io":{"username":"1"},"https://ghcr.io":{"username":"2"}}}`, host: "ghcr.io", path: "a/b", err: "differ"},
		"helper":           {file: `{"credHelpers":{"ghcr.io":"pass"}}`, host: "ghcr.io", path: "a/b", err: "helper"},
		"store":            {file: `{"auths":{"ghcr.io":{}},"credsStore":"desktop"}`, host: "ghcr.io", path: "a/b", err: "helper"},
		"store for others": {file: `{"auths":{},"credsStore":"desktop"}`, host: "ghcr.io", path: "a/b"},
		"bad base64":       {file: `{"auths":{"ghcr.io":{"auth":"c2VjcmV0!"}}}`, host: "ghcr.io", path: "a/b", err: "base64"},
		"no colon":         {file: `{"auths":{"ghcr.io":{"auth":"` + basic("secret") + `"}}}`, host: "ghcr.io", path: "a/b", err: "user name"},
		"line break":       {file: `{"auths":{"ghcr.io":{"registrytoken":"secret\n"}}}`, host: "ghcr.io", path: "a/b", err: "line break"},
		"not JSON":         {file: `{"auths":{"ghcr.io":{"password":secret}}}`, host: "ghcr.io", path: "a/b", err: "JSON"},
	} {
		l, err := newListing(Registry{Host: c.host, Repositories: []string{"**"}})
		require.NoError(t, err)
		got, err := parseCredentials([]byte(c.file), l.keys(), c.path)
		if c.err != "" {
			require.ErrorContains(t, err, c.err, name)
			require.NotContains(t, err.Error(), "secret", name)
			require.NotContains(t, err.Error(), "c2VjcmV0", name)
			continue
		}
		require.NoError(t, err, name)
		require.Equal(t, c.want.username, got.username, name)
		require.Equal(t, c.want.password.reveal(), got.password.reveal(), name)
	}
}

func TestParseChallenge(t *testing.T) {
	got, ok := pickChallenge([]string{`Basic realm="x"`, `Bearer realm="https://auth.example.com/token",service="reg, with comma", scope=plain`})
	require.True(t, ok)
	require.Equal(t, challenge{"bearer", map[string]string{"realm": "https://auth.example.com/token", "service": "reg, with comma", "scope": "plain"}}, got)
	got, ok = pickChallenge([]string{`Basic`, `Negotiate`})
	require.True(t, ok)
	require.Equal(t, "basic", got.scheme)
	for _, h := range []string{"", "Negotiate", "Bearer realm", `Bearer realm="x`, `Bearer realm="a",realm="b"`, "Bearer " + strings.Repeat("a=b,", 2000)} {
		_, ok := pickChallenge([]string{h})
		require.False(t, ok, h)
	}
}
