package sandbox

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
)

const (
	// dirPattern names the temporary folders of sandboxes.
	dirPattern = "gk-sandbox-"
	// claimName is a file in the folder that its sandbox holds a lock on. The kernel
	// drops the lock when the process ends, however it ends.
	claimName = ".in-use"
)

// claimDir creates the folder of a sandbox and marks it as used. Without a name it
// takes a temporary folder, and removes those that dead sandboxes left behind.
func claimDir(dir string) (string, *os.File, error) {
	if dir == "" {
		removeAbandoned(os.TempDir())
		created, err := os.MkdirTemp("", dirPattern)
		if err != nil {
			return "", nil, fmt.Errorf("create the sandbox's folder: %w", err)
		}
		dir = created
	}
	dir, err := filepath.Abs(dir)
	if err != nil {
		return "", nil, fmt.Errorf("create the sandbox's folder: %w", err)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", nil, fmt.Errorf("create the sandbox's folder: %w", err)
	}
	claim, err := lockClaim(dir)
	if err != nil {
		return "", nil, fmt.Errorf("claim the sandbox's folder: %w", err)
	}
	return dir, claim, nil
}

// errDirInUse is returned for a folder that another sandbox uses.
var errDirInUse = errors.New("another sandbox uses the folder")

// lockClaim locks the claim of a folder. A new claim is locked before it gets its
// name, so that nobody ever sees the claim of a living sandbox without its lock.
func lockClaim(dir string) (*os.File, error) {
	claim, err := os.CreateTemp(dir, claimName+"-")
	if err != nil {
		return nil, err
	}
	locked := lockNow(claim)
	linked := os.Link(claim.Name(), filepath.Join(dir, claimName))
	if err := errors.Join(locked, os.Remove(claim.Name())); err != nil {
		return nil, errors.Join(err, claim.Close())
	}
	if linked == nil {
		return claim, nil
	}
	if err := claim.Close(); err != nil {
		return nil, err
	}
	if !errors.Is(linked, os.ErrExist) {
		return nil, linked
	}
	// A sandbox that died left its claim.
	claim, err = os.OpenFile(filepath.Join(dir, claimName), os.O_RDWR, 0)
	if err != nil {
		return nil, err
	}
	if err := lockNow(claim); err != nil {
		return nil, errors.Join(errDirInUse, err, claim.Close())
	}
	return claim, nil
}

func lockNow(file *os.File) error {
	return syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
}

// releaseDir gives the folder back and removes it unless it is to be kept.
func releaseDir(dir string, claim *os.File, keep bool) error {
	var err error
	if keep {
		// Without the claim nobody takes the folder for an abandoned one.
		err = os.Remove(filepath.Join(dir, claimName))
	} else {
		err = os.RemoveAll(dir)
	}
	return errors.Join(err, claim.Close())
}

// removeAbandoned removes the folders of sandboxes that ended without Close. It is
// a courtesy to the machine: what cannot be removed now is left to the next start.
func removeAbandoned(parent string) {
	claims, err := filepath.Glob(filepath.Join(parent, dirPattern+"*", claimName))
	if err != nil {
		return
	}
	for _, path := range claims {
		claim, err := os.OpenFile(path, os.O_RDWR, 0)
		if err != nil {
			continue
		}
		if lockNow(claim) == nil {
			_ = os.RemoveAll(filepath.Dir(path))
		}
		_ = claim.Close()
	}
}
