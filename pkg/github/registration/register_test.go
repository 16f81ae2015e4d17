package registration_test

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
	"github.com/argo-gatekeeper/gatekeeper/pkg/github"
	"github.com/argo-gatekeeper/gatekeeper/pkg/github/registration"
	"github.com/argo-gatekeeper/gatekeeper/test/e2e/standin"
)

func registrar(t *testing.T, base string, transport http.RoundTripper) *registration.Registrar {
	t.Helper()
	api, err := github.Anonymous(github.Options{BaseURL: base, Transport: transport, Logger: slog.New(slog.NewTextHandler(t.Output(), nil))})
	require.NoError(t, err)
	return registration.New(api)
}

func newHub(t *testing.T) (s *standin.Server, now *atomic.Int64) {
	t.Helper()
	now = &atomic.Int64{}
	now.Store(time.Now().UnixNano())
	s, err := standin.Start(context.WithoutCancel(t.Context()), standin.Options{Dir: t.TempDir(), Now: func() time.Time { return time.Unix(0, now.Load()) }})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	_, err = s.CreateUser("alice", "Alice")
	require.NoError(t, err)
	_, err = s.CreateOrganization("acme", "alice")
	require.NoError(t, err)
	return s, now
}

func manifest() standin.Manifest {
	return standin.Manifest{Name: "One", URL: "https://app.example", RedirectURL: "http://127.0.0.1:1/done", HookAttributes: &standin.ManifestHook{URL: "https://app.example/hook"}}
}

func TestConvert(t *testing.T) {
	t.Parallel()
	s, now := newHub(t)
	r := registrar(t, s.APIURL(), nil)
	code, err := s.CreateFromManifest("acme", manifest())
	require.NoError(t, err)
	made, err := r.Convert(t.Context(), code)
	require.NoError(t, err)
	require.Equal(t, "one", made.Slug)
	require.Equal(t, "acme", made.Owner)
	require.Equal(t, s.URL()+"/apps/one", made.HTMLURL)
	require.NotEmpty(t, made.WebhookSecret.Reveal())
	_, err = github.NewApp(github.Options{BaseURL: s.APIURL(), AppID: made.ID, PrivateKeyPEM: made.PrivateKey.Reveal(), Logger: slog.New(slog.DiscardHandler)})
	require.NoError(t, err)
	for _, shown := range []string{fmt.Sprint(made), fmt.Sprintf("%+v %#v", made, made)} {
		require.NotContains(t, shown, string(made.WebhookSecret.Reveal()))
		require.NotContains(t, shown, "PRIVATE KEY")
	}

	_, err = r.Convert(t.Context(), code)
	require.ErrorIs(t, err, registration.ErrCode, "it works once")
	require.NotContains(t, err.Error(), code)
	again := manifest()
	again.Name = "Two"
	code, err = s.CreateFromManifest("acme", again)
	require.NoError(t, err)
	now.Add(int64(time.Hour))
	_, err = r.Convert(t.Context(), code)
	require.ErrorIs(t, err, registration.ErrCode, "for an hour")
	for _, bad := range []string{"", "x", "../../app", "aaaaaaaa/bbbb", strings.Repeat("a", 201), "aaaaaaaa?x=1"} {
		_, err = r.Convert(t.Context(), bad)
		require.ErrorContains(t, err, "not a code")
	}

	kind, err := r.OwnerKind(t.Context(), "acme")
	require.NoError(t, err)
	require.Equal(t, registration.Organization, kind)
	kind, err = r.OwnerKind(t.Context(), "alice")
	require.NoError(t, err)
	require.Equal(t, registration.User, kind)
	_, err = r.OwnerKind(t.Context(), "nobody")
	require.ErrorIs(t, err, approval.ErrNotFound)
	_, err = r.OwnerKind(t.Context(), "../orgs/acme")
	require.Error(t, err)
}

// dialing fails as a network does, a few times.
type dialing struct {
	failures atomic.Int32
	sent     atomic.Int32
	late     bool // after the request was sent
}

func (d *dialing) RoundTrip(req *http.Request) (*http.Response, error) {
	if d.failures.Add(-1) >= 0 && !d.late {
		return nil, &net.OpError{Op: "dial", Net: "tcp", Err: fmt.Errorf("no route to %s", req.URL)}
	}
	d.sent.Add(1)
	if d.late {
		return nil, &net.OpError{Op: "read", Net: "tcp", Err: fmt.Errorf("reset, at %s", req.URL)}
	}
	return http.DefaultTransport.RoundTrip(req)
}

// What was not sent is sent again; what may have been is not, for the code works once.
func TestConvertIsTriedAgain(t *testing.T) {
	t.Parallel()
	s, _ := newHub(t)
	code, err := s.CreateFromManifest("acme", manifest())
	require.NoError(t, err)
	for name, d := range map[string]*dialing{"unreachable": {}, "cut off": {late: true}} {
		d.failures.Store(100)
		_, err = registrar(t, s.APIURL(), d).Convert(t.Context(), code)
		require.Error(t, err, name)
		require.NotContains(t, err.Error(), code, name)
		require.Equal(t, map[string]int32{"unreachable": 0, "cut off": 1}[name], d.sent.Load(), name)
	}
	d := &dialing{}
	d.failures.Store(2)
	made, err := registrar(t, s.APIURL(), d).Convert(t.Context(), code)
	require.NoError(t, err)
	require.Equal(t, "one", made.Slug)
}

// An answer that lacks something is an error, not an App without a key.
func TestConvertWholeOrNot(t *testing.T) {
	t.Parallel()
	for name, body := range map[string]string{
		"no key":    `{"id":1,"slug":"a","owner":{"login":"acme"}}`,
		"no number": `{"slug":"a","owner":{"login":"acme"},"pem":"k"}`,
		"no owner":  `{"id":1,"slug":"a","pem":"k"}`,
		"empty":     `{}`,
		"no JSON":   `<html>`,
	} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusCreated)
			_, _ = w.Write([]byte(body))
		}))
		t.Cleanup(server.Close)
		_, err := registrar(t, server.URL, nil).Convert(t.Context(), "aaaaaaaaaaaa")
		require.Error(t, err, name)
	}
}

func TestManifest(t *testing.T) {
	t.Parallel()
	text, err := registration.Manifest{Name: "Gate", RedirectURL: "http://127.0.0.1:1/created", Permissions: map[string]string{"contents": "read"}, Events: []string{"push"}}.JSON()
	require.NoError(t, err)
	require.NotContains(t, text, "hook_attributes")
	_, err = standin.ParseManifest([]byte(strings.Replace(text, `"url":""`, `"url":"https://a.example"`, 1)))
	require.NoError(t, err)
	for name, m := range map[string]registration.Manifest{
		"no name": {}, "long name": {Name: strings.Repeat("ä", 35)}, "plain hook": {Name: "a", Hook: &registration.Hook{URL: "http://a.example"}},
	} {
		_, err := m.JSON()
		require.Error(t, err, name)
	}
	require.Equal(t, "https://github.com/organizations/acme/settings/apps/new?state=a%26b", registration.FormURL("https://github.com/", "acme", registration.Organization, "a&b"))
	require.Equal(t, "https://github.com/settings/apps/new?state=s", registration.FormURL("https://github.com", "alice", registration.User, "s"))
	for _, bad := range []string{"", "a/b", "-a", "a b", strings.Repeat("a", 40), "..", "a?b"} {
		require.Error(t, registration.CheckOwner(bad), bad)
	}
}
