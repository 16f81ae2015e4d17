package sandbox

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// childMode makes the test binary play the program that holds a sandbox and dies
// without closing it.
const childMode = "GATEKEEPER_SANDBOX_TEST_CHILD"

func TestMain(m *testing.M) {
	if mode := os.Getenv(childMode); mode != "" {
		child(mode)
	}
	os.Exit(m.Run())
}

// child starts processes, prints their numbers and "ready", waits for a line on
// standard input, and dies in the way that mode says.
func child(mode string) {
	what, death, _ := strings.Cut(mode, " ")
	var pids []int
	switch what {
	case "launcher":
		l := newLauncher()
		for range 3 {
			cmd := exec.CommandContext(context.Background(), "sleep", "600")
			must(l.start(cmd))
			pids = append(pids, cmd.Process.Pid)
		}
	case "sandbox":
		s, err := Start(context.Background(), Options{Progress: os.Stderr})
		must(err)
		for _, process := range s.Processes() {
			pids = append(pids, process.PID())
		}
		fmt.Println("dir", s.Dir())
	}
	for _, pid := range pids {
		fmt.Println("pid", pid)
	}
	fmt.Println("ready")
	_, err := bufio.NewReader(os.Stdin).ReadString('\n')
	must(err)
	switch death {
	case "exit":
		os.Exit(3)
	case "panic":
		go func() { panic("on purpose") }()
		select {}
	default:
		select {} // the test kills it
	}
}

func must(err error) {
	if err != nil {
		panic(err)
	}
}

// orphan is a child of the test that holds processes.
type orphan struct {
	cmd  *exec.Cmd
	pids []int
	dir  string
	die  func()
}

// startOrphan runs the test binary in a child mode and waits until it is ready.
func startOrphan(t *testing.T, what, death string) *orphan {
	t.Helper()
	executable, err := os.Executable()
	require.NoError(t, err)
	o := &orphan{cmd: exec.CommandContext(t.Context(), executable)}
	o.cmd.Env = append(os.Environ(), childMode+"="+what+" "+death)
	o.cmd.Stderr = os.Stderr
	if death == "panic" {
		o.cmd.Stderr = nil
	}
	stdin, err := o.cmd.StdinPipe()
	require.NoError(t, err)
	stdout, err := o.cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, o.cmd.Start())
	t.Cleanup(func() {
		_ = o.cmd.Process.Kill()
		_ = o.cmd.Wait()
	})
	lines := bufio.NewScanner(stdout)
	for lines.Scan() && lines.Text() != "ready" {
		if number, found := strings.CutPrefix(lines.Text(), "pid "); found {
			pid, err := strconv.Atoi(number)
			require.NoError(t, err)
			o.pids = append(o.pids, pid)
		}
		if dir, found := strings.CutPrefix(lines.Text(), "dir "); found {
			o.dir = dir
		}
	}
	require.NotEmpty(t, o.pids)
	o.die = func() {
		if death == "kill" {
			require.NoError(t, o.cmd.Process.Kill())
		}
		_, _ = stdin.Write([]byte("\n"))
		require.Error(t, o.cmd.Wait())
	}
	return o
}

// alive reports whether a process runs; one that waits to be reaped does not.
func alive(pid int) bool {
	if syscall.Kill(pid, 0) != nil {
		return false
	}
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return false
	}
	// The state follows the name, which is in parentheses and may contain any byte.
	_, state, _ := strings.Cut(string(stat[strings.LastIndexByte(string(stat), ')')+1:]), " ")
	return !strings.HasPrefix(state, "Z") && !strings.HasPrefix(state, "X")
}

// requireGone waits until none of the processes runs.
func requireGone(t *testing.T, pids []int) {
	t.Helper()
	require.Eventually(t, func() bool {
		return !slices.ContainsFunc(pids, alive)
	}, 10*time.Second, 10*time.Millisecond, "processes %v are still running", pids)
}

// awaitLine waits until the process has written a line and returns the last one.
func awaitLine(t *testing.T, p *Process) string {
	t.Helper()
	require.Eventually(t, func() bool { return strings.Contains(p.Logs(), "\n") }, 10*time.Second, 5*time.Millisecond)
	return lastLines(p.Logs(), 1)
}
