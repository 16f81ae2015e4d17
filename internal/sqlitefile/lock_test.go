//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd

package sqlitefile

import (
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestReleaseDespiteCopy: a child process that is between fork and exec has a
// copy of the file, and does not keep the lock by it.
func TestReleaseDespiteCopy(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "test.db.lock")
	held, err := acquire(path)
	require.NoError(t, err)
	duplicate, err := syscall.Dup(int(held.file.Fd()))
	require.NoError(t, err)
	defer func() { require.NoError(t, syscall.Close(duplicate)) }()
	_, err = acquire(path)
	require.ErrorIs(t, err, ErrLocked)

	require.NoError(t, held.release())
	again, err := acquire(path)
	require.NoError(t, err)
	require.NoError(t, again.release())
}
