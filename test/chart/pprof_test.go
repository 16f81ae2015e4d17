package chart

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// TestProfilesOnLoopbackAlone: profiles are off unless somebody names an address, which is one
// that nobody but the pod itself reaches.
func TestProfilesOnLoopbackAlone(t *testing.T) {
	render := func(address string) (string, error) {
		o := sets()["default"]
		o.Values = map[string]any{"pprof": address}
		rendered, err := Render(o)
		if err != nil {
			return "", err
		}
		return rendered.Text(), nil
	}
	text, err := render("")
	require.NoError(t, err)
	require.NotContains(t, text, "--pprof")
	text, err = render("127.0.0.1:6060")
	require.NoError(t, err)
	require.Contains(t, text, "--pprof, \"127.0.0.1:6060\"")
	for _, refused := range []string{":6060", "0.0.0.0:6060", "127.0.0.1", "127.0.0.1:6060, --pprof-anywhere"} {
		_, err := render(refused)
		require.Error(t, err, refused)
	}
}
