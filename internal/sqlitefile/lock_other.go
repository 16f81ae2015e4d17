//go:build !(darwin || dragonfly || freebsd || linux || netbsd || openbsd)

package sqlitefile

import (
	"errors"
	"os"
)

// lockFile refuses: without a lock that ends with the process, two of them
// could write one file.
func lockFile(*os.File) error {
	return errors.New("this operating system has no flock; the file cannot be opened for writing here")
}

func unlockFile(*os.File) error { return nil }
