package sandbox

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"time"
)

// adminAccount is Argo CD's built-in account.
const adminAccount = "admin"

// maxAPIBody bounds an answer of Argo CD's API.
const maxAPIBody = 8 << 20

// ArgoCD is the Argo CD of a sandbox. It may be used concurrently.
type ArgoCD struct {
	sandbox       *Sandbox
	module        string // the tool module
	addr          string
	adminPassword string
	client        *http.Client

	mu     sync.Mutex
	tokens map[string]string // account to the token that the CLI uses
}

func newArgoCD(s *Sandbox, module string) *ArgoCD {
	return &ArgoCD{
		sandbox: s, module: module, adminPassword: randomHex(),
		client: &http.Client{Timeout: 30 * time.Second},
		tokens: make(map[string]string),
	}
}

// Version returns the version that runs.
func (a *ArgoCD) Version() Version { return a.sandbox.options.ArgoCD }

// Addr returns host and port of argocd-server, which speaks plain HTTP and gRPC.
func (a *ArgoCD) Addr() string { return a.addr }

// URL returns the address of argocd-server's API.
func (a *ArgoCD) URL() string { return "http://" + a.addr }

// AdminPassword returns the password of the account admin.
func (a *ArgoCD) AdminPassword() string { return a.adminPassword }

// AccountToken returns a new API token of a local account. The sandbox has the
// accounts gatekeeper, which may only get Applications, and developer, which may
// do everything with them. The token is valid when it is returned and does not
// expire.
func (a *ArgoCD) AccountToken(ctx context.Context, account string) (string, error) {
	admin, err := a.adminToken(ctx)
	if err != nil {
		return "", err
	}
	var created struct{ Token string }
	path := "/api/v1/account/" + url.PathEscape(account) + "/token"
	if err := a.call(ctx, http.MethodPost, path, admin, map[string]any{"expiresIn": 0}, &created); err != nil {
		return "", fmt.Errorf("create a token for the account %s: %w", account, err)
	}
	// The server accepts the token when it has seen its own change of the secret.
	err = await(ctx, "the token of "+account, func(ctx context.Context) error {
		var info struct{ LoggedIn bool }
		if err := a.call(ctx, http.MethodGet, "/api/v1/session/userinfo", created.Token, nil, &info); err != nil {
			return err
		}
		if !info.LoggedIn {
			return errors.New("not logged in")
		}
		return nil
	})
	if err != nil {
		return "", err
	}
	return created.Token, nil
}

// adminToken logs in once.
func (a *ArgoCD) adminToken(ctx context.Context) (string, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if token := a.tokens[adminAccount]; token != "" {
		return token, nil
	}
	var session struct{ Token string }
	login := map[string]string{"username": adminAccount, "password": a.adminPassword}
	if err := a.call(ctx, http.MethodPost, "/api/v1/session", "", login, &session); err != nil {
		return "", fmt.Errorf("log in to Argo CD: %w", err)
	}
	a.tokens[adminAccount] = session.Token
	return session.Token, nil
}

// cliToken returns the token with which the CLI acts for an account.
func (a *ArgoCD) cliToken(ctx context.Context, account string) (string, error) {
	if account == adminAccount {
		return a.adminToken(ctx)
	}
	a.mu.Lock()
	token := a.tokens[account]
	a.mu.Unlock()
	if token != "" {
		return token, nil
	}
	token, err := a.AccountToken(ctx, account)
	if err != nil {
		return "", err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.tokens[account] = token
	return token, nil
}

// call sends one JSON request and decodes the answer into out.
func (a *ArgoCD) call(ctx context.Context, method, path, token string, in, out any) error {
	var body io.Reader
	if in != nil {
		encoded, err := json.Marshal(in)
		if err != nil {
			return fmt.Errorf("encode %s: %w", path, err)
		}
		body = bytes.NewReader(encoded)
	}
	request, err := http.NewRequestWithContext(ctx, method, a.URL()+path, body)
	if err != nil {
		return fmt.Errorf("call %s: %w", path, err)
	}
	request.Header.Set("Content-Type", "application/json")
	if token != "" {
		request.Header.Set("Authorization", "Bearer "+token)
	}
	response, err := a.client.Do(request)
	if err != nil {
		return fmt.Errorf("call %s: %w", path, err)
	}
	defer func() { _ = response.Body.Close() }()
	answer, err := io.ReadAll(io.LimitReader(response.Body, maxAPIBody))
	if err != nil {
		return fmt.Errorf("call %s: %w", path, err)
	}
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("call %s: %s: %s", path, response.Status, strings.TrimSpace(string(answer)))
	}
	if err := json.Unmarshal(answer, out); err != nil {
		return fmt.Errorf("decode the answer of %s: %w", path, err)
	}
	return nil
}

// CLI runs the argocd command line as admin and returns its standard output. The
// error of a command that fails carries its standard error, and the exit status can
// be had with errors.As and *exec.ExitError.
func (a *ArgoCD) CLI(ctx context.Context, args ...string) ([]byte, error) {
	return a.CLIAs(ctx, adminAccount, args...)
}

// CLIAs runs the argocd command line as a local account.
func (a *ArgoCD) CLIAs(ctx context.Context, account string, args ...string) ([]byte, error) {
	home, err := a.cliHome(ctx, account)
	if err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, a.sandbox.tool("argocd"), args...)
	cmd.Dir = home
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + home, "TMPDIR=" + home}
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := a.sandbox.launcher.start(cmd); err != nil {
		return nil, fmt.Errorf("run argocd %s: %w", strings.Join(args, " "), err)
	}
	if err := cmd.Wait(); err != nil {
		return stdout.Bytes(), fmt.Errorf("run argocd %s: %w: %s", strings.Join(args, " "), err, strings.TrimSpace(stderr.String()))
	}
	return stdout.Bytes(), nil
}

// Home returns a home folder in which the command line of the sandbox's argocd is logged in
// as an account, for callers that run it themselves.
func (a *ArgoCD) Home(ctx context.Context, account string) (string, error) {
	return a.cliHome(ctx, account)
}

// cliHome returns a home folder in which the command line is logged in. The token
// is in a file: arguments and environment are visible to other programs.
func (a *ArgoCD) cliHome(ctx context.Context, account string) (string, error) {
	token, err := a.cliToken(ctx, account)
	if err != nil {
		return "", err
	}
	home := filepath.Join(a.sandbox.dir, "home", "cli-"+account)
	config := filepath.Join(home, ".config", "argocd", "config")
	if _, err := os.Stat(config); err == nil {
		return home, nil
	}
	content, err := json.MarshalIndent(map[string]any{
		"current-context": "sandbox",
		"contexts":        []any{map[string]string{"name": "sandbox", "server": a.addr, "user": account}},
		"servers":         []any{map[string]any{"server": a.addr, "plain-text": true, "grpc-web-root-path": ""}},
		"users":           []any{map[string]string{"name": account, "auth-token": token}},
	}, "", "  ")
	if err != nil {
		return "", fmt.Errorf("encode the configuration of the argocd command: %w", err)
	}
	if err := os.MkdirAll(filepath.Dir(config), 0o700); err != nil {
		return "", fmt.Errorf("create the home of the argocd command: %w", err)
	}
	// Renamed when complete: another call may read it at any time.
	temporary := config + "." + randomHex()
	if err := os.WriteFile(temporary, content, 0o600); err != nil {
		return "", fmt.Errorf("write the configuration of the argocd command: %w", err)
	}
	if err := os.Rename(temporary, config); err != nil {
		return "", fmt.Errorf("write the configuration of the argocd command: %w", err)
	}
	return home, nil
}

// AddRepository gives Argo CD the credentials of a Git repository, as a labelled
// Secret.
func (a *ArgoCD) AddRepository(ctx context.Context, repoURL, user, password string) error {
	digest := sha256.Sum256([]byte(repoURL))
	secret, err := json.Marshal(map[string]any{
		"apiVersion": "v1", "kind": "Secret",
		"metadata": map[string]any{
			"name": "repo-" + hex.EncodeToString(digest[:8]), "namespace": argoNamespace,
			"labels": map[string]string{"argocd.argoproj.io/secret-type": "repository"},
		},
		"stringData": map[string]string{"type": "git", "url": repoURL, "username": user, "password": password},
	})
	if err != nil {
		return fmt.Errorf("encode a repository: %w", err)
	}
	if err := a.sandbox.Apply(ctx, Admin, secret); err != nil {
		return fmt.Errorf("add the repository %s: %w", repoURL, err)
	}
	return nil
}
