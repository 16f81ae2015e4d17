package registry

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"

	ggcr "github.com/google/go-containerregistry/pkg/registry"
	"github.com/stretchr/testify/require"
)

// world is a registry of go-containerregistry on loopback, and a client that may
// read all of it.
type world struct {
	t      *testing.T
	server *httptest.Server
	host   string
	client *Client

	mu        sync.Mutex
	requests  []string
	intercept func(http.ResponseWriter, *http.Request) bool
}

type lines struct{ t *testing.T }

func (l lines) Write(p []byte) (int, error) {
	l.t.Log(strings.TrimSpace(string(p)))
	return len(p), nil
}

func newWorld(t *testing.T, referrers bool, change ...func(*Options)) *world {
	t.Helper()
	w := &world{t: t}
	inner := ggcr.New(ggcr.Logger(slog.NewLogLogger(slog.NewTextHandler(lines{t}, nil), slog.LevelInfo)), ggcr.WithReferrersSupport(referrers))
	w.server = httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		w.mu.Lock()
		w.requests = append(w.requests, r.Method+" "+r.URL.Path)
		intercept := w.intercept
		w.mu.Unlock()
		if intercept != nil && intercept(rw, r) {
			return
		}
		inner.ServeHTTP(rw, r)
	}))
	t.Cleanup(w.server.Close)
	w.host = strings.TrimPrefix(w.server.URL, "http://")
	w.client = w.newClient(change...)
	return w
}

func (w *world) newClient(change ...func(*Options)) *Client {
	w.t.Helper()
	o := Options{Registries: []Registry{{Host: w.host, Repositories: []string{"**"}, Insecure: true}}}
	for _, f := range change {
		f(&o)
	}
	c, err := New(o)
	require.NoError(w.t, err)
	return c
}

// on answers matching requests in the registry's place.
func (w *world) on(part string, f http.HandlerFunc) {
	w.mu.Lock()
	defer w.mu.Unlock()
	before := w.intercept
	w.intercept = func(rw http.ResponseWriter, r *http.Request) bool {
		if strings.Contains(r.Method+" "+r.URL.Path, part) {
			f(rw, r)
			return true
		}
		return before != nil && before(rw, r)
	}
}

func (w *world) asked() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return append([]string(nil), w.requests...)
}

func (w *world) forget() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.requests = nil
}

const app = "acme/app"

func (w *world) repo() string { return w.host + "/" + app }

func (w *world) do(method, target, contentType string, body []byte) {
	w.t.Helper()
	req, err := http.NewRequestWithContext(w.t.Context(), method, w.server.URL+target, bytes.NewReader(body))
	require.NoError(w.t, err)
	req.Header.Set("Content-Type", contentType)
	resp, err := w.server.Client().Do(req)
	require.NoError(w.t, err)
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(resp.Body)
	require.NoError(w.t, err)
	require.Less(w.t, resp.StatusCode, 300, "%s %s: %s", method, target, text)
}

func (w *world) put(name, mediaType string, body []byte) Digest {
	w.t.Helper()
	w.do(http.MethodPut, "/v2/"+app+"/manifests/"+name, mediaType, body)
	return digestOf(body)
}

func (w *world) blob(body []byte) map[string]any {
	w.t.Helper()
	d := digestOf(body)
	w.do(http.MethodPost, "/v2/"+app+"/blobs/uploads/?digest="+url.QueryEscape(string(d)), "application/octet-stream", body)
	return map[string]any{"digest": d, "size": len(body)}
}

func toJSON(t *testing.T, v any) []byte {
	t.Helper()
	b, err := json.Marshal(v)
	require.NoError(t, err)
	return b
}

// image pushes a small image under a tag; the tag is in its content as well, so two
// tags are two images.
func (w *world) image(tag string) Digest {
	w.t.Helper()
	config := w.blob([]byte(`{"architecture":"amd64","os":"linux","config":{"Env":["TAG=` + tag + `"]}}`))
	config["mediaType"] = "application/vnd.oci.image.config.v1+json"
	return w.put(tag, typeOCIManifest, toJSON(w.t, map[string]any{
		"schemaVersion": 2, "mediaType": typeOCIManifest, "config": config, "layers": []any{},
	}))
}

// index pushes an index of images that were pushed before.
func (w *world) index(tag string, images ...Digest) Digest {
	w.t.Helper()
	var list []any
	for _, d := range images {
		list = append(list, map[string]any{"mediaType": typeOCIManifest, "digest": d, "size": 1,
			"platform": map[string]string{"os": "linux", "architecture": "amd64"}})
	}
	return w.put(tag, typeOCIIndex, toJSON(w.t, map[string]any{
		"schemaVersion": 2, "mediaType": typeOCIIndex, "manifests": list,
	}))
}

// signer signs messages in one of the ways that cosign does.
type signer struct {
	public crypto.PublicKey
	sign   func(message []byte) []byte
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func ecdsaSigner(curve elliptic.Curve, hash func([]byte) []byte) signer {
	k := must(ecdsa.GenerateKey(curve, rand.Reader))
	return signer{public: &k.PublicKey, sign: func(m []byte) []byte { return must(ecdsa.SignASN1(rand.Reader, k, hash(m))) }}
}

func sum256(m []byte) []byte { s := sha256.Sum256(m); return s[:] }
func sum384(m []byte) []byte { s := sha512.Sum384(m); return s[:] }
func sum512(m []byte) []byte { s := sha512.Sum512(m); return s[:] }

func newSigner() signer { return ecdsaSigner(elliptic.P256(), sum256) }

func ed25519Signer(prehashed bool) signer {
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		panic(err)
	}
	return signer{public: public, sign: func(m []byte) []byte {
		if prehashed {
			return must(private.Sign(nil, sum512(m), &ed25519.Options{Hash: crypto.SHA512}))
		}
		return ed25519.Sign(private, m)
	}}
}

func rsaSigner(bits int, pss bool) signer {
	k := must(rsa.GenerateKey(rand.Reader, bits))
	return signer{public: &k.PublicKey, sign: func(m []byte) []byte {
		if pss {
			return must(rsa.SignPSS(rand.Reader, k, crypto.SHA256, sum256(m), nil))
		}
		return must(rsa.SignPKCS1v15(rand.Reader, k, crypto.SHA256, sum256(m)))
	}}
}

func (s signer) pem() []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: must(x509.MarshalPKIXPublicKey(s.public))})
}

func (s signer) keys(t *testing.T, issuer string) Keys {
	t.Helper()
	k, err := ParseKeys(issuer, s.pem())
	require.NoError(t, err)
	return k
}

// simple is the payload that cosign signs for an image.
func (w *world) simple(d Digest) []byte {
	return []byte(`{"critical":{"identity":{"docker-reference":"` + w.repo() + `"},"image":{"docker-manifest-digest":"` +
		string(d) + `"},"type":"cosign container image signature"},"optional":null}`)
}

// layer is a signature in cosign's layout with tags.
func (w *world) layer(s signer, payload []byte) map[string]any {
	w.t.Helper()
	l := w.blob(payload)
	l["mediaType"] = typePayload
	l["annotations"] = map[string]string{annotationSignature: base64.StdEncoding.EncodeToString(s.sign(payload))}
	return l
}

// tagLayers puts signatures where cosign looks for those of a digest.
func (w *world) tagLayers(d Digest, layers ...map[string]any) Digest {
	w.t.Helper()
	config := w.blob([]byte(`{"architecture":"","created":"0001-01-01T00:00:00Z","os":"","rootfs":{"type":"layers","diff_ids":[]},"config":{}}`))
	config["mediaType"] = "application/vnd.oci.image.config.v1+json"
	return w.put(d.tag()+".sig", typeOCIManifest, toJSON(w.t, map[string]any{
		"schemaVersion": 2, "mediaType": typeOCIManifest, "config": config, "layers": layers,
	}))
}

// signTag signs a digest as cosign 2 does.
func (w *world) signTag(d Digest, s signer) Digest {
	w.t.Helper()
	return w.tagLayers(d, w.layer(s, w.simple(d)))
}

// statement is what cosign 3 signs for an image.
func signStatement(d Digest) []byte {
	return []byte(`{"_type":"` + statementV1 + `", "subject":[{"digest":{"sha256":"` + d.hex() + `"}, "annotations":{}}], "predicateType":"` +
		predicateSign + `", "predicate":{}}`)
}

func newBundle(content string, value any) map[string]any {
	return map[string]any{
		"mediaType":            typeBundle,
		"verificationMaterial": map[string]any{"publicKey": map[string]string{"hint": "c29tZSBrZXk="}},
		content:                value,
	}
}

func dsseBundle(s signer, payload []byte) map[string]any {
	e := envelope{payload: payload}
	return newBundle("dsseEnvelope", map[string]any{
		"payload": payload, "payloadType": typeStatement,
		"signatures": []any{map[string]any{"sig": s.sign(e.signed())}},
	})
}

func messageBundle(s signer, message []byte) map[string]any {
	return newBundle("messageSignature", map[string]any{
		"messageDigest": map[string]any{"algorithm": "SHA2_256", "digest": sum256(message)},
		"signature":     s.sign(message),
	})
}

// attach makes a bundle refer to a digest, and lists it under the referrers tag as
// a client does where the registry has no referrers API.
func (w *world) attach(d Digest, bundles ...map[string]any) []Digest {
	w.t.Helper()
	var all []Digest
	var list []any
	for i, b := range bundles {
		layer := w.blob(toJSON(w.t, b))
		layer["mediaType"] = typeBundle
		config := w.blob([]byte("{}"))
		config["mediaType"] = typeEmpty
		body := toJSON(w.t, map[string]any{
			"schemaVersion": 2, "mediaType": typeOCIManifest, "artifactType": typeBundle, "config": config, "layers": []any{layer},
			"subject":     map[string]any{"mediaType": typeOCIManifest, "digest": d, "size": 1},
			"annotations": map[string]string{"n": strconv.Itoa(i)},
		})
		at := digestOf(body)
		w.put(string(at), typeOCIManifest, body)
		list = append(list, map[string]any{"mediaType": typeOCIManifest, "digest": at, "size": len(body), "artifactType": typeBundle})
		all = append(all, at)
	}
	w.put(d.tag(), typeOCIIndex, toJSON(w.t, map[string]any{"schemaVersion": 2, "mediaType": typeOCIIndex, "manifests": list}))
	return all
}

// manifestBody reads back what was pushed.
func (w *world) manifestBody(d Digest) []byte {
	w.t.Helper()
	resp, err := w.server.Client().Get(w.server.URL + "/v2/" + app + "/manifests/" + string(d))
	require.NoError(w.t, err)
	defer func() { _ = resp.Body.Close() }()
	b, err := io.ReadAll(resp.Body)
	require.NoError(w.t, err)
	return b
}

func fileIn(t *testing.T, name string) string { return filepath.Join(t.TempDir(), name) }
