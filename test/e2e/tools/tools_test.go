package tools

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestModuleRoot(t *testing.T) {
	root := t.TempDir()
	nested := filepath.Join(root, "test", "e2e", "tools", "kwok")
	require.NoError(t, os.MkdirAll(nested, 0o750))
	require.NoError(t, os.WriteFile(filepath.Join(nested, "go.mod"), []byte("module "+modulePath+"/test/e2e/tools/kwok\n"), 0o600))
	_, err := ModuleRoot(nested)
	require.ErrorIs(t, err, ErrNotInModule)

	require.NoError(t, os.WriteFile(filepath.Join(root, "go.mod"), []byte("// the project\n\nmodule "+modulePath+"\n"), 0o600))
	got, err := ModuleRoot(nested)
	require.NoError(t, err)
	require.Equal(t, root, got)
}

func TestCacheDir(t *testing.T) {
	t.Setenv("GATEKEEPER_TOOLS_CACHE", "")
	t.Setenv("XDG_CACHE_HOME", "/somewhere")
	dir, err := CacheDir()
	require.NoError(t, err)
	if strings.HasPrefix(dir, "/somewhere") { // not on systems with another convention
		require.Equal(t, "/somewhere/gatekeeper/tools", dir)
	}
	t.Setenv("GATEKEEPER_TOOLS_CACHE", "/elsewhere")
	dir, err = CacheDir()
	require.NoError(t, err)
	require.Equal(t, "/elsewhere", dir)
}

// TestTable compares the table with the module folders: every folder is listed, and
// each program is a tool of its module, so that go.mod and go.sum pin it.
func TestTable(t *testing.T) {
	folders, err := filepath.Glob("*/go.mod")
	require.NoError(t, err)
	var names []string
	for _, module := range Table() {
		names = append(names, module.Name)
		content, err := os.ReadFile(filepath.Join(module.Name, "go.mod"))
		require.NoError(t, err)
		for _, binary := range module.Binaries {
			require.Regexp(t, `(?m)^\s*(tool )?`+binary.Package+`$`, string(content))
			if binary.Stamp.Module != "" {
				require.Contains(t, string(content), "\t"+binary.Stamp.Module+" v")
			}
		}
		for _, files := range module.Files {
			require.Contains(t, string(content), files.Module+" v")
		}
	}
	require.Len(t, folders, len(names))
	for _, folder := range folders {
		require.Contains(t, names, filepath.Dir(folder))
	}
	for _, argocd := range []string{ArgoCD2, ArgoCD3} {
		for _, name := range Sandbox(argocd) {
			require.Contains(t, names, name)
		}
	}
}

// TestOneKubernetes: kubectl is of the version of the API server.
func TestOneKubernetes(t *testing.T) {
	var found []string
	for _, name := range []string{Kubernetes, Kubectl} {
		content, err := os.ReadFile(filepath.Join(name, "go.mod"))
		require.NoError(t, err)
		for line := range strings.Lines(string(content)) {
			if version, ok := strings.CutPrefix(strings.TrimSpace(line), "k8s.io/kubernetes v"); ok {
				found = append(found, version)
			}
		}
	}
	require.Len(t, found, 2)
	require.Equal(t, found[0], found[1])
}

func TestLinkerFlags(t *testing.T) {
	require.Equal(t, "-s -w", Stamp{}.linkerFlags(""))
	stamp := Stamp{Module: "m", Variables: map[string]string{"b.minor": "{major}/{minor}", "a.version": "{version} {number}"}}
	require.Equal(t, "-s -w -X a.version=v1.34.4 1.34.4 -X b.minor=1/34", stamp.linkerFlags("v1.34.4"))
}

func TestCacheKey(t *testing.T) {
	dir := t.TempDir()
	write := func(name, content string) {
		t.Helper()
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600))
	}
	module := Module{Name: "m", Binaries: []Binary{{Name: "b", Package: "p"}}}
	key := func(toolchain string) string {
		t.Helper()
		key, err := cacheKey(module, dir, toolchain)
		require.NoError(t, err)
		return key
	}
	_, err := cacheKey(module, dir, "go1")
	require.ErrorIs(t, err, os.ErrNotExist)
	write("go.mod", "a")
	write("go.sum", "bc")
	keys := []string{key("go1")}
	require.Equal(t, keys[0], key("go1"))
	keys = append(keys, key("go2"))
	write("go.mod", "ab")
	write("go.sum", "c")
	keys = append(keys, key("go1"))
	module.Binaries[0].Stamp.Module = "s"
	keys = append(keys, key("go1"))
	slices.Sort(keys)
	require.Len(t, slices.Compact(keys), 4, "everything that decides the result is in the key")
}

func TestLockFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lock")
	unlock, err := lockFile(t.Context(), path, nil)
	require.NoError(t, err)

	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	waited := 0
	_, err = lockFile(ctx, path, func() { waited++ })
	require.ErrorIs(t, err, context.DeadlineExceeded)
	require.Equal(t, 1, waited)

	acquired := make(chan error, 1)
	waiting := make(chan struct{})
	go func() {
		second, err := lockFile(t.Context(), path, func() { close(waiting) })
		if err == nil {
			second()
		}
		acquired <- err
	}()
	<-waiting
	unlock()
	require.NoError(t, <-acquired)
}

func TestFollowBuild(t *testing.T) {
	p := NewProgress(nil)
	complaints, compiled := p.followBuild(strings.NewReader(
		"internal/abi\nexample.com/a\ngo: downloading example.com/b v1.0.0\n# example.com/a\na.go:1:2: undefined: x\n"), "a")
	require.Equal(t, 2, compiled)
	require.Equal(t, "go: downloading example.com/b v1.0.0\n# example.com/a\na.go:1:2: undefined: x\n", complaints)
}

// project writes a project with one tool module and returns a builder for it.
func project(t *testing.T, source string) (*Builder, Module, *bytes.Buffer) {
	t.Helper()
	root := t.TempDir()
	dir := filepath.Join(root, "test", "e2e", "tools", "small")
	require.NoError(t, os.MkdirAll(filepath.Join(dir, "data", "deep"), 0o750))
	for name, content := range map[string]string{
		"go.mod": "module example.com/small\n\ngo 1.26.0\n", "go.sum": "", "main.go": source,
		"data/one.yaml": "one", "data/deep/two.yaml": "two",
	} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600))
	}
	out := &bytes.Buffer{}
	module := Module{
		Name:     "small",
		Binaries: []Binary{{Name: "hello", Package: "example.com/small", Stamp: Stamp{Module: "example.com/small", Variables: map[string]string{"main.text": "hi{number}"}}}},
		Files: []Files{
			{Module: "example.com/small", From: "data", To: "flat"},
			{Module: "example.com/small", From: "data", To: "all/of/it", Recursive: true},
		},
	}
	return &Builder{root: root, cache: filepath.Join(t.TempDir(), "cache"), progress: NewProgress(out)}, module, out
}

const helloSource = "package main\n\nvar text string\n\nfunc main() { println(text) }\n"

func TestBuild(t *testing.T) {
	b, module, out := project(t, helloSource)
	dir, err := b.ensure(t.Context(), module, "go1")
	require.NoError(t, err)
	said, err := exec.CommandContext(t.Context(), filepath.Join(dir, "hello")).CombinedOutput()
	require.NoError(t, err)
	require.Equal(t, "hi\n", string(said))
	require.FileExists(t, filepath.Join(dir, "flat", "one.yaml"))
	require.NoDirExists(t, filepath.Join(dir, "flat", "deep"))
	require.FileExists(t, filepath.Join(dir, "all", "of", "it", "deep", "two.yaml"))
	require.Contains(t, out.String(), "small: built in")

	out.Reset()
	again, err := b.ensure(t.Context(), module, "go1")
	require.NoError(t, err)
	require.Equal(t, dir, again)
	require.Empty(t, out.String(), "nothing is built twice")

	other, err := b.ensure(t.Context(), module, "go2")
	require.NoError(t, err)
	require.NotEqual(t, dir, other)
}

func TestBuildThatFailsLeavesNothing(t *testing.T) {
	b, module, _ := project(t, "package main\n\nfunc main() { undefined() }\n")
	_, err := b.ensure(t.Context(), module, "go1")
	require.ErrorContains(t, err, "undefined: undefined")
	left, err := filepath.Glob(filepath.Join(b.cache, "small-*"))
	require.NoError(t, err)
	require.Empty(t, left)
}

func TestBuildAfterAnInterruptedOne(t *testing.T) {
	b, module, _ := project(t, helloSource)
	key, err := cacheKey(module, b.sourceDir(module), "go1")
	require.NoError(t, err)
	partial := filepath.Join(b.cache, "small-"+key+".partial")
	require.NoError(t, os.MkdirAll(partial, 0o750))
	require.NoError(t, os.WriteFile(filepath.Join(partial, "hello"), []byte("half"), 0o600))
	dir, err := b.ensure(t.Context(), module, "go1")
	require.NoError(t, err)
	require.NoDirExists(t, partial)
	info, err := os.Stat(filepath.Join(dir, "hello"))
	require.NoError(t, err)
	require.Greater(t, info.Size(), int64(1000))
}

func TestEnsureUnknown(t *testing.T) {
	b, err := NewBuilder(".", nil)
	require.NoError(t, err)
	_, err = b.Ensure(t.Context(), "nonsense")
	require.ErrorIs(t, err, ErrUnknownModule)
}

func TestProduct(t *testing.T) {
	b, _, _ := project(t, helloSource)
	require.NoError(t, os.WriteFile(filepath.Join(b.root, "go.mod"), []byte("module example.com/project\n\ngo 1.26.0\n"), 0o600))
	require.NoError(t, os.MkdirAll(filepath.Join(b.root, "cmd", "thing"), 0o750))
	main := filepath.Join(b.root, "cmd", "thing", "main.go")
	require.NoError(t, os.WriteFile(main, []byte("package main\n\nfunc main() { println(1) }\n"), 0o600))
	first, second := filepath.Join(b.root, "first"), filepath.Join(b.root, "second")
	require.NoError(t, b.Product(t.Context(), "./cmd/thing", first))
	require.NoError(t, os.WriteFile(main, []byte("package main\n\nfunc main() { println(2) }\n"), 0o600))
	require.NoError(t, b.Product(t.Context(), "./cmd/thing", second))
	for path, want := range map[string]string{first: "1\n", second: "2\n"} {
		said, err := exec.CommandContext(t.Context(), path).CombinedOutput()
		require.NoError(t, err)
		require.Equal(t, want, string(said))
	}
	require.Error(t, b.Product(t.Context(), "./cmd/thing", first), "an existing file is not overwritten")
	require.Error(t, b.Product(t.Context(), "./cmd/nothing", filepath.Join(b.root, "third")))
}
