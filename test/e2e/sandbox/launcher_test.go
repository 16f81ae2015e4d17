//go:build linux

package sandbox

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// TestNothingLeftWhenTheHolderDies is the guarantee of the package, with small
// processes in place of the cluster.
func TestNothingLeftWhenTheHolderDies(t *testing.T) {
	for _, death := range []string{"kill", "exit", "panic"} {
		t.Run(death, func(t *testing.T) {
			t.Parallel()
			o := startOrphan(t, "launcher", death)
			for _, pid := range o.pids {
				require.True(t, alive(pid))
			}
			o.die()
			requireGone(t, o.pids)
		})
	}
}

// TestChildrenOutliveThreads ends many operating-system threads: a child forked
// from one of them would be killed with it.
func TestChildrenOutliveThreads(t *testing.T) {
	l := newLauncher()
	t.Cleanup(l.close)
	cmd := exec.CommandContext(t.Context(), "sleep", "600")
	require.NoError(t, l.start(cmd))
	var group sync.WaitGroup
	for range 64 {
		group.Go(func() {
			runtime.LockOSThread() // never unlocked: the thread ends with the goroutine
			time.Sleep(time.Millisecond)
		})
	}
	group.Wait()
	require.True(t, alive(cmd.Process.Pid))

	require.NoError(t, cmd.Process.Kill())
	require.Error(t, cmd.Wait())
	l.close()
	l.close() // again, without harm
	require.ErrorIs(t, l.start(exec.CommandContext(t.Context(), "true")), errClosed)
}

// shell starts a shell script as a process of a launcher.
func shell(t *testing.T, script string) *Process {
	t.Helper()
	l := newLauncher()
	t.Cleanup(l.close)
	p, err := l.startProcess(t.Context(), Command{Name: "script", Path: "/bin/sh", Args: []string{"-c", script}},
		t.TempDir(), filepath.Join(t.TempDir(), "script.log"), os.Environ())
	require.NoError(t, err)
	t.Cleanup(p.Kill)
	return p
}

func TestProcessKillTakesTheGroup(t *testing.T) {
	p := shell(t, "sleep 600 & echo $!; wait")
	grandchild, err := strconv.Atoi(awaitLine(t, p))
	require.NoError(t, err)
	require.True(t, alive(grandchild))
	require.NoError(t, p.Err(), "it runs")
	p.Kill()
	requireGone(t, []int{p.PID(), grandchild})
	require.ErrorContains(t, p.Err(), "killed")
	p.Kill() // again, without harm
}

func TestProcessThatEndsTakesItsGroup(t *testing.T) {
	p := shell(t, "sleep 600 & echo $!; exit 7")
	<-p.Done()
	grandchild, err := strconv.Atoi(awaitLine(t, p))
	require.NoError(t, err)
	requireGone(t, []int{grandchild})
	require.ErrorContains(t, p.Err(), "exit status 7")
	require.ErrorContains(t, p.exited(), "script ended (exit status 7)")
}

func TestProcessStop(t *testing.T) {
	t.Run("ends by itself", func(t *testing.T) {
		p := shell(t, "trap 'exit 0' TERM; echo up; while :; do sleep 0.01; done")
		awaitLine(t, p)
		require.NoError(t, p.Stop(t.Context()))
		require.NoError(t, p.Err())
	})
	t.Run("is killed when it does not", func(t *testing.T) {
		p := shell(t, "trap '' TERM; echo up; while :; do sleep 0.01; done")
		awaitLine(t, p)
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		defer cancel()
		require.ErrorContains(t, p.Stop(ctx), "stop script: killed")
		requireGone(t, []int{p.PID()})
	})
}

func TestReadTail(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	require.NoError(t, os.WriteFile(path, []byte("earlier\none\ntwo\nthree\n"), 0o600))
	for name, c := range map[string]struct {
		from, limit int64
		want        string
	}{
		"everything":             {0, 100, "earlier\none\ntwo\nthree\n"},
		"this process alone":     {8, 100, "one\ntwo\nthree\n"},
		"a cut line is left out": {8, 8, "three\n"},
		"nothing yet":            {22, 100, ""},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := readTail(path, c.from, c.limit)
			require.NoError(t, err)
			require.Equal(t, c.want, got)
		})
	}
	_, err := readTail(path+"-missing", 0, 1)
	require.ErrorIs(t, err, os.ErrNotExist)
}
