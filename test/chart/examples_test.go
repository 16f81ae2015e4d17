package chart

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/internal/config"
)

// TestExampleValues: values that an example has for the chart give the gates of its
// own configuration.
func TestExampleValues(t *testing.T) {
	files, err := filepath.Glob("../../examples/*/chart-values.yaml")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, values := range files {
		t.Run(filepath.Base(filepath.Dir(values)), func(t *testing.T) {
			rendered, err := Render(Options{Dir: root, ValuesFile: values})
			require.NoError(t, err)
			_, file := configuration(t, rendered)
			own := filepath.Join(filepath.Dir(values), "gatekeeper.yaml")
			text, err := os.ReadFile(own)
			require.NoError(t, err)
			want, _, err := config.Parse(own, text)
			require.NoError(t, err)
			require.Equal(t, want.Gates, file.Gates)
			require.Equal(t, want.GitHub.URL, file.GitHub.URL)
			require.Equal(t, want.GitHub.IndexGrace, file.GitHub.IndexGrace)
			require.Equal(t, want.ArgoCD.URL, file.ArgoCD.URL)
		})
	}
}
