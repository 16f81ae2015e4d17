package config

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestOnCommand: a gate waits for somebody to say sync if it is told to, and not together
// with Applications that sync themselves.
func TestOnCommand(t *testing.T) {
	cfg, err := Load(write(t, valid))
	require.NoError(t, err)
	require.False(t, cfg.Policies[0].Sync.OnCommand)
	cfg, err = Load(write(t, valid+"    sync: {onCommand: true}\n"))
	require.NoError(t, err)
	require.True(t, cfg.Policies[0].Sync.OnCommand)
	require.Contains(t, strings.Join(cfg.Describe()[0].Rules, "\n"), "Gatekeeper syncs what is approved when somebody who may write says so")
	_, err = Load(write(t, valid+"    sync: {onCommand: true, gatedAutoSync: true}\n"))
	require.ErrorContains(t, err, "write one of both")
	_, err = Load(write(t, valid+"    sync: {onCommand: sometimes}\n"))
	require.Error(t, err)
}
