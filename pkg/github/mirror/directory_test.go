package mirror

import (
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
)

const somewhere = "https://git.invalid/acme/config"

func open(t *testing.T, dir string) (*Mirror, error) {
	t.Helper()
	m, err := Open(t.Context(), Options{Dir: dir, URL: somewhere, Logger: logTo(t)})
	if err == nil {
		t.Cleanup(func() { require.NoError(t, m.Close()) })
	}
	return m, err
}

func TestOpen(t *testing.T) {
	parent := t.TempDir()
	dir := filepath.Join(parent, "mirror.git")
	m, err := open(t, dir)
	require.NoError(t, err)
	entries, err := os.ReadDir(parent)
	require.NoError(t, err)
	require.Len(t, entries, 1, "something was left beside the mirror")

	_, err = open(t, dir)
	require.ErrorContains(t, err, "in use by another process")
	require.NoError(t, m.Close())
	m, err = open(t, dir)
	require.NoError(t, err)
	require.NoError(t, m.Close())

	// An empty directory is used.
	empty := filepath.Join(parent, "empty")
	require.NoError(t, os.Mkdir(empty, 0o700))
	m, err = open(t, empty)
	require.NoError(t, err)
	require.NoError(t, m.Close())

	_, err = open(t, filepath.Join(parent, "no", "such", "parent"))
	require.ErrorIs(t, err, fs.ErrNotExist)
	_, err = open(t, "")
	require.ErrorContains(t, err, "needs a directory")
	file := filepath.Join(parent, "file")
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	_, err = open(t, file)
	require.Error(t, err)
}

// TestOpenKeeps: what was fetched is there after a restart, and can be relied on
// without the remote.
func TestOpenKeeps(t *testing.T) {
	s := newScene(t, 1)
	at := s.mustLand("squash", s.main, s.head)
	m := s.mirror(at, s.head)
	require.NoError(t, m.Close())
	m, err := open(t, m.git.dir)
	require.NoError(t, err)
	s.requireHead(m, "main", at)
	require.Equal(t, approval.Proven, s.proof(m, at, s.head).Proof.Result)
}

func TestOpenRefuses(t *testing.T) {
	s := newScene(t, 1)
	write := func(name, content string) func(string) error {
		return func(dir string) error {
			path := filepath.Join(dir, name)
			if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
				return err
			}
			return os.WriteFile(path, []byte(content+"\n"), 0o600)
		}
	}
	for _, c := range []struct {
		name  string
		spoil func(dir string) error
		want  string
	}{
		{"hooks by configuration", write("config", configuration+"\thooksPath = /tmp"), "not written by Gatekeeper"},
		{"a merge driver", write("config", configuration+"[merge \"x\"]\n\tdriver = touch /tmp/x"), "not written by Gatekeeper"},
		{"no configuration", func(dir string) error { return os.Remove(filepath.Join(dir, "config")) }, "is not a mirror"},
		{"grafts", write("info/grafts", string(s.head)), "info/grafts"},
		{"attributes", write("info/attributes", "* merge=union"), "info/attributes"},
		{"alternates", write("objects/info/alternates", "/tmp"), "objects/info/alternates"},
		{"http alternates", write("objects/info/http-alternates", "http://127.0.0.1:1/"), "objects/info/http-alternates"},
		{"a shallow end", write("shallow", string(s.head)), "shallow"},
		{"another repository", write("commondir", s.dir), "commondir"},
		{"more configuration", write("config.worktree", "[core]"), "config.worktree"},
		{"a replacement", write("refs/replace/"+string(s.head), string(s.main)), "refs/replace"},
		{"a foreign branch", write("refs/heads/main", string(s.main)), "refs/heads/main"},
		{"objects lost", func(dir string) error { return os.RemoveAll(filepath.Join(dir, "objects")) }, "not a git repository"},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := s.mirror(s.main, s.head)
			require.NoError(t, m.Close())
			require.NoError(t, c.spoil(m.git.dir))
			_, err := open(t, m.git.dir)
			require.ErrorContains(t, err, c.want)
			// Nor is it left locked.
			_, err = open(t, m.git.dir)
			require.ErrorContains(t, err, c.want)
		})
	}
}

func TestOpenForeignDirectory(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "precious"), []byte("x"), 0o600))
	_, err := open(t, dir)
	require.ErrorContains(t, err, "is not a mirror")
	content, err := os.ReadFile(filepath.Join(dir, "precious"))
	require.NoError(t, err)
	require.Equal(t, "x", string(content))
	require.NoFileExists(t, filepath.Join(dir, lockFile))

	o := newOrigin(t)
	o.branch("main", o.commit(tree{"f": ""}))
	_, err = open(t, o.dir)
	require.ErrorContains(t, err, "which Gatekeeper did not write")
}

// TestOpenAfterCrash: what a killed git leaves behind does not stop the next one.
func TestOpenAfterCrash(t *testing.T) {
	s := newScene(t, 1)
	s.branch("main", s.main)
	h := s.serve("", "")
	m := s.openWith(Options{URL: h.repository()})
	require.NoError(t, m.Fetch(t.Context(), "main"))
	dir := m.git.dir
	require.NoError(t, m.Close())
	leftovers := []string{"packed-refs.lock", "HEAD.lock", "shallow.lock", "refs/gatekeeper/heads/main.lock", "objects/pack/tmp_pack_abc",
		"objects/pack/pack-1.keep", "objects/17/tmp_obj_abc", "objects/tmp_objdir-incoming-x/17/file"}
	for _, name := range leftovers {
		path := filepath.Join(dir, name)
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o700))
		require.NoError(t, os.WriteFile(path, []byte("x"), 0o600))
	}
	s.branch("main", s.head)
	m = s.openWith(Options{URL: h.repository(), Dir: dir})
	for _, name := range leftovers {
		require.NoFileExists(t, filepath.Join(dir, name))
	}
	require.NoError(t, m.Fetch(t.Context(), "main"))
	s.requireHead(m, "main", s.head)
}

// TestFetchNoticesTampering: a mirror that was changed while it is open fails.
func TestFetchNoticesTampering(t *testing.T) {
	s := newScene(t, 1)
	m := s.mirror(s.main)
	require.NoError(t, os.MkdirAll(filepath.Join(m.git.dir, "info"), 0o700))
	require.NoError(t, os.WriteFile(filepath.Join(m.git.dir, "info", "grafts"), []byte(s.main+"\n"), 0o600))
	require.ErrorContains(t, m.Fetch(t.Context(), "main"), "info/grafts")
	// The graft, which hides all history, is not believed.
	commits, err := m.Commits(t.Context(), s.main)
	require.NoError(t, err)
	require.Len(t, commits, 2)
}

// TestReplacementsAreIgnored: not even between two looks at the directory.
func TestReplacementsAreIgnored(t *testing.T) {
	s := newScene(t, 1)
	at := s.commit(s.content.with("evil", ""), s.main, s.head)
	honest := s.mustLand("merge", s.main, s.head)
	m := s.mirror(at, s.head, honest)
	for original, replacement := range map[approval.SHA]approval.SHA{at: honest, s.treeOf(at): s.treeOf(honest)} {
		_, err := m.git.run(t.Context(), "", "update-ref", "refs/replace/"+string(original), string(replacement))
		require.NoError(t, err)
	}
	require.Equal(t, approval.Mismatch, s.proof(m, at, s.head).Proof.Result)
	changes, err := m.Changes(t.Context(), s.main, at)
	require.NoError(t, err)
	require.Contains(t, paths(changes), "evil")
}

func TestVersion(t *testing.T) {
	for answer, want := range map[string]string{
		"git version 2.37.9":               "2.38 or newer is needed",
		"git version 1.99.0":               "2.38 or newer is needed",
		"git version 2.38.0":               "",
		"git version 2.50.1 (Apple Git-1)": "",
		"git version 3.0.rc1":              "",
		"hub version 2.40":                 "is not git",
		"":                                 "is not git",
	} {
		program := filepath.Join(t.TempDir(), "git")
		script := "#!/bin/sh\necho '" + answer + "'\n"
		require.NoError(t, os.WriteFile(program, []byte(script), 0o700))
		_, err := Open(t.Context(), Options{Dir: filepath.Join(t.TempDir(), "m"), URL: somewhere, Git: program})
		// What passes the check fails later: the script makes no repository.
		require.Error(t, err, answer)
		if want != "" {
			require.ErrorContains(t, err, want, answer)
		} else {
			require.NotContains(t, err.Error(), "needed", answer)
			require.NotContains(t, err.Error(), "is not git", answer)
		}
	}
	_, err := Open(t.Context(), Options{Dir: filepath.Join(t.TempDir(), "m"), URL: somewhere, Git: "/nonexistent/git"})
	require.ErrorContains(t, err, "find git")
}
