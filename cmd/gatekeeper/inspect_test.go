package main

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// workTree is a work tree with a merged pull request and a push on top of it.
func workTree(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "work")
	git := func(args ...string) {
		cmd := exec.CommandContext(t.Context(), "git", append([]string{"-C", dir}, args...)...)
		cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + t.TempDir(), "GIT_CONFIG_NOSYSTEM=1", "GIT_CONFIG_GLOBAL=/dev/null",
			"GIT_AUTHOR_NAME=Dev", "GIT_AUTHOR_EMAIL=dev@example.com", "GIT_COMMITTER_NAME=Dev", "GIT_COMMITTER_EMAIL=dev@example.com"}
		out, err := cmd.CombinedOutput()
		require.NoError(t, err, "%s", out)
	}
	write := func(name, content string) {
		path := filepath.Join(dir, name)
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o700))
		require.NoError(t, os.WriteFile(path, []byte(content), 0o600))
		git("add", "-A")
	}
	require.NoError(t, os.MkdirAll(dir, 0o700))
	git("init", "--quiet", "--initial-branch=main")
	write("envs/prod/a.yaml", "1\n")
	git("commit", "--quiet", "-m", "Begin")
	git("tag", "-a", "-m", "first", "v1.0")
	git("switch", "--quiet", "-c", "topic")
	write("envs/prod/a.yaml", "2\n")
	git("commit", "--quiet", "-m", "Topic")
	git("switch", "--quiet", "main")
	git("merge", "--quiet", "--no-ff", "-m", "Merge pull request #7 from acme/topic", "topic")
	write("README.md", "x\n")
	git("commit", "--quiet", "-m", "Readme")
	return dir
}

func TestInspect(t *testing.T) {
	dir := workTree(t)
	file, _ := configure(t)
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	// Without its secrets, and with a second gate for another repository as well.
	file = filepath.Join(t.TempDir(), "gatekeeper.yaml")
	_, gate, _ := strings.Cut(string(text), "gates:\n")
	gate = strings.Replace(gate, "    config:", "        paths: [\"envs/prod/**\"]\n    config:", 1)
	second := strings.NewReplacer("name: prod", "name: dev", "acme/env", "acme/other", "envs/prod", "envs/dev").Replace(gate)
	third := strings.NewReplacer("name: prod", "name: all", `["envs/prod/**"]`, `["**"]`).Replace(gate)
	require.NoError(t, os.WriteFile(file, []byte("gates:\n"+gate+second+third), 0o600))

	lines := func(t *testing.T, args ...string) []map[string]any {
		t.Helper()
		code, stdout, stderr := call(t, t.Context(), append([]string{"inspect", "--repo", dir}, args...)...)
		require.Zero(t, code, stderr)
		require.Empty(t, stderr)
		var all []map[string]any
		for line := range strings.Lines(stdout) {
			var one map[string]any
			require.NoError(t, json.Unmarshal([]byte(line), &one))
			all = append(all, one)
		}
		return all
	}

	t.Run("json", func(t *testing.T) {
		all := lines(t, "--json")
		require.Len(t, all, 3)
		require.Nil(t, all[0]["parent"])
		require.Equal(t, "merge", all[1]["kind"])
		require.Equal(t, "proven", all[1]["proof"])
		require.EqualValues(t, 7, all[1]["pr"])
		require.Equal(t, []any{"envs/prod/a.yaml"}, all[1]["paths"])
		require.Equal(t, []any{}, all[1]["moves"])
		require.Nil(t, all[2]["pr"])
		require.Equal(t, "direct", all[2]["kind"])
		require.Equal(t, "config", all[2]["class"])
		require.Equal(t, all, lines(t, "-o", "json", "--range", "main"))
		require.Equal(t, all[1:], lines(t, "--json", "--range", "v1.0.."))
		require.Equal(t, all[2:], lines(t, "--json", "--range", "main~1..main"))
		require.Equal(t, all[:1], lines(t, "--json", "--range", "v1.0"))
		require.Empty(t, lines(t, "--json", "--range", ".."))
	})

	t.Run("gates", func(t *testing.T) {
		all := lines(t, "--json", "--config", file, "--repository", "Acme/Env")
		require.Equal(t, map[string]any{"prod": "none", "all": "config"}, all[2]["gates"])
		require.Equal(t, "config", all[2]["class"])
		all = lines(t, "--json", "--config", file, "--gate", "prod")
		require.Equal(t, "config", all[1]["class"])
		require.Equal(t, "none", all[2]["class"])
		cmd := exec.CommandContext(t.Context(), "git", "-C", dir, "remote", "add", "origin", "git@github.com:acme/other.git")
		require.NoError(t, cmd.Run())
		all = lines(t, "--json", "--config", file)
		require.Equal(t, map[string]any{"dev": "none"}, all[1]["gates"])
	})

	t.Run("text", func(t *testing.T) {
		t.Setenv("COLUMNS", "100")
		code, stdout, stderr := call(t, t.Context(), "inspect", "--repo", dir, "--range", "v1.0..main")
		require.Zero(t, code, stderr)
		require.Contains(t, stdout, " merge   #7 ")
		require.Contains(t, stdout, "2 landings in v1.0..main")
		require.NotContains(t, stdout, "\x1b")
	})

	for name, c := range map[string]struct {
		args []string
		code int
		want string
	}{
		"three dots":          {[]string{"--range", "v1.0...main"}, exitUsage, "with two dots"},
		"empty range":         {[]string{"--range", ""}, exitUsage, "--range is empty"},
		"unknown revision":    {[]string{"--range", "nope..main"}, exitFailed, `there is no commit "nope"`},
		"swapped":             {[]string{"--range", "main..v1.0"}, exitFailed, "were the ends of the range swapped"},
		"not on the line":     {[]string{"--range", "topic..main"}, exitFailed, "is not on the first-parent line"},
		"output":              {[]string{"-o", "xml"}, exitUsage, "is not text or json"},
		"gate without config": {[]string{"--gate", "prod"}, exitUsage, "name it with --config"},
		"unknown gate":        {[]string{"--config", file, "--gate", "x"}, exitUsage, "which has: prod, dev, all"},
		"unknown repository":  {[]string{"--config", file, "--repository", "acme/none"}, exitFailed, "no gate of " + file + " has the repository acme/none"},
		"not a repository":    {[]string{"--config", file, "--repository", "acme"}, exitUsage, "owner/name"},
		"gate without it":     {[]string{"--config", file, "--repository", "acme/env", "--gate", "dev"}, exitFailed, "gate dev does not have the repository acme/env"},
		"unknown code":        {[]string{"--fail-on", "inspect.x"}, exitUsage, "possible are inspect.mismatch"},
		"fails on":            {[]string{"--fail-on", "inspect.mismatch,inspect.direct"}, exitFailed, "inspect.direct in 1 landings"},
		"does not fail on":    {[]string{"--fail-on", "inspect.mismatch"}, 0, ""},
	} {
		t.Run(name, func(t *testing.T) {
			code, _, stderr := call(t, t.Context(), append([]string{"inspect", "--repo", dir}, c.args...)...)
			require.Equal(t, c.code, code, stderr)
			require.Contains(t, stderr, c.want)
		})
	}
	t.Run("no repository", func(t *testing.T) {
		code, _, stderr := call(t, t.Context(), "inspect", "--repo", t.TempDir())
		require.Equal(t, exitFailed, code)
		require.Contains(t, stderr, "is not in a git repository")
	})
}

func TestRemoteName(t *testing.T) {
	for url, want := range map[string]string{
		"https://github.com/acme/env.git": "acme/env", "git@github.com:acme/env.git": "acme/env", "ssh://git@github.com:22/acme/env": "acme/env",
		"https://github.com/acme/env/": "acme/env", "/srv/git/acme/env.git": "acme/env", "env": "", "https://github.com/acme/..": "", "": "",
	} {
		require.Equal(t, want, string(remoteName(url)), url)
	}
}

// TestInspectIntoClosedPipe: whoever reads may stop, and no temporary folder is
// left behind.
func TestInspectIntoClosedPipe(t *testing.T) {
	dir := workTree(t)
	temporary := t.TempDir()
	t.Setenv("TMPDIR", temporary)
	r, w, err := os.Pipe()
	require.NoError(t, err)
	require.NoError(t, r.Close())
	var stderr bytes.Buffer
	require.Zero(t, run(t.Context(), []string{"inspect", "--repo", dir}, w, &stderr), stderr.String())
	require.NoError(t, w.Close())
	left, err := os.ReadDir(temporary)
	require.NoError(t, err)
	require.Empty(t, left)
}
