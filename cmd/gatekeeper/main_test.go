package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
	"github.com/argo-gatekeeper/gatekeeper/pkg/history"
	"github.com/argo-gatekeeper/gatekeeper/pkg/history/sqlite"
)

// call runs one command line.
func call(t *testing.T, ctx context.Context, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, errs bytes.Buffer
	code = run(ctx, args, &out, &errs)
	return code, out.String(), errs.String()
}

// configure writes a complete configuration that reaches nothing.
func configure(t *testing.T) (file, data string) {
	t.Helper()
	dir := t.TempDir()
	data = filepath.Join(dir, "data")
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(t, err)
	block := pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)})
	kubeconfig := `apiVersion: v1
kind: Config
clusters: [{name: c, cluster: {server: "http://127.0.0.1:1"}}]
contexts: [{name: c, context: {cluster: c}}]
current-context: c
`
	config := fmt.Sprintf(`github:
  appID: 1
  privateKeyFile: key.pem
  webhookSecretFiles: [secret]
argocd:
  server: 127.0.0.1:1
  tokenFile: token
  plaintext: true
kubernetes:
  kubeconfig: %s
server:
  listen: 127.0.0.1:0
dataDirectory: %s
gates:
  - name: prod
    applications: [{project: prod}]
    repositories:
      - repository: acme/env
        branch: main
        enrolledAt: 8f14e45fceea167a5a36dedd4bea2543b1b2c3d4
    config:
      requirements: [{approvals: 1, teams: [acme/sre]}]
`, filepath.Join(dir, "kubeconfig"), data)
	for name, content := range map[string]string{
		"key.pem": string(block), "secret": "s3cret", "token": "t0ken", "kubeconfig": kubeconfig, "gatekeeper.yaml": config,
	} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600))
	}
	return filepath.Join(dir, "gatekeeper.yaml"), data
}

func TestUsage(t *testing.T) {
	tests := []struct {
		args []string
		code int
		want string
	}{
		{[]string{"--help"}, 0, "Gatekeeper lets Argo CD sync a protected Application only when"},
		{[]string{"ledger"}, 0, "verify"},
		{[]string{"serve"}, exitUsage, "--config is missing"},
		{[]string{"serve", "--config", "/does/not/exist"}, exitFailed, "open the configuration"},
		{[]string{"serve", "--confg", "x"}, exitUsage, "unknown flag: --confg\nSee gatekeeper serve --help\n"},
		{[]string{"frobnicate"}, exitUsage, `has no command "frobnicate"`},
		{[]string{"ledger", "burn"}, exitUsage, `gatekeeper ledger has no command "burn"`},
		{[]string{"version", "--output", "xml"}, exitUsage, "is not text or json"},
	}
	for _, tt := range tests {
		t.Run(strings.Join(tt.args, " "), func(t *testing.T) {
			code, stdout, stderr := call(t, t.Context(), tt.args...)
			require.Equal(t, tt.code, code, stderr)
			require.Contains(t, stdout+stderr, tt.want)
		})
	}
}

func TestVersion(t *testing.T) {
	code, stdout, _ := call(t, t.Context(), "version", "-o", "json")
	require.Zero(t, code)
	var v versionInfo
	require.NoError(t, json.Unmarshal([]byte(stdout), &v))
	require.NotEmpty(t, v.Version)
}

func TestLedger(t *testing.T) {
	ctx := t.Context()
	file, data := configure(t)

	code, _, stderr := call(t, ctx, "ledger", "verify", "--config", file)
	require.Equal(t, exitFailed, code)
	require.Contains(t, stderr, "gatekeeper ledger init")

	code, stdout, stderr := call(t, ctx, "ledger", "init", "--config", file)
	require.Zero(t, code, stderr)
	require.Contains(t, stdout, "created the record")
	code, _, stderr = call(t, ctx, "ledger", "init", "--config", file)
	require.Equal(t, exitFailed, code, "a record is never begun anew over an old one")
	require.Contains(t, stderr, "exists")

	store, err := sqlite.Open(ctx, recordPath(data))
	require.NoError(t, err)
	decision, err := history.NewDecision(approval.Policy{Gate: "prod"}, approval.Facts{Application: approval.Application{UID: "u"}},
		approval.Decision{Gate: "prod", Verdict: approval.Blocked})
	require.NoError(t, err)
	_, err = store.Append(ctx, history.Head{}, history.Draft{Time: time.Unix(1, 0), Application: "u", Payload: decision})
	require.NoError(t, err)
	require.NoError(t, store.Close())

	code, stdout, stderr = call(t, ctx, "ledger", "export", "--config", file)
	require.Zero(t, code, stderr)
	var entry history.Entry
	require.NoError(t, json.Unmarshal([]byte(stdout), &entry))
	require.Equal(t, history.KindDecision, entry.Kind)
	code, stdout, _ = call(t, ctx, "ledger", "export", "--config", file, "--from", "2")
	require.Zero(t, code)
	require.Empty(t, stdout)

	code, stdout, stderr = call(t, ctx, "ledger", "verify", "--config", file)
	require.Zero(t, code, stderr)
	require.Contains(t, stdout, "intact: 1 entries")
}

func TestServeRefusesToStart(t *testing.T) {
	file, data := configure(t)

	t.Run("without a record", func(t *testing.T) {
		code, _, stderr := call(t, t.Context(), "serve", "--config", file)
		require.Equal(t, exitFailed, code)
		require.Contains(t, stderr, "gatekeeper ledger init")
		require.NoFileExists(t, recordPath(data))
	})

	t.Run("beside another process", func(t *testing.T) {
		code, _, stderr := call(t, t.Context(), "ledger", "init", "--config", file)
		require.Zero(t, code, stderr)
		other, err := sqlite.Open(t.Context(), recordPath(data))
		require.NoError(t, err)
		code, _, stderr = call(t, t.Context(), "serve", "--config", file)
		require.Equal(t, exitFailed, code)
		require.Contains(t, stderr, "one process at a time")
		require.NoError(t, other.Close())
	})
}

// TestServeStops: SIGTERM, which ends the context, ends it with status 0 although
// neither Kubernetes nor Argo CD nor GitHub can be reached, and no secret is in
// what it logged.
func TestServeStops(t *testing.T) {
	file, _ := configure(t)
	code, _, stderr := call(t, t.Context(), "ledger", "init", "--config", file)
	require.Zero(t, code, stderr)
	code, stderr = served(t, file)
	require.Zero(t, code, stderr)
	require.Contains(t, stderr, `"msg":"serving"`)
	require.Contains(t, stderr, `"msg":"stopped"`)
	require.NotContains(t, stderr, "s3cret")
	require.NotContains(t, stderr, "t0ken")
	require.NotContains(t, stderr, "PRIVATE KEY")
}

// TestReadmeCommands: every gatekeeper command line in the README exists, with
// its flags.
func TestReadmeCommands(t *testing.T) {
	readme, err := os.ReadFile(filepath.Join("..", "..", "README.md"))
	require.NoError(t, err)
	found := 0
	for line := range strings.Lines(string(readme)) {
		rest, ok := strings.CutPrefix(line, "gatekeeper ")
		if !ok {
			continue
		}
		found++
		rest, _, _ = strings.Cut(rest, "#")
		code, _, stderr := call(t, t.Context(), append(strings.Fields(rest), "--help")...)
		require.Zero(t, code, "%s: %s", line, stderr)
	}
	require.Positive(t, found)
}
