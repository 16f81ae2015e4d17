package argo

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestUsesPlugin(t *testing.T) {
	for object, want := range map[string]bool{
		`{"spec":{"source":{"path":"a"}}}`:                                                     false,
		`{"spec":{"source":{"path":"a","plugin":{}}}}`:                                         true,
		`{"spec":{"source":{"path":"a","plugin":{"name":"x"}}}}`:                               true,
		`{"spec":{"sources":[{"path":"a"},{"path":"b","plugin":{"env":[]}}]}}`:                 true,
		`{"spec":{"source":{"plugin":{}},"sources":[{"path":"a"}]}}`:                           false,
		`{"spec":{"source":{"path":"a"}},"status":{"sourceType":"Plugin"}}`:                    true,
		`{"spec":{"source":{"path":"a"}},"status":{"sourceType":"Helm"}}`:                      false,
		`{"spec":{"sources":[{"path":"a"}]},"status":{"sourceTypes":["Helm","Plugin"]}}`:       true,
		`{"spec":{"sources":[{"path":"a"}]},"status":{"sourceTypes":["Helm","Kustomize",""]}}`: false,
	} {
		var parsed map[string]any
		require.NoError(t, json.Unmarshal([]byte(object), &parsed))
		require.Equal(t, want, UsesPlugin(parsed), object)
	}
}
