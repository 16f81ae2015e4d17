package github_test

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"log/slog"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/pkg/github"
)

func anotherKey(t *testing.T) []byte {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(t, err)
	return pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)})
}

// TestRekey: the App's key is replaced while it works, and nothing fails in between.
func TestRekey(t *testing.T) {
	h := newHub(t)
	app, err := github.NewApp(github.Options{
		BaseURL: h.APIURL(), AppID: h.app.ID, PrivateKeyPEM: h.app.PrivateKeyPEM,
		Transport: &http.Transport{DisableKeepAlives: true}, Logger: slog.New(slog.NewTextHandler(lines{t}, nil)),
	})
	require.NoError(t, err)
	client, err := app.Client(t.Context(), "acme/env")
	require.NoError(t, err)
	before, err := client.Token(t.Context())
	require.NoError(t, err)

	stranger, fresh := anotherKey(t), anotherKey(t)
	require.ErrorIs(t, app.Rekey(t.Context(), stranger), github.ErrKey)
	require.ErrorContains(t, app.Rekey(t.Context(), []byte("no key")), "not in PEM form")
	same, err := client.Token(t.Context())
	require.NoError(t, err)
	require.Equal(t, before, same, "the key before stays")

	require.NoError(t, h.SetAppKey(h.app.ID, fresh))
	_, _, err = app.API().Apps.Get(t.Context(), "")
	require.Error(t, err, "the key before does not work any more")
	_, _, err = client.API().PullRequests.Get(t.Context(), "acme", "env", 1)
	require.NoError(t, err, "its tokens do")

	require.NoError(t, app.Rekey(t.Context(), fresh))
	_, _, err = app.API().Apps.Get(t.Context(), "")
	require.NoError(t, err)
	after, err := client.Token(t.Context())
	require.NoError(t, err)
	require.NotEqual(t, before, after, "a token that the new key has asked for")
	_, _, err = client.API().PullRequests.Get(t.Context(), "acme", "env", 1)
	require.NoError(t, err)
	require.NoError(t, app.Rekey(t.Context(), fresh), "once more")
}
