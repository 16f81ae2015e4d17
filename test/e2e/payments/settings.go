package payments

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
)

// EditConfig replaces a text of the configuration file, as an editor does that writes
// another file and renames it.
func (w *World) EditConfig(old, fresh string) error {
	text, err := os.ReadFile(w.Config)
	if err != nil {
		return fmt.Errorf("read the configuration: %w", err)
	}
	edited := strings.Replace(string(text), old, fresh, 1)
	if edited == string(text) {
		return errors.New("the configuration does not have " + old)
	}
	return w.WriteSecret(filepath.Base(w.Config), edited)
}

// WriteSecret writes a file beside the configuration, all at once.
func (w *World) WriteSecret(name, content string) error {
	path := filepath.Join(w.dir, name)
	if err := os.WriteFile(path+".next", []byte(content), 0o600); err != nil {
		return fmt.Errorf("write a secret: %w", err)
	}
	if err := os.Rename(path+".next", path); err != nil {
		return fmt.Errorf("write a secret: %w", err)
	}
	return nil
}

// SignWebhooks has GitHub sign its deliveries with another secret.
func (w *World) SignWebhooks(secret string) error {
	return w.GitHub.SetWebhook(w.app.ID, "http://"+w.Address+"/webhooks/github", secret)
}

// FirstWebhookSecret is the one that every world begins with.
const FirstWebhookSecret = webhookSecret

// Ping sends a delivery that is signed with a secret, and returns the answer's status.
func (w *World) Ping(ctx context.Context, secret string) (int, error) {
	body := []byte(`{"zen":"Keep it logically awesome.","hook_id":1}`)
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write(body)
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+w.Address+"/webhooks/github", strings.NewReader(string(body)))
	if err != nil {
		return 0, fmt.Errorf("ping: %w", err)
	}
	for name, value := range map[string]string{
		"Content-Type": "application/json", "X-GitHub-Event": "ping", "X-GitHub-Delivery": rand.Text(),
		"X-Hub-Signature-256": "sha256=" + hex.EncodeToString(mac.Sum(nil)),
	} {
		req.Header.Set(name, value)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, fmt.Errorf("ping: %w", err)
	}
	return resp.StatusCode, resp.Body.Close()
}

// Ready is the status of /readyz.
func (w *World) Ready(ctx context.Context) (int, error) {
	status, _, err := w.get(ctx, "/readyz")
	return status, err
}

// ReplaceAppKey gives the App another private key at GitHub, and returns it.
func (w *World) ReplaceAppKey() (string, error) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return "", fmt.Errorf("make a key: %w", err)
	}
	text := pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)})
	return string(text), w.GitHub.SetAppKey(w.app.ID, text)
}
