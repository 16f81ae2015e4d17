package sandbox

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// UseToken makes CLIAs act with a token that was made by other means, such as that
// of a project's role, under a name of the caller's choice.
func (a *ArgoCD) UseToken(name, token string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.tokens[name] = token
}

// CLIKube runs the argocd command line beside argocd-server, with id's rights in
// Kubernetes alone: as "argocd admin ..." does, and every command with --core. It
// returns standard output and standard error.
func (a *ArgoCD) CLIKube(ctx context.Context, id Identity, args ...string) ([]byte, error) {
	home := filepath.Join(a.sandbox.dir, "home", "cli-kube-"+string(id))
	if err := os.MkdirAll(home, 0o700); err != nil {
		return nil, fmt.Errorf("create the home of the argocd command: %w", err)
	}
	cmd := exec.CommandContext(ctx, a.sandbox.tool("argocd"), args...)
	cmd.Dir = home
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + home, "TMPDIR=" + home, "KUBECONFIG=" + a.sandbox.Kubeconfig(id)}
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := a.sandbox.launcher.start(cmd); err != nil {
		return nil, fmt.Errorf("run argocd %s: %w", strings.Join(args, " "), err)
	}
	if err := cmd.Wait(); err != nil {
		return out.Bytes(), fmt.Errorf("run argocd %s: %w: %s", strings.Join(args, " "), err, strings.TrimSpace(out.String()))
	}
	return out.Bytes(), nil
}
