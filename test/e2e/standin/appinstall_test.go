package standin_test

import (
	"testing"

	"github.com/google/go-github/v60/github"
	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/test/e2e/standin"
)

func TestHookConfig(t *testing.T) {
	w := newWorld(t)
	w.take()
	apps := w.appClient().Apps
	got, _, err := apps.GetHookConfig(t.Context())
	require.NoError(t, err)
	require.Equal(t, w.hooks.url, got.GetURL())
	require.Equal(t, "********", got.GetSecret())
	second := newReceiver(t)
	require.NoError(t, w.s.SetWebhook(w.app.ID, "", "another secret"))
	got, _, err = apps.UpdateHookConfig(t.Context(), &github.HookConfig{URL: &second.url, Secret: new(secret)})
	require.NoError(t, err)
	require.Equal(t, second.url, got.GetURL())
	must(w.s.As("alice").OpenPull("acme/env", standin.PullOptions{Change: standin.Change{Files: map[string]string{"a": "b"}}}))(t)
	require.Empty(t, w.take())
	require.NotEmpty(t, second.events, "signed with the new secret")
	for _, bad := range []github.HookConfig{{URL: new("nowhere")}, {ContentType: new("form")}} {
		_, resp, err := apps.UpdateHookConfig(t.Context(), &bad)
		require.Error(t, err)
		require.Equal(t, 422, resp.StatusCode)
	}
}

func TestInstallationsOverTheAPI(t *testing.T) {
	w := newWorld(t)
	apps := w.appClient().Apps
	own := must(w.s.Install(w.app.ID, "alice"))(t)
	found, _, err := apps.FindOrganizationInstallation(t.Context(), "acme")
	require.NoError(t, err)
	require.Equal(t, w.installation, found.GetID())
	found, _, err = apps.FindUserInstallation(t.Context(), "alice")
	require.NoError(t, err)
	require.Equal(t, own, found.GetID())
	for _, find := range []func() (*github.Response, error){
		func() (*github.Response, error) {
			_, resp, err := apps.FindUserInstallation(t.Context(), "acme")
			return resp, err
		},
		func() (*github.Response, error) {
			_, resp, err := apps.FindOrganizationInstallation(t.Context(), "alice")
			return resp, err
		},
		func() (*github.Response, error) { return apps.UnsuspendInstallation(t.Context(), own) },
		func() (*github.Response, error) { return apps.SuspendInstallation(t.Context(), 1) },
	} {
		resp, err := find()
		require.Error(t, err)
		require.Equal(t, 404, resp.StatusCode)
	}
	w.take()
	_, err = apps.SuspendInstallation(t.Context(), own)
	require.NoError(t, err)
	_, err = apps.UnsuspendInstallation(t.Context(), own)
	require.NoError(t, err)
	_, err = apps.DeleteInstallation(t.Context(), own)
	require.NoError(t, err)
	require.Equal(t, []string{"installation.suspend", "installation.unsuspend", "installation.deleted"}, names(w.take()))
	_, resp, err := apps.GetInstallation(t.Context(), own)
	require.Error(t, err)
	require.Equal(t, 404, resp.StatusCode)

	tok, _, err := apps.CreateInstallationToken(t.Context(), w.installation, nil)
	require.NoError(t, err)
	status, _, _ := w.send("DELETE", "/installation/token", "token "+tok.GetToken(), "")
	require.Equal(t, 204, status)
	status, _, _ = w.send("GET", "/repos/acme/env", "token "+tok.GetToken(), "")
	require.Equal(t, 401, status, "revoked")
	status, _, _ = w.send("DELETE", "/installation/token", "token "+w.bob.Token, "")
	require.Equal(t, 403, status)
}
