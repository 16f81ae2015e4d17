package mirror

import (
	"crypto/sha256"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
)

// local opens a repository for reading.
func (o *origin) local(dir string) *Local {
	o.t.Helper()
	l, err := OpenLocal(o.t.Context(), LocalOptions{Dir: dir, Scratch: o.t.TempDir(), Timeout: time.Minute, Logger: logTo(o.t)})
	require.NoError(o.t, err)
	o.t.Cleanup(func() { require.NoError(o.t, l.Close()) })
	return l
}

// clone makes a work tree of the origin in a folder of its own.
func (o *origin) clone(options ...string) string {
	o.t.Helper()
	o.made++
	dir := filepath.Join(o.root, fmt.Sprintf("clone-%d", o.made))
	_, err := o.try("", o.root, append(append([]string{"-c", "protocol.file.allow=always", "clone", "--quiet"}, options...), o.dir, dir)...)
	require.NoError(o.t, err)
	return dir
}

// history is a base and a merged pull request, #1.
func (o *origin) history() (base, head, merge approval.SHA) {
	o.t.Helper()
	base = o.commit(tree{"f": lines("0", "0"), "dir/g": "g\n"})
	main := o.commit(tree{"f": lines("main", "0"), "dir/g": "g\n"}, base)
	head = o.commit(tree{"f": lines("0", "head"), "dir/g": "g\n"}, base)
	merge = o.mustLand("merge", main, head)
	o.branch("main", merge)
	o.pull(1, head)
	return base, head, merge
}

func TestLocalPlaces(t *testing.T) {
	o := newOrigin(t)
	base, head, merge := o.history()
	work := o.clone()
	linked := filepath.Join(o.root, "linked")
	_, err := o.try("", work, "worktree", "add", "--quiet", "--detach", linked, string(base))
	require.NoError(t, err)
	super := filepath.Join(o.root, "super")
	_, err = o.try("", o.root, "init", "--quiet", super)
	require.NoError(t, err)
	_, err = o.try("", super, "-c", "protocol.file.allow=always", "submodule", "--quiet", "add", o.dir, "modules/config")
	require.NoError(t, err)
	link := filepath.Join(o.root, "link")
	require.NoError(t, os.Symlink(work, link))
	// A clone that borrows all its objects from one that borrows all its own.
	shared := o.clone("--shared")
	twice := filepath.Join(o.root, "a \"quoted\\\" clone:\nü")
	_, err = o.try("", o.root, "clone", "--quiet", "--shared", shared, twice)
	require.NoError(t, err)

	for name, c := range map[string]struct {
		dir  string
		head approval.SHA
	}{
		"bare":             {o.dir, merge},
		"inside of a bare": {filepath.Join(o.dir, "refs"), merge},
		"work tree":        {work, merge},
		"subfolder":        {filepath.Join(work, "dir"), merge},
		"git directory":    {filepath.Join(work, ".git"), merge},
		"linked work tree": {linked, base},
		"submodule":        {filepath.Join(super, "modules/config"), merge},
		"symbolic link":    {link, merge},
		"alternates":       {shared, merge},
		"nested":           {twice, merge},
	} {
		t.Run(name, func(t *testing.T) {
			o.t = t
			l := o.local(c.dir)
			at, err := l.Resolve(t.Context(), "HEAD")
			require.NoError(t, err)
			require.Equal(t, c.head, at)
			commit, err := l.Commit(t.Context(), merge)
			require.NoError(t, err)
			proof, err := l.Prove(t.Context(), commit, head)
			require.NoError(t, err)
			require.Equal(t, approval.Proven, proof.Proof.Result)
		})
	}
}

func TestLocalRefuses(t *testing.T) {
	o := newOrigin(t)
	o.history()
	file := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	dangling := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dangling, ".git"), []byte("gitdir: ../nowhere\n"), 0o600))
	broken := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(broken, ".git"), []byte("what is this\n"), 0o600))
	shallow := filepath.Join(o.root, "shallow")
	_, err := o.try("", o.root, "clone", "--quiet", "--depth=1", "file://"+o.dir, shallow)
	require.NoError(t, err)
	tip, err := o.try("", shallow, "rev-parse", "--short=7", "HEAD")
	require.NoError(t, err)
	sha256 := filepath.Join(o.root, "sha256")
	_, err = o.try("", o.root, "init", "--quiet", "--object-format=sha256", sha256)
	require.NoError(t, err)
	reftable := o.clone()
	_, err = o.try("", reftable, "config", "core.repositoryformatversion", "1")
	require.NoError(t, err)
	_, err = o.try("", reftable, "config", "extensions.refstorage", "reftable")
	require.NoError(t, err)
	badRefs := o.clone()
	require.NoError(t, os.WriteFile(filepath.Join(badRefs, ".git", "packed-refs"), []byte("nonsense\n"), 0o600))

	for name, c := range map[string]struct{ dir, want string }{
		"missing":       {filepath.Join(t.TempDir(), "x"), "no such file"},
		"file":          {file, "is not a folder"},
		"no repository": {t.TempDir(), "is not in a git repository"},
		"dangling link": {dangling, "where no repository is"},
		"broken link":   {broken, "is not a git link"},
		"shallow":       {shallow, "is a shallow clone: the history before " + tip + " is not there; fetch it with git fetch --unshallow"},
		"sha-256":       {sha256, "names its objects with sha256"},
		"reftable":      {reftable, "keeps its refs as reftable"},
		"broken refs":   {badRefs, `packed-refs has the unexpected line "nonsense"`},
	} {
		t.Run(name, func(t *testing.T) {
			scratch := t.TempDir()
			_, err := OpenLocal(t.Context(), LocalOptions{Dir: c.dir, Scratch: scratch})
			require.ErrorContains(t, err, c.want)
			left, err := os.ReadDir(scratch)
			require.NoError(t, err)
			require.Empty(t, left, "a temporary folder is left behind")
		})
	}
	t.Run("unreadable", func(t *testing.T) {
		if os.Getuid() == 0 {
			t.Skip("root may read everything")
		}
		closed := o.clone()
		require.NoError(t, os.Chmod(filepath.Join(closed, ".git"), 0))
		defer func() { _ = os.Chmod(filepath.Join(closed, ".git"), 0o700) }()
		_, err := OpenLocal(t.Context(), LocalOptions{Dir: closed})
		require.ErrorIs(t, err, fs.ErrPermission)
	})
}

// fingerprint is the name, kind, size, content and, but for objects, the
// modification time of everything below a folder.
func fingerprint(t *testing.T, dir string) map[string]string {
	t.Helper()
	all := map[string]string{}
	require.NoError(t, filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		state := info.Mode().String()
		if info.Mode().IsRegular() {
			data, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			state += fmt.Sprintf(" %x", sha256.Sum256(data))
		}
		if rel, _ := filepath.Rel(dir, path); !strings.Contains(rel, "objects/") || info.IsDir() {
			state += " " + info.ModTime().String()
		}
		all[path] = state
		return nil
	}))
	return all
}

// TestLocalRunsNothing: neither hooks nor what the repository's configuration,
// attributes or environment name is run, and the repository stays as it is.
func TestLocalRunsNothing(t *testing.T) {
	o := newOrigin(t)
	_, head, merge := o.history()
	dir := o.clone()
	trap := filepath.Join(o.root, "trap")
	script := filepath.Join(o.root, "script")
	require.NoError(t, os.WriteFile(script, []byte("#!/bin/sh\ntouch "+trap+"\n"), 0o700))
	hooks := filepath.Join(dir, ".git", "hooks")
	for _, hook := range []string{"reference-transaction", "post-index-change", "pre-commit", "post-checkout", "fsmonitor-watchman", "pre-auto-gc"} {
		require.NoError(t, os.Symlink(script, filepath.Join(hooks, hook)))
	}
	included := filepath.Join(o.root, "included")
	require.NoError(t, os.WriteFile(included, []byte("[core]\n\tfsmonitor = "+script+"\n"), 0o600))
	config, err := os.OpenFile(filepath.Join(dir, ".git", "config"), os.O_APPEND|os.O_WRONLY, 0)
	require.NoError(t, err)
	_, err = fmt.Fprintf(config, `[core]
	fsmonitor = %[1]s
	sshCommand = %[1]s
	pager = %[1]s
	editor = %[1]s
	alternateRefsCommand = %[1]s
	gitProxy = %[1]s
	askPass = %[1]s
[diff]
	external = %[1]s
[diff "evil"]
	command = %[1]s
	textconv = %[1]s
[merge]
	renames = false
[merge "evil"]
	driver = %[1]s
[filter "evil"]
	clean = %[1]s
	smudge = %[1]s
	process = %[1]s
[alias]
	rev-parse = !%[1]s
[gpg]
	program = %[1]s
[credential]
	helper = !%[1]s
[include]
	path = %[2]s
[includeIf "gitdir:**"]
	path = %[2]s
[remote "evil"]
	url = ext::%[1]s
	promisor = true
	partialclonefilter = blob:none
[extensions]
	partialClone = evil
`, script, included)
	require.NoError(t, err)
	require.NoError(t, config.Close())
	require.NoError(t, os.MkdirAll(filepath.Join(dir, ".git", "info"), 0o700))
	require.NoError(t, os.WriteFile(filepath.Join(dir, ".git", "info", "attributes"), []byte("* merge=evil diff=evil filter=evil\n"), 0o600))
	for key, value := range map[string]string{"GIT_DIR": "/nonexistent", "GIT_EXTERNAL_DIFF": script, "GIT_SSH_COMMAND": script, "GIT_TRACE": trap,
		"GIT_CONFIG_COUNT": "1", "GIT_CONFIG_KEY_0": "core.fsmonitor", "GIT_CONFIG_VALUE_0": script, "GIT_OBJECT_DIRECTORY": "/nonexistent"} {
		t.Setenv(key, value)
	}
	before := fingerprint(t, dir)

	l := o.local(dir)
	require.True(t, l.Info().Partial)
	require.Contains(t, l.Info().Remotes, o.dir)
	at, err := l.Resolve(t.Context(), "origin/main")
	require.NoError(t, err)
	require.Equal(t, merge, at)
	line, err := l.Line(t.Context(), "", at)
	require.NoError(t, err)
	require.Len(t, line, 3)
	commit, err := l.Commit(t.Context(), merge)
	require.NoError(t, err)
	// Both sides changed the file, so its content has to be merged.
	proof, err := l.Prove(t.Context(), commit, head)
	require.NoError(t, err)
	require.Equal(t, approval.Proven, proof.Proof.Result)
	parent, err := l.Commit(t.Context(), commit.Parents[0])
	require.NoError(t, err)
	changes, err := l.Changes(t.Context(), parent.Tree, commit.Tree)
	require.NoError(t, err)
	require.Len(t, changes, 1)
	// An object that is not there is not fetched.
	_, err = l.Blob(t.Context(), approval.SHA(strings.Repeat("1", 40)), 100)
	require.ErrorIs(t, err, approval.ErrNotFound)
	require.ErrorContains(t, err, "git fetch --refetch")

	require.NoFileExists(t, trap)
	require.Equal(t, before, fingerprint(t, dir))
}

// TestLocalPartial: a clone without file contents tells what it lacks.
func TestLocalPartial(t *testing.T) {
	o := newOrigin(t)
	base := o.commit(tree{"f": lines("0", "0"), "g": "0\n"})
	main := o.commit(tree{"f": lines("main", "0"), "g": "0\n"}, base)
	head := o.commit(tree{"f": lines("0", "head"), "g": "0\n"}, base)
	merge := o.mustLand("merge", main, head)
	later := o.commit(tree{"f": lines("main", "head"), "g": "1\n"}, merge)
	quiet := o.mustLand("merge", merge, later)
	o.branch("main", quiet)
	o.git("", "config", "uploadpack.allowFilter", "true")
	dir := filepath.Join(o.root, "partial")
	_, err := o.try("", o.root, "clone", "--quiet", "--bare", "--filter=blob:none", "file://"+o.dir, dir)
	require.NoError(t, err)
	objects := func() int {
		out, err := o.try("", dir, "count-objects", "-v")
		require.NoError(t, err)
		return len(out) + strings.Count(out, "\n")
	}
	had := objects()
	l := o.local(dir)
	commit, err := l.Commit(t.Context(), merge)
	require.NoError(t, err)
	_, err = l.Prove(t.Context(), commit, head)
	var missing *MissingObjectError
	require.ErrorAs(t, err, &missing)
	require.Contains(t, missing.Remedy(), "the repository is a partial clone")
	// Where no content has to be merged, none is missing.
	commit, err = l.Commit(t.Context(), quiet)
	require.NoError(t, err)
	parent, err := l.Commit(t.Context(), merge)
	require.NoError(t, err)
	tip, err := l.Commit(t.Context(), later)
	require.NoError(t, err)
	ok, err := l.Expect(t.Context(), parent, tip, parent, commit.Tree)
	require.NoError(t, err)
	require.True(t, ok)
	require.Equal(t, had, objects(), "something was fetched")
}

// TestLocalReplacements: what the names say is read, and replacements are told.
func TestLocalReplacements(t *testing.T) {
	o := newOrigin(t)
	_, _, merge := o.history()
	fake := o.commit(tree{"f": "fake\n"})
	o.git("", "replace", string(merge), string(fake))
	require.NoError(t, os.WriteFile(filepath.Join(o.dir, "info", "grafts"), []byte(string(fake)+"\n"), 0o600))
	l := o.local(o.dir)
	require.Equal(t, []approval.SHA{merge, fake}, l.Info().Replaced)
	c, err := l.Commit(t.Context(), merge)
	require.NoError(t, err)
	require.Len(t, c.Parents, 2)
	line, err := l.Line(t.Context(), "", merge)
	require.NoError(t, err)
	require.Len(t, line, 3)
}

func TestLocalResolve(t *testing.T) {
	o := newOrigin(t)
	base, head, merge := o.history()
	o.git("", "tag", "light", string(base))
	o.git("", "tag", "-a", "-m", "tag", "v1.0", string(base))
	o.git("", "tag", "-a", "-m", "tag", "tagged-tag", "v1.0")
	o.branch("feature/x", head)
	o.git("", "symbolic-ref", "refs/remotes/origin/HEAD", "refs/heads/main")
	o.git("", "pack-refs", "--all")
	o.branch("loose", base)
	l := o.local(o.dir)
	for revision, want := range map[string]approval.SHA{
		"HEAD": merge, "main": merge, "refs/heads/main": merge, "origin": merge, "HEAD^2": head, "HEAD~2": base, "main^{commit}": merge,
		"light": base, "v1.0": base, "v1.0^{}": base, "v1.0^{commit}": base, "tagged-tag": base, "feature/x": head, "loose": base,
		string(merge): merge, string(merge[:9]): merge, "refs/pull/1/head": head,
	} {
		got, err := l.Resolve(t.Context(), revision)
		require.NoError(t, err, revision)
		require.Equal(t, want, got, revision)
	}
	for _, revision := range []string{"", "nope", "HEAD~99", "--all", "-h", "main\nHEAD", "main@{1}", "main^{tree}:f", "main:f", string(merge[:3]),
		strings.Repeat("1", 40), strings.Repeat("x", 600)} {
		_, err := l.Resolve(t.Context(), revision)
		require.Error(t, err, revision)
	}

	// A ref that moves is seen after Refresh.
	o.branch("main", base)
	got, err := l.Resolve(t.Context(), "main")
	require.NoError(t, err)
	require.Equal(t, merge, got)
	require.NoError(t, l.Refresh(t.Context()))
	got, err = l.Resolve(t.Context(), "main")
	require.NoError(t, err)
	require.Equal(t, base, got)
}

func TestLocalLine(t *testing.T) {
	o := newOrigin(t)
	base, head, merge := o.history()
	other := o.commit(tree{"x": "unrelated\n"})
	aside := o.commit(tree{"f": "aside\n"}, merge)
	tip := o.commit(tree{"f": "tip\n"}, merge)
	o.branch("main", tip)
	o.branch("aside", aside)
	o.branch("other", other)
	l := o.local(o.dir)
	line, err := l.Line(t.Context(), base, tip)
	require.NoError(t, err)
	require.Len(t, line, 3)
	require.Equal(t, []approval.SHA{merge, tip}, line[1:])
	line, err = l.Line(t.Context(), tip, tip)
	require.NoError(t, err)
	require.Empty(t, line)
	for name, c := range map[string]struct {
		after approval.SHA
		head  approval.SHA
		want  string
	}{
		"swapped":        {tip, merge, "were the ends of the range swapped? Try " + merge.Short() + ".." + tip.Short()},
		"merged branch":  {head, tip, "is not on the first-parent line of " + tip.Short() + ", along which landings are listed; their merge base is " + head.Short() + ". Try " + base.Short() + ".." + tip.Short()},
		"aside":          {aside, tip, "their merge base is " + merge.Short() + ". Try " + merge.Short()},
		"without a base": {other, tip, "have no common history"},
	} {
		_, err := l.Line(t.Context(), c.after, c.head)
		require.ErrorContains(t, err, c.want, name)
	}
}

func TestPullHeads(t *testing.T) {
	for name, want := range map[string]int{
		"refs/pull/12/head": 12, "refs/remotes/origin/pr/7": 7, "refs/remotes/origin/pull/7/head": 7, "refs/merge-requests/3/head": 3,
		"refs/pull-requests/4/from": 4, "refs/pull/12/merge": 0, "refs/pull/012/head": 0, "refs/pull/0/head": 0, "refs/pull/x/head": 0,
		"refs/heads/pull/1/head": 0, "refs/pull/99999999999/head": 0, "refs/pull": 0, "refs/pull/1/head/x": 0, "refs/tags/pr/1": 0, "refs/remotes/pr": 0,
	} {
		got, ok := pullNumber(name)
		require.Equal(t, want > 0, ok, name)
		if ok {
			require.Equal(t, want, got, name)
		}
	}
	o := newOrigin(t)
	base, head, _ := o.history()
	o.git("", "update-ref", "refs/remotes/upstream/pr/2", string(base))
	o.git("", "update-ref", "refs/remotes/origin/pr/2", string(head))
	require.Equal(t, map[int]approval.SHA{1: head}, o.local(o.dir).PullHeads(), "#2 is ambiguous")
}
