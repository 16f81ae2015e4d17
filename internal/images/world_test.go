package images

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/pem"
	"fmt"
	"log/slog"
	"maps"
	"net/http/cgi"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/ssh"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
	"github.com/argo-gatekeeper/gatekeeper/pkg/github/mirror"
	"github.com/argo-gatekeeper/gatekeeper/pkg/github/signature"
)

const repository = approval.RepositoryName("acme/env")

var pushed = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// files is the content of a commit by path. "link:" before the content makes a
// symbolic link.
type files map[string]string

// with adds and replaces files; an empty content removes one.
func (f files) with(pairs ...string) files {
	f = maps.Clone(f)
	for i := 0; i < len(pairs); i += 2 {
		if f[pairs[i]] = pairs[i+1]; pairs[i+1] == "" {
			delete(f, pairs[i])
		}
	}
	return f
}

// world is a repository at GitHub with people who sign, and its mirror.
type world struct {
	t      *testing.T
	root   string
	dir    string
	made   int
	keys   map[string]string // files of private keys
	public map[string][]byte
	// mirror is opened when it is needed for the first time.
	mirror *counted
}

func newWorld(t *testing.T) *world {
	t.Helper()
	root := t.TempDir()
	w := &world{t: t, root: root, dir: filepath.Join(root, "acme", "env.git"), keys: map[string]string{}, public: map[string][]byte{}}
	require.NoError(t, os.MkdirAll(w.dir, 0o700))
	w.git("", "init", "--quiet", "--bare", "--initial-branch=main")
	for _, name := range []string{"renovate", "mallory"} {
		public, private, err := ed25519.GenerateKey(rand.Reader)
		require.NoError(t, err)
		block, err := ssh.MarshalPrivateKey(private, "")
		require.NoError(t, err)
		key, err := ssh.NewPublicKey(public)
		require.NoError(t, err)
		w.keys[name], w.public[name] = filepath.Join(root, name), ssh.MarshalAuthorizedKey(key)
		require.NoError(t, os.WriteFile(w.keys[name], pem.EncodeToMemory(block), 0o600))
		require.NoError(t, os.WriteFile(w.keys[name]+".pub", w.public[name], 0o600))
	}
	return w
}

// git runs git in the repository, apart from whatever it is configured to do here.
func (w *world) git(stdin string, args ...string) string {
	w.t.Helper()
	cmd := exec.CommandContext(w.t.Context(), "git", args...)
	date := fmt.Sprintf("@%d +0000", pushed.Add(-time.Hour).Unix()+int64(w.made))
	cmd.Dir, cmd.Stdin = w.dir, strings.NewReader(stdin)
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + w.root, "LC_ALL=C", "GIT_CONFIG_NOSYSTEM=1", "GIT_CONFIG_GLOBAL=/dev/null",
		"GIT_AUTHOR_NAME=Renovate", "GIT_AUTHOR_EMAIL=renovate@example.com", "GIT_AUTHOR_DATE=" + date,
		"GIT_COMMITTER_NAME=Renovate", "GIT_COMMITTER_EMAIL=renovate@example.com", "GIT_COMMITTER_DATE=" + date}
	out, err := cmd.CombinedOutput()
	require.NoError(w.t, err, "git %v: %s", args, out)
	return strings.TrimSpace(string(out))
}

// commit writes a commit with exactly this content, signed by somebody unless that is
// empty.
func (w *world) commit(signer string, content files, parents ...approval.SHA) approval.SHA {
	w.t.Helper()
	w.made++
	var b strings.Builder
	fmt.Fprintf(&b, "commit refs/scratch/%d\nmark :1\ncommitter A <a@example.com> 1700000000 +0000\ndata 0\ndeleteall\n", w.made)
	for _, path := range slices.Sorted(maps.Keys(content)) {
		mode, data := "100644", content[path]
		if to, ok := strings.CutPrefix(data, "link:"); ok {
			mode, data = "120000", to
		}
		fmt.Fprintf(&b, "M %s inline %s\ndata %d\n%s\n", mode, path, len(data), data)
	}
	b.WriteString("\nget-mark :1\n")
	made := w.git(b.String(), "fast-import", "--quiet", "--force")
	return w.commitTree(signer, w.git("", "rev-parse", made+"^{tree}"), parents...)
}

func (w *world) commitTree(signer, tree string, parents ...approval.SHA) approval.SHA {
	w.t.Helper()
	w.made++
	args := []string{"commit-tree", "-m", fmt.Sprintf("commit %d", w.made)}
	if signer != "" {
		args = append([]string{"-c", "gpg.format=ssh", "-c", "user.signingkey=" + w.keys[signer]}, append(args, "-S")...)
	}
	for _, p := range parents {
		args = append(args, "-p", string(p))
	}
	sha, err := approval.ParseSHA(w.git("", append(args, tree)...))
	require.NoError(w.t, err)
	return sha
}

// merged is the tree of the clean merge of two commits.
func (w *world) merged(a, b approval.SHA) string {
	w.t.Helper()
	return w.git("", "merge-tree", "--write-tree", string(a), string(b))
}

// fetched is the mirror when it has main and the heads of pull requests 1, 2, and so
// on.
func (w *world) fetched(main approval.SHA, heads ...approval.SHA) *counted {
	w.t.Helper()
	w.git("", "update-ref", "refs/heads/main", string(main))
	numbers := make([]int, len(heads))
	for i, head := range heads {
		numbers[i] = i + 1
		w.git("", "update-ref", fmt.Sprintf("refs/pull/%d/head", i+1), string(head))
	}
	if w.mirror == nil {
		path, err := exec.CommandContext(w.t.Context(), "git", "--exec-path").Output()
		require.NoError(w.t, err)
		server := httptest.NewServer(&cgi.Handler{
			Path: filepath.Join(strings.TrimSpace(string(path)), "git-http-backend"),
			Env:  []string{"GIT_PROJECT_ROOT=" + w.root, "GIT_HTTP_EXPORT_ALL=1", "GIT_CONFIG_NOSYSTEM=1", "GIT_CONFIG_GLOBAL=/dev/null"},
		})
		w.t.Cleanup(server.Close)
		m, err := mirror.Open(w.t.Context(), mirror.Options{
			Dir: filepath.Join(w.t.TempDir(), "mirror.git"), URL: server.URL + "/acme/env.git", Logger: w.log(), Timeout: time.Minute,
		})
		require.NoError(w.t, err)
		w.t.Cleanup(func() { require.NoError(w.t, m.Close()) })
		w.mirror = &counted{Mirror: m}
	}
	require.NoError(w.t, w.mirror.Fetch(w.t.Context(), "main", numbers...))
	return w.mirror
}

func (w *world) log() *slog.Logger { return slog.New(slog.NewTextHandler(w.t.Output(), nil)) }

// signers takes the keys of these people.
func (w *world) signers(names ...string) Signers {
	w.t.Helper()
	var list []signature.Signer
	for _, name := range names {
		list = append(list, signature.Signer{Name: name, SSH: []signature.KeyFile{{Path: name, Content: w.public[name]}}})
	}
	allowed, err := signature.NewAllowed(list)
	require.NoError(w.t, err)
	return NewSigners(allowed)
}

// landing is what landed between two commits; the pull request is nil for a push.
func (w *world) landing(parent, at approval.SHA, pr *approval.PullRequest) approval.Landing {
	w.t.Helper()
	changes, err := w.mirror.Changes(w.t.Context(), parent, at)
	require.NoError(w.t, err)
	return approval.Landing{Commit: at, Parent: parent, Changes: changes, Pull: pr}
}

func pull(number int, head approval.SHA) *approval.PullRequest {
	return &approval.PullRequest{Repository: repository, Number: number, BaseRepositoryID: 7, Base: "main", Merged: true, Head: head, HeadPushedAt: pushed}
}

func policy() approval.Policy {
	return approval.Policy{
		Gate:         "prod",
		Repositories: []approval.ProtectedRepository{{Name: repository, Branch: "main", Paths: []string{"prod/**"}}},
		Image: &approval.ImagePolicy{
			Signers: []approval.Signer{{Name: "renovate"}}, Downgrade: approval.HandleEscalate, MutableTag: approval.HandleEscalate,
		},
	}
}

func factsOf(landings ...approval.Landing) *approval.Facts {
	return &approval.Facts{Lines: []approval.Line{{Repository: repository, Branch: "main", Landings: landings}}}
}

// collector is one of these gates over the mirror.
func (w *world) collector(gates map[string]Gate) (*Collector, *firsts) {
	w.t.Helper()
	f := &firsts{}
	c, err := New(Options{
		Gates: gates, Firsts: f, Logger: w.log(),
		Mirrors: func(context.Context, approval.RepositoryName) (Mirror, error) { return w.mirror, nil },
	})
	require.NoError(w.t, err)
	return c, f
}

// counted counts what is read of a mirror, and fails when it is told to.
type counted struct {
	*mirror.Mirror
	mu    sync.Mutex
	reads int
	err   error
}

func (c *counted) read() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.reads++
	return c.err
}

func (c *counted) Blob(ctx context.Context, sha approval.SHA, limit int64) ([]byte, error) {
	if err := c.read(); err != nil {
		return nil, err
	}
	return c.Mirror.Blob(ctx, sha, limit)
}

func (c *counted) CommitObject(ctx context.Context, sha approval.SHA) ([]byte, error) {
	if err := c.read(); err != nil {
		return nil, err
	}
	return c.Mirror.CommitObject(ctx, sha)
}

func (c *counted) Commits(ctx context.Context, include approval.SHA, exclude ...approval.SHA) ([]mirror.Commit, error) {
	if err := c.read(); err != nil {
		return nil, err
	}
	return c.Mirror.Commits(ctx, include, exclude...)
}

func (c *counted) NeutralMerge(ctx context.Context, commit mirror.Commit) (bool, error) {
	if err := c.read(); err != nil {
		return false, err
	}
	return c.Mirror.NeutralMerge(ctx, commit)
}

// firsts remembers in memory what internal/inbox remembers in its store.
type firsts struct {
	mu   sync.Mutex
	seen map[string]string
	err  error
}

func (f *firsts) FirstDigest(_ context.Context, repository int64, pull int, head approval.SHA, image approval.Image, digest string) (string, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.seen == nil {
		f.seen = map[string]string{}
	}
	key := fmt.Sprint(repository, pull, head, image)
	if f.seen[key] == "" {
		f.seen[key] = digest
	}
	return f.seen[key], f.err
}

// registry has one digest for each image, and remembers for what it was asked.
type registry struct {
	mu    sync.Mutex
	has   map[string]string
	asked []string
}

func (r *registry) Look(_ context.Context, image approval.Image, keys approval.ImageKeys) approval.ImageEvidence {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.asked = append(r.asked, keys.Name+" "+image.String())
	return approval.ImageEvidence{Digest: r.has[image.String()], Signed: approval.ImageSignedYes, First: "sha256:forged"}
}
