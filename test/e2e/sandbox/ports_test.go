package sandbox

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/test/e2e/tools"
)

// bare returns a sandbox without any process of the cluster.
func bare(t *testing.T) (*Sandbox, *strings.Builder) {
	t.Helper()
	out := &strings.Builder{}
	options, module, err := Options{Dir: filepath.Join(t.TempDir(), "sandbox")}.withDefaults()
	require.NoError(t, err)
	s := &Sandbox{options: options, progress: tools.NewProgress(out)}
	s.argo = newArgoCD(s, module)
	require.NoError(t, s.prepare())
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	return s, out
}

// script is a component that runs a shell script with its port as $1.
func script(name, text string, ready func(context.Context, []int) error) component {
	return component{
		name: name, ports: 1, ready: ready,
		command: func(ports []int) Command {
			return Command{Name: name, Path: "/bin/sh", Args: []string{"-c", text, name, loopback(ports[0])}}
		},
	}
}

func TestComponentBecomesReady(t *testing.T) {
	s, out := bare(t)
	marker := filepath.Join(s.Dir(), "up")
	ports, err := s.startComponent(t.Context(), script("slow", "sleep 0.1; touch "+marker+"; exec sleep 600",
		func(context.Context, []int) error {
			_, err := os.Stat(marker)
			return err
		}))
	require.NoError(t, err)
	require.Len(t, ports, 1)
	require.Contains(t, out.String(), "slow ready")
}

func TestComponentTakesAnotherPort(t *testing.T) {
	s, out := bare(t)
	// Fails as a server does whose port was taken, the first two times.
	text := `echo x >> tries; test $(wc -l < tries) -gt 2 && exec sleep 600; echo "listen tcp $1: bind: address already in use"; exit 1`
	tries := filepath.Join(s.Dir(), "home", "unlucky", "tries")
	_, err := s.startComponent(t.Context(), script("unlucky", text, func(context.Context, []int) error {
		content, err := os.ReadFile(tries)
		if strings.Count(string(content), "x") < 3 {
			return errors.Join(errors.New("not yet"), err)
		}
		return nil
	}))
	require.NoError(t, err)
	require.Equal(t, 2, strings.Count(out.String(), "a port was taken in between"))
	require.Len(t, s.Processes(), 1)

	_, err = s.startComponent(t.Context(), script("hopeless", `echo "address already in use"; exit 1`,
		func(context.Context, []int) error { return errors.New("not yet") }))
	require.ErrorContains(t, err, "hopeless ended")
}

func TestComponentThatDies(t *testing.T) {
	s, _ := bare(t)
	_, err := s.startComponent(t.Context(), script("doomed", "echo because; exit 4",
		func(context.Context, []int) error { return errors.New("not yet") }))
	require.ErrorContains(t, err, "doomed ended (exit status 4)")
	require.ErrorContains(t, err, "because")
	require.Len(t, s.Processes(), 1)
	require.False(t, alive(s.Processes()[0].PID()))
}

func TestComponentThatIsNeverReady(t *testing.T) {
	s, _ := bare(t)
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	_, err := s.startComponent(ctx, script("silent", "echo hm; exec sleep 600",
		func(context.Context, []int) error { return errors.New("connection refused") }))
	require.ErrorIs(t, err, context.DeadlineExceeded)
	require.ErrorContains(t, err, "connection refused")
	requireGone(t, []int{s.Processes()[0].PID()})
}

func TestFreePortsDiffer(t *testing.T) {
	ports, err := freePorts(t.Context(), 20)
	require.NoError(t, err)
	seen := map[int]bool{}
	for _, port := range ports {
		require.False(t, seen[port])
		seen[port] = true
	}
	require.Len(t, seen, 20)
}

func TestClose(t *testing.T) {
	s, _ := bare(t)
	process, err := s.StartProcess(t.Context(), Command{Name: "left", Path: "/bin/sh", Args: []string{"-c", "sleep 600 & wait"}})
	require.NoError(t, err)
	require.NoError(t, s.Close())
	require.NoError(t, s.Close(), "again, without harm")
	requireGone(t, []int{process.PID()})
	require.NoDirExists(t, s.Dir())
	_, err = s.StartProcess(t.Context(), Command{Name: "late", Path: "/bin/true"})
	require.Error(t, err)
	require.NoDirExists(t, s.Dir(), "nothing is created after Close")
}

func TestKeepDir(t *testing.T) {
	dir := t.TempDir()
	s := &Sandbox{options: Options{Dir: dir, KeepDir: true}, progress: tools.NewProgress(nil)}
	require.NoError(t, s.prepare())

	other := &Sandbox{options: Options{Dir: dir}, progress: tools.NewProgress(nil)}
	require.ErrorIs(t, other.prepare(), errDirInUse)
	require.NoError(t, other.Close())
	require.DirExists(t, filepath.Join(dir, "logs"), "the folder of the first is untouched")

	require.NoError(t, s.Close())
	require.DirExists(t, filepath.Join(dir, "logs"))
	require.NoFileExists(t, filepath.Join(dir, claimName))
}

func TestAbandonedFolders(t *testing.T) {
	parent := t.TempDir()
	t.Setenv("TMPDIR", parent)
	used, usedClaim, err := claimDir("")
	require.NoError(t, err)
	dead, deadClaim, err := claimDir("")
	require.NoError(t, err)
	unclaimed := filepath.Join(parent, dirPattern+"young")
	require.NoError(t, os.Mkdir(unclaimed, 0o700))
	require.NoError(t, deadClaim.Close(), "as the kernel does for a process that dies")

	fresh, freshClaim, err := claimDir("")
	require.NoError(t, err)
	require.NoDirExists(t, dead)
	require.DirExists(t, used)
	require.DirExists(t, unclaimed, "another sandbox may be about to claim it")
	require.NoError(t, releaseDir(used, usedClaim, false))
	require.NoError(t, releaseDir(fresh, freshClaim, false))
	require.NoDirExists(t, used)
}
