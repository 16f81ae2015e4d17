package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v4"
)

func TestRecord(t *testing.T) {
	for text, want := range map[string]struct {
		postgres *Postgres
		mistakes int
	}{
		"{}":                     {nil, 0},
		"postgres: {dsnFile: x}": {&Postgres{"x", "gatekeeper", 8, 10 * time.Second}, 0},
		"postgres: {dsnFile: x, schema: audit_1, connections: 64, timeout: 100ms}": {&Postgres{"x", "audit_1", 64, 100 * time.Millisecond}, 0},
		"postgres: {schema: public}":     {nil, 1},
		"postgres: {schema: pg_catalog}": {nil, 1},
		"postgres: {schema: 'a\"b'}":     {nil, 1},
		"postgres: {schema: Audit}":      {nil, 1},
		"postgres: {connections: 65}":    {nil, 1},
		"postgres: {connections: -1}":    {nil, 1},
		"postgres: {timeout: 99ms}":      {nil, 1},
		"postgres: {timeout: 301s}":      {nil, 1},
	} {
		var document yaml.Node
		require.NoError(t, yaml.Unmarshal([]byte(text), &document))
		var r Record
		require.NoError(t, document.Content[0].Decode(&r))
		c := &checker{}
		c.record(&r, document.Content[0])
		require.Len(t, c.mistakes, want.mistakes, text)
		if want.mistakes == 0 {
			require.Equal(t, want.postgres, r.Postgres, text)
		}
	}
}

// TestRecordSecret: the connection string comes from its file alone.
func TestRecordSecret(t *testing.T) {
	text := strings.Replace(valid, "dataDirectory:", "record: {postgres: {dsnFile: dsn}}\ndataDirectory:", 1)
	path := write(t, text)
	_, err := Load(path)
	require.ErrorContains(t, err, "record.postgres.dsnFile")
	require.NoError(t, os.WriteFile(filepath.Join(filepath.Dir(path), "dsn"), []byte("host=/run\n"), 0o600))
	cfg, err := Load(path)
	require.NoError(t, err)
	require.Equal(t, "host=/run", string(cfg.Secrets.RecordDSN.Reveal()))
	_, err = Load(write(t, strings.Replace(text, "dsnFile: dsn", "", 1)))
	require.ErrorContains(t, err, "record.postgres.dsnFile is missing")
}
