package registry

import (
	"encoding/json"
	"flag"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// fixture is all that one signed image left in a registry.
type fixture struct {
	MadeBy    string             `json:"madeBy"`
	Key       string             `json:"key"` // public, PEM
	Digest    Digest             `json:"digest"`
	Other     Digest             `json:"other"` // an image that was not signed
	Layout    Layout             `json:"layout"`
	Fallback  bool               `json:"fallback"` // the registry had no referrers API
	Manifests []recordedManifest `json:"manifests"`
	Blobs     []string           `json:"blobs"`
}

type recordedManifest struct {
	Names     []string `json:"names"` // tags, and the digest last
	MediaType string   `json:"mediaType"`
	Body      string   `json:"body"`
}

// TestGoldenCosign: what the real cosign made, byte for byte, is accepted with its
// key, and with no other, and for no other image.
func TestGoldenCosign(t *testing.T) {
	files, err := filepath.Glob("testdata/cosign/*.json")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".json"), func(t *testing.T) {
			data, err := os.ReadFile(file)
			require.NoError(t, err)
			var f fixture
			require.NoError(t, json.Unmarshal(data, &f))
			for _, referrers := range []bool{true, false} {
				w := newWorld(t, referrers)
				for _, b := range f.Blobs {
					w.blob([]byte(b))
				}
				for _, m := range f.Manifests {
					for _, name := range m.Names {
						w.put(name, m.MediaType, []byte(m.Body))
					}
				}
				keys, err := ParseKeys("golden", []byte(f.Key))
				require.NoError(t, err)
				// Where the recording registry had the referrers API, no tag lists the bundle.
				if f.Layout == LayoutBundle && !f.Fallback && !referrers {
					require.Equal(t, ReasonNoSignature, w.client.Verify(t.Context(), w.repo(), f.Digest, keys).Reason)
					continue
				}
				res := w.client.Verify(t.Context(), w.repo(), f.Digest, keys)
				require.True(t, res.Verified(), "%+v", res)
				require.Equal(t, f.Layout, res.Layout)

				res = w.newClient().Verify(t.Context(), w.repo(), f.Digest, newSigner().keys(t, "stranger"))
				require.Equal(t, ReasonOtherKey, res.Reason, "%+v", res)
				res = w.client.Verify(t.Context(), w.repo(), f.Other, keys)
				require.Equal(t, ReasonNoSignature, res.Reason, "%+v", res)
			}
		})
	}
}

var record = flag.String("record", "", "folder to write to what cosign makes in TestCosign")

// TestCosign runs the cosign that is installed against a registry on loopback and
// checks that its signatures are accepted, by us and by itself.
func TestCosign(t *testing.T) {
	cosign, err := exec.LookPath("cosign")
	if err != nil {
		t.Skip("cosign is not installed; TestGoldenCosign checks what it made when it was")
	}
	env := append(os.Environ(), "COSIGN_PASSWORD=", "HOME="+t.TempDir(), "TUF_ROOT="+t.TempDir(),
		"HTTPS_PROXY=http://127.0.0.1:9") // nothing leaves this machine
	run := func(t *testing.T, args ...string) string {
		t.Helper()
		cmd := exec.CommandContext(t.Context(), cosign, args...)
		cmd.Env, cmd.Dir = env, t.TempDir()
		out, err := cmd.CombinedOutput()
		require.NoError(t, err, "cosign %s: %s", strings.Join(args, " "), out)
		return string(out)
	}
	version := ""
	for line := range strings.Lines(run(t, "version")) {
		if v, ok := strings.CutPrefix(line, "GitVersion:"); ok {
			version = strings.TrimSpace(v)
		}
	}
	major := version[:2]

	for kind, generate := range map[string][]string{
		"p256":    {"ecparam", "-name", "prime256v1", "-genkey", "-noout"},
		"p384":    {"ecparam", "-name", "secp384r1", "-genkey", "-noout"},
		"p521":    {"ecparam", "-name", "secp521r1", "-genkey", "-noout"},
		"ed25519": {"genpkey", "-algorithm", "ed25519"},
		"rsa2048": {"genrsa", "2048"},
	} {
		for _, variant := range []struct {
			name     string
			layout   Layout
			fallback bool
		}{{"tag", LayoutTag, false}, {"bundle", LayoutBundle, false}, {"bundle-fallback", LayoutBundle, true}} {
			t.Run(variant.name+"-"+kind, func(t *testing.T) {
				layout := variant.layout
				dir := t.TempDir()
				plain, err := exec.CommandContext(t.Context(), "openssl", generate...).Output()
				require.NoError(t, err)
				require.NoError(t, os.WriteFile(filepath.Join(dir, "plain.pem"), plain, 0o600))
				run(t, "import-key-pair", "--key", filepath.Join(dir, "plain.pem"), "--output-key-prefix", filepath.Join(dir, "test"))

				w := newWorld(t, !variant.fallback)
				digest := w.index("1.2.3", w.image("amd64"), w.image("arm64"))
				other := w.image("unsigned")
				root := filepath.Join(dir, "root.json")
				require.NoError(t, os.WriteFile(root, []byte(`{"mediaType":"application/vnd.dev.sigstore.trustedroot+json;version=0.1"}`), 0o600))
				args := []string{"sign", "--yes", "--key", filepath.Join(dir, "test.key"), "--allow-http-registry", w.repo() + "@" + string(digest)}
				check := []string{"verify", "--key", filepath.Join(dir, "test.pub"), "--insecure-ignore-tlog", "--trusted-root", root, "--allow-http-registry", w.repo() + "@" + string(digest)}
				switch {
				case layout == LayoutTag:
					args = append(args, "--new-bundle-format=false", "--use-signing-config=false", "--tlog-upload=false")
					check = append(check, "--new-bundle-format=false")
				case major == "v2":
					args = append(args, "--new-bundle-format", "--tlog-upload=false")
					check = append(check, "--new-bundle-format")
				default:
					// A signing configuration without any service: offline.
					empty := filepath.Join(dir, "signing.json")
					require.NoError(t, os.WriteFile(empty, []byte(`{"mediaType":"application/vnd.dev.sigstore.signingconfig.v0.2+json"}`), 0o600))
					args = append(args, "--signing-config", empty)
				}
				run(t, args...)
				// cosign 2.6.5 and 3.1.3 sign with the hash that fits the key and, unless
				// told, check with SHA-256; Ed25519 signatures they make prehashed and check
				// as if they were not, so they refuse their own (seen 2026-11-21).
				if hash := map[string]string{"p256": "sha256", "p384": "sha384", "p521": "sha512", "rsa2048": "sha256"}[kind]; hash != "" {
					run(t, append(check, "--signature-digest-algorithm", hash)...)
				}

				public, err := os.ReadFile(filepath.Join(dir, "test.pub"))
				require.NoError(t, err)
				keys, err := ParseKeys("cosign", public)
				require.NoError(t, err)
				res := w.client.Verify(t.Context(), w.repo(), digest, keys)
				require.True(t, res.Verified(), "%+v", res)
				require.Equal(t, layout, res.Layout)
				require.Equal(t, ReasonNoSignature, w.client.Verify(t.Context(), w.repo(), other, keys).Reason)

				if *record != "" {
					f := w.recorded(t)
					f.MadeBy, f.Key, f.Digest, f.Other, f.Layout = "cosign "+version, string(public), digest, other, layout
					f.Fallback = variant.fallback
					name := strings.Join([]string{strings.TrimPrefix(version, "v"), variant.name, kind}, "-") + ".json"
					text, err := json.MarshalIndent(f, "", "  ")
					require.NoError(t, err)
					require.NoError(t, os.WriteFile(filepath.Join(*record, name), append(text, '\n'), 0o600))
				}
			})
		}
	}
}

// recorded reads back what was pushed, in the order in which it was first.
func (w *world) recorded(t *testing.T) fixture {
	t.Helper()
	var f fixture
	get := func(path string) (string, string) {
		resp, err := w.server.Client().Get(w.server.URL + path)
		require.NoError(t, err)
		defer func() { _ = resp.Body.Close() }()
		require.Equal(t, http.StatusOK, resp.StatusCode, path)
		var b strings.Builder
		_, err = io.Copy(&b, resp.Body)
		require.NoError(t, err)
		return resp.Header.Get("Content-Type"), b.String()
	}
	seen := map[string]bool{}
	for _, request := range w.asked() {
		method, path, _ := strings.Cut(request, " ")
		if _, name, ok := strings.Cut(path, "/manifests/"); method == http.MethodPut && ok && !seen[path] {
			seen[path] = true
			mediaType, body := get(path)
			f.Manifests = append(f.Manifests, recordedManifest{Names: []string{name}, MediaType: mediaType, Body: body})
		}
	}
	for _, m := range f.Manifests {
		var c struct {
			Config descriptor   `json:"config"`
			Layers []descriptor `json:"layers"`
		}
		require.NoError(t, json.Unmarshal([]byte(m.Body), &c))
		for _, d := range append(c.Layers, c.Config) {
			if d.Digest != "" && !seen[d.Digest] {
				seen[d.Digest] = true
				_, body := get("/v2/" + app + "/blobs/" + url.PathEscape(d.Digest))
				f.Blobs = append(f.Blobs, body)
			}
		}
	}
	return f
}
