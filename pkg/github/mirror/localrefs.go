package mirror

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
)

const (
	// maxPackedRefs is in bytes, room for a million refs.
	maxPackedRefs = 128 << 20
	maxLooseRefs  = 200_000
	// maxSymbolic is how many symbolic refs may lead to one another, as in git.
	maxSymbolic = 5
)

// refSnapshot is what the refs of a repository were when they were read.
type refSnapshot struct {
	// head is the content of HEAD, a name of an object or "ref: NAME".
	head string
	// refs are all others by full name, symbolic ones followed.
	refs     map[string]approval.SHA
	replaced []approval.SHA
	// packedText is the packed-refs file, and packedRefs what it says.
	packedText string
	packedRefs map[string]approval.SHA
}

// readRefs reads the refs as git stores them: loose files before packed-refs. It
// is done here and not by git, which would read the repository's configuration.
// What was read before spares reading the same file anew.
func (r repository) readRefs(before refSnapshot) (refSnapshot, error) {
	s := refSnapshot{refs: map[string]approval.SHA{}}
	symbolic := map[string]string{}
	folders := []string{r.common}
	if r.dir != r.common {
		// A work tree has refs of its own: refs/bisect, refs/worktree.
		folders = append(folders, r.dir)
	}
	for _, folder := range folders {
		if err := readLooseRefs(folder, s.refs, symbolic); err != nil {
			return s, err
		}
	}
	// After the loose ones: git packs a ref before it removes its file.
	text, err := readSmall(filepath.Join(r.common, "packed-refs"), maxPackedRefs)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return s, err
	}
	if s.packedText, s.packedRefs = string(text), before.packedRefs; s.packedText != before.packedText || s.packedRefs == nil {
		if s.packedRefs, err = parsePackedRefs(s.packedText); err != nil {
			return s, err
		}
	}
	for name, sha := range s.packedRefs {
		if _, loose := s.refs[name]; !loose && symbolic[name] == "" {
			s.refs[name] = sha
		}
	}
	for name := range symbolic {
		if sha, ok := follow(name, s.refs, symbolic); ok {
			s.refs[name] = sha
		}
	}
	for name := range s.refs {
		target, ok := strings.CutPrefix(name, "refs/replace/")
		if !ok {
			continue
		}
		delete(s.refs, name)
		if sha, err := approval.ParseSHA(target); err == nil {
			s.replaced = append(s.replaced, sha)
		}
	}
	slices.Sort(s.replaced)
	head, err := readSmall(filepath.Join(r.dir, "HEAD"), maxLooseRef)
	if err != nil {
		return s, err
	}
	s.head, err = parseHead(string(head))
	return s, err
}

const maxLooseRef = 4 << 10

// parsePackedRefs reads lines "SHA NAME"; "#" begins a comment, "^" the object
// that the tag before leads to.
func parsePackedRefs(text string) (map[string]approval.SHA, error) {
	refs := map[string]approval.SHA{}
	for line := range strings.Lines(text) {
		line = strings.TrimSuffix(line, "\n")
		if line == "" || line[0] == '#' || line[0] == '^' {
			continue
		}
		object, name, ok := strings.Cut(line, " ")
		sha, err := approval.ParseSHA(object)
		if !ok || err != nil {
			return nil, fmt.Errorf("packed-refs has the unexpected line %q", clip(line, 100))
		}
		if validRef(name) {
			refs[name] = sha
		}
	}
	return refs, nil
}

// readLooseRefs reads the files below refs. What is no ref is left out, as git
// does.
func readLooseRefs(folder string, refs map[string]approval.SHA, symbolic map[string]string) error {
	files := 0
	return filepath.WalkDir(filepath.Join(folder, "refs"), func(path string, d fs.DirEntry, err error) error {
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return nil // removed meanwhile: packed, as a rule
		case err != nil:
			return err
		case d.IsDir():
			return nil
		}
		if files++; files > maxLooseRefs {
			return fmt.Errorf("there are more than %d loose refs; pack them with git pack-refs --all", maxLooseRefs)
		}
		name, err := filepath.Rel(folder, path)
		if err != nil || !validRef(name) {
			return err
		}
		text, err := readSmall(path, maxLooseRef)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return nil
		case errors.Is(err, fs.ErrPermission):
			return err
		case err != nil:
			return nil //nolint:nilerr // no regular file or a long one: not a ref
		}
		sha, target, ok := parseLooseRef(string(text))
		switch {
		case !ok:
		case target != "":
			symbolic[name] = target
		default:
			refs[name] = sha
			delete(symbolic, name)
		}
		return nil
	})
}

// parseLooseRef reads "SHA" or "ref: NAME".
func parseLooseRef(text string) (approval.SHA, string, bool) {
	if target, ok := strings.CutPrefix(text, "ref:"); ok {
		target = strings.TrimSpace(target)
		return "", target, validRef(target)
	}
	object, _, _ := strings.Cut(text, "\n")
	sha, err := approval.ParseSHA(strings.TrimSpace(object))
	return sha, "", err == nil
}

func follow(name string, refs map[string]approval.SHA, symbolic map[string]string) (approval.SHA, bool) {
	for range maxSymbolic {
		target, ok := symbolic[name]
		if !ok {
			sha, ok := refs[name]
			return sha, ok
		}
		name = target
	}
	return "", false
}

var errHead = errors.New("HEAD is neither a commit nor a branch")

func parseHead(text string) (string, error) {
	sha, target, ok := parseLooseRef(text)
	switch {
	case !ok:
		return "", errHead
	case target != "":
		return "ref: " + target, nil
	default:
		return string(sha), nil
	}
}

func validRef(name string) bool {
	rest, ok := strings.CutPrefix(name, "refs/")
	return ok && len(name) <= 1000 && checkBranch("x/"+rest) == nil
}

// packed writes the refs as a packed-refs file. The header says that git need not
// sort it; it looks tags up itself.
func (s refSnapshot) packed() string {
	var b strings.Builder
	b.WriteString("# pack-refs with: sorted \n")
	for _, name := range slices.Sorted(maps.Keys(s.refs)) {
		b.WriteString(string(s.refs[name]) + " " + name + "\n")
	}
	return b.String()
}

// pullFolders are the refs under which clones keep the heads of pull requests:
// GitHub's refs/pull/N/head, GitLab's refs/merge-requests/N/head, Bitbucket's
// refs/pull-requests/N/from, and copies of them under refs/remotes, where people
// call them REMOTE/pr/N, as GitHub's own instructions do.
var pullFolders = map[string]bool{"pull": true, "pr": true, "merge-requests": true, "mr": true, "pull-requests": true}

// pullNumber is the number of the pull request whose head a ref is.
func pullNumber(name string) (int, bool) {
	parts := strings.Split(strings.TrimPrefix(name, "refs/"), "/")
	if parts[0] == "remotes" && len(parts) > 2 {
		parts = parts[2:]
	}
	if len(parts) < 2 || len(parts) > 3 || !pullFolders[parts[0]] || len(parts) == 3 && parts[2] != "head" && parts[2] != "from" {
		return 0, false
	}
	n, err := strconv.Atoi(parts[1])
	return n, err == nil && n > 0 && n <= maxPull && strconv.Itoa(n) == parts[1]
}

// PullHeads are the heads of pull requests that the clone has, by number. A
// number that leads to different commits, as in a clone with the pull requests
// of two remotes, is left out.
func (l *Local) PullHeads() map[int]approval.SHA {
	heads, ambiguous := map[int]approval.SHA{}, map[int]bool{}
	for name, sha := range l.refs.refs {
		number, ok := pullNumber(name)
		if !ok {
			continue
		}
		if other, ok := heads[number]; ok && other != sha {
			ambiguous[number] = true
		}
		heads[number] = sha
	}
	for number := range ambiguous {
		delete(heads, number)
	}
	return heads
}
