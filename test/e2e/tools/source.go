package tools

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// modulePath is the module that has this package.
const modulePath = "github.com/argo-gatekeeper/gatekeeper"

// ErrNotInModule is returned by ModuleRoot outside the project's source tree.
var ErrNotInModule = errors.New("not inside the source tree of " + modulePath)

// ModuleRoot returns the root folder of the project: the nearest folder at or
// above dir whose go.mod declares the project's module. A nested tool module on
// the way up is passed over.
func ModuleRoot(dir string) (string, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return "", fmt.Errorf("find the module root: %w", err)
	}
	for current := dir; ; current = filepath.Dir(current) {
		declared, err := declaredModule(filepath.Join(current, "go.mod"))
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			return "", fmt.Errorf("find the module root: %w", err)
		}
		if declared == modulePath {
			return current, nil
		}
		if filepath.Dir(current) == current {
			return "", fmt.Errorf("find the module root from %s: %w", dir, ErrNotInModule)
		}
	}
}

// declaredModule reads the module line of a go.mod file.
func declaredModule(path string) (string, error) {
	file, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer func() { _ = file.Close() }()
	lines := bufio.NewScanner(file)
	for lines.Scan() {
		if name, found := strings.CutPrefix(strings.TrimSpace(lines.Text()), "module "); found {
			return strings.Trim(strings.TrimSpace(name), `"`), nil
		}
	}
	return "", lines.Err()
}

// CacheDir returns the folder that holds everything built for the sandbox:
// GATEKEEPER_TOOLS_CACHE, or gatekeeper/tools in the user's cache folder.
func CacheDir() (string, error) {
	if dir := os.Getenv("GATEKEEPER_TOOLS_CACHE"); dir != "" {
		absolute, err := filepath.Abs(dir)
		if err != nil {
			return "", fmt.Errorf("resolve GATEKEEPER_TOOLS_CACHE: %w", err)
		}
		return absolute, nil
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("find the user's cache folder (set GATEKEEPER_TOOLS_CACHE): %w", err)
	}
	return filepath.Join(cache, "gatekeeper", "tools"), nil
}
