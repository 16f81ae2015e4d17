//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd

package sqlitefile

import (
	"errors"
	"fmt"
	"os"
	"syscall"
)

// lockFile uses flock: the lock belongs to the open file, so the kernel drops
// it with the process, and a second open in the same process is refused too.
// fcntl locks would be lost as soon as anybody closed the file.
func lockFile(file *os.File) error {
	err := flock(file, syscall.LOCK_EX|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		return ErrLocked
	}
	return err
}

func unlockFile(file *os.File) error { return flock(file, syscall.LOCK_UN) }

func flock(file *os.File, how int) error {
	for {
		err := syscall.Flock(int(file.Fd()), how)
		if err == nil {
			return nil
		}
		if !errors.Is(err, syscall.EINTR) {
			return fmt.Errorf("flock: %w", err)
		}
	}
}
