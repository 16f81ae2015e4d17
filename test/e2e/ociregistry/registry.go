// Package ociregistry is an image registry on loopback for end-to-end tests: that
// of go-containerregistry, with images that differ by what they are made of and
// signatures in the layout of cosign 2. It can be down for a while.
package ociregistry

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"

	"github.com/google/go-containerregistry/pkg/registry"
)

const (
	typeManifest = "application/vnd.oci.image.manifest.v1+json"
	typeConfig   = "application/vnd.oci.image.config.v1+json"
	// typePayload and annotationSignature are how cosign 2 keeps a signature: a layer
	// that holds what was signed, with the signature as an annotation.
	typePayload         = "application/vnd.dev.cosign.simplesigning.v1+json"
	annotationSignature = "dev.cosignproject.cosign/signature"
)

// Registry is safe for concurrent use. Close it.
type Registry struct {
	server *httptest.Server
	down   atomic.Bool
}

// Start begins to listen on a free port of the loopback address, without TLS.
func Start() *Registry {
	r := &Registry{}
	inner := registry.New(registry.Logger(slog.NewLogLogger(slog.DiscardHandler, slog.LevelInfo)), registry.WithReferrersSupport(true))
	r.server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if r.down.Load() {
			http.Error(w, "down for maintenance", http.StatusServiceUnavailable)
			return
		}
		inner.ServeHTTP(w, req)
	}))
	return r
}

// Close ends it.
func (r *Registry) Close() { r.server.Close() }

// Host is how images name the registry.
func (r *Registry) Host() string { return strings.TrimPrefix(r.server.URL, "http://") }

// Down makes it answer 503 to everything, or end that.
func (r *Registry) Down(down bool) { r.down.Store(down) }

// Push pushes an image under a tag, which is moved when it is there already, and
// returns its digest. Images with the same content are the same.
func (r *Registry) Push(ctx context.Context, repository, tag, content string) (string, error) {
	config, err := r.config(ctx, repository, map[string]any{"architecture": "amd64", "os": "linux", "config": map[string]any{"Env": []string{"CONTENT=" + content}}})
	if err != nil {
		return "", err
	}
	return r.manifest(ctx, repository, tag, config, []any{})
}

// Sign signs an image as cosign 2 does with a key: beside it, under a tag that is
// made of the digest. A signature that is there already is replaced.
func (r *Registry) Sign(ctx context.Context, repository, digest string, key *Key) error {
	payload := []byte(`{"critical":{"identity":{"docker-reference":"` + r.Host() + "/" + repository +
		`"},"image":{"docker-manifest-digest":"` + digest + `"},"type":"cosign container image signature"},"optional":null}`)
	signature, err := key.sign(payload)
	if err != nil {
		return err
	}
	layer, err := r.blob(ctx, repository, typePayload, payload)
	if err != nil {
		return err
	}
	layer["annotations"] = map[string]string{annotationSignature: base64.StdEncoding.EncodeToString(signature)}
	config, err := r.config(ctx, repository, map[string]any{"architecture": "", "os": "", "config": map[string]any{}})
	if err != nil {
		return err
	}
	_, err = r.manifest(ctx, repository, strings.Replace(digest, ":", "-", 1)+".sig", config, []any{layer})
	return err
}

func (r *Registry) config(ctx context.Context, repository string, config any) (map[string]any, error) {
	body, err := json.Marshal(config)
	if err != nil {
		return nil, fmt.Errorf("encode an image's configuration: %w", err)
	}
	return r.blob(ctx, repository, typeConfig, body)
}

// blob uploads content and describes it.
func (r *Registry) blob(ctx context.Context, repository, mediaType string, body []byte) (map[string]any, error) {
	digest := digestOf(body)
	target := "/v2/" + repository + "/blobs/uploads/?digest=" + url.QueryEscape(digest)
	if err := r.do(ctx, http.MethodPost, target, "application/octet-stream", body); err != nil {
		return nil, err
	}
	return map[string]any{"mediaType": mediaType, "digest": digest, "size": len(body)}, nil
}

func (r *Registry) manifest(ctx context.Context, repository, name string, config any, layers []any) (string, error) {
	body, err := json.Marshal(map[string]any{"schemaVersion": 2, "mediaType": typeManifest, "config": config, "layers": layers})
	if err != nil {
		return "", fmt.Errorf("encode a manifest: %w", err)
	}
	return digestOf(body), r.do(ctx, http.MethodPut, "/v2/"+repository+"/manifests/"+name, typeManifest, body)
}

func (r *Registry) do(ctx context.Context, method, target, contentType string, body []byte) error {
	req, err := http.NewRequestWithContext(ctx, method, r.server.URL+target, bytes.NewReader(body))
	if err != nil {
		return fmt.Errorf("%s %s: %w", method, target, err)
	}
	req.Header.Set("Content-Type", contentType)
	resp, err := r.server.Client().Do(req)
	if err != nil {
		return fmt.Errorf("ask the registry: %w", err)
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode >= http.StatusMultipleChoices {
		return fmt.Errorf("%s %s: the registry answers %s", method, target, resp.Status)
	}
	return nil
}

func digestOf(body []byte) string {
	sum := sha256.Sum256(body)
	return "sha256:" + hex.EncodeToString(sum[:])
}

// Key signs images.
type Key struct{ private *ecdsa.PrivateKey }

// NewKey makes a key of the kind that cosign makes.
func NewKey() (*Key, error) {
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("make a key for images: %w", err)
	}
	return &Key{private}, nil
}

// Public is the public key in PEM form.
func (k *Key) Public() ([]byte, error) {
	der, err := x509.MarshalPKIXPublicKey(&k.private.PublicKey)
	if err != nil {
		return nil, fmt.Errorf("encode a public key: %w", err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}), nil
}

func (k *Key) sign(payload []byte) ([]byte, error) {
	sum := sha256.Sum256(payload)
	signature, err := ecdsa.SignASN1(rand.Reader, k.private, sum[:])
	if err != nil {
		return nil, fmt.Errorf("sign an image: %w", err)
	}
	return signature, nil
}
