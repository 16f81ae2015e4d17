package tools

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"syscall"
)

// Product builds a command of the project itself and writes it to output, which
// must not exist. The result is kept in the cache under the source tree's path, so
// that go can see that nothing changed and need not link again; output is a copy,
// which a later build does not touch.
func (b *Builder) Product(ctx context.Context, pkg, output string) error {
	tree := sha256.Sum256([]byte(b.root))
	dir := filepath.Join(b.cache, "product-"+hex.EncodeToString(tree[:8]))
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return fmt.Errorf("create the cache: %w", err)
	}
	unlock, err := lockFile(ctx, filepath.Join(dir, "lock"), func() {
		b.progress.Line("%s: another process builds it; waiting", pkg)
	})
	if err != nil {
		return err
	}
	defer unlock()
	cached := filepath.Join(dir, filepath.Base(pkg))
	if _, err := goOutput(ctx, b.root, "build", "-trimpath", "-buildvcs=false", "-o", cached, pkg); err != nil {
		return err
	}
	return copyProgram(cached, output)
}

// copyProgram copies an executable file. No process may be forked meanwhile: until
// it runs its own program, a forked child holds the file open for writing, and the
// kernel refuses to run such a file ("text file busy").
func copyProgram(from, to string) error {
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	source, err := os.Open(from)
	if err != nil {
		return fmt.Errorf("copy a program: %w", err)
	}
	defer func() { _ = source.Close() }()
	target, err := os.OpenFile(to, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o700)
	if err != nil {
		return fmt.Errorf("copy a program: %w", err)
	}
	_, err = io.Copy(target, source)
	if err := errors.Join(err, target.Close()); err != nil {
		return fmt.Errorf("copy a program: %w", err)
	}
	return nil
}
