package standin_test

import (
	"crypto/x509"
	"encoding/pem"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/google/go-github/v60/github"
	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/test/e2e/standin"
)

// send makes one request and returns status, headers and body.
func (w *world) send(method, path, authorization, body string) (int, http.Header, string) {
	w.t.Helper()
	req, err := http.NewRequestWithContext(w.t.Context(), method, w.s.URL()+path, strings.NewReader(body))
	require.NoError(w.t, err)
	if authorization != "" {
		req.Header.Set("Authorization", authorization)
	}
	resp, err := (&http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}).Do(req)
	require.NoError(w.t, err)
	defer func() { _ = resp.Body.Close() }()
	raw, err := io.ReadAll(resp.Body)
	require.NoError(w.t, err)
	return resp.StatusCode, resp.Header, string(raw)
}

func (w *world) jwt(method jwt.SigningMethod, claims jwt.MapClaims) string {
	w.t.Helper()
	block, _ := pem.Decode(w.app.PrivateKeyPEM)
	private, err := x509.ParsePKCS1PrivateKey(block.Bytes)
	require.NoError(w.t, err)
	var signWith any = private
	if method == jwt.SigningMethodHS256 {
		signWith = x509.MarshalPKCS1PublicKey(&private.PublicKey)
	}
	text, err := jwt.NewWithClaims(method, claims).SignedString(signWith)
	require.NoError(w.t, err)
	return "Bearer " + text
}

func TestAppJWT(t *testing.T) {
	w := newWorld(t)
	now := time.Now().Unix()
	claims := func(iss any, iat, exp int64) jwt.MapClaims { return jwt.MapClaims{"iss": iss, "iat": iat, "exp": exp} }
	for name, c := range map[string]struct {
		method  jwt.SigningMethod
		claims  jwt.MapClaims
		status  int
		message string
	}{
		"number":          {jwt.SigningMethodRS256, claims(w.app.ID, now-30, now+90), 200, ""},
		"text":            {jwt.SigningMethodRS256, claims("101", now-60, now+540), 200, ""},
		"too long":        {jwt.SigningMethodRS256, claims("101", now-60, now+700), 401, "too far in the future"},
		"expired":         {jwt.SigningMethodRS256, claims("101", now-600, now-1), 401, "future time"},
		"from the future": {jwt.SigningMethodRS256, claims("101", now+120, now+300), 401, "'iat'"},
		"no iat":          {jwt.SigningMethodRS256, jwt.MapClaims{"iss": "101", "exp": now + 60}, 401, "'iat'"},
		"fraction":        {jwt.SigningMethodRS256, jwt.MapClaims{"iss": "101", "iat": 1.5, "exp": now + 60}, 401, "'iat'"},
		"other app":       {jwt.SigningMethodRS256, claims("999", now-30, now+90), 404, "Integration not found"},
		"RS512":           {jwt.SigningMethodRS512, claims("101", now-30, now+90), 401, "could not be decoded"},
		"HMAC of the key": {jwt.SigningMethodHS256, claims("101", now-30, now+90), 401, "could not be decoded"},
	} {
		t.Run(name, func(t *testing.T) {
			status, _, body := w.send("GET", "/app", w.jwt(c.method, c.claims), "")
			require.Equal(t, c.status, status, body)
			require.Contains(t, body, c.message)
		})
	}
	tampered := w.jwt(jwt.SigningMethodRS256, claims("101", now-30, now+90))
	status, _, _ := w.send("GET", "/app", tampered[:len(tampered)-8]+"AAAAAAAA", "")
	require.Equal(t, 401, status)
}

func TestAppEndpoints(t *testing.T) {
	w := newWorld(t)
	other := must(w.s.CreateApp(standin.AppOptions{Slug: "other", Owner: "acme", PrivateKeyPEM: key(t)}))(t)
	foreign := must(w.s.Install(other.ID, "acme"))(t)
	app := w.appClient()
	got, _, err := app.Apps.Get(t.Context(), "")
	require.NoError(t, err)
	require.Equal(t, "gatekeeper", got.GetSlug())
	list, _, err := app.Apps.ListInstallations(t.Context(), nil)
	require.NoError(t, err)
	require.Len(t, list, 1)
	require.Equal(t, w.installation, list[0].GetID())
	found, _, err := app.Apps.FindRepositoryInstallation(t.Context(), "ACME", "Env")
	require.NoError(t, err)
	require.Equal(t, w.installation, found.GetID())
	_, resp, err := app.Apps.GetInstallation(t.Context(), foreign)
	require.Error(t, err)
	require.Equal(t, 404, resp.StatusCode, "an installation of another App does not exist")

	repos, _, err := w.client().Apps.ListRepos(t.Context(), nil)
	require.NoError(t, err)
	require.Equal(t, 1, repos.GetTotalCount())
	bot, _, err := w.client().Users.Get(t.Context(), "gatekeeper[bot]")
	require.NoError(t, err)
	require.Equal(t, "Bot", bot.GetType())
	require.Equal(t, w.app.BotID, bot.GetID())
}

func TestInstallationTokens(t *testing.T) {
	clock := atomic.Int64{}
	clock.Store(time.Now().Unix())
	w := newWorld(t, func(o *standin.Options) { o.Now = func() time.Time { return time.Unix(clock.Load(), 0) } })
	must(w.s.CreateRepository("acme", "second", standin.RepositoryOptions{}))(t)
	w.openPull("replicas: 2\n")
	w.take()
	require.NoError(t, w.s.AddToInstallation(w.installation, "second"))
	require.Equal(t, []string{"installation_repositories.added"}, names(w.take()))
	mint := func(body string) (int, *github.InstallationToken) {
		app := w.appClient()
		opts := &github.InstallationTokenOptions{}
		switch body {
		case "one repository":
			opts.Repositories = []string{"env"}
		case "read only":
			opts.Permissions = &github.InstallationPermissions{PullRequests: new("read")}
		case "too much":
			opts.Permissions = &github.InstallationPermissions{Contents: new("write")}
		case "elsewhere":
			opts.Repositories = []string{"unknown"}
		}
		tok, resp, err := app.Apps.CreateInstallationToken(t.Context(), w.installation, opts)
		if err != nil {
			return resp.StatusCode, nil
		}
		return resp.StatusCode, tok
	}
	status, full := mint("")
	require.Equal(t, 201, status)
	require.Equal(t, clock.Load()+3600, full.GetExpiresAt().Unix())
	require.Equal(t, "write", full.GetPermissions().GetChecks())
	_, one := mint("one repository")
	_, reader := mint("read only")
	for _, refused := range []string{"too much", "elsewhere"} {
		status, _ := mint(refused)
		require.Equal(t, 422, status, refused)
	}
	for _, c := range []struct {
		name, token, method, path string
		status                    int
	}{
		{"full", full.GetToken(), "GET", "/repos/acme/second", 200},
		{"outside the token", one.GetToken(), "GET", "/repos/acme/second", 404},
		{"inside the token", one.GetToken(), "GET", "/repos/acme/env", 200},
		{"permission kept", reader.GetToken(), "GET", "/repos/acme/env/pulls/1", 200},
		{"permission narrowed away", reader.GetToken(), "POST", "/repos/acme/env/issues/1/comments", 403},
		{"permission never given", full.GetToken(), "PUT", "/repos/acme/env/pulls/1/merge", 403},
		{"the App's own endpoint", full.GetToken(), "GET", "/app", 401},
		{"nonsense", "ghs_nonsense", "GET", "/repos/acme/env", 401},
	} {
		status, header, body := w.send(c.method, c.path, "token "+c.token, "")
		require.Equal(t, c.status, status, "%s: %s", c.name, body)
		if status == 403 {
			require.Contains(t, body, "Resource not accessible by integration")
			require.NotEmpty(t, header.Get("X-Accepted-Github-Permissions"))
		}
	}
	clock.Add(3600)
	status, _, body := w.send("GET", "/repos/acme/env", "token "+full.GetToken(), "")
	require.Equal(t, 401, status)
	require.Contains(t, body, "Bad credentials")

	clock.Add(-3600)
	_, again := mint("")
	require.NoError(t, w.s.SuspendInstallation(w.installation, true))
	status, _, _ = w.send("GET", "/repos/acme/env", "token "+again.GetToken(), "")
	require.Equal(t, 403, status)
	w.take()
	must(w.s.As("bob").Comment("acme/env", 1, "nobody hears this"))(t)
	require.Empty(t, w.take(), "no events while suspended")
	require.NoError(t, w.s.SuspendInstallation(w.installation, false))
	require.NoError(t, w.s.Uninstall(w.installation))
	status, _, _ = w.send("GET", "/repos/acme/env", "token "+again.GetToken(), "")
	require.Equal(t, 401, status)
	require.Equal(t, []string{"installation.unsuspend", "installation.deleted"}, names(w.take()))
}

func TestLongTokensWorkEverywhere(t *testing.T) {
	w := newWorld(t)
	app := must(w.s.CreateApp(standin.AppOptions{Slug: "modern", Owner: "acme", LongTokens: true, PrivateKeyPEM: key(t),
		Permissions: map[string]string{"contents": "read"}}))(t)
	w.app, w.installation = app, must(w.s.Install(app.ID, "acme"))(t)
	tok, _, err := w.appClient().Apps.CreateInstallationToken(t.Context(), w.installation, nil)
	require.NoError(t, err)
	require.Greater(t, len(tok.GetToken()), 500)
	status, _, _ := w.send("GET", "/repos/acme/env", "Bearer "+tok.GetToken(), "")
	require.Equal(t, 200, status)
	runGit(t, t.TempDir(), "clone", "--quiet", w.withToken("x-access-token", tok.GetToken()), "copy")
}

func TestEventsNeedPermissions(t *testing.T) {
	w := newWorld(t)
	_, err := w.s.CreateApp(standin.AppOptions{Slug: "blind", Owner: "acme", PrivateKeyPEM: key(t),
		Permissions: map[string]string{"pull_requests": "write"}, Events: []string{"issue_comment"}})
	require.ErrorContains(t, err, "issue_comment")
	blind := must(w.s.CreateApp(standin.AppOptions{Slug: "blind", Owner: "acme", PrivateKeyPEM: key(t),
		Permissions: map[string]string{"pull_requests": "read", "contents": "read"}, Events: []string{"push"}}))(t)
	elsewhere := must(w.s.CreateApp(standin.AppOptions{Slug: "elsewhere", Owner: "acme", PrivateKeyPEM: key(t),
		Permissions: map[string]string{"pull_requests": "read"}, Events: []string{"pull_request"}}))(t)
	must(w.s.CreateRepository("acme", "second", standin.RepositoryOptions{}))(t)
	for _, a := range []standin.App{blind, elsewhere} {
		require.NoError(t, w.s.SetWebhook(a.ID, w.hooks.url, secret))
		must(w.s.Install(a.ID, "acme", map[int64]string{blind.ID: "env", elsewhere.ID: "second"}[a.ID]))(t)
	}
	w.openPull("replicas: 2\n")
	require.NoError(t, w.s.WaitDelivered(t.Context()))
	events := func(id int64) (out []string) {
		for _, d := range w.s.Deliveries(id) {
			out = append(out, d.Event)
		}
		return out
	}
	require.Equal(t, []string{"ping", "installation", "push"}, events(blind.ID), "only what it subscribed to")
	require.Equal(t, []string{"ping", "installation"}, events(elsewhere.ID), "only its own repositories")
}
