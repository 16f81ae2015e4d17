package sqlite_test

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/pkg/history"
	"github.com/argo-gatekeeper/gatekeeper/pkg/history/historytest"
	"github.com/argo-gatekeeper/gatekeeper/pkg/history/sqlite"
)

// holdPath names, in its environment, the record that the other process of
// TestKilledProcess holds.
const holdPath = "GATEKEEPER_TEST_HOLD_RECORD"

// TestMain makes the test binary that other process, when it is started as such.
func TestMain(m *testing.M) {
	if path := os.Getenv(holdPath); path != "" {
		fmt.Println(hold(path))
		return
	}
	os.Exit(m.Run())
}

// hold opens the record, appends, says so, and waits to be killed.
func hold(path string) error {
	ctx := context.Background()
	store, err := sqlite.Open(ctx, path)
	if err != nil {
		return err
	}
	head, err := store.Head(ctx)
	if err != nil {
		return err
	}
	head, err = store.Append(ctx, head, historytest.Abandoned("a", "open"))
	if err != nil {
		return err
	}
	fmt.Printf("holding %d %s\n", head.Sequence, head.Digest)
	select {}
}

// TestKilledProcess: a record that another process has open is refused; after
// that process was killed, the record opens and has what it had appended.
func TestKilledProcess(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "record.db")
	store := create(t, path)
	before := appendOpen(t, store)
	require.NoError(t, store.Close())

	binary, err := os.Executable()
	require.NoError(t, err)
	other := exec.CommandContext(t.Context(), binary)
	other.Env = append(os.Environ(), holdPath+"="+path)
	output, err := other.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, other.Start())
	var head history.Head
	line, err := bufio.NewReader(output).ReadString('\n')
	require.NoError(t, err)
	_, err = fmt.Sscanf(line, "holding %d %s", &head.Sequence, &head.Digest)
	require.NoError(t, err, line)
	require.Equal(t, before.Sequence+1, head.Sequence)

	_, err = sqlite.Open(t.Context(), path)
	require.ErrorIs(t, err, sqlite.ErrLocked)

	require.NoError(t, other.Process.Kill())
	require.Error(t, other.Wait())
	store, err = sqlite.Open(t.Context(), path)
	require.NoError(t, err)
	defer func() { require.NoError(t, store.Close()) }()
	report, err := history.Verify(t.Context(), store, before, head)
	require.NoError(t, err)
	require.True(t, report.Intact(), "%+v", report.Fault)
	require.Equal(t, head, report.Head)
	require.Zero(t, report.Open)
}
