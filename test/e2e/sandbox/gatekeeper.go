package sandbox

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"
)

// gatekeeperBuild builds the product once for each sandbox and remembers its
// processes.
type gatekeeperBuild struct {
	pkg string // the main package, relative to the module root

	mu        sync.Mutex
	path      string // of the result, once it is built
	processes []*Process
}

func (g *gatekeeperBuild) owns(process *Process) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return slices.Contains(g.processes, process)
}

// StartGatekeeper builds cmd/gatekeeper from the source tree, the first time it is
// called, and runs it with the given arguments. The process has PATH, a HOME and
// TMPDIR of its own, and GOCOVERDIR when it is set; no Kubernetes configuration
// that the arguments do not name. A process that was killed may be started again
// under its name; its log continues.
func (s *Sandbox) StartGatekeeper(ctx context.Context, name string, args ...string) (*Process, error) {
	path, err := s.buildGatekeeper(ctx)
	if err != nil {
		return nil, err
	}
	var env []string
	if dir := os.Getenv("GOCOVERDIR"); dir != "" {
		env = append(env, "GOCOVERDIR="+dir)
	}
	process, err := s.StartProcess(ctx, Command{Name: name, Path: path, Args: args, Env: env})
	if err != nil {
		return nil, err
	}
	s.gatekeeper.mu.Lock()
	defer s.gatekeeper.mu.Unlock()
	s.gatekeeper.processes = append(s.gatekeeper.processes, process)
	return process, nil
}

// buildGatekeeper builds the product into the cache, where an unchanged result of
// an earlier run is taken over, and copies it into the sandbox: a later build may
// replace the one in the cache while this one runs.
func (s *Sandbox) buildGatekeeper(ctx context.Context) (string, error) {
	s.gatekeeper.mu.Lock()
	defer s.gatekeeper.mu.Unlock()
	if s.gatekeeper.path != "" {
		return s.gatekeeper.path, nil
	}
	start := time.Now()
	path := filepath.Join(s.dir, "gatekeeper")
	s.progress.Line("building gatekeeper (minutes the first time)")
	if err := s.builder.Product(ctx, s.gatekeeper.pkg, path); err != nil {
		return "", fmt.Errorf("build gatekeeper: %w", err)
	}
	s.progress.Line("gatekeeper built in %s", time.Since(start).Round(100*time.Millisecond))
	s.gatekeeper.path = path
	return path, nil
}
