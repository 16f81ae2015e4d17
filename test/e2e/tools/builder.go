package tools

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// ErrUnknownModule is returned for a name that Table does not list.
var ErrUnknownModule = errors.New("unknown tool module")

// Builder builds tool modules into the cache. It may be used concurrently, also
// by several processes on the same cache.
type Builder struct {
	root     string
	cache    string
	progress *Progress
}

// NewBuilder returns a builder for the project that has dir in its source tree.
// Lines about long steps go to out; nil discards them.
func NewBuilder(dir string, out io.Writer) (*Builder, error) {
	root, err := ModuleRoot(dir)
	if err != nil {
		return nil, err
	}
	cache, err := CacheDir()
	if err != nil {
		return nil, err
	}
	return &Builder{root: root, cache: cache, progress: NewProgress(out)}, nil
}

// Root returns the root folder of the project.
func (b *Builder) Root() string { return b.root }

// Ensure builds the named modules that are not in the cache yet, one after
// another, and returns the cache folder of each. Each folder holds the binaries
// and files that Table lists for the module.
func (b *Builder) Ensure(ctx context.Context, names ...string) (map[string]string, error) {
	toolchain, err := goOutput(ctx, b.root, "env", "GOVERSION", "GOOS", "GOARCH")
	if err != nil {
		return nil, err
	}
	dirs := make(map[string]string, len(names))
	for _, name := range names {
		module, err := find(name)
		if err != nil {
			return nil, err
		}
		dir, err := b.ensure(ctx, module, string(toolchain))
		if err != nil {
			return nil, fmt.Errorf("build the tools of %s: %w", name, err)
		}
		dirs[name] = dir
	}
	return dirs, nil
}

func find(name string) (Module, error) {
	for _, module := range Table() {
		if module.Name == name {
			return module, nil
		}
	}
	return Module{}, fmt.Errorf("%w %q", ErrUnknownModule, name)
}

func (b *Builder) ensure(ctx context.Context, module Module, toolchain string) (string, error) {
	source := b.sourceDir(module)
	key, err := cacheKey(module, source, toolchain)
	if err != nil {
		return "", err
	}
	return b.cached(ctx, module.Name, key, func(dir string) error { return b.fill(ctx, module, source, dir) })
}

// cached returns the cache folder of a name and a key. When there is none, fill
// makes it under a temporary name, which is gone when fill fails.
func (b *Builder) cached(ctx context.Context, name, key string, fill func(dir string) error) (string, error) {
	final := filepath.Join(b.cache, name+"-"+key)
	if isDir(final) {
		return final, nil
	}
	if err := os.MkdirAll(b.cache, 0o750); err != nil {
		return "", fmt.Errorf("create the cache: %w", err)
	}
	unlock, err := lockFile(ctx, filepath.Join(b.cache, name+".lock"), func() {
		b.progress.Line("%s: another process builds it; waiting", name)
	})
	if err != nil {
		return "", err
	}
	defer unlock()
	if isDir(final) {
		return final, nil
	}
	// Whoever holds the lock owns every unfinished folder of that name.
	unfinished, err := filepath.Glob(filepath.Join(b.cache, name+"-*.partial"))
	if err != nil {
		return "", fmt.Errorf("list unfinished builds: %w", err)
	}
	for _, dir := range unfinished {
		if err := os.RemoveAll(dir); err != nil {
			return "", fmt.Errorf("remove an unfinished build: %w", err)
		}
	}
	partial := final + ".partial"
	if err := fill(partial); err != nil {
		return "", errors.Join(err, os.RemoveAll(partial))
	}
	if err := os.Rename(partial, final); err != nil {
		return "", fmt.Errorf("publish the build: %w", err)
	}
	return final, nil
}

// fill builds the binaries of a module and copies its files into dir.
func (b *Builder) fill(ctx context.Context, module Module, source, dir string) error {
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return fmt.Errorf("create the build folder: %w", err)
	}
	start := time.Now()
	b.progress.Line("%s: building (the first build takes minutes)", module.Name)
	for _, binary := range module.Binaries {
		flags, err := linkerFlags(ctx, source, binary.Stamp)
		if err != nil {
			return err
		}
		output := filepath.Join(dir, binary.Name)
		if err := b.progress.goBuild(ctx, source, binary, flags, output); err != nil {
			return err
		}
	}
	for _, files := range module.Files {
		if err := copyFiles(ctx, source, files, dir); err != nil {
			return err
		}
	}
	b.progress.Line("%s: built in %s", module.Name, time.Since(start).Round(100*time.Millisecond))
	return nil
}

func (b *Builder) sourceDir(module Module) string {
	return filepath.Join(b.root, "test", "e2e", "tools", module.Name)
}

// cacheKey digests everything that decides what a build produces.
func cacheKey(module Module, source, toolchain string) (string, error) {
	digest := sha256.New()
	entry, err := json.Marshal(module)
	if err != nil {
		return "", fmt.Errorf("digest the table entry: %w", err)
	}
	parts := [][]byte{[]byte(toolchain), entry}
	for _, name := range []string{"go.mod", "go.sum"} {
		content, err := os.ReadFile(filepath.Join(source, name))
		if err != nil {
			return "", fmt.Errorf("digest the module: %w", err)
		}
		parts = append(parts, content)
	}
	for _, part := range parts {
		// The length keeps the parts apart. A hash never returns an error.
		_, _ = fmt.Fprintf(digest, "%d\n", len(part))
		_, _ = digest.Write(part)
	}
	return hex.EncodeToString(digest.Sum(nil))[:16], nil
}

// linkerFlags resolves a stamp against the versions that go.mod selects.
func linkerFlags(ctx context.Context, source string, stamp Stamp) (string, error) {
	if stamp.Module == "" {
		return stamp.linkerFlags(""), nil
	}
	version, err := goOutput(ctx, source, "list", "-m", "-f", "{{.Version}}", stamp.Module)
	if err != nil {
		return "", err
	}
	return stamp.linkerFlags(strings.TrimSpace(string(version))), nil
}

// copyFiles copies a folder of a module out of the module cache.
func copyFiles(ctx context.Context, source string, files Files, dir string) error {
	out, err := goOutput(ctx, source, "list", "-m", "-f", "{{.Dir}}", files.Module)
	if err != nil {
		return err
	}
	from := filepath.Join(strings.TrimSpace(string(out)), filepath.FromSlash(files.From))
	to := filepath.Join(dir, filepath.FromSlash(files.To))
	if files.Recursive {
		if err := os.CopyFS(to, os.DirFS(from)); err != nil {
			return fmt.Errorf("copy %s of %s: %w", files.From, files.Module, err)
		}
		return nil
	}
	entries, err := os.ReadDir(from)
	if err != nil {
		return fmt.Errorf("copy %s of %s: %w", files.From, files.Module, err)
	}
	if err := os.MkdirAll(to, 0o750); err != nil {
		return fmt.Errorf("copy %s of %s: %w", files.From, files.Module, err)
	}
	for _, entry := range entries {
		if !entry.Type().IsRegular() {
			continue
		}
		content, err := os.ReadFile(filepath.Join(from, entry.Name()))
		if err != nil {
			return fmt.Errorf("copy %s of %s: %w", files.From, files.Module, err)
		}
		if err := os.WriteFile(filepath.Join(to, entry.Name()), content, 0o600); err != nil {
			return fmt.Errorf("copy %s of %s: %w", files.From, files.Module, err)
		}
	}
	return nil
}

func isDir(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}

func sortedKeys(m map[string]string) []string {
	return slices.Sorted(maps.Keys(m))
}
