package closure

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
)

// Files reads git objects of the Applications' repositories. Implementations must be
// safe for concurrent use. An error that wraps ErrContent says that the object is there
// but cannot be taken, so that the answer is widened; any other error ends the
// computation.
type Files interface {
	// Root is the tree of a commit.
	Root(ctx context.Context, repository approval.RepositoryName, commit approval.SHA) (approval.SHA, error)
	// Tree lists one folder.
	Tree(ctx context.Context, repository approval.RepositoryName, tree approval.SHA) ([]Entry, error)
	// Blob is the content of a file, or the target of a symbolic link, of at most limit
	// bytes.
	Blob(ctx context.Context, repository approval.RepositoryName, blob approval.SHA, limit int64) ([]byte, error)
}

// ErrContent marks errors of Files that another try would give again: an object that
// is larger than the limit.
var ErrContent = errors.New("the content cannot be read")

// Entry is one name in a folder. The mode is git's octal one, "40000" for a folder.
type Entry struct {
	Name string
	Mode string
	SHA  approval.SHA
}

const (
	modeFolder    = "40000"
	modeLink      = "120000"
	modeSubmodule = "160000"
)

// remembered is how many answers a Finder keeps.
const remembered = 4096

// Finder computes closures and remembers the newest of them. It is safe for
// concurrent use.
type Finder struct {
	files Files

	mu    sync.Mutex
	known map[[sha256.Size]byte]approval.Closure
	order [][sha256.Size]byte // oldest first
}

// New returns a Finder that reads from files.
func New(files Files) *Finder {
	return &Finder{files: files, known: map[[sha256.Size]byte]approval.Closure{}}
}

// Closure finds what an Application is rendered from at exact revisions, one for each of
// its sources in their order. An error says that the repositories could not be read;
// content that cannot be followed is none, it widens the answer.
func (f *Finder) Closure(ctx context.Context, a approval.Application, revisions []approval.Revision) (approval.Closure, error) {
	if len(revisions) != len(a.Sources) {
		return approval.Closure{}, fmt.Errorf("find what %s is rendered from: it has %d sources, but %d revisions were given",
			a.Key(), len(a.Sources), len(revisions))
	}
	key, err := keyOf(a, revisions)
	if err != nil {
		return approval.Closure{}, fmt.Errorf("find what %s is rendered from: %w", a.Key(), err)
	}
	if c, ok := f.recall(key); ok {
		return c, nil
	}
	c, err := find(ctx, f.files, a, revisions)
	if err != nil {
		return approval.Closure{}, fmt.Errorf("find what %s is rendered from: %w", a.Key(), err)
	}
	f.remember(key, c)
	return clone(c), nil
}

// keyOf covers all that the answer depends on: git objects never change, so the content
// is in the revisions.
func keyOf(a approval.Application, revisions []approval.Revision) ([sha256.Size]byte, error) {
	data, err := json.Marshal([]any{a.Namespace, a.Name, a.SpecDigest, a.Sources, revisions})
	return sha256.Sum256(data), err
}

func (f *Finder) recall(key [sha256.Size]byte) (approval.Closure, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	c, ok := f.known[key]
	return clone(c), ok
}

func (f *Finder) remember(key [sha256.Size]byte, c approval.Closure) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if _, ok := f.known[key]; ok {
		return
	}
	if len(f.order) == remembered {
		delete(f.known, f.order[0])
		f.order = f.order[1:]
	}
	f.known[key] = c
	f.order = append(f.order, key)
}

// clone keeps a caller from changing what others are given.
func clone(c approval.Closure) approval.Closure {
	return approval.Closure{
		Revisions: slices.Clone(c.Revisions), Reads: slices.Clone(c.Reads), Unresolved: slices.Clone(c.Unresolved), Foreign: slices.Clone(c.Foreign),
	}
}
