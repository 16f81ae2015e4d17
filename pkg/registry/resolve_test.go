package registry

import (
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func reasonOf(t *testing.T, err error) Reason {
	t.Helper()
	var e *Error
	require.ErrorAs(t, err, &e)
	require.NotEmpty(t, e.Text)
	return e.Reason
}

func TestResolve(t *testing.T) {
	w := newWorld(t, true)
	one, two := w.image("1"), w.image("2")
	list := w.index("1.2.3", one, two)

	for ref, want := range map[string]Image{
		w.repo() + ":1":                        {Repository: w.repo(), Tag: "1", Digest: one, MediaType: typeOCIManifest},
		w.repo() + ":1.2.3":                    {Repository: w.repo(), Tag: "1.2.3", Digest: list, MediaType: typeOCIIndex},
		w.repo() + "@" + string(two):           {Repository: w.repo(), Digest: two, MediaType: typeOCIManifest},
		w.repo() + ":1@" + string(two):         {Repository: w.repo(), Tag: "1", Digest: two, MediaType: typeOCIManifest},
		w.repo() + ":gone@" + string(list):     {Repository: w.repo(), Tag: "gone", Digest: list, MediaType: typeOCIIndex},
		w.repo() + ":1.2.3@" + string(list):    {Repository: w.repo(), Tag: "1.2.3", Digest: list, MediaType: typeOCIIndex},
		w.repo() + ":2@" + string(two) + "":    {Repository: w.repo(), Tag: "2", Digest: two, MediaType: typeOCIManifest},
		w.host + "/" + app + "@" + string(one): {Repository: w.repo(), Digest: one, MediaType: typeOCIManifest},
	} {
		got, err := w.client.Resolve(t.Context(), ref)
		require.NoError(t, err, ref)
		require.Equal(t, want, got, ref)
		require.Equal(t, want.Digest == list, got.Index())
	}
}

// TestTagsAreNotRemembered: the answer follows a tag that moves, and an image that
// was seen before costs one HEAD.
func TestTagsAreNotRemembered(t *testing.T) {
	w := newWorld(t, true)
	one := w.image("stable")
	for range 2 {
		got, err := w.client.Resolve(t.Context(), w.repo()+":stable")
		require.NoError(t, err)
		require.Equal(t, one, got.Digest)
	}
	w.forget()
	_, err := w.client.Resolve(t.Context(), w.repo()+":stable")
	require.NoError(t, err)
	require.Equal(t, []string{"HEAD /v2/acme/app/manifests/stable"}, w.asked())

	two := w.put("stable", typeOCIIndex, []byte(`{"schemaVersion":2,"mediaType":"`+typeOCIIndex+`","manifests":[]}`))
	got, err := w.client.Resolve(t.Context(), w.repo()+":stable")
	require.NoError(t, err)
	require.Equal(t, two, got.Digest)
}

func TestResolveFailures(t *testing.T) {
	image := []byte(`{"schemaVersion":2,"mediaType":"` + typeOCIManifest + `","config":{},"layers":[]}`)
	serve := func(contentType string, body []byte, header ...string) http.HandlerFunc {
		return func(rw http.ResponseWriter, r *http.Request) {
			if r.Method == http.MethodHead {
				rw.WriteHeader(http.StatusMethodNotAllowed)
				return
			}
			rw.Header().Set("Content-Type", contentType)
			for i := 0; i < len(header); i += 2 {
				rw.Header().Set(header[i], header[i+1])
			}
			_, _ = rw.Write(body)
		}
	}
	for name, c := range map[string]struct {
		answer http.HandlerFunc
		want   Reason
	}{
		"good, and no HEAD":         {serve(typeOCIManifest, image), ""},
		"good, with the parameters": {serve(typeOCIManifest+"; charset=utf-8", image), ""},
		"web page":                  {serve("text/html", []byte("<html>log in</html>")), ReasonMediaType},
		"no type":                   {serve("", image), ReasonMediaType},
		"schema 1":                  {serve("application/vnd.docker.distribution.manifest.v1+json", image), ReasonMediaType},
		"type differs inside":       {serve(typeOCIIndex, image), ReasonMediaType},
		"docker without a type inside": {serve(typeDockerManifest,
			[]byte(`{"schemaVersion":2,"config":{},"layers":[]}`)), ReasonMediaType},
		"both an index and a manifest": {serve(typeOCIManifest,
			[]byte(`{"schemaVersion":2,"mediaType":"`+typeOCIManifest+`","config":{},"layers":[],"manifests":[]}`)), ReasonMediaType},
		"a manifest called an index": {serve(typeOCIIndex, []byte(`{"schemaVersion":2,"manifests":[],"layers":[]}`)), ReasonMediaType},
		"a key twice":                {serve(typeOCIManifest, []byte(`{"layers":[],"config":{},"layers":[]}`)), ReasonMediaType},
		"not JSON":                   {serve(typeOCIManifest, []byte(`{"layers":[],"config":{`)), ReasonMediaType},
		"other bytes than claimed":   {serve(typeOCIManifest, image, "Docker-Content-Digest", string(digestOf([]byte("x")))), ReasonMalformed},
		"huge, announced":            {serve(typeOCIManifest, make([]byte, manifestLimit+1)), ReasonTooLarge},
		"huge, streamed": {func(rw http.ResponseWriter, r *http.Request) {
			if r.Method == http.MethodHead {
				rw.WriteHeader(http.StatusMethodNotAllowed)
				return
			}
			rw.Header().Set("Content-Type", typeOCIManifest)
			for range 5 {
				_, _ = rw.Write(make([]byte, 1<<20))
				rw.(http.Flusher).Flush()
			}
		}, ReasonTooLarge},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, true)
			w.on("/manifests/1", c.answer)
			got, err := w.client.Resolve(t.Context(), w.repo()+":1")
			if c.want == "" {
				require.NoError(t, err)
				require.Equal(t, digestOf(image), got.Digest)
				return
			}
			require.Equal(t, c.want, reasonOf(t, err))
			require.Zero(t, got)
		})
	}

	t.Run("digest with other bytes", func(t *testing.T) {
		w := newWorld(t, true)
		d := w.image("1")
		w.on("GET /v2/acme/app/manifests/sha256:", serve(typeOCIManifest, image, "Docker-Content-Digest", string(d)))
		_, err := w.client.Resolve(t.Context(), w.repo()+":1")
		require.Equal(t, ReasonMalformed, reasonOf(t, err))
		_, err = w.client.Resolve(t.Context(), w.repo()+"@"+string(d))
		require.Equal(t, ReasonMalformed, reasonOf(t, err))
	})
	t.Run("another digest in the header", func(t *testing.T) {
		w := newWorld(t, true)
		one, two := w.image("1"), w.image("2")
		w.on("HEAD ", func(rw http.ResponseWriter, _ *http.Request) { rw.Header().Set("Docker-Content-Digest", string(two)) })
		_, err := w.client.Resolve(t.Context(), w.repo()+"@"+string(one))
		require.Equal(t, ReasonMalformed, reasonOf(t, err))
	})
	t.Run("no such tag", func(t *testing.T) {
		w := newWorld(t, true)
		w.image("1")
		_, err := w.client.Resolve(t.Context(), w.repo()+":2")
		require.Equal(t, ReasonNotFound, reasonOf(t, err))
		_, err = w.client.Resolve(t.Context(), w.host+"/acme/other:2")
		require.Equal(t, ReasonNotFound, reasonOf(t, err))
	})
	t.Run("not a reference", func(t *testing.T) {
		w := newWorld(t, true)
		for _, ref := range []string{"", "/", ":", "@", "A", w.host, w.host + "/", w.repo() + ":", w.repo() + "@", w.repo() + "@sha256:abc",
			w.repo() + ":a b", w.host + "/../x", w.host + "/a/../../x", w.host + "//a", w.host + "/a?x=y", w.host + "/a%2fb", w.host + "/a#b",
			"user:password@" + w.host + "/a", "http://" + w.host + "/a", w.repo() + "@sha512:" + strings.Repeat("0", 128),
			strings.Repeat("a", 600), w.host + "/" + strings.Repeat("a", 300)} {
			_, err := w.client.Resolve(t.Context(), ref)
			require.Error(t, err, ref)
			require.Contains(t, []Reason{ReasonReference, ReasonNotListed}, reasonOf(t, err), ref)
		}
		require.Empty(t, w.asked())
	})
}

func TestParseReference(t *testing.T) {
	digest := "sha256:" + strings.Repeat("ab", 32)
	for s, want := range map[string]reference{
		"nginx":                                {repository: repository{"docker.io", "library/nginx"}, tag: "latest"},
		"nginx:1.27":                           {repository: repository{"docker.io", "library/nginx"}, tag: "1.27"},
		"acme/app:1":                           {repository: repository{"docker.io", "acme/app"}, tag: "1"},
		"docker.io/nginx":                      {repository: repository{"docker.io", "library/nginx"}, tag: "latest"},
		"index.docker.io/acme/app":             {repository: repository{"docker.io", "acme/app"}, tag: "latest"},
		"localhost/app:1":                      {repository: repository{"localhost", "app"}, tag: "1"},
		"localhost:5000/app":                   {repository: repository{"localhost:5000", "app"}, tag: "latest"},
		"ghcr.io/acme/app:v1@" + digest:        {repository: repository{"ghcr.io", "acme/app"}, tag: "v1", digest: Digest(digest)},
		"ghcr.io/acme/app@" + digest:           {repository: repository{"ghcr.io", "acme/app"}, digest: Digest(digest)},
		"registry.example.com:5000/a/b__c-d:X": {repository: repository{"registry.example.com:5000", "a/b__c-d"}, tag: "X"},
		"[::1]:5000/a":                         {repository: repository{"[::1]:5000", "a"}, tag: "latest"},
	} {
		got, err := parseReference(s)
		require.NoError(t, err, s)
		require.Equal(t, want, got, s)
	}
}
