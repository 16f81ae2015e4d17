package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/internal/doctor"
)

// unreachable is a configuration whose GitHub, Argo CD and Kubernetes do not answer.
func unreachable(t *testing.T) string {
	t.Helper()
	file, _ := configure(t)
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(file, []byte(strings.Replace(string(text), "github:\n", "github:\n  url: http://127.0.0.1:1\n", 1)), 0o600))
	return file
}

// What does not answer is unknown, and the rest is looked at all the same.
func TestDoctorWithoutAnybody(t *testing.T) {
	t.Parallel()
	file := unreachable(t)
	code, stdout, stderr := call(t, t.Context(), "doctor", "--config", file, "--timeout", "1s", "-o", "json")
	require.Equal(t, exitFailed, code)
	require.Contains(t, stderr, "unknown and critical")
	var report doctor.Report
	require.NoError(t, json.Unmarshal([]byte(stdout), &report))
	states := map[string]doctor.State{}
	for _, r := range report.Results {
		states[r.Code] = r.State
	}
	require.Len(t, states, len(doctor.Checks()))
	require.Equal(t, doctor.Unknown, states["kubernetes.enforcement"])
	require.Equal(t, doctor.Unknown, states["github.app"])
	require.Equal(t, doctor.Unknown, states["argocd.version"])
	require.Equal(t, doctor.Unknown, states["gatekeeper.record"], "there is no data directory here")
	require.Equal(t, doctor.Finding, states["enforcement.configured"])

	code, stdout, _ = call(t, t.Context(), "doctor", "--config", file, "--timeout", "1s", "--fail-on", "none", "--min-severity", "critical")
	require.Zero(t, code)
	require.Contains(t, stdout, "kubernetes.enforcement")
	require.NotContains(t, stdout, "argocd.version", "it is a warning")
}

// An operator's machine has no secrets: what needs them is unknown, the record that is
// here is verified.
func TestDoctorWithoutSecrets(t *testing.T) {
	t.Parallel()
	file := unreachable(t)
	code, _, stderr := call(t, t.Context(), "ledger", "init", "--config", file)
	require.Zero(t, code, stderr)
	require.NoError(t, os.Remove(filepath.Join(filepath.Dir(file), "key.pem")))
	code, stdout, _ := call(t, t.Context(), "doctor", "--config", file, "--timeout", "1s")
	require.Equal(t, exitFailed, code)
	require.Contains(t, stdout, "key.pem")
	require.Contains(t, stdout, "intact, 0 entries")
}

func TestDoctorUsage(t *testing.T) {
	t.Parallel()
	file := unreachable(t)
	broken := filepath.Join(t.TempDir(), "broken.yaml")
	require.NoError(t, os.WriteFile(broken, []byte("gates: []\n"), 0o600))
	for _, args := range [][]string{
		{},
		{"--config", "no-such-file"},
		{"--config", broken},
		{"--config", file, "-o", "yaml"},
		{"--config", file, "--min-severity", "fatal"},
		{"--config", file, "--fail-on", "sometimes"},
		{"--config", file, "--skip", "no.such"},
		{"--config", file, "--trust", "bob"},
		{"--config", file, "--trust", "person:bob"},
		{"--config", file, "--timeout", "0s"},
		{"--explain", "no.such"},
		{"extra"},
	} {
		code, stdout, stderr := call(t, t.Context(), append([]string{"doctor"}, args...)...)
		require.Equal(t, exitUsage, code, "%v: %s", args, stderr)
		require.Empty(t, stdout)
		require.NotEmpty(t, stderr)
	}
	code, stdout, _ := call(t, t.Context(), "doctor", "--explain", "applications.generate-paths")
	require.Zero(t, code)
	require.Contains(t, stdout, "applications.generate-paths (Applications, critical)")
}
