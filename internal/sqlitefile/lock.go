package sqlitefile

import (
	"errors"
	"fmt"
	"os"
)

// lock is an exclusive lock on a file of its own. The file stays when the lock
// is released: removing it would let two processes lock two files of one name.
type lock struct{ file *os.File }

// acquire takes the lock or fails with ErrLocked; it does not wait.
func acquire(path string) (*lock, error) {
	file, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600) //nolint:gosec // The operator's own path, from the configuration.
	if err != nil {
		return nil, fmt.Errorf("lock %s: %w", path, err)
	}
	if err := lockFile(file); err != nil {
		return nil, errors.Join(fmt.Errorf("lock %s: %w", path, err), file.Close())
	}
	return &lock{file: file}, nil
}

// release gives the lock back. To close the file is not enough: a child process
// has a copy of it from the moment of fork to that of exec.
func (l *lock) release() error {
	if l == nil {
		return nil
	}
	return errors.Join(unlockFile(l.file), l.file.Close())
}
