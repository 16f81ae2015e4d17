package scenario

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/test/e2e/payments"
)

// verifiable: with what GitHub keeps of a deployment, an export and the public key, anybody
// can verify the record, and find that it was cut off.
func verifiable(t *testing.T, s *story) {
	folder := t.TempDir()
	save := func(name, text string) string {
		path := filepath.Join(folder, name)
		require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
		return path
	}
	key := filepath.Join(folder, "checkpoint.key")
	_, err := s.Gatekeeper(s.ctx, "ledger", "key", "--name", "gatekeeper.example.com/"+s.Name, "--out", key)
	require.NoError(t, err)
	config, err := os.ReadFile(s.Config)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(s.Config, append(config, "\ncheckpoints:\n  keyFile: "+key+"\n"...), 0o600))
	gatekeeper := s.run()

	pull := s.propose(payments.Alice, payments.Ledger, "2000")
	s.approve(payments.Bob, pull.Number)
	s.approve(payments.Carol, pull.Number)
	sha := s.merge(pull.Number, "merge")
	s.runs(payments.Ledger, sha, "2000", 2)
	live := s.deployed(sha, "success")
	require.Regexp(t, `^1 of 1 synced; record [0-9]+ [A-Za-z0-9+/]{43}=$`, live.Last().Description)
	require.NoError(t, gatekeeper.Stop(s.ctx))

	// The record as GitHub knows it: signed before the deployment, and stated after it.
	payload, err := json.Marshal([]payments.Deployment{live})
	require.NoError(t, err)
	statuses, err := json.Marshal(live.Statuses)
	require.NoError(t, err)
	kept := []string{"--public-key", key + ".pub", "--against", save("deployments.json", string(payload)), "--against", save("statuses.json", string(statuses))}
	said, err := s.Gatekeeper(s.ctx, append([]string{"ledger", "verify", "--config", s.Config}, kept...)...)
	require.NoError(t, err)
	require.Contains(t, said, "compared with 3 checkpoints")
	exported := filepath.Join(folder, "record.jsonl")
	_, err = s.Gatekeeper(s.ctx, "ledger", "export", "--config", s.Config, "--out", exported)
	require.NoError(t, err)
	said, err = s.Gatekeeper(s.ctx, append([]string{"ledger", "verify", "--export", exported}, kept...)...)
	require.NoError(t, err)
	require.Contains(t, said, "compared with 3 checkpoints")

	// The deployment is left out.
	text, err := os.ReadFile(exported)
	require.NoError(t, err)
	lines := strings.SplitAfter(strings.TrimSuffix(string(text), "\n"), "\n")
	var cut int
	for i, line := range lines {
		if strings.Contains(line, `"kind":"outcome"`) {
			cut = i
		}
	}
	require.Positive(t, cut, "the deployment is on record")
	_, err = s.Gatekeeper(s.ctx, "ledger", "verify", "--export", save("cut.jsonl", strings.Join(lines[:cut], "")), "--public-key", key+".pub")
	require.ErrorContains(t, err, fmt.Sprintf("NOT INTACT at entry %d (truncated)", cut+1))
}
