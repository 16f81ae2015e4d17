package mirror

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// configuration is the whole configuration file of a mirror. Everything else is
// handed over in the environment, so a file that differs is somebody else's.
const configuration = "[core]\n\trepositoryformatversion = 0\n\tfilemode = true\n\tbare = true\n"

// lockFile is locked for as long as a Mirror owns the directory.
const lockFile = "gatekeeper.lock"

// forbidden are the files by which a repository shows other objects, other
// history or other behaviour than its own objects have.
var forbidden = []string{
	"commondir",
	"config.worktree",
	"info/attributes",
	"info/grafts",
	"objects/info/alternates",
	"objects/info/http-alternates",
	"shallow",
}

// create makes the bare repository unless it exists. It is put together beside
// its place and moved there complete, so that a crash leaves nothing half made.
func (g *git) create(ctx context.Context) error {
	entries, err := os.ReadDir(g.dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return err
	case len(entries) > 0:
		return nil
	default:
		// Only an empty directory can be removed.
		if err := os.Remove(g.dir); err != nil {
			return err
		}
	}
	temporary, err := os.MkdirTemp(filepath.Dir(g.dir), filepath.Base(g.dir)+".new-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(temporary) }()
	fresh := *g
	fresh.dir = temporary
	// The first branch is never fetched under that name, so HEAD stays unborn.
	if _, err := fresh.run(ctx, "", "init", "--quiet", "--bare", "--template=", "--object-format=sha1", "--initial-branch=none"); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(temporary, "config"), []byte(configuration), 0o600); err != nil {
		return err
	}
	return os.Rename(temporary, g.dir)
}

// lockDirectory makes sure that one Mirror at a time owns the directory. The
// kernel releases the lock when the process ends, however it ends.
func lockDirectory(dir string) (*os.File, error) {
	file, err := os.OpenFile(filepath.Join(dir, lockFile), os.O_CREATE|os.O_RDWR, 0o600) //nolint:gosec // the directory is configuration
	if err != nil {
		return nil, fmt.Errorf("lock the mirror: %w", err)
	}
	if err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		_ = file.Close()
		if errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, fmt.Errorf("the mirror in %s is in use by another process", dir)
		}
		return nil, fmt.Errorf("lock the mirror: %w", err)
	}
	return file, nil
}

// checkDirectory refuses a repository that is not exactly a mirror's.
func checkDirectory(dir string) error {
	config, err := os.ReadFile(filepath.Join(dir, "config")) //nolint:gosec // the directory is configuration
	if err != nil {
		return fmt.Errorf("%s is not a mirror: %w", dir, err)
	}
	if string(config) != configuration {
		return fmt.Errorf("the configuration of the mirror in %s was not written by Gatekeeper; remove the directory to have it fetched again", dir)
	}
	for _, name := range forbidden {
		if _, err := os.Lstat(filepath.Join(dir, name)); err == nil {
			return fmt.Errorf("the mirror in %s holds %s, which can change what git shows; remove the directory to have it fetched again", dir, name)
		} else if !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, syscall.ENOTDIR) {
			return fmt.Errorf("check the mirror: %w", err)
		}
	}
	return nil
}

// removeLeftovers removes what a killed git process leaves behind: lock files,
// which would fail every later fetch, half-received packs and the marks that
// protect a pack while it is received. The caller owns the directory.
func removeLeftovers(dir string) error {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer func() { _ = root.Close() }()
	return fs.WalkDir(root.FS(), ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name, inObjects := d.Name(), strings.HasPrefix(path, "objects/")
		switch {
		case d.IsDir() && inObjects && strings.HasPrefix(name, "tmp_objdir-"):
			if err := root.RemoveAll(path); err != nil {
				return err
			}
			return fs.SkipDir
		case d.IsDir() || path == lockFile:
			return nil
		case !inObjects && strings.HasSuffix(name, ".lock"),
			inObjects && (strings.HasPrefix(name, "tmp_") || strings.HasSuffix(name, ".keep")):
			return root.Remove(path)
		default:
			return nil
		}
	})
}

// checkRefs refuses refs outside of the mirror's own folder, replacement objects
// (refs/replace) first of all.
func (m *Mirror) checkRefs(ctx context.Context) error {
	out, err := m.git.run(ctx, "", "for-each-ref", "--format=%(refname)")
	if err != nil {
		return fmt.Errorf("list the refs of the mirror: %w", err)
	}
	for name := range strings.Lines(string(out)) {
		if name = strings.TrimSuffix(name, "\n"); !strings.HasPrefix(name, refFolder) {
			return fmt.Errorf("the mirror in %s holds the ref %s, which Gatekeeper did not write; remove the directory to have it fetched again",
				m.git.dir, clip(name, 200))
		}
	}
	return nil
}
