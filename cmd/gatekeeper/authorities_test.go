package main

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/internal/config"
	"github.com/argo-gatekeeper/gatekeeper/pkg/github"
	"github.com/argo-gatekeeper/gatekeeper/pkg/github/access"
	"github.com/argo-gatekeeper/gatekeeper/test/e2e/standin"
)

// A GitHub whose certificate is signed by an authority of its own is talked to with
// github.caFile by everything that asks it (API, git, clock), and by nothing without.
func TestGitHubOfAnotherAuthority(t *testing.T) {
	t.Parallel()
	gh, err := standin.Start(context.WithoutCancel(t.Context()), standin.Options{Dir: t.TempDir(), TLS: true})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, gh.Close()) })
	_, err = gh.CreateUser("alice", "Alice")
	require.NoError(t, err)
	_, err = gh.CreateOrganization("acme", "alice")
	require.NoError(t, err)
	_, err = gh.CreateRepository("acme", "env", standin.RepositoryOptions{Author: "alice"})
	require.NoError(t, err)
	app, err := gh.CreateApp(standin.AppOptions{Slug: "gatekeeper", Owner: "acme", PrivateKeyPEM: townKey(), Permissions: map[string]string{"contents": "read"}})
	require.NoError(t, err)
	_, err = gh.Install(app.ID, "acme", "env")
	require.NoError(t, err)

	file, _ := configure(t)
	dir := filepath.Dir(file)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "ca.pem"), gh.CACertPEM(), 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "app.pem"), app.PrivateKeyPEM, 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "none.pem"), []byte("nothing\n"), 0o600))
	for name, c := range map[string]struct {
		caFile string
		works  bool
	}{"with it": {"ca.pem", true}, "without": {"", false}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cfg, err := config.Load(file)
			require.NoError(t, err)
			cfg.File.GitHub.URL, cfg.File.GitHub.APIURL, cfg.File.GitHub.CAFile = gh.URL(), gh.APIURL(), c.caFile
			cfg.File.GitHub.AppID = app.ID
			cfg.Secrets.PrivateKey, err = config.ReadSecret(filepath.Join(dir, "app.pem"))
			require.NoError(t, err)
			log := slog.New(slog.NewTextHandler(t.Output(), nil))
			client, err := connectApp(cfg, func(context.Context, github.Call) {}, log)
			require.NoError(t, err)
			repositories := mirrorsOf(cfg, t.TempDir(), client, log)
			t.Cleanup(func() { require.NoError(t, repositories.close()) })

			_, apiErr := access.New(client).App(t.Context())
			_, skewErr := githubSkew(t.Context(), cfg)
			m, err := repositories.get(t.Context(), "acme/env")
			require.NoError(t, err)
			gitErr := m.Fetch(t.Context(), "main")
			for what, err := range map[string]error{"API": apiErr, "clock": skewErr, "git": gitErr} {
				if c.works {
					require.NoError(t, err, what)
				} else {
					require.ErrorContains(t, err, "certificate", what)
				}
			}
		})
	}
	t.Run("a file without one", func(t *testing.T) {
		t.Parallel()
		cfg, err := config.Load(file)
		require.NoError(t, err)
		for _, name := range []string{"none.pem", "missing.pem"} {
			cfg.File.GitHub.CAFile = name
			_, err = connectApp(cfg, nil, slog.New(slog.DiscardHandler))
			require.Error(t, err, name)
			_, err = githubSkew(t.Context(), cfg)
			require.Error(t, err, name)
		}
	})
}
