package main

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/internal/config"
	"github.com/argo-gatekeeper/gatekeeper/internal/readapi"
	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
	"github.com/argo-gatekeeper/gatekeeper/pkg/github/webhook"
	"github.com/argo-gatekeeper/gatekeeper/pkg/history"
	"github.com/argo-gatekeeper/gatekeeper/pkg/history/sqlite"
)

// secret is one that a file holds.
func secret(t *testing.T, value string) config.Secret {
	t.Helper()
	path := filepath.Join(t.TempDir(), "secret")
	require.NoError(t, os.WriteFile(path, []byte(value), 0o600))
	s, err := config.ReadSecret(path)
	require.NoError(t, err)
	return s
}

// TestLiveSecrets: once the configuration is exchanged, the tokens and the secrets before do
// not work any more, and the new ones do.
func TestLiveSecrets(t *testing.T) {
	t.Parallel()
	with := func(token, hook string) config.Config {
		return config.Config{
			File:    config.File{API: &config.API{Tokens: []config.APIToken{{Name: "audit"}}}},
			Secrets: config.Secrets{APITokens: []config.Secret{secret(t, token)}, WebhookSecrets: []config.Secret{secret(t, hook)}},
		}
	}
	live := newSettings(with("the token of yesterday, 32 long..", "yesterday"))
	tokens := liveTokens{live}
	name, err := tokens.Authenticate(t.Context(), "the token of yesterday, 32 long..", "/")
	require.NoError(t, err)
	require.Equal(t, "token audit", name)
	require.Equal(t, "yesterday", string(live.webhookSecrets()[0]))

	next := with("the token of today, also 32 long.", "today")
	live.cfg.Store(&next)
	_, err = tokens.Authenticate(t.Context(), "the token of yesterday, 32 long..", "/")
	require.ErrorIs(t, err, readapi.ErrUnknown)
	_, err = tokens.Authenticate(t.Context(), "the token of today, also 32 long.", "/")
	require.NoError(t, err)
	require.Equal(t, [][]byte{[]byte("today")}, live.webhookSecrets())
	require.ErrorIs(t, webhook.Verify(live.webhookSecrets(), "sha256=00", nil), webhook.ErrSignature)
}

// TestConfigMigrate: the difference is printed, the file is replaced only when asked, and
// through a link.
func TestConfigMigrate(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file, link := filepath.Join(dir, "real.yaml"), filepath.Join(dir, "gatekeeper.yaml")
	before := "# Of payments.\ngithub:\n  appID: 7 # its number\n"
	require.NoError(t, os.WriteFile(file, []byte(before), 0o640))
	require.NoError(t, os.Symlink("real.yaml", link))
	read := func() string {
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		return string(text)
	}
	var out bytes.Buffer
	require.NoError(t, migrateConfig(&out, link, false))
	require.Contains(t, out.String(), "+version: 1\n")
	require.Contains(t, out.String(), "# add version: 1, which every file is to name\n")
	require.Equal(t, before, read())

	out.Reset()
	require.NoError(t, migrateConfig(&out, link, true))
	require.Contains(t, out.String(), "is of version 1 now")
	require.Equal(t, "# Of payments.\nversion: 1\ngithub:\n  appID: 7 # its number\n", read())
	info, err := os.Lstat(link)
	require.NoError(t, err)
	require.NotZero(t, info.Mode()&os.ModeSymlink)
	info, err = os.Stat(file)
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o640), info.Mode().Perm())
	left, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Len(t, left, 2)

	out.Reset()
	require.NoError(t, migrateConfig(&out, link, true))
	require.Contains(t, out.String(), "nothing is to be done")
	require.NoError(t, os.WriteFile(file, []byte("version: 2\n"), 0o600))
	require.ErrorContains(t, migrateConfig(&out, link, true), "newer than this gatekeeper")
	require.Equal(t, "version: 2\n", read())
}

// TestLedgerPolicies: what the record says about policies, as a table and for programs.
func TestLedgerPolicies(t *testing.T) {
	t.Parallel()
	store, err := sqlite.Create(t.Context(), filepath.Join(t.TempDir(), "record.db"))
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, store.Close()) })
	file := history.Digest("sha256:" + string(bytes.Repeat([]byte("f"), 64)))
	one, err := history.NewPolicy(approval.Policy{Gate: "prod"}, file, history.CauseStart)
	require.NoError(t, err)
	two, err := history.NewPolicy(approval.Policy{Gate: "stage"}, file, history.CauseReload)
	require.NoError(t, err)
	gone := history.PolicyPayload{Gate: "prod", Before: one.After, File: file, Cause: history.CauseReload}
	_, err = store.Append(t.Context(), history.Head{},
		history.Draft{Time: measuredAt(), Payload: one}, history.Draft{Time: measuredAt(), Payload: two}, history.Draft{Time: measuredAt(), Payload: gone})
	require.NoError(t, err)
	var out bytes.Buffer
	require.NoError(t, showPolicies(t.Context(), &out, store, "prod", historyOptions{output: "table"}))
	require.Equal(t, "ENTRY  RECORDED             GATE  AT      BEFORE        AFTER           KEYS  FILE\n"+
		"1      2026-11-23 00:00:00  prod  start   -             "+shortDigest(one.After)+"    -     ffffffffffff\n"+
		"3      2026-11-23 00:00:00  prod  reload  "+shortDigest(one.After)+"  (no such gate)  -     ffffffffffff\n", out.String())
	out.Reset()
	require.NoError(t, showPolicies(t.Context(), &out, store, "", historyOptions{output: "json"}))
	require.Contains(t, out.String(), `"after": "`+string(two.After)+`"`)
	out.Reset()
	require.NoError(t, showPolicies(t.Context(), &out, store, "none", historyOptions{output: "table"}))
	require.Equal(t, "the record has no policy of this\n", out.String())
}
