package chart

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	"helm.sh/helm/v3/pkg/chart"
)

// TestDashboards: every file of dashboards becomes a ConfigMap that Grafana finds, byte for
// byte the same: its own templates are none of Helm's.
func TestDashboards(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(root, "dashboards", "*.json"))
	require.NoError(t, err)
	want := map[string]string{"another.json": "{\n  \"title\": \"{{ gate }} | more\"\n}"}
	for _, file := range files {
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		want[filepath.Base(file)] = string(text)
	}
	o := sets()["everything"]
	o.Change = func(c *chart.Chart) {
		c.Files = append(c.Files, &chart.File{Name: "dashboards/another.json", Data: []byte(want["another.json"])})
	}
	rendered, err := Render(o)
	require.NoError(t, err)
	objects, err := rendered.Objects()
	require.NoError(t, err)
	found := map[string]bool{}
	for _, o := range objects {
		if o.GetKind() != "ConfigMap" || o.GetLabels()["grafana_dashboard"] != "1" {
			continue
		}
		data, ok := o.Object["data"].(map[string]any)
		require.True(t, ok)
		for name, text := range data {
			shown, ok := text.(string)
			require.True(t, ok)
			require.JSONEq(t, want[name], shown)
			require.True(t, json.Valid([]byte(shown)))
			require.False(t, found[o.GetName()], "two are called %s", o.GetName())
			found[o.GetName()] = true
		}
	}
	require.Len(t, found, len(want))

	o.Values = map[string]any{"dashboards": map[string]any{"enabled": false}}
	rendered, err = Render(o)
	require.NoError(t, err)
	require.NotContains(t, rendered.Files, "dashboards.yaml")
}
