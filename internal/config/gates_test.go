package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestLoadGates: no secret is read, and only the gates must be complete.
func TestLoadGates(t *testing.T) {
	file := filepath.Join(t.TempDir(), "gatekeeper.yaml")
	require.NoError(t, os.WriteFile(file, []byte(valid), 0o600))
	_, err := Load(file)
	require.Error(t, err, "the secrets are missing")
	cfg, err := LoadGates(file)
	require.NoError(t, err)
	require.Len(t, cfg.Policies, 1)
	require.Equal(t, []string{"charts/**", "envs/prod/**"}, cfg.Policies[0].Repositories[0].Paths)
	require.Equal(t, cfg.Policies[0].Gate, cfg.File.Gates[0].Name)
	require.Equal(t, filepath.Join(filepath.Dir(file), "keys/a.pub"), cfg.Path("keys/a.pub"))

	_, gates, _ := strings.Cut(valid, "gates:")
	require.NoError(t, os.WriteFile(file, []byte("gates:"+gates), 0o600))
	_, err = LoadGates(file)
	require.NoError(t, err)
}

func TestLoadGatesRefuses(t *testing.T) {
	for name, c := range map[string]struct{ old, new, want string }{
		"no gate":      {valid[strings.Index(valid, "gates:"):], "", ":1: there is no gate"},
		"bad pattern":  {`"charts/**"`, `"/charts"`, ":18: the path \"/charts\" is not a pattern"},
		"unknown key":  {"paths:", "path:", `:18: unknown key "path" in gates[0].repositories[0]; did you mean "paths"?`},
		"no approvals": {"approvals: 2", "approvals: 0", ":22: a requirement of 0 approvals"},
	} {
		file := write(t, strings.Replace(valid, c.old, c.new, 1))
		_, err := LoadGates(file)
		var refused *Error
		require.ErrorAs(t, err, &refused, name)
		require.ErrorContains(t, err, file+c.want, name)
	}
	_, err := LoadGates(filepath.Join(t.TempDir(), "missing"))
	require.ErrorIs(t, err, os.ErrNotExist)
}
