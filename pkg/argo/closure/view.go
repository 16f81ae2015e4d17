package closure

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
)

const (
	// wholeRepository is the read that may be anything in a repository.
	wholeRepository = "/"
	// maxLinks bounds the symbolic links on the way to one file, as Linux does
	// (path_resolution(7)).
	maxLinks = 40
	// maxPath bounds the length of a path, in bytes (Linux's PATH_MAX).
	maxPath = 4096
)

// view is one repository at one revision.
type view struct {
	*finding
	repository approval.RepositoryName
	commit     approval.SHA
	queue      []folder
	visited    map[folder]bool
	// whole are the folders that are read whole, walked those that were looked through,
	// by their real paths.
	whole, walked map[string]bool
	// linked are the sources whose folders are behind symbolic links, with their names.
	linked map[int]string
	// imported are the jsonnet files that were followed.
	imported map[string]bool
}

// tree is one folder's content.
type tree struct {
	sha     approval.SHA
	entries []Entry
	byName  map[string]Entry
}

// place is what a path leads to.
type place struct {
	// path is without symbolic links, as far as it exists.
	path  string
	entry Entry
	found bool
}

func (p place) isFolder() bool { return p.found && p.entry.Mode == modeFolder }

// add notes a read in this repository unless a folder that is read covers it.
func (v *view) add(p string) {
	if v.all() {
		return
	}
	for above := strings.TrimSuffix(p, "/"); above != ""; {
		if v.whole[above] {
			return
		}
		i := strings.LastIndexByte(above, '/')
		if i < 0 {
			break
		}
		above = above[:i]
	}
	v.finding.add(v.repository, p)
}

// elsewhere says that content is fetched from outside of the repository: whatever
// a gate covers, nobody reviewed it there.
func (v *view) elsewhere(format string, args ...any) {
	v.widen(format, args...)
	f := v.finding
	if text := sayable(format, args...); !slices.Contains(f.foreign, text) && len(f.foreign) < maxUnresolved {
		f.foreign = append(f.foreign, text)
	}
}

func (v *view) widen(format string, args ...any) {
	v.finding.widen(v.repository, format, args...)
}

// all says whether the whole repository is read anyway.
func (v *view) all() bool {
	return v.has[approval.Read{Repository: v.repository, Path: wholeRepository}]
}

func (v *view) root() (*tree, error) {
	sha, err := v.files.Root(v.ctx, v.repository, v.commit)
	if err != nil {
		return nil, fmt.Errorf("read commit %s of %s: %w", v.commit, v.repository, err)
	}
	return v.tree(sha)
}

// tree reads a folder once.
func (v *view) tree(sha approval.SHA) (*tree, error) {
	if t := v.trees[sha]; t != nil {
		return t, nil
	}
	if len(v.trees) == maxTrees {
		return nil, fmt.Errorf("%w: %d folders", errBound, maxTrees)
	}
	entries, err := v.files.Tree(v.ctx, v.repository, sha)
	if err != nil {
		return nil, fmt.Errorf("read a folder of %s: %w", v.repository, err)
	}
	t := &tree{sha: sha, entries: entries, byName: make(map[string]Entry, len(entries))}
	for _, e := range entries {
		t.byName[e.Name] = e
	}
	v.trees[sha] = t
	return t, nil
}

// content reads a file.
func (v *view) content(e Entry, limit int64) ([]byte, error) {
	data, err := v.files.Blob(v.ctx, v.repository, e.SHA, limit)
	if err != nil {
		return nil, fmt.Errorf("read a file of %s: %w", v.repository, err)
	}
	if v.bytes += int64(len(data)); v.bytes > maxBytes {
		return nil, fmt.Errorf("%w: %d bytes", errBound, maxBytes)
	}
	return data, nil
}

// resolve follows a path from the repository's root as the kernel would, symbolic links
// included, and notes every link on the way as read. It is false when the path leads to
// somewhere that cannot be seen; then the repository was widened.
func (v *view) resolve(name string) (place, bool, error) {
	if len(name) > maxPath {
		v.widen("the path %s is longer than %d bytes", shorten(name), maxPath)
		return place{}, false, nil
	}
	root, err := v.root()
	if err != nil {
		return place{}, false, err
	}
	at := place{entry: Entry{Mode: modeFolder, SHA: root.sha}, found: true}
	above := []*tree{root}
	todo := strings.Split(name, "/")
	for links := 0; len(todo) > 0; {
		part := todo[0]
		todo = todo[1:]
		switch part {
		case "", ".":
			continue
		case "..":
			if at.path == "" {
				v.widen("%s leads out of the repository", name)
				return place{}, false, nil
			}
			above = above[:len(above)-1]
			at.path, at.entry.SHA = parent(at.path), above[len(above)-1].sha
			continue
		}
		if err := v.step(); err != nil {
			return place{}, false, err
		}
		here := path.Join(at.path, part)
		entry, ok := above[len(above)-1].byName[part]
		rest := path.Join(todo...)
		switch {
		case !ok, entry.Mode != modeFolder && entry.Mode != modeLink && entry.Mode != modeSubmodule && rest != "" && rest != ".":
			missing := path.Join(here, rest)
			if missing == ".." || strings.HasPrefix(missing, "../") || missing == "." {
				v.widen("%s leads out of the repository", name)
				return place{}, false, nil
			}
			return place{path: missing}, true, nil
		case entry.Mode == modeFolder:
			t, err := v.tree(entry.SHA)
			if err != nil {
				return place{}, false, err
			}
			at.path, at.entry.SHA, above = here, entry.SHA, append(above, t)
		case entry.Mode == modeSubmodule:
			v.submodule(here)
			return place{}, false, nil
		case entry.Mode == modeLink:
			v.add(here)
			if links++; links > maxLinks {
				v.widen("%s leads through more than %d symbolic links", name, maxLinks)
				return place{}, false, nil
			}
			target, err := v.content(entry, maxPath)
			if err != nil {
				return place{}, false, err
			}
			if strings.HasPrefix(string(target), "/") || len(target) == 0 {
				v.widen("the symbolic link %s leads out of the repository", here)
				return place{}, false, nil
			}
			todo = append(strings.Split(string(target), "/"), todo...)
		default:
			return place{path: here, entry: entry, found: true}, true, nil
		}
	}
	return at, true, nil
}

func (v *view) submodule(at string) {
	v.elsewhere("%s is a submodule, the content of another repository", at)
}

// need notes that a path is read, whatever is there, and goes on from there.
func (v *view) need(name string) (place, bool, error) {
	p, ok, err := v.resolve(name)
	switch {
	case err != nil || !ok:
		return p, false, err
	case p.isFolder():
		v.folder(path.Clean(name), p.path, noSource)
	default:
		v.add(p.path)
	}
	return p, true, nil
}

// text reads the file at a path, if there is one.
func (v *view) text(name string) (content []byte, found bool, err error) {
	p, ok, err := v.need(name)
	if err != nil || !ok || !p.found || p.isFolder() {
		return nil, false, err
	}
	content, err = v.content(p.entry, maxFile)
	return content, err == nil, err
}

// parent is the folder above, empty for the root.
func parent(p string) string {
	i := strings.LastIndexByte(p, '/')
	return p[:max(i, 0)]
}

// join resolves what a file names against the folder that it is in, by the text alone
// as filepath.Join does. It is false when the result leads out of the repository.
func (v *view) join(base, name, from string) (string, bool) {
	if strings.HasPrefix(name, "/") {
		v.widen("%s refers to %s, which is absolute", from, name)
		return "", false
	}
	joined := path.Join(base, name)
	if joined == ".." || strings.HasPrefix(joined, "../") {
		v.widen("%s refers to %s, which leads out of the repository", from, name)
		return "", false
	}
	if joined == "." {
		joined = ""
	}
	return joined, true
}
