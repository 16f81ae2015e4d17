package sandbox

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// TestSandboxLifecycle starts a cluster on a warm cache, reports how long that
// takes and how much memory it needs, and proves that Close leaves nothing.
func TestSandboxLifecycle(t *testing.T) {
	requireE2E(t)
	for _, version := range []Version{V3, V2} {
		t.Run(string(version), func(t *testing.T) {
			before := time.Now()
			s, err := Start(t.Context(), Options{ArgoCD: version})
			require.NoError(t, err)
			t.Logf("Argo CD %s: ready after %s", version, time.Since(before).Round(10*time.Millisecond))
			var pids []int
			var total int
			for _, process := range s.Processes() {
				require.True(t, alive(process.PID()), process.Name())
				pids = append(pids, process.PID())
				size := residentMiB(t, process.PID())
				total += size
				t.Logf("%-32s %4d MiB", process.Name(), size)
			}
			t.Logf("%-32s %4d MiB", "sum", total)
			var dump strings.Builder
			s.DumpLogs(&dump)
			require.Contains(t, dump.String(), "==> kube-apiserver (running)")

			before = time.Now()
			require.NoError(t, s.Close())
			t.Logf("closed after %s", time.Since(before).Round(10*time.Millisecond))
			requireGone(t, pids)
			require.NoDirExists(t, s.Dir())
		})
	}
}

// TestSandboxDiesWithItsHolder kills a program that holds a cluster, and lets
// another die by itself.
func TestSandboxDiesWithItsHolder(t *testing.T) {
	requireE2E(t)
	for _, death := range []string{"kill", "exit"} {
		t.Run(death, func(t *testing.T) {
			t.Parallel() // two clusters on one machine keep apart
			o := startOrphan(t, "sandbox", death)
			require.Greater(t, len(o.pids), 6)
			for _, pid := range o.pids {
				require.True(t, alive(pid))
			}
			o.die()
			requireGone(t, o.pids)
			require.DirExists(t, o.dir)
			removeAbandoned(os.TempDir())
			require.NoDirExists(t, o.dir)
		})
	}
}

func requireE2E(t *testing.T) {
	t.Helper()
	if os.Getenv("GATEKEEPER_E2E") != "1" {
		t.Skip("set GATEKEEPER_E2E=1 or run make e2e")
	}
}

// residentMiB returns the resident memory of a process.
func residentMiB(t *testing.T, pid int) int {
	t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	require.NoError(t, err)
	for line := range strings.Lines(string(status)) {
		if value, found := strings.CutPrefix(line, "VmRSS:"); found {
			kib, err := strconv.Atoi(strings.Fields(value)[0])
			require.NoError(t, err)
			return kib / 1024
		}
	}
	return 0
}
