package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestReload: what a running process takes over, and what is named because it waits.
func TestReload(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		old, fresh string
		waiting    []string
		taken      func(t *testing.T, c Config)
	}{
		"a gate": {"approvals: 2", "approvals: 3", nil, func(t *testing.T, c Config) {
			require.Equal(t, 3, c.Policies[0].Config.Requirements[0].Approvals)
			require.Equal(t, 3, c.File.Gates[0].Config.Requirements[0].Approvals)
		}},
		"a second secret": {"[webhook-secret]", "[webhook-secret, argocd-token]", nil, func(t *testing.T, c Config) {
			require.Len(t, c.Secrets.WebhookSecrets, 2)
			require.Len(t, c.File.GitHub.WebhookSecretFiles, 2)
		}},
		"the App":        {"appID: 12345", "appID: 54321", []string{"github.appID"}, func(t *testing.T, c Config) { require.Equal(t, int64(12345), c.File.GitHub.AppID) }},
		"the folder":     {"/var/lib/gatekeeper", "/tmp", []string{"dataDirectory"}, func(t *testing.T, c Config) { require.Equal(t, "/var/lib/gatekeeper", c.File.DataDirectory) }},
		"the address":    {"dataDirectory:", "server: {listen: ':1'}\ndataDirectory:", []string{"server.listen"}, nil},
		"a section more": {"dataDirectory:", "api: {listen: '127.0.0.1:1', kubernetes: true}\ndataDirectory:", []string{"api"}, func(t *testing.T, c Config) { require.Nil(t, c.File.API) }},
		"the record": {"dataDirectory:", "record: {postgres: {dsnFile: argocd-token}}\ndataDirectory:", []string{"record.postgres"}, func(t *testing.T, c Config) {
			require.Nil(t, c.File.Record.Postgres)
		}},
		"the signing key": {"dataDirectory:", "checkpoints: {keyFile: argocd-token}\ndataDirectory:", []string{"checkpoints.keyFile"}, func(t *testing.T, c Config) {
			require.Empty(t, c.File.Checkpoints.KeyFile)
			require.Empty(t, c.Secrets.CheckpointKey.Reveal())
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := write(t, valid)
			before, err := Load(path)
			require.NoError(t, err)
			require.NoError(t, os.WriteFile(path, []byte(strings.Replace(valid, test.old, test.fresh, 1)), 0o600))
			next, err := Load(path)
			require.NoError(t, err)
			require.NotEqual(t, before.Digest, next.Digest)
			taken, waiting := before.Reload(next)
			require.Equal(t, test.waiting, waiting)
			require.Equal(t, next.Digest, taken.Digest)
			if test.taken != nil {
				test.taken(t, taken)
			}
			// What waits is named again as long as it does.
			_, again := taken.Reload(next)
			require.Equal(t, test.waiting, again)
		})
	}
}

// TestReloadDSN: what the file says is taken over, and what another file says waits.
func TestReloadDSN(t *testing.T) {
	t.Parallel()
	path := write(t, "record: {postgres: {dsnFile: argocd-token}}\n"+valid)
	before, err := Load(path)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(filepath.Dir(path), "argocd-token"), []byte("postgres://other"), 0o600))
	next, err := Load(path)
	require.NoError(t, err)
	taken, waiting := before.Reload(next)
	require.Empty(t, waiting)
	require.Equal(t, "postgres://other", string(taken.Secrets.RecordDSN.Reveal()))

	require.NoError(t, os.WriteFile(filepath.Join(filepath.Dir(path), "dsn"), []byte("postgres://third"), 0o600))
	require.NoError(t, os.WriteFile(path, []byte("record: {postgres: {dsnFile: dsn}}\n"+valid), 0o600))
	next, err = Load(path)
	require.NoError(t, err)
	again, waiting := taken.Reload(next)
	require.Equal(t, []string{"record.postgres.dsnFile"}, waiting)
	require.Equal(t, taken.Secrets.RecordDSN, again.Secrets.RecordDSN)
}

// TestReloadTokens: the tokens of the read API are taken over, and none is left when the
// section is taken out.
func TestReloadTokens(t *testing.T) {
	t.Parallel()
	api := "api: {listen: '127.0.0.1:1', tokens: [{name: audit, file: long}]}\n"
	path := write(t, api+valid)
	long := filepath.Join(filepath.Dir(path), "long")
	require.NoError(t, os.WriteFile(long, []byte(strings.Repeat("a", 32)), 0o600))
	before, err := Load(path)
	require.NoError(t, err)
	require.Contains(t, before.Files(), long)
	require.NoError(t, os.WriteFile(long, []byte(strings.Repeat("b", 32)), 0o600))
	next, err := Load(path)
	require.NoError(t, err)
	taken, waiting := before.Reload(next)
	require.Empty(t, waiting)
	require.Equal(t, strings.Repeat("b", 32), string(taken.Secrets.APITokens[0].Reveal()))
	require.NoError(t, os.WriteFile(path, []byte(valid), 0o600))
	next, err = Load(path)
	require.NoError(t, err)
	taken, waiting = taken.Reload(next)
	require.Equal(t, []string{"api"}, waiting)
	require.Empty(t, taken.File.API.Tokens)
	require.Empty(t, taken.Secrets.APITokens)
}

// TestKeys: a gate's keys are told apart by what is in the files.
func TestKeys(t *testing.T) {
	t.Parallel()
	path := write(t, valid+"    image: {requirements: [{approvals: 1, users: [bob]}], signers: [{name: r, ssh: [key.pub]}]}\n")
	key := filepath.Join(filepath.Dir(path), "key.pub")
	require.NoError(t, os.WriteFile(key, []byte("one"), 0o600))
	cfg, err := Load(path)
	require.NoError(t, err)
	one, err := cfg.PublicKeys()
	require.NoError(t, err)
	require.Regexp(t, `^sha256:[0-9a-f]{64}$`, one.Digests()["prod"])
	require.Contains(t, cfg.Files(), key)
	require.NoError(t, os.WriteFile(key, []byte("two"), 0o600))
	two, err := cfg.PublicKeys()
	require.NoError(t, err)
	require.NotEqual(t, one.Digests(), two.Digests())
	require.NoError(t, os.Remove(key))
	for keys, want := range map[*PublicKeys]string{&one: "one", &two: "two"} {
		content, err := keys.Of(key)
		require.NoError(t, err)
		require.Equal(t, want, string(content), "what the digest is of")
	}
	_, err = one.Of(path)
	require.ErrorContains(t, err, "not among")
	_, err = cfg.PublicKeys()
	require.ErrorContains(t, err, "read a public key of gate prod")
}
