package config

import (
	"testing"

	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v4"
)

// TestReplicas: several processes share a record in PostgreSQL alone, and need a Lease.
func TestReplicas(t *testing.T) {
	const postgres = "record: {postgres: {dsnFile: x}}\n"
	for text, mistakes := range map[string][]string{
		postgres: nil,
		postgres + "replicas: {lease: gatekeeper, namespace: gatekeeper}": nil,
		"replicas: {lease: gatekeeper, namespace: gatekeeper}":            {"replicas needs record.postgres: a record in a SQLite file belongs to the one process that has it open"},
		postgres + "replicas: {namespace: gatekeeper}":                    {"replicas.lease must be"},
		postgres + "replicas: {lease: gatekeeper}":                        {"replicas.namespace must be"},
		postgres + "replicas: {lease: Gate_Keeper, namespace: a.b}":       {"replicas.lease must be", "replicas.namespace must be"},
	} {
		var document yaml.Node
		require.NoError(t, yaml.Unmarshal([]byte(text), &document))
		var f File
		require.NoError(t, document.Content[0].Decode(&f))
		c := &checker{}
		c.replicas(&f, document.Content[0])
		require.Len(t, c.mistakes, len(mistakes), text)
		for i, want := range mistakes {
			require.ErrorContains(t, c.err(), want, "%s: %v", text, c.mistakes[i])
		}
	}
}
