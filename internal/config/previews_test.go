package config

import (
	"testing"

	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v4"
)

func TestPreviews(t *testing.T) {
	for text, want := range map[string]struct {
		on       bool
		plugins  bool
		most     int
		mistakes int
	}{
		"{}":                               {true, false, defaultPreviews, 0},
		"enabled: true":                    {true, false, defaultPreviews, 0},
		"enabled: false":                   {false, false, defaultPreviews, 0},
		"{plugins: true, applications: 7}": {true, true, 7, 0},
		"applications: 500":                {true, false, 500, 0},
		"applications: 501":                {true, false, 501, 1},
		"applications: -1":                 {true, false, -1, 1},
	} {
		var document yaml.Node
		require.NoError(t, yaml.Unmarshal([]byte(text), &document))
		var p Previews
		require.NoError(t, document.Content[0].Decode(&p))
		c := &checker{}
		c.previews(&p, document.Content[0])
		require.Len(t, c.mistakes, want.mistakes, text)
		require.Equal(t, []any{want.on, want.plugins, want.most}, []any{p.On(), p.Plugins, p.Applications}, text)
	}
}
