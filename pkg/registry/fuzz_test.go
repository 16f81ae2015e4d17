package registry

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/stretchr/testify/require"
)

// golden gives the blobs that cosign made, as seeds.
func golden(f *testing.F) [][]byte {
	f.Helper()
	files, err := filepath.Glob("testdata/cosign/*.json")
	require.NoError(f, err)
	require.NotEmpty(f, files)
	var all [][]byte
	for _, file := range files {
		data, err := os.ReadFile(file)
		require.NoError(f, err)
		var x fixture
		require.NoError(f, json.Unmarshal(data, &x))
		for _, b := range x.Blobs {
			all = append(all, []byte(b))
		}
		for _, m := range x.Manifests {
			all = append(all, []byte(m.Body))
		}
	}
	return all
}

// FuzzPayload: what is accepted names one digest, and encoding/json sees no other.
func FuzzPayload(f *testing.F) {
	for _, b := range golden(f) {
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		p, err := parsePayload(data)
		if err != nil {
			return
		}
		_, err = ParseDigest(string(p.digest))
		require.NoError(t, err)
		var x struct {
			Critical map[string]any `json:"critical"`
		}
		require.NoError(t, json.Unmarshal(data, &x))
		require.Equal(t, map[string]any{"docker-manifest-digest": string(p.digest)}, x.Critical["image"])
		require.Equal(t, payloadType, x.Critical["type"])
	})
}

// FuzzBundle: what is accepted has exactly one content, with a signature.
func FuzzBundle(f *testing.F) {
	for _, b := range golden(f) {
		f.Add(b)
	}
	f.Add([]byte(`{"mediaType":"` + typeBundle + `","verificationMaterial":{"publicKey":{}},"messageSignature":{"messageDigest":{"algorithm":"SHA2_256","digest":"AAAA"},"signature":"AAAA"}}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		b, err := parseBundle(data)
		if err != nil {
			return
		}
		require.NotEqual(t, b.envelope == nil, b.signature == nil)
		if b.envelope != nil {
			require.NotEmpty(t, b.envelope.signatures)
			require.True(t, bytes.HasSuffix(b.envelope.signed(), b.envelope.payload))
			require.True(t, bytes.HasPrefix(b.envelope.signed(), []byte("DSSEv1 28 application/vnd.in-toto+json ")))
			_, _ = parseStatement(b.envelope.payload)
		}
	})
}

// FuzzStatement: a signature's statement has one subject, and encoding/json agrees.
func FuzzStatement(f *testing.F) {
	f.Add(signStatement(digestOf(nil)))
	for _, b := range golden(f) {
		if x, err := parseBundle(b); err == nil {
			f.Add(x.envelope.payload)
		}
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		s, err := parseStatement(data)
		if err != nil || s.predicate != predicateSign {
			return
		}
		_, err = ParseDigest(string(s.subject))
		require.NoError(t, err)
		var x map[string]any
		require.NoError(t, json.Unmarshal(data, &x))
		require.Len(t, x["subject"], 1)
		require.Equal(t, s.subject.hex(), x["subject"].([]any)[0].(map[string]any)["digest"].(map[string]any)["sha256"])
	})
}

// FuzzManifest: whatever is accepted is of one kind, in every parser's eyes.
func FuzzManifest(f *testing.F) {
	for _, b := range golden(f) {
		f.Add(typeOCIManifest, b)
		f.Add(typeOCIIndex, b)
	}
	f.Fuzz(func(t *testing.T, contentType string, data []byte) {
		m, err := parseManifest(contentType, data, imageTypes)
		if err != nil {
			return
		}
		require.Contains(t, imageTypes, m.mediaType)
		var x map[string]any
		require.NoError(t, json.Unmarshal(data, &x))
		_, list := x["manifests"]
		_, layers := x["layers"]
		require.NotEqual(t, list, layers)
		require.Equal(t, list, isIndex(m.mediaType))
	})
}

// FuzzReference: what we accept, go-containerregistry understands in the same way,
// and it fits into a URL's path as it is.
func FuzzReference(f *testing.F) {
	for _, s := range []string{"nginx", "acme/app:1", "ghcr.io/acme/app:v1@sha256:" + strings.Repeat("ab", 32), "localhost:5000/a",
		"[::1]:5000/a", "a/../b", "a:b/c", "A/b", "ghcr.io", "index.docker.io/a/b", "registry-1.docker.io/x", "a.b/c:d", "127.0.0.1/x"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		ref, err := parseReference(s)
		if err != nil {
			return
		}
		require.NotContains(t, ref.path, "..")
		require.False(t, strings.ContainsAny(ref.path+ref.tag, "%?#\\ \n@"), s)
		their, err := name.ParseReference(s)
		if err != nil {
			return // it knows fewer hosts than we do
		}
		host := their.Context().RegistryStr()
		if host == name.DefaultRegistry {
			host = dockerHub
		}
		require.Equal(t, ref.host, host, s)
		require.Equal(t, ref.path, their.Context().RepositoryStr(), s)
		if ref.digest != "" {
			require.Equal(t, string(ref.digest), their.Identifier(), s)
		} else {
			require.Equal(t, ref.tag, their.Identifier(), s)
		}
	})
}

func FuzzKeys(f *testing.F) {
	f.Add(newSigner().pem())
	f.Add(ed25519Signer(false).pem())
	f.Add([]byte("-----BEGIN PUBLIC KEY-----\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		keys, err := ParseKeys("x", data)
		require.Equal(t, err == nil, keys.Len() > 0)
		for _, k := range keys.keys {
			require.False(t, k.made(data, data))
		}
	})
}

func FuzzCredentials(f *testing.F) {
	f.Add([]byte(`{"auths":{"ghcr.io":{"auth":"dTpw"},"ghcr.io/acme":{"username":"u","password":"p"}},"credHelpers":{"x":"y"}}`), "acme/app")
	f.Fuzz(func(t *testing.T, data []byte, path string) {
		c, err := parseCredentials(data, []string{"ghcr.io"}, path)
		if err != nil {
			require.Equal(t, credentials{}, c)
		}
	})
}

func FuzzChallenge(f *testing.F) {
	f.Add(`Bearer realm="https://auth.docker.io/token",service="registry.docker.io",scope="repository:a/b:pull"`)
	f.Add(`Basic realm=x`)
	f.Fuzz(func(t *testing.T, h string) {
		if c, ok := parseChallenge(h); ok {
			require.Contains(t, []string{"bearer", "basic"}, c.scheme)
		}
	})
}

// FuzzLabels: what is accepted is what encoding/json sees, and nothing else is taken.
func FuzzLabels(f *testing.F) {
	f.Add([]byte(`{"config":{"Labels":{"org.opencontainers.image.version":"1","x":2}}}`))
	f.Add([]byte(`{"config":{"Labels":null}}`))
	for _, b := range golden(f) {
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		labels, err := parseLabels(data)
		if err != nil || len(labels) == 0 {
			return
		}
		var x map[string]any
		require.NoError(t, json.Unmarshal(data, &x))
		all, ok := x["config"].(map[string]any)["Labels"].(map[string]any)
		require.True(t, ok)
		for k, v := range labels {
			require.True(t, strings.HasPrefix(k, labelPrefix))
			require.Equal(t, all[k], v)
		}
	})
}

// FuzzPlatform: what is chosen of an index is one of its digests.
func FuzzPlatform(f *testing.F) {
	f.Add([]byte(`{"manifests":[{"mediaType":"` + typeOCIManifest + `","digest":"` + string(digestOf(nil)) + `","platform":{"os":"linux","architecture":"amd64"}}]}`))
	for _, b := range golden(f) {
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		d, err := platformOf(data)
		if err != nil {
			return
		}
		_, err = ParseDigest(string(d))
		require.NoError(t, err)
	})
}
