package mirror

import (
	"bytes"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
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

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
)

// tree is the content of a commit by path. A prefix of the value says what is
// not an ordinary file: "exec:", "link:" or "sub:".
type tree map[string]string

func (t tree) with(pairs ...string) tree {
	t = maps.Clone(t)
	for i := 0; i < len(pairs); i += 2 {
		t[pairs[i]] = pairs[i+1]
	}
	return t
}

func (t tree) without(paths ...string) tree {
	t = maps.Clone(t)
	for _, p := range paths {
		delete(t, p)
	}
	return t
}

// lines is a file long enough for edits at its two ends not to touch each other.
func lines(first, last string) string {
	return first + "\n2\n3\n4\n5\n6\n7\n8\n" + last + "\n"
}

// origin is the repository at GitHub: a real one, changed with git plumbing and,
// for landings, with git's own merge and rebase in a work tree.
type origin struct {
	t     testing.TB
	root  string
	dir   string
	clock int64
	made  int
	who   string
	text  string
}

func newOrigin(t testing.TB) *origin {
	t.Helper()
	root := t.TempDir()
	o := &origin{t: t, root: root, dir: filepath.Join(root, "acme", "config.git"), clock: 1_700_000_000}
	require.NoError(t, os.MkdirAll(o.dir, 0o700))
	o.git("", "init", "--quiet", "--bare", "--initial-branch=main")
	return o
}

// env keeps the tests apart from whatever git is configured to do here.
func (o *origin) env() []string {
	o.clock += 60
	date := fmt.Sprintf("@%d +0100", o.clock)
	return []string{"PATH=" + os.Getenv("PATH"), "HOME=" + o.root, "LC_ALL=C", "GIT_CONFIG_NOSYSTEM=1", "GIT_CONFIG_GLOBAL=/dev/null",
		"GIT_AUTHOR_NAME=Web Flow", "GIT_AUTHOR_EMAIL=web@example.com", "GIT_AUTHOR_DATE=" + date,
		"GIT_COMMITTER_NAME=Web Flow", "GIT_COMMITTER_EMAIL=web@example.com", "GIT_COMMITTER_DATE=" + date,
		"GIT_EDITOR=true", "GIT_ADVICE=0"}
}

// try runs git in the repository, or in a work tree below the root.
func (o *origin) try(stdin, dir string, args ...string) (string, error) {
	cmd := exec.CommandContext(o.t.Context(), "git", args...)
	cmd.Dir, cmd.Env, cmd.Stdin = dir, o.env(), strings.NewReader(stdin)
	var message bytes.Buffer
	cmd.Stderr = &message
	out, err := cmd.Output()
	if err != nil {
		err = fmt.Errorf("git %s: %w: %s%s", strings.Join(args, " "), err, out, message.String())
	}
	return strings.TrimSpace(string(out)), err
}

func (o *origin) git(stdin string, args ...string) string {
	o.t.Helper()
	out, err := o.try(stdin, o.dir, args...)
	require.NoError(o.t, err)
	return out
}

// commit writes a commit with exactly this content.
func (o *origin) commit(content tree, parents ...approval.SHA) approval.SHA {
	o.t.Helper()
	o.made++
	o.clock += 60
	who := o.who
	if who == "" {
		who = "Dev <dev@example.com>"
	}
	text := o.text
	if text == "" {
		text = fmt.Sprintf("commit %d", o.made)
	}
	var b strings.Builder
	fmt.Fprintf(&b, "commit refs/scratch/%d\nmark :1\nauthor %s %d +0100\ncommitter %s %d +0100\ndata %d\n%s\n",
		o.made, who, o.clock, who, o.clock, len(text), text)
	for i, p := range parents {
		fmt.Fprintf(&b, "%s %s\n", map[bool]string{true: "from", false: "merge"}[i == 0], p)
	}
	b.WriteString("deleteall\n")
	for _, path := range slices.Sorted(maps.Keys(content)) {
		mode, data := "100644", content[path]
		if kind, rest, ok := strings.Cut(data, ":"); ok {
			switch kind {
			case "exec":
				mode, data = "100755", rest
			case "link":
				mode, data = "120000", rest
			case "sub":
				fmt.Fprintf(&b, "M 160000 %s %s\n", rest, path)
				continue
			}
		}
		fmt.Fprintf(&b, "M %s inline %s\ndata %d\n%s\n", mode, path, len(data), data)
	}
	b.WriteString("\nget-mark :1\n")
	return o.sha(o.git(b.String(), "fast-import", "--quiet", "--force"))
}

func (o *origin) sha(s string) approval.SHA {
	o.t.Helper()
	sha, err := approval.ParseSHA(s)
	require.NoError(o.t, err)
	return sha
}

func (o *origin) treeOf(c approval.SHA) approval.SHA {
	return o.sha(o.git("", "rev-parse", string(c)+"^{tree}"))
}

// commitTree writes a commit for an existing tree.
func (o *origin) commitTree(tree approval.SHA, parents ...approval.SHA) approval.SHA {
	o.t.Helper()
	args := []string{"commit-tree", "-m", "by hand"}
	for _, p := range parents {
		args = append(args, "-p", string(p))
	}
	return o.sha(o.git("", append(args, string(tree))...))
}

func (o *origin) branch(name string, sha approval.SHA) {
	o.git("", "update-ref", "refs/heads/"+name, string(sha))
}

func (o *origin) pull(number int, sha approval.SHA) {
	o.git("", "update-ref", fmt.Sprintf("refs/pull/%d/head", number), string(sha))
}

// land merges head into base with git's own commands in a work tree, as one of
// GitHub's three merge methods does. It fails when git does.
func (o *origin) land(method string, base, head approval.SHA) (approval.SHA, error) {
	o.t.Helper()
	o.made++
	work := filepath.Join(o.root, fmt.Sprintf("work-%d", o.made))
	start, commands := base, [][]string{{"merge", "--quiet", "--no-ff", "--no-edit", string(head)}}
	switch method {
	case "squash":
		commands = [][]string{{"merge", "--quiet", "--squash", string(head)}, {"commit", "--quiet", "--allow-empty", "-m", "squashed"}}
	case "rebase":
		start, commands = head, [][]string{{"rebase", "--quiet", "--force-rebase", "--empty=drop", string(base)}}
	}
	o.git("", "worktree", "add", "--quiet", "--detach", work, string(start))
	defer func() {
		o.git("", "worktree", "remove", "--force", work)
	}()
	for _, args := range commands {
		if _, err := o.try("", work, args...); err != nil {
			return "", err
		}
	}
	out, err := o.try("", work, "rev-parse", "HEAD")
	return approval.SHA(out), err
}

func (o *origin) mustLand(method string, base, head approval.SHA) approval.SHA {
	o.t.Helper()
	sha, err := o.land(method, base, head)
	require.NoError(o.t, err)
	return sha
}

// host serves the origin over smart HTTP, with a password when there is one.
type host struct {
	*httptest.Server
	user, password string

	mu       sync.Mutex
	requests []string
	// before, when set, sees every request first and may answer it.
	before func(http.ResponseWriter, *http.Request) bool
}

func (o *origin) serve(user, password string) *host {
	o.t.Helper()
	path, err := exec.CommandContext(o.t.Context(), "git", "--exec-path").Output()
	require.NoError(o.t, err)
	backend := &cgi.Handler{Path: filepath.Join(strings.TrimSpace(string(path)), "git-http-backend"),
		Env: []string{"GIT_PROJECT_ROOT=" + o.root, "GIT_HTTP_EXPORT_ALL=1", "GIT_CONFIG_NOSYSTEM=1", "GIT_CONFIG_GLOBAL=/dev/null"}}
	h := &host{user: user, password: password}
	h.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h.mu.Lock()
		h.requests = append(h.requests, r.Method+" "+r.URL.Path)
		before := h.before
		h.mu.Unlock()
		if before != nil && before(w, r) {
			return
		}
		if user, password, _ := r.BasicAuth(); h.password != "" && (user != h.user || password != h.password) {
			w.Header().Set("WWW-Authenticate", `Basic realm="git"`)
			http.Error(w, "who are you?", http.StatusUnauthorized)
			return
		}
		backend.ServeHTTP(w, r)
	}))
	o.t.Cleanup(h.Close)
	return h
}

func (h *host) intercept(f func(http.ResponseWriter, *http.Request) bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.before = f
}

// discoveries counts how many fetches began.
func (h *host) discoveries() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	n := 0
	for _, r := range h.requests {
		if strings.HasSuffix(r, "/info/refs") {
			n++
		}
	}
	return n
}

func (h *host) repository() string { return h.URL + "/acme/config.git" }

// logTo sends events to the test's log.
func logTo(t testing.TB) *slog.Logger {
	return slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelDebug}))
}

// open opens a mirror of the origin, which is served without a password.
func (o *origin) open() *Mirror {
	o.t.Helper()
	return o.openWith(Options{URL: o.serve("", "").repository()})
}

func (o *origin) openWith(options Options) *Mirror {
	o.t.Helper()
	if options.Dir == "" {
		options.Dir = filepath.Join(o.t.TempDir(), "mirror.git")
	}
	if options.Logger == nil {
		options.Logger = logTo(o.t)
	}
	if options.Timeout == 0 {
		options.Timeout = time.Minute
	}
	m, err := Open(o.t.Context(), options)
	require.NoError(o.t, err)
	o.t.Cleanup(func() { require.NoError(o.t, m.Close()) })
	return m
}

// mirror opens a mirror that has main, at the given commit, and the heads of
// pull requests 1, 2, and so on.
func (o *origin) mirror(main approval.SHA, heads ...approval.SHA) *Mirror {
	o.t.Helper()
	o.branch("main", main)
	numbers := make([]int, len(heads))
	for i, head := range heads {
		numbers[i] = i + 1
		o.pull(i+1, head)
	}
	m := o.open()
	require.NoError(o.t, m.Fetch(o.t.Context(), "main", numbers...))
	return m
}

func (o *origin) proof(m *Mirror, at, head approval.SHA, landed ...approval.SHA) Landing {
	o.t.Helper()
	c, err := m.commit(o.t.Context(), at)
	require.NoError(o.t, err)
	l, err := m.Prove(o.t.Context(), c, head, landed...)
	require.NoError(o.t, err)
	return l
}
