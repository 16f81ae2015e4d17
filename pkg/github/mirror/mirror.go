package mirror

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"time"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
)

// Bounds of the caches. They hold facts that never change, so they only cost
// memory: about 60 MB when all are full with usual commits.
const (
	cachedCommits = 32_768
	cachedChanges = 100_000
	cachedRanges  = 65_536
	cachedMerges  = 32_768
	cachedProofs  = 32_768
)

const defaultTimeout = 2 * time.Minute

// ErrClosed is returned by every method after Close.
var ErrClosed = errors.New("the mirror is closed")

// Options say where a mirror is and how it is fetched.
type Options struct {
	// Dir is the bare repository. It is created when missing; its parent must
	// exist. One Mirror owns it at a time.
	Dir string
	// URL is the repository's https address without credentials. Plain http is
	// accepted on loopback only.
	URL string
	// Token returns an installation token for one fetch. It is opaque. Nil
	// fetches anonymously.
	Token func(context.Context) (string, error)
	// Git is the path of git, 2.38 or newer. Empty means the one in PATH.
	Git string
	// Timeout bounds one git command; 0 means two minutes.
	Timeout time.Duration
	// CAFile holds the certificate authorities that the server is checked
	// against, in PEM form. Empty means those of the system.
	CAFile string
	// Proxy is the address of an HTTP proxy; nil means none. The proxy
	// variables of the environment are not used.
	Proxy *url.URL
	// Logger receives events; nil discards them.
	Logger *slog.Logger
	// Fetched is told of every fetch that is over: when it began and how it ended, with the
	// values of the first caller's context. It must return at once. Nil is allowed.
	Fetched func(ctx context.Context, began time.Time, err error)
}

// Mirror is the bare mirror of one repository. It is safe for concurrent use.
// Slices inside of what it returns are shared and must not be changed.
type Mirror struct {
	git     *git
	log     *slog.Logger
	lock    *os.File
	remote  *remote
	fetches fetchQueue
	fetched func(ctx context.Context, began time.Time, err error) // may be nil
	upkeep  sync.Mutex

	objects *worker
	differ  *worker

	commits *lru[approval.SHA, Commit]
	changes *lru[[2]approval.SHA, []approval.Change]
	ranges  *lru[string, []approval.SHA]
	merges  *lru[[2]approval.SHA, mergeResult]
	proofs  *lru[proofKey, Landing]

	shutdown context.CancelCauseFunc
	closing  sync.Once
	running  sync.WaitGroup
}

// Open opens or creates the mirror. It runs git to check its version and the
// directory, but it does not fetch. The context bounds Open alone.
func Open(ctx context.Context, o Options) (*Mirror, error) {
	log := o.Logger
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	remote, err := newRemote(o)
	if err != nil {
		return nil, err
	}
	dir, err := filepath.Abs(o.Dir)
	if err != nil || o.Dir == "" {
		return nil, fmt.Errorf("the mirror needs a directory, not %q", o.Dir)
	}
	program, err := findGit(o.Git)
	if err != nil {
		return nil, err
	}
	timeout := o.Timeout
	if timeout <= 0 {
		timeout = defaultTimeout
	}
	life, shutdown := context.WithCancelCause(context.WithoutCancel(ctx))
	m := newMirror(newGit(life, program, dir, timeout), log, shutdown)
	m.remote, m.fetched = remote, o.Fetched
	if err := m.open(ctx); err != nil {
		shutdown(ErrClosed)
		return nil, err
	}
	return m, nil
}

// newMirror makes what reads and proves. It starts nothing.
func newMirror(g *git, log *slog.Logger, shutdown context.CancelCauseFunc) *Mirror {
	m := &Mirror{
		git:      g,
		log:      log,
		commits:  newLRU[approval.SHA](cachedCommits, func(Commit) int { return 1 }),
		changes:  newLRU[[2]approval.SHA](cachedChanges, func(c []approval.Change) int { return 1 + len(c) }),
		ranges:   newLRU[string](cachedRanges, func(s []approval.SHA) int { return 1 + len(s) }),
		merges:   newLRU[[2]approval.SHA](cachedMerges, func(r mergeResult) int { return 1 + len(r.conflicts) }),
		proofs:   newLRU[proofKey](cachedProofs, func(Landing) int { return 1 }),
		shutdown: shutdown,
	}
	m.objects = m.git.worker("cat-file", "--batch-command")
	m.differ = m.git.worker("diff-tree", "--stdin", "-r", "--raw", "-z", "--no-abbrev", "--no-renames",
		// A .gitmodules file can ask to hide a submodule's moves ("ignore = all").
		// git 2.39.5 does not read it in a bare repository, and no other one may.
		"--ignore-submodules=none")
	return m
}

func (m *Mirror) open(ctx context.Context) error {
	if err := m.git.checkVersion(ctx); err != nil {
		return err
	}
	if err := m.git.create(ctx); err != nil {
		return fmt.Errorf("create the mirror in %s: %w", m.git.dir, err)
	}
	// Checked first as well, so that nothing is written to a foreign directory.
	if err := checkDirectory(m.git.dir); err != nil {
		return err
	}
	lock, err := lockDirectory(m.git.dir)
	if err != nil {
		return err
	}
	if err := m.inspect(ctx); err != nil {
		return errors.Join(err, lock.Close())
	}
	m.lock = lock
	return nil
}

func (m *Mirror) inspect(ctx context.Context) error {
	if err := checkDirectory(m.git.dir); err != nil {
		return err
	}
	if err := removeLeftovers(m.git.dir); err != nil {
		return fmt.Errorf("clean the mirror in %s: %w", m.git.dir, err)
	}
	return m.checkRefs(ctx)
}

// Close stops every git process of the mirror and waits for them. Calls that
// are under way fail with ErrClosed.
func (m *Mirror) Close() error {
	var err error
	m.closing.Do(func() {
		m.stop()
		err = m.lock.Close()
	})
	return err
}

func (m *Mirror) stop() {
	m.shutdown(ErrClosed)
	m.fetches.drain()
	m.running.Wait()
	m.objects.close()
	m.differ.close()
}

func findGit(path string) (string, error) {
	if path == "" {
		path = "git"
	}
	found, err := exec.LookPath(path)
	if err != nil {
		return "", fmt.Errorf("find git: %w", err)
	}
	if found, err = filepath.Abs(found); err != nil {
		return "", fmt.Errorf("find git: %w", err)
	}
	return found, nil
}
