package export_test

import (
	"bytes"
	"errors"
	"fmt"
	mathrand "math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
	"github.com/argo-gatekeeper/gatekeeper/pkg/history"
	"github.com/argo-gatekeeper/gatekeeper/pkg/history/export"
	"github.com/argo-gatekeeper/gatekeeper/pkg/history/historytest"
	"github.com/argo-gatekeeper/gatekeeper/pkg/history/merkle"
)

// second runs the verifier in examples, which shares no code with this one.
type second struct {
	node, script, folder, key string
}

func newSecond(t *testing.T, signer merkle.Signer) second {
	t.Helper()
	node, err := exec.LookPath("node")
	if err != nil {
		t.Skip("the second verifier is written for Node 20, which is not installed here")
	}
	script, err := filepath.Abs(filepath.Join("..", "..", "..", "examples", "verify-record", "verify.mjs"))
	require.NoError(t, err)
	s := second{node: node, script: script, folder: t.TempDir()}
	s.key = s.file(t, "key.pub", signer.Verifier().String()+"\n")
	return s
}

func (s second) file(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(s.folder, name)
	require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
	return path
}

// verdict is what it prints, and whether that is that everything is intact.
func (s second) verdict(t *testing.T, text []byte, checkpoints ...string) (said string, intact bool) {
	t.Helper()
	args := append([]string{s.script, s.file(t, "record.jsonl", string(text)), s.key}, checkpoints...)
	output, err := exec.CommandContext(t.Context(), s.node, args...).CombinedOutput()
	if exit := new(exec.ExitError); errors.As(err, &exit) {
		require.Equal(t, 1, exit.ExitCode(), "it could not find out: %s", output)
	} else {
		require.NoError(t, err)
	}
	return string(output), err == nil
}

// TestSecondVerifier: two verifiers that share nothing but the published formats agree.
func TestSecondVerifier(t *testing.T) {
	t.Parallel()
	signer := newSigner(t)
	other := newSecond(t, signer)
	for _, n := range []int{0, 1, 2, 7, 64} {
		record := entries(t, n)
		said, intact := other.verdict(t, write(t, signer, record), other.file(t, "known", checkpoint(t, signer, record[:n/2]).Note))
		require.True(t, intact, said)
		require.Equal(t, fmt.Sprintf("intact: %d entries, root %s\n", n, checkpoint(t, signer, record).Root), said)
	}

	record := entries(t, 11)
	text := write(t, signer, record)
	seed := mathrand.Uint64()
	t.Logf("seed %d", seed)
	r := mathrand.New(mathrand.NewPCG(seed, 2))
	forge := forged(t)
	for range 40 {
		m := mutate(r, text, forge)
		if bytes.Equal(m.text, text) {
			continue
		}
		report, _, err := export.Verify(t.Context(), bytes.NewReader(m.text), signer.Verifier())
		require.NoError(t, err)
		said, intact := other.verdict(t, m.text)
		require.Equal(t, report.Intact(), intact, "%s: %s", m.say, said)
		if strings.HasPrefix(m.say, "bit") || strings.HasPrefix(m.say, "cut") || strings.HasSuffix(m.say, "dropped") || strings.HasSuffix(m.say, "swapped") {
			require.Contains(t, said, fmt.Sprintf("NOT INTACT at entry %d:", report.Fault.Sequence), m.say)
		}
	}
}

// TestSecondVerifierKnowsCheckpoints: what was written anew to the end, with the key.
func TestSecondVerifierKnowsCheckpoints(t *testing.T) {
	t.Parallel()
	signer := newSigner(t)
	other := newSecond(t, signer)
	record := entries(t, 9)
	known := other.file(t, "known", checkpoint(t, signer, record).Note)
	begunAnew, err := history.Seal(history.Head{}, append([]history.Draft{historytest.Decision(t, "x", "prod", approval.Blocked)}, drafts(t, 11)...)...)
	require.NoError(t, err)
	for name, anew := range map[string]list{"truncated": record[:5], "begun anew": begunAnew} {
		text := write(t, signer, anew)
		_, intact := other.verdict(t, text)
		require.True(t, intact, name)
		said, intact := other.verdict(t, text, known)
		require.False(t, intact, "%s: %s", name, said)
		report, _, err := export.Verify(t.Context(), bytes.NewReader(text), signer.Verifier(), checkpoint(t, signer, record).Checkpoint)
		require.NoError(t, err)
		require.False(t, report.Intact(), name)
	}
	said, intact := newSecond(t, newSigner(t)).verdict(t, write(t, signer, record))
	require.False(t, intact)
	require.Contains(t, said, "NOT INTACT at entry 10: the checkpoint: not signed with this key")
}
