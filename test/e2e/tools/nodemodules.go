package tools

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// ErrNoNode is returned by NodeModules when Node or npm cannot be run.
var ErrNoNode = errors.New("node and npm are needed")

// npmFiles decide what npm ci installs.
var npmFiles = []string{"package.json", "package-lock.json", ".npmrc"}

// NodeModules installs what the lock file in source lists, without running any
// package's scripts, and returns the cache folder that holds package.json and
// node_modules. Nothing is written to source. The first call for a lock file and a
// Node version uses the network, as npm is configured.
func (b *Builder) NodeModules(ctx context.Context, source string) (string, error) {
	digest := sha256.New()
	versions, err := nodeVersions(ctx)
	if err != nil {
		return "", err
	}
	_, _ = fmt.Fprintln(digest, versions) // a hash never returns an error
	for _, name := range npmFiles {
		content, err := os.ReadFile(filepath.Join(source, name))
		if err != nil {
			return "", fmt.Errorf("digest the Node packages: %w", err)
		}
		_, _ = fmt.Fprintf(digest, "%s %d\n%s", name, len(content), content)
	}
	dir, err := b.cached(ctx, "node", hex.EncodeToString(digest.Sum(nil))[:16], func(dir string) error {
		return b.npmCI(ctx, source, dir)
	})
	if err != nil {
		return "", fmt.Errorf("install the Node packages: %w", err)
	}
	return dir, nil
}

// nodeVersions are those of Node and npm, which may install differently.
func nodeVersions(ctx context.Context) (string, error) {
	var versions []string
	for _, program := range []string{"node", "npm"} {
		out, err := exec.CommandContext(ctx, program, "--version").Output()
		if err != nil {
			return "", fmt.Errorf("%w: run %s --version: %w", ErrNoNode, program, err)
		}
		versions = append(versions, strings.TrimSpace(string(out)))
	}
	return strings.Join(versions, " "), nil
}

func (b *Builder) npmCI(ctx context.Context, source, dir string) error {
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return fmt.Errorf("create the folder: %w", err)
	}
	for _, name := range npmFiles {
		content, err := os.ReadFile(filepath.Join(source, name))
		if err != nil {
			return fmt.Errorf("copy %s: %w", name, err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o600); err != nil {
			return fmt.Errorf("copy %s: %w", name, err)
		}
	}
	start := time.Now()
	b.progress.Line("node: installing the packages of the lock file")
	cmd := exec.CommandContext(ctx, "npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--no-update-notifier")
	cmd.Dir = dir
	cmd.WaitDelay = 10 * time.Second
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("run npm ci: %w\n%s", err, out)
	}
	b.progress.Line("node: installed in %s", time.Since(start).Round(100*time.Millisecond))
	return nil
}
