package sandbox

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/test/e2e/tools"
)

// TestStartGatekeeper builds and runs another command of the project in the place
// of gatekeeper: a small one, whose output is known.
func TestStartGatekeeper(t *testing.T) {
	t.Setenv("GATEKEEPER_TOOLS_CACHE", t.TempDir())
	s, out := bare(t)
	var err error
	s.builder, err = tools.NewBuilder(".", nil)
	require.NoError(t, err)
	s.gatekeeper.pkg = "./test/e2e/tools/build"

	first, err := s.StartGatekeeper(t.Context(), "gatekeeper-a", "-list")
	require.NoError(t, err)
	<-first.Done()
	require.NoError(t, first.Err())
	require.Contains(t, first.Logs(), "kubernetes\n")
	require.Contains(t, out.String(), "gatekeeper built in")

	// A second one under the same name: not built again, and its log begins anew in
	// the same file.
	again, err := s.StartGatekeeper(t.Context(), "gatekeeper-a", "-list", "kwok")
	require.NoError(t, err)
	<-again.Done()
	require.Equal(t, "kwok\n", again.Logs())
	require.Equal(t, first.LogPath(), again.LogPath())
	require.Contains(t, first.Logs(), "kubernetes\n")

	s.gatekeeper.path, s.gatekeeper.pkg = "", "./cmd/does-not-exist"
	_, err = s.StartGatekeeper(t.Context(), "gatekeeper-b")
	require.ErrorContains(t, err, "does-not-exist")
}

func TestCloseLetsGatekeeperFinish(t *testing.T) {
	s, _ := bare(t)
	said := filepath.Join(t.TempDir(), "said")
	process, err := s.StartProcess(t.Context(), Command{Name: "gatekeeper", Path: "/bin/sh",
		Args: []string{"-c", "trap 'echo bye > " + said + "; exit 0' TERM; echo up; while :; do sleep 0.01; done"}})
	require.NoError(t, err)
	s.gatekeeper.processes = append(s.gatekeeper.processes, process)
	awaitLine(t, process)
	require.NoError(t, s.Close())
	content, err := os.ReadFile(said)
	require.NoError(t, err)
	require.Equal(t, "bye\n", string(content))
}
