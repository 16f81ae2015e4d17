package sandbox_test

import (
	"context"
	"net/http"
	"net/http/cgi"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/test/e2e/sandbox"
)

// requireE2E skips a test that needs minutes and a gigabyte of memory, unless it
// was asked for.
func requireE2E(t *testing.T) {
	t.Helper()
	if os.Getenv("GATEKEEPER_E2E") != "1" {
		t.Skip("set GATEKEEPER_E2E=1 or run make e2e")
	}
}

// start brings up a sandbox that is closed after the test.
func start(t *testing.T, options sandbox.Options) *sandbox.Sandbox {
	t.Helper()
	requireE2E(t)
	options.Progress = testWriter{t}
	s, err := sandbox.Start(t.Context(), options)
	require.NoError(t, err)
	t.Cleanup(func() {
		if t.Failed() {
			s.DumpLogs(testWriter{t})
		}
		require.NoError(t, s.Close())
	})
	return s
}

// testWriter writes lines to the log of a test.
type testWriter struct{ t *testing.T }

func (w testWriter) Write(p []byte) (int, error) {
	w.t.Log(strings.TrimRight(string(p), "\n"))
	return len(p), nil
}

// eventually polls a condition for up to a minute: components that watch each other
// need a moment, and how long it is depends on the machine.
func eventually(t *testing.T, what string, condition func() (bool, error)) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		ok, err := condition()
		if ok && err == nil {
			return
		}
		select {
		case <-ctx.Done():
			require.NoError(t, err, what)
			require.FailNow(t, "waited in vain for "+what)
		case <-tick.C:
		}
	}
}

const (
	repoUser     = "argocd"
	repoPassword = "correct horse"
)

// repository is a bare Git repository that is served over HTTP with basic
// authentication.
type repository struct {
	t    *testing.T
	work string
	url  string
}

func newRepository(t *testing.T) *repository {
	t.Helper()
	execPath, err := exec.CommandContext(t.Context(), "git", "--exec-path").Output()
	require.NoError(t, err)
	root := t.TempDir()
	r := &repository{t: t, work: filepath.Join(t.TempDir(), "work")}
	backend := &cgi.Handler{
		Path: filepath.Join(strings.TrimSpace(string(execPath)), "git-http-backend"),
		Env:  []string{"GIT_PROJECT_ROOT=" + root, "GIT_HTTP_EXPORT_ALL=1", "GIT_CONFIG_NOSYSTEM=1", "HOME=" + root},
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, request *http.Request) {
		user, password, _ := request.BasicAuth()
		if user != repoUser || password != repoPassword {
			w.Header().Set("WWW-Authenticate", `Basic realm="git"`)
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		backend.ServeHTTP(w, request)
	}))
	t.Cleanup(server.Close)
	r.url = server.URL + "/env.git"
	bare := filepath.Join(root, "env.git")
	r.git(root, "init", "--quiet", "--bare", "--initial-branch=main", bare)
	r.git(root, "clone", "--quiet", bare, r.work)
	return r
}

// commit writes files, pushes them and returns the new commit.
func (r *repository) commit(message string, files map[string]string) string {
	r.t.Helper()
	for name, content := range files {
		path := filepath.Join(r.work, filepath.FromSlash(name))
		require.NoError(r.t, os.MkdirAll(filepath.Dir(path), 0o750))
		require.NoError(r.t, os.WriteFile(path, []byte(content), 0o600))
	}
	r.git(r.work, "add", "--all")
	r.git(r.work, "commit", "--quiet", "--message", message)
	r.git(r.work, "push", "--quiet", "origin", "HEAD:main")
	return strings.TrimSpace(r.git(r.work, "rev-parse", "HEAD"))
}

func (r *repository) git(dir string, args ...string) string {
	r.t.Helper()
	cmd := exec.CommandContext(r.t.Context(), "git", args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GIT_CONFIG_NOSYSTEM=1", "GIT_CONFIG_GLOBAL=/dev/null",
		"GIT_AUTHOR_NAME=Dev", "GIT_AUTHOR_EMAIL=dev@example.com",
		"GIT_COMMITTER_NAME=Dev", "GIT_COMMITTER_EMAIL=dev@example.com")
	out, err := cmd.CombinedOutput()
	require.NoError(r.t, err, "git %s: %s", strings.Join(args, " "), out)
	return string(out)
}
