package payments

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/argo-gatekeeper/gatekeeper/test/e2e/sandbox"
)

const webhookSecret = "correct horse battery staple"

// configure writes gatekeeper's configuration and secrets and begins its record.
func (w *World) configure(ctx context.Context) error {
	port, err := w.Sandbox.FreePort(ctx)
	if err != nil {
		return err
	}
	w.Address = "127.0.0.1:" + strconv.Itoa(port)
	if err := w.install(); err != nil {
		return err
	}
	token, err := w.Sandbox.ArgoCD().AccountToken(ctx, "gatekeeper")
	if err != nil {
		return err
	}
	for name, content := range map[string]string{
		"private-key.pem": string(w.app.PrivateKeyPEM),
		"webhook-secret":  webhookSecret + "\n",
		"argocd-token":    token + "\n",
	} {
		if err := os.WriteFile(filepath.Join(w.dir, name), []byte(content), 0o600); err != nil {
			return fmt.Errorf("write a secret: %w", err)
		}
	}
	w.Config = filepath.Join(w.dir, "gatekeeper.yaml")
	if err := w.WriteConfig(w.Sandbox.Kubeconfig(sandbox.Gatekeeper)); err != nil {
		return err
	}
	_, err = w.Gatekeeper(ctx, "ledger", "init", "--config", w.Config)
	return err
}

// WriteConfig writes the configuration for a kubeconfig, which may be that of an
// interceptor.
func (w *World) WriteConfig(kubeconfig string) error {
	text := fmt.Sprintf(`github:
  url: %s
  apiURL: %s
  appID: %d
  privateKeyFile: private-key.pem
  webhookSecretFiles: [webhook-secret]
  indexGrace: %s
argocd:
  server: %s
  tokenFile: argocd-token
  plaintext: true
kubernetes:
  kubeconfig: %s
server:
  listen: %q
dataDirectory: %s
%sgates:
  - name: prod
    applications:
      - project: %s
    repositories:
      - repository: %s
        branch: main
        enrolledAt: "%s"
        paths: ["%s"]
    config:
      requirements:
        - name: sre
          approvals: 2
          teams: [%s]
`, w.GitHub.URL(), w.GitHub.APIURL(), w.app.ID, w.options.IndexGrace, w.argoAddress(), kubeconfig,
		w.Address, filepath.Join(w.dir, "data"), w.options.Configuration+w.enforcementConfig(), w.project("prod"), Repository, w.Enrolled, strings.Join(scope(), `", "`), Team) + w.methods + w.gate + w.imageConfig()
	if err := os.WriteFile(w.Config, []byte(text), 0o600); err != nil {
		return fmt.Errorf("write the configuration: %w", err)
	}
	return nil
}

// StartGatekeeper runs the real binary and waits until it is ready.
func (w *World) StartGatekeeper(ctx context.Context) (*sandbox.Process, error) {
	p, err := w.Sandbox.StartGatekeeper(ctx, "gatekeeper-"+w.Name, "serve", "--config", w.Config)
	if err != nil {
		return nil, err
	}
	err = Await(ctx, "gatekeeper to be ready", func(ctx context.Context) (bool, string, error) {
		select {
		case <-p.Done():
			return false, "", fmt.Errorf("gatekeeper ended: %w\n%s", p.Err(), p.Logs())
		default:
		}
		status, body, err := w.get(ctx, "/readyz")
		if err != nil {
			return false, err.Error(), nil //nolint:nilerr // it does not listen yet
		}
		return status == http.StatusOK, body, nil
	})
	if err == nil {
		err = w.inForce(ctx)
	}
	return p, err
}

func (w *World) get(ctx context.Context, path string) (status int, body string, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+w.Address+path, nil)
	if err != nil {
		return 0, "", err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, "", err
	}
	defer func() { _ = resp.Body.Close() }()
	b, err := io.ReadAll(resp.Body)
	return resp.StatusCode, string(b), err
}

// Metrics returns gatekeeper's metrics as text.
func (w *World) Metrics(ctx context.Context) (string, error) {
	_, body, err := w.get(ctx, "/metrics")
	return body, err
}

// Gatekeeper runs a command of the real binary to its end and returns what it
// printed.
func (w *World) Gatekeeper(ctx context.Context, args ...string) (string, error) {
	// Each run has a log of its own, which is its output.
	name := fmt.Sprintf("gatekeeper-%s-%s-%d", w.Name, args[0], w.runs.Add(1))
	p, err := w.Sandbox.StartGatekeeper(ctx, name, args...)
	if err != nil {
		return "", err
	}
	select {
	case <-p.Done():
	case <-ctx.Done():
		p.Kill()
		return "", ctx.Err()
	}
	out, err := os.ReadFile(p.LogPath())
	if err != nil {
		return "", fmt.Errorf("read the output: %w", err)
	}
	if err := p.Err(); err != nil {
		return string(out), fmt.Errorf("gatekeeper %s: %w\n%s", strings.Join(args, " "), err, out)
	}
	return string(out), nil
}

// Entry is one entry of the record, as the export writes it.
type Entry struct {
	Sequence    int             `json:"sequence"`
	Kind        string          `json:"kind"`
	Application string          `json:"application"`
	Intent      string          `json:"intent"`
	Payload     json.RawMessage `json:"payload"`
}

// Record exports the record with the real binary, while gatekeeper runs or not.
func (w *World) Record(ctx context.Context) ([]Entry, error) {
	out, err := w.Gatekeeper(ctx, "ledger", "export", "--config", w.Config)
	if err != nil {
		return nil, err
	}
	var entries []Entry
	d := json.NewDecoder(bytes.NewReader([]byte(out)))
	for {
		var e Entry
		err := d.Decode(&e)
		if errors.Is(err, io.EOF) {
			return entries, nil
		}
		if err != nil {
			return nil, fmt.Errorf("decode the export: %w", err)
		}
		entries = append(entries, e)
	}
}
