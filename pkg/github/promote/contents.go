package promote

import (
	"context"
	"crypto/sha1" //nolint:gosec // git names its objects with it
	"encoding/hex"
	"errors"
	"fmt"
	"net/url"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
	"github.com/argo-gatekeeper/gatekeeper/pkg/approval/imagediff"
	"github.com/argo-gatekeeper/gatekeeper/pkg/github"
)

// Bounds of what is read for one promotion. Each folder and each file is one call.
const (
	maxFolders = 100
	maxFiles   = 100
)

// ErrTooMuch says that more files would have to be looked into than is sensible.
var ErrTooMuch = errors.New("too many files; name the one that is meant")

// base is the head of the protected branch.
type base struct{ commit, tree approval.SHA }

func readBase(ctx context.Context, c *github.Client, branch string) (base, error) {
	var answer struct {
		Commit struct {
			SHA    string `json:"sha"`
			Commit struct {
				Tree struct {
					SHA string `json:"sha"`
				} `json:"tree"`
			} `json:"commit"`
		} `json:"commit"`
	}
	op := "read branch " + branch
	if _, err := c.Get(ctx, op, fmt.Sprintf("repos/%s/branches/%s", c.Repository(), url.PathEscape(branch)), &answer); err != nil {
		return base{}, err
	}
	commit, err := approval.ParseSHA(answer.Commit.SHA)
	tree, treeErr := approval.ParseSHA(answer.Commit.Commit.Tree.SHA)
	return base{commit, tree}, github.Wrap(op, c.Repository(), errors.Join(err, treeErr))
}

// entry is one of a folder.
type entry struct{ name, kind, mode, sha string }

// reader reads files of one commit, each folder once.
type reader struct {
	client *github.Client
	root   approval.SHA
	cache  map[string][]entry
	files  int
}

// paths are what is read of one repository: files, and folders with everything in them.
type paths struct {
	files   []string
	folders []string // without a slash at the end; the root is ""
}

func pathsOf(reads []approval.Read, repository approval.RepositoryName) paths {
	var p paths
	for _, r := range reads {
		if !r.Repository.Equal(repository) {
			continue
		}
		if folder, ok := strings.CutSuffix(r.Path, "/"); ok {
			p.folders = append(p.folders, folder)
		} else {
			p.files = append(p.files, r.Path)
		}
	}
	return p
}

func (p paths) has(file string) bool {
	return slices.Contains(p.files, file) || slices.ContainsFunc(p.folders, func(folder string) bool {
		return folder == "" || strings.HasPrefix(file, folder+"/")
	})
}

// contents are the files in which To's images can be named. Those that are listed come
// before those that are in a folder, since they override them.
func (r *reader) contents(ctx context.Context, q Request) (list []imagediff.Content, unread []imagediff.FileClass, err error) {
	own, shared := pathsOf(q.Reads, q.Repository.Name), pathsOf(q.Shared, q.Repository.Name)
	seen := map[string]bool{}
	add := func(file string, e entry, rank int) error {
		if seen[file] || !imagediff.Candidate(file) || !q.Repository.Covers(file) || e.kind != "blob" {
			return nil
		}
		seen[file] = true
		if e.mode == "120000" {
			unread = append(unread, imagediff.FileClass{Path: file, Class: imagediff.ClassConfig, Why: "it is a symbolic link"})
			return nil
		}
		data, err := r.blob(ctx, file, e.sha)
		if err == nil {
			list = append(list, imagediff.Content{Path: file, Mode: e.mode, Data: data, Rank: rank})
		}
		return err
	}
	if named, ok := namedFiles(q.Only); ok {
		own.files, own.folders = slices.DeleteFunc(named, func(f string) bool { return !own.has(f) }), nil
		shared = paths{}
	}
	for _, file := range own.files {
		e, ok, err := r.find(ctx, file)
		if err != nil {
			return nil, nil, err
		}
		if ok && !slices.Contains(shared.files, file) {
			if err := add(file, e, 0); err != nil {
				return nil, nil, err
			}
		}
	}
	for _, folder := range own.folders {
		err := r.walk(ctx, folder, func(file string, e entry) error {
			if shared.has(file) {
				return nil
			}
			return add(file, e, 1)
		})
		if err != nil {
			return nil, nil, err
		}
	}
	return list, unread, nil
}

// namedFiles are the files of the selections, false unless each has one.
func namedFiles(only []Selection) ([]string, bool) {
	var files []string
	for _, s := range only {
		if s.File == "" {
			return nil, false
		}
		files = append(files, s.File)
	}
	return files, len(files) > 0
}

// find looks a path up.
func (r *reader) find(ctx context.Context, file string) (entry, bool, error) {
	entries, err := r.folder(ctx, path.Dir(file))
	if err != nil {
		return entry{}, false, err
	}
	i := slices.IndexFunc(entries, func(e entry) bool { return e.name == path.Base(file) })
	if i < 0 {
		return entry{}, false, nil
	}
	return entries[i], true, nil
}

// walk visits all files below a folder.
func (r *reader) walk(ctx context.Context, folder string, visit func(string, entry) error) error {
	entries, err := r.folder(ctx, folder)
	if err != nil {
		return err
	}
	for _, e := range entries {
		at := path.Join(folder, e.name)
		if e.kind == "tree" {
			err = r.walk(ctx, at, visit)
		} else {
			err = visit(at, e)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// folder lists a folder; one that is not there is empty.
func (r *reader) folder(ctx context.Context, at string) ([]entry, error) {
	if at == "." {
		at = ""
	}
	if entries, ok := r.cache[at]; ok {
		return entries, nil
	}
	tree := string(r.root)
	if at != "" {
		e, ok, err := r.find(ctx, at)
		if err != nil {
			return nil, err
		}
		if !ok || e.kind != "tree" {
			r.cache[at] = nil
			return nil, nil
		}
		tree = e.sha
	}
	if len(r.cache) >= maxFolders {
		return nil, fmt.Errorf("%w: there are more than %d folders", ErrTooMuch, maxFolders)
	}
	name := r.client.Repository()
	op := "list folder " + strconv.Quote(at)
	answer, _, err := r.client.API().Git.GetTree(ctx, name.Owner(), name.Name(), tree, false)
	if err == nil && (answer.GetTruncated() || answer.GetSHA() != tree) {
		err = github.ErrTruncated
	}
	if err != nil {
		return nil, github.Wrap(op, name, err)
	}
	entries := make([]entry, 0, len(answer.Entries))
	for _, e := range answer.Entries {
		if _, err := approval.ParseSHA(e.GetSHA()); err != nil || e.GetPath() == "" || strings.Contains(e.GetPath(), "/") {
			return nil, github.Wrap(op, name, errors.New("GitHub's answer is no list of a folder"))
		}
		entries = append(entries, entry{e.GetPath(), e.GetType(), e.GetMode(), e.GetSHA()})
	}
	r.cache[at] = entries
	return entries, nil
}

// blob reads a file and holds it to its name.
func (r *reader) blob(ctx context.Context, file, sha string) ([]byte, error) {
	if r.files++; r.files > maxFiles {
		return nil, fmt.Errorf("%w: there are more than %d", ErrTooMuch, maxFiles)
	}
	name := r.client.Repository()
	data, _, err := r.client.API().Git.GetBlobRaw(ctx, name.Owner(), name.Name(), sha)
	if err == nil && blobSHA(data) != sha {
		err = errors.New("GitHub's answer is not the file that was asked for")
	}
	return data, github.Wrap("read "+strconv.Quote(file), name, err)
}

// blobSHA is git's name of a file's content.
func blobSHA(data []byte) string {
	h := sha1.New()                                         //nolint:gosec // see above
	_, _ = fmt.Fprintf(h, "blob %d\x00%s", len(data), data) // a hash never fails
	return hex.EncodeToString(h.Sum(nil))
}
