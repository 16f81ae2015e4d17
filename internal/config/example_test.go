package config

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestExamplesLoad loads every configuration under examples/, with secrets in
// place, so that what people copy works.
func TestExamplesLoad(t *testing.T) {
	files, err := filepath.Glob(filepath.Join("..", "..", "examples", "*", "gatekeeper.yaml"))
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, file := range files {
		t.Run(filepath.Base(filepath.Dir(file)), func(t *testing.T) {
			text, err := os.ReadFile(file)
			require.NoError(t, err)
			path := write(t, string(text))
			secrets := filepath.Join(filepath.Dir(path), "secrets")
			require.NoError(t, os.Mkdir(secrets, 0o700))
			for _, name := range []string{"private-key.pem", "webhook-secret", "argocd-token", "argocd-ca.pem", "checkpoint-key"} {
				require.NoError(t, os.WriteFile(filepath.Join(secrets, name), []byte("content"), 0o600))
			}
			_, err = Load(path)
			require.NoError(t, err)
		})
	}
}
