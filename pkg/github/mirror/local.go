package mirror

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
)

// LocalOptions say which repository is read and how.
type LocalOptions struct {
	// Dir is a work tree or a folder inside of one, a linked work tree, a
	// submodule, or a bare repository.
	Dir string
	// Git is the path of git, 2.38 or newer. Empty means the one in PATH.
	Git string
	// Timeout bounds one git command; 0 means two minutes.
	Timeout time.Duration
	// Scratch is the folder in which a temporary folder is made; empty means the
	// system's.
	Scratch string
	// Logger receives events; nil discards them.
	Logger *slog.Logger
}

// Local reads somebody's repository without running anything that it configures
// and without changing it. It is safe for concurrent use, but for Refresh and
// Close.
//
// git never works in that repository. It works in an empty bare repository of
// its own, in a temporary folder, which borrows the objects of the other one
// (objects/info/alternates) and has a copy of its refs. So the configuration,
// hooks, attributes, replacements and grafts there are out of its sight, a
// missing object cannot be fetched, and whatever a merge writes ends up in the
// temporary folder. What git can do to the other repository is to renew the
// modification time of a pack in which it found an object that it wanted to
// write, as any git command does that works with alternates.
//
// Objects are not checked against their names, unlike those of a Mirror; git
// fsck does that.
type Local struct {
	m    *Mirror
	repo repository
	refs refSnapshot
	info LocalInfo
}

// LocalInfo is what is known of a repository besides its history.
type LocalInfo struct {
	// Dir is the repository's git directory.
	Dir string
	// Remotes are the URLs of its remotes, in the order of the configuration.
	Remotes []string
	// Partial is true for a clone that leaves objects out (git clone --filter).
	Partial bool
	// Replaced are the objects that refs/replace or info/grafts put others in the
	// place of. What is read here is what the names say, not the replacements.
	Replaced []approval.SHA
}

// OpenLocal opens a repository for reading. The context bounds OpenLocal alone.
func OpenLocal(ctx context.Context, o LocalOptions) (*Local, error) {
	repo, err := findRepository(o.Dir)
	if err != nil {
		return nil, err
	}
	program, err := findGit(o.Git)
	if err != nil {
		return nil, err
	}
	log := o.Logger
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	timeout := o.Timeout
	if timeout <= 0 {
		timeout = defaultTimeout
	}
	scratch, err := os.MkdirTemp(o.Scratch, "gatekeeper-inspect-")
	if err != nil {
		return nil, fmt.Errorf("make a temporary folder: %w", err)
	}
	life, shutdown := context.WithCancelCause(context.WithoutCancel(ctx))
	l := &Local{repo: repo, m: newMirror(newGit(life, program, scratch, timeout), log, shutdown)}
	if err := l.open(ctx); err != nil {
		shutdown(ErrClosed)
		return nil, errors.Join(err, os.RemoveAll(scratch))
	}
	return l, nil
}

func (l *Local) open(ctx context.Context) error {
	if err := l.m.git.checkVersion(ctx); err != nil {
		return err
	}
	scratch := l.m.git.dir
	for _, folder := range []string{"objects/info", "objects/pack", "refs"} {
		if err := os.MkdirAll(filepath.Join(scratch, folder), 0o700); err != nil {
			return fmt.Errorf("make a temporary repository: %w", err)
		}
	}
	for name, content := range map[string]string{
		"config": configuration,
		// Quoted as git reads it, so that no path can be taken for two.
		"objects/info/alternates": quoteC(filepath.Join(l.repo.common, "objects")) + "\n",
	} {
		if err := os.WriteFile(filepath.Join(scratch, name), []byte(content), 0o600); err != nil {
			return fmt.Errorf("make a temporary repository: %w", err)
		}
	}
	if err := l.readConfiguration(ctx); err != nil {
		return err
	}
	return l.Refresh(ctx)
}

// Refresh reads the refs of the repository again.
func (l *Local) Refresh(context.Context) error {
	if err := l.repo.checkShallow(); err != nil {
		return err
	}
	refs, err := l.repo.readRefs(l.refs)
	if err != nil {
		return fmt.Errorf("read the refs of %s: %w", l.repo.dir, err)
	}
	grafts, err := l.repo.readGrafts()
	if err != nil {
		return err
	}
	l.info.Replaced = append(refs.replaced, grafts...)
	if refs.head == l.refs.head && maps.Equal(refs.refs, l.refs.refs) {
		return nil // the copy is the same
	}
	scratch := l.m.git.dir
	for name, content := range map[string]string{"packed-refs": refs.packed(), "HEAD": refs.head + "\n"} {
		// Moved into place, so that a git that runs reads the one or the other.
		if err := os.WriteFile(filepath.Join(scratch, name+".new"), []byte(content), 0o600); err != nil {
			return fmt.Errorf("copy the refs: %w", err)
		}
		if err := os.Rename(filepath.Join(scratch, name+".new"), filepath.Join(scratch, name)); err != nil {
			return fmt.Errorf("copy the refs: %w", err)
		}
	}
	l.refs = refs
	return nil
}

// readConfiguration reads the few variables that say what kind of repository it
// is. Files that it includes are not read.
func (l *Local) readConfiguration(ctx context.Context) error {
	file := filepath.Join(l.repo.common, "config")
	l.info.Dir = l.repo.dir
	if _, err := readSmall(file, maxSmallFile); errors.Is(err, os.ErrNotExist) {
		return nil
	} else if err != nil {
		return fmt.Errorf("read the configuration of the repository: %w", err)
	}
	out, err := l.m.git.run(ctx, "", "config", "--file", file, "--no-includes", "--null", "--list")
	if err != nil {
		return fmt.Errorf("read the configuration of the repository: %w", err)
	}
	for entry := range strings.SplitSeq(string(out), "\x00") {
		key, value, _ := strings.Cut(entry, "\n")
		switch {
		case key == "extensions.objectformat" && value != "sha1":
			return fmt.Errorf("%s names its objects with %s; only SHA-1 repositories can be read, which is what GitHub has", l.repo.dir, clip(oneLine(value), 40))
		case key == "extensions.refstorage" && value != "files":
			return fmt.Errorf("%s keeps its refs as %s; make a clone that can be read: git clone --mirror %s COPY", l.repo.dir, clip(oneLine(value), 40), l.repo.dir)
		case key == "extensions.partialclone", strings.HasPrefix(key, "remote.") && strings.HasSuffix(key, ".promisor"):
			l.info.Partial = true
		case strings.HasPrefix(key, "remote.") && strings.HasSuffix(key, ".url"):
			l.info.Remotes = append(l.info.Remotes, value)
		}
	}
	return nil
}

// Info says what is known of the repository.
func (l *Local) Info() LocalInfo { return l.info }

// Close stops every git process and removes the temporary folder.
func (l *Local) Close() error {
	var err error
	l.m.closing.Do(func() {
		l.m.stop()
		err = os.RemoveAll(l.m.git.dir)
	})
	return err
}

// explain adds to an error what a person can do about it.
func (l *Local) explain(err error) error {
	failed, isGit := errors.AsType[*gitError](err)
	missing := errors.Is(err, approval.ErrNotFound) || isGit && missingObject.MatchString(failed.message)
	switch {
	case err == nil || !missing:
		return err
	case l.info.Partial:
		return &MissingObjectError{cause: err, remedy: "the repository is a partial clone, and nothing is fetched here; complete it: git fetch --refetch --no-filter, or clone it without --filter"}
	default:
		return &MissingObjectError{cause: err, remedy: "an object is missing from the repository; git fsck says more"}
	}
}

// MissingObjectError says that the repository lacks an object that is needed.
type MissingObjectError struct {
	cause  error
	remedy string
}

func (e *MissingObjectError) Error() string { return e.cause.Error() + " (" + e.remedy + ")" }
func (e *MissingObjectError) Unwrap() error { return e.cause }

// Remedy says why it is missing and what to do.
func (e *MissingObjectError) Remedy() string { return e.remedy }
