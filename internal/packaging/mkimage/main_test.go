package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"
)

const hash = "0123456789abcdef0123456789abcdef01234567"

func TestRefused(t *testing.T) {
	own, err := os.Executable()
	require.NoError(t, err)
	there := t.TempDir()
	for name, tt := range map[string]struct {
		args []string
		want string
	}{
		"no verb":                  {nil, "usage"},
		"an unknown verb":          {[]string{"make"}, "usage"},
		"build without a tag":      {[]string{"build", "-output", there, "-commit", hash}, "are needed"},
		"no program":               {[]string{"build", "-binary", "amd64=" + filepath.Join(there, "none")}, "no such file"},
		"no architecture":          {[]string{"build", "-binary", own}, "ARCHITECTURE=PATH"},
		"of another platform":      {[]string{"build", "-binary", "sparc=" + own}, "was built with"},
		"push without a tag":       {[]string{"push", "registry.example/gatekeeper"}, "at least one tag"},
		"push of what is no image": {[]string{"push", "-layout", there, "registry.example/gatekeeper", "v1"}, "read the layout"},
		"sbom of nothing":          {[]string{"sbom"}, "are needed"},
		"sbom without a time":      {[]string{"sbom", "-program", own, "-tag", "v1", "-commit", hash, "-created", "today"}, "-created"},
	} {
		t.Run(name, func(t *testing.T) {
			var stdout, stderr bytes.Buffer
			require.ErrorContains(t, run(t.Context(), tt.args, &stdout, &stderr), tt.want)
			require.Empty(t, stdout.String())
		})
	}
}

// TestSBOM lists what a program built here is made of.
func TestSBOM(t *testing.T) {
	program := filepath.Join(t.TempDir(), "program")
	out, err := exec.CommandContext(t.Context(), "go", "build", "-o", program, ".").CombinedOutput()
	require.NoError(t, err, string(out))
	var stdout, stderr bytes.Buffer
	require.NoError(t, run(t.Context(), []string{"sbom", "-program", program, "-tag", "v1.2.3", "-commit", hash, "-created", "2026-01-02T03:04:05Z"}, &stdout, &stderr))
	require.Contains(t, stdout.String(), `"purl": "pkg:golang/github.com/google/go-containerregistry@`)
	require.Contains(t, stdout.String(), `"purl": "pkg:golang/std@`+runtime.Version()[2:])
	require.NotContains(t, stdout.String(), "pkg:deb", "the program has no packages")
}
