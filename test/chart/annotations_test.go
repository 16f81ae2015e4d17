package chart

import (
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestApplicationSetsAreRead: Gatekeeper may read ApplicationSets where it puts links or
// notices on Applications, and nowhere else.
func TestApplicationSetsAreRead(t *testing.T) {
	for name, c := range map[string]struct {
		key   string
		value bool
		may   bool
	}{
		"links":        {"applicationLinks", true, true},
		"notices":      {"applicationNotices", true, true},
		"neither":      {"labels", true, false},
		"switched off": {"applicationNotices", false, false},
	} {
		t.Run(name, func(t *testing.T) {
			gate := map[string]any{"name": "prod", c.key: c.value}
			rendered, err := Render(Options{
				Dir: root, ValuesFile: filepath.Join(root, "ci", "default-values.yaml"),
				Values: map[string]any{"config": map[string]any{"gates": []any{map[string]any{"name": "dev"}, gate}}},
			})
			require.NoError(t, err)
			rule := "resources: [applicationsets]\n    verbs: [get]\n"
			if c.may {
				require.Contains(t, rendered.Text(), rule)
			} else {
				require.NotContains(t, rendered.Text(), rule)
			}
		})
	}
}
