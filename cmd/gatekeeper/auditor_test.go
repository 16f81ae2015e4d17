package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestRecordAlone: whoever looks at a copy of the record needs the configuration, and
// neither the key of the GitHub App nor any token.
func TestRecordAlone(t *testing.T) {
	file, data := configure(t)
	recordHistory(t, file, data)
	for _, secret := range []string{"key.pem", "secret", "token"} {
		require.NoError(t, os.Remove(filepath.Join(filepath.Dir(file), secret)))
	}
	for _, line := range []string{
		"history argocd/shop", "show argocd/shop", "compare argocd/shop 1 2", "metrics", "report --gate prod --last 900d",
		"ledger verify", "ledger export", "ledger policies", "ledger archives", "ledger backup --out " + filepath.Join(t.TempDir(), "copy.db"),
	} {
		code, stdout, stderr := call(t, t.Context(), append(strings.Fields(line), "--config", file)...)
		require.Zero(t, code, "%s: %s", line, stderr)
		require.NotEmpty(t, stdout, line)
	}
	for line, want := range map[string]string{
		"explain argocd/none":        "no decision on argocd/none",
		"explain argocd/shop --live": "github.privateKeyFile: open secret file",
		"pending":                    "none runs",
		"serve":                      "github.privateKeyFile: open secret file",
	} {
		code, _, stderr := call(t, t.Context(), append(strings.Fields(line), "--config", file)...)
		require.Equal(t, exitFailed, code, line)
		require.Contains(t, stderr, want, line)
	}
}

// TestRecordKeyNeeded: a key that is configured and cannot be read is an error where
// something would be signed, and not left out.
func TestRecordKeyNeeded(t *testing.T) {
	file, data := configure(t)
	recordHistory(t, file, data)
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(file, append([]byte("checkpoints: {keyFile: gone.key}\n"), text...), 0o600))
	for _, line := range []string{"report --gate prod --last 900d", "ledger export", "ledger verify", "ledger prove --sign", "history argocd/shop --archive a"} {
		code, stdout, stderr := call(t, t.Context(), append(strings.Fields(line), "--config", file)...)
		require.Equal(t, exitFailed, code, line)
		require.Empty(t, stdout, line)
		require.Contains(t, stderr, "checkpoints.keyFile: open secret file", line)
	}
	code, _, stderr := call(t, t.Context(), "history", "argocd/shop", "--config", file)
	require.Zero(t, code, stderr)
}
