package mirror

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
)

// maxSmallFile bounds a file of the repository other than its refs.
const maxSmallFile = 4 << 20

// missingObject is how git says that it lacks an object.
var missingObject = regexp.MustCompile(`(?i)missing (blob|tree|commit)|unable to read|could not read|could not parse|bad object|bad tree|unable to find`)

// repository is where somebody's repository keeps what.
type repository struct {
	// dir has the HEAD. common has objects and refs; it is another folder in a
	// linked work tree only.
	dir, common string
}

// findRepository looks for the repository that a folder is, or is in. It does
// what git does, without git: git reads the repository's configuration as soon
// as it has found one.
func findRepository(dir string) (repository, error) {
	if dir == "" {
		dir = "."
	}
	start, err := filepath.Abs(dir)
	if err != nil {
		return repository{}, fmt.Errorf("find the repository: %w", err)
	}
	if info, err := os.Stat(start); err != nil {
		return repository{}, fmt.Errorf("find the repository: %w", err)
	} else if !info.IsDir() {
		return repository{}, fmt.Errorf("find the repository: %s is not a folder", dir)
	}
	for at := start; ; at = filepath.Dir(at) {
		for _, candidate := range []string{filepath.Join(at, ".git"), at} {
			found, err := openRepository(candidate)
			if err != nil {
				return repository{}, fmt.Errorf("find the repository of %s: %w", dir, err)
			}
			if found.dir != "" {
				return found, nil
			}
		}
		if at == filepath.Dir(at) {
			return repository{}, fmt.Errorf("%s is not in a git repository", dir)
		}
	}
}

// openRepository gives the empty repository when the path is none.
func openRepository(path string) (repository, error) {
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ENOTDIR):
		return repository{}, nil
	case err != nil:
		return repository{}, err
	case info.Mode().IsRegular():
		// The .git of a linked work tree or a submodule is a file.
		text, err := readSmall(path, 16<<10)
		if err != nil {
			return repository{}, err
		}
		target, ok := strings.CutPrefix(strings.TrimRight(string(text), "\r\n"), "gitdir: ")
		if !ok {
			return repository{}, fmt.Errorf("%s is not a git link (gitdir: PATH)", path)
		}
		if !filepath.IsAbs(target) {
			target = filepath.Join(filepath.Dir(path), target)
		}
		found, err := openRepository(target)
		if err == nil && found.dir == "" {
			err = fmt.Errorf("%s leads to %s, where no repository is", path, target)
		}
		return found, err
	case !info.IsDir():
		return repository{}, nil
	}
	head, err := os.Lstat(filepath.Join(path, "HEAD"))
	if errors.Is(err, fs.ErrNotExist) {
		return repository{}, nil
	} else if err != nil {
		return repository{}, err
	}
	if head.IsDir() {
		return repository{}, nil
	}
	r := repository{dir: path, common: path}
	if text, err := readSmall(filepath.Join(path, "commondir"), 16<<10); err == nil {
		r.common = strings.TrimRight(string(text), "\r\n")
		if !filepath.IsAbs(r.common) {
			r.common = filepath.Join(path, r.common)
		}
	} else if !errors.Is(err, fs.ErrNotExist) {
		return repository{}, err
	}
	if info, err := os.Stat(filepath.Join(r.common, "objects")); errors.Is(err, fs.ErrNotExist) || err == nil && !info.IsDir() {
		return repository{}, nil
	} else if err != nil {
		return repository{}, err
	}
	if r.common, err = filepath.EvalSymlinks(r.common); err != nil {
		return repository{}, err
	}
	return r, nil
}

// readSmall reads a regular file of at most limit bytes. A pipe, which would
// wait for ever, is refused.
func readSmall(path string, limit int64) ([]byte, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0) //nolint:gosec // reading the repository that the operator names is the purpose
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is not a regular file", path)
	}
	data, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err != nil {
		return nil, err
	}
	if int64(len(data)) > limit {
		return nil, fmt.Errorf("%s is larger than %d bytes", path, limit)
	}
	return data, nil
}

// checkShallow refuses a clone whose history was cut off: landings beyond the
// cut are not there, and those near it have no merge base to be proven from.
func (r repository) checkShallow() error {
	text, err := readSmall(filepath.Join(r.common, "shallow"), maxSmallFile)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	} else if err != nil {
		return fmt.Errorf("read the shallow boundary: %w", err)
	}
	var names []string
	for line := range strings.FieldsSeq(string(text)) {
		if sha, err := approval.ParseSHA(line); err == nil {
			names = append(names, sha.Short())
		}
	}
	if len(names) == 0 {
		return nil
	}
	more := ""
	if n := len(names) - 3; n > 0 {
		more = fmt.Sprintf(" and %d more", n)
	}
	return fmt.Errorf("%s is a shallow clone: the history before %s%s is not there; fetch it with git fetch --unshallow (in GitHub Actions: fetch-depth: 0)",
		r.dir, strings.Join(names[:min(3, len(names))], ", "), more)
}

// readGrafts lists the commits whose parents info/grafts changes.
func (r repository) readGrafts() ([]approval.SHA, error) {
	text, err := readSmall(filepath.Join(r.common, "info", "grafts"), maxSmallFile)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR) {
		return nil, nil
	} else if err != nil {
		return nil, fmt.Errorf("read the grafts: %w", err)
	}
	var names []approval.SHA
	for line := range strings.Lines(string(text)) {
		name, _, _ := strings.Cut(strings.TrimSpace(line), " ")
		if sha, err := approval.ParseSHA(name); err == nil {
			names = append(names, sha)
		}
	}
	return names, nil
}

// quoteC writes a path as git's files have it between double quotes.
func quoteC(path string) string {
	var b strings.Builder
	b.WriteByte('"')
	for _, c := range []byte(path) {
		switch {
		case c == '"' || c == '\\':
			b.WriteByte('\\')
			b.WriteByte(c)
		case c < ' ' || c >= 0x7f:
			fmt.Fprintf(&b, "\\%03o", c)
		default:
			b.WriteByte(c)
		}
	}
	b.WriteByte('"')
	return b.String()
}
