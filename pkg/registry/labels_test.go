package registry

import (
	"fmt"
	"maps"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

const (
	labelRevision = "org.opencontainers.image.revision"
	labelSource   = "org.opencontainers.image.source"
	labelVersion  = "org.opencontainers.image.version"

	typeOCIConfig    = "application/vnd.oci.image.config.v1+json"
	typeDockerConfig = "application/vnd.docker.container.image.v1+json"
)

// labelled pushes an image with a configuration and annotations of its manifest.
func (w *world) labelled(tag, manifestType, configType, config string, annotations map[string]string) Digest {
	w.t.Helper()
	d := w.blob([]byte(config))
	d["mediaType"] = configType
	return w.put(tag, manifestType, toJSON(w.t, map[string]any{
		"schemaVersion": 2, "mediaType": manifestType, "config": d, "layers": []any{}, "annotations": annotations,
	}))
}

// entry is an image of an index.
func entry(d Digest, platform string) map[string]any {
	system, architecture, _ := strings.Cut(platform, "/")
	return map[string]any{"mediaType": typeOCIManifest, "digest": d, "size": 1,
		"platform": map[string]string{"os": system, "architecture": architecture}}
}

func (w *world) list(tag, mediaType string, annotations map[string]string, entries ...map[string]any) Digest {
	w.t.Helper()
	return w.put(tag, mediaType, toJSON(w.t, map[string]any{
		"schemaVersion": 2, "mediaType": mediaType, "manifests": entries, "annotations": annotations,
	}))
}

// config is a configuration with labels.
func config(t *testing.T, labels map[string]string) string {
	t.Helper()
	return string(toJSON(t, map[string]any{"architecture": "amd64", "config": map[string]any{"Labels": labels}}))
}

func TestLabels(t *testing.T) {
	w := newWorld(t, true)
	revision := strings.Repeat("ab", 20)
	all := map[string]string{labelVersion: "1", labelRevision: revision, labelSource: "https://github.com/acme/app"}
	noisy := maps.Clone(all)
	maps.Copy(noisy, map[string]string{"maintainer": "x", "org.opencontainers.other": "x", "org.opencontainers.image": "x"})

	one := w.labelled("oci", typeOCIManifest, typeOCIConfig, config(t, noisy), nil)
	w.labelled("docker", typeDockerManifest, typeDockerConfig, config(t, noisy), nil)
	arm := w.labelled("arm", typeOCIManifest, typeOCIConfig, config(t, map[string]string{labelVersion: "arm"}), nil)
	none := w.labelled("none", typeOCIManifest, typeOCIConfig, `{}`, map[string]string{labelVersion: "noted", labelSource: "there", "x": "y"})
	w.labelled("null", typeOCIManifest, typeOCIConfig, `{"config":{"Labels":null}}`, nil)
	w.labelled("null-above", typeOCIManifest, typeOCIConfig, `{"config":null}`, nil)
	w.labelled("both", typeOCIManifest, typeOCIConfig, config(t, map[string]string{labelVersion: "label"}), map[string]string{labelVersion: "noted", labelSource: "there"})
	attested := entry(arm, "unknown/unknown")
	w.list("index", typeOCIIndex, nil, attested, entry(arm, "linux/arm64"), entry(one, "linux/amd64"))
	w.list("manifest-list", typeDockerIndex, nil, entry(one, "linux/amd64"))
	w.list("first", typeOCIIndex, nil, attested, entry(arm, "linux/arm64"), entry(one, "windows/amd64"))
	w.list("no-platform", typeOCIIndex, nil, map[string]any{"mediaType": typeOCIManifest, "digest": arm, "size": 1})
	index := w.list("noted", typeOCIIndex, map[string]string{labelVersion: "of the index", labelRevision: "r"}, entry(none, "linux/amd64"))

	for ref, want := range map[string]map[string]string{
		":oci":                       all,
		":docker":                    all,
		"@" + string(one):            all,
		":arm@" + string(one):        all, // the digest decides
		":none":                      {labelVersion: "noted", labelSource: "there"},
		":null":                      {},
		":null-above":                {},
		":both":                      {labelVersion: "label", labelSource: "there"},
		":index":                     all,
		":manifest-list":             all,
		":first":                     {labelVersion: "arm"},
		":no-platform":               {labelVersion: "arm"},
		":noted":                     {labelVersion: "noted", labelSource: "there", labelRevision: "r"},
		":whatever@" + string(index): {labelVersion: "noted", labelSource: "there", labelRevision: "r"},
		":index@" + string(arm):      {labelVersion: "arm"},
	} {
		got, err := w.client.Labels(t.Context(), w.repo()+ref)
		require.NoError(t, err, ref)
		require.Equal(t, want, got, ref)
	}
}

func TestLabelsAreBounded(t *testing.T) {
	w := newWorld(t, true)
	labels := map[string]string{
		labelVersion: strings.Repeat("v", labelValueLimit), labelRevision: strings.Repeat("r", labelValueLimit+1),
		labelPrefix + strings.Repeat("k", labelKeyLimit): "x",
	}
	w.labelled("1", typeOCIManifest, typeOCIConfig, config(t, labels), map[string]string{labelRevision: "another"})
	got, err := w.client.Labels(t.Context(), w.repo()+":1")
	require.NoError(t, err)
	require.Equal(t, map[string]string{labelVersion: labels[labelVersion]}, got, "nothing takes the place of a label that is too long")

	for n := range labelCount {
		labels[fmt.Sprint(labelPrefix, n)] = "x"
	}
	w.labelled("2", typeOCIManifest, typeOCIConfig, config(t, labels), nil)
	_, err = w.client.Labels(t.Context(), w.repo()+":2")
	require.Equal(t, ReasonTooLarge, reasonOf(t, err))
	w.labelled("3", typeOCIManifest, typeOCIConfig, `{"x":"`+strings.Repeat("x", configLimit)+`"}`, nil)
	_, err = w.client.Labels(t.Context(), w.repo()+":3")
	require.Equal(t, ReasonTooLarge, reasonOf(t, err))
}

func TestLabelsFailures(t *testing.T) {
	w := newWorld(t, true)
	good := config(t, map[string]string{labelVersion: "1"})
	one := w.labelled("1", typeOCIManifest, typeOCIConfig, good, nil)
	for tag, c := range map[string]string{
		"text": "labels", "list": "[]", "number": `{"config":{"Labels":{"` + labelVersion + `":1}}}`, "empty": "",
		"twice":   `{"config":{"Labels":{"` + labelVersion + `":"1","` + labelVersion + `":"2"}}}`,
		"strings": `{"config":"x"}`, "labels": `{"config":{"Labels":["a=b"]}}`, "more": good + "{}",
	} {
		w.labelled("bad-"+tag, typeOCIManifest, typeOCIConfig, c, nil)
	}
	w.labelled("chart", typeOCIManifest, "application/vnd.cncf.helm.config.v1+json", good, nil)
	w.labelled("untyped", typeOCIManifest, "", good, nil)
	w.list("nothing", typeOCIIndex, nil)
	w.list("attested", typeOCIIndex, nil, entry(one, "unknown/unknown"))
	nested := w.list("inner", typeOCIIndex, nil, entry(one, "linux/amd64"))
	inner := entry(nested, "linux/amd64")
	w.list("lying", typeOCIIndex, nil, inner)
	inner = maps.Clone(inner)
	inner["mediaType"] = typeOCIIndex
	w.list("nested", typeOCIIndex, nil, inner)
	// What go-containerregistry would not take.
	serve := func(tag, mediaType string, fields string) {
		w.on("/manifests/"+tag, func(rw http.ResponseWriter, _ *http.Request) {
			rw.Header().Set("Content-Type", mediaType)
			_, _ = rw.Write([]byte(`{"schemaVersion":2,"mediaType":"` + mediaType + `",` + fields + `}`))
		})
	}
	at := func(mediaType, digest, size string) string {
		return `{"mediaType":"` + mediaType + `","digest":"` + digest + `","size":` + size + `}`
	}
	missing, blob := string(digestOf([]byte("x"))), string(digestOf([]byte(good)))
	serve("dangling", typeOCIIndex, `"manifests":[`+at(typeOCIManifest, missing, "1")+`]`)
	serve("below", typeOCIManifest, `"layers":[],"config":`+at(typeOCIConfig, blob, "-1"))
	serve("no-blob", typeOCIManifest, `"layers":[],"config":`+at(typeOCIConfig, missing, "1"))
	for tag, digest := range map[string]string{"sha1": "sha1:ab", "path": "../../x"} {
		serve(tag, typeOCIManifest, `"layers":[],"config":`+at(typeOCIConfig, digest, "1"))
		serve("index-"+tag, typeOCIIndex, `"manifests":[`+at(typeOCIManifest, digest, "1")+`]`)
	}

	for ref, want := range map[string]Reason{
		w.repo() + ":bad-text": ReasonMediaType, w.repo() + ":bad-list": ReasonMediaType, w.repo() + ":bad-number": ReasonMediaType,
		w.repo() + ":bad-empty": ReasonMediaType, w.repo() + ":bad-twice": ReasonMediaType, w.repo() + ":bad-strings": ReasonMediaType,
		w.repo() + ":bad-labels": ReasonMediaType, w.repo() + ":bad-more": ReasonMediaType,
		w.repo() + ":chart": ReasonMediaType, w.repo() + ":untyped": ReasonMediaType,
		w.repo() + ":nothing": ReasonMediaType, w.repo() + ":attested": ReasonMediaType, w.repo() + ":nested": ReasonMediaType,
		w.repo() + ":lying": ReasonMediaType, w.repo() + ":dangling": ReasonNotFound, w.repo() + ":no-blob": ReasonNotFound,
		w.repo() + ":sha1": ReasonMediaType, w.repo() + ":path": ReasonMediaType,
		w.repo() + ":index-sha1": ReasonMediaType, w.repo() + ":index-path": ReasonMediaType, w.repo() + ":below": ReasonTooLarge,
		w.repo() + ":gone": ReasonNotFound, w.repo() + ":": ReasonReference, "elsewhere.example/acme/app:1": ReasonNotListed,
	} {
		_, err := w.client.Labels(t.Context(), ref)
		require.Equal(t, want, reasonOf(t, err), "%s: %v", ref, err)
		require.NotContains(t, err.Error(), "signature in", ref)
	}

	t.Run("other bytes than the digest says", func(t *testing.T) {
		w.on("/blobs/"+string(digestOf([]byte(good))), func(rw http.ResponseWriter, _ *http.Request) {
			_, _ = rw.Write([]byte(`{"config":{"Labels":{"` + labelVersion + `":"9"}}}`))
		})
		_, err := w.client.Labels(t.Context(), w.repo()+":1")
		require.Equal(t, ReasonMalformed, reasonOf(t, err))
		require.ErrorContains(t, err, "the configuration of an image of "+w.repo())
	})
	t.Run("only some repositories", func(t *testing.T) {
		w.forget()
		client := w.newClient(func(o *Options) { o.Registries[0].Repositories = []string{"acme/other"} })
		_, err := client.Labels(t.Context(), w.repo()+":1")
		require.Equal(t, ReasonNotListed, reasonOf(t, err))
		require.Empty(t, w.asked())
	})
	t.Run("in time", func(t *testing.T) {
		over := make(chan struct{})
		defer close(over)
		w.on("/manifests/1", func(_ http.ResponseWriter, r *http.Request) {
			select {
			case <-over:
			case <-r.Context().Done():
			}
		})
		client := w.newClient(func(o *Options) { o.Timeout = 50 * time.Millisecond })
		_, err := client.Labels(t.Context(), w.repo()+":1")
		require.Equal(t, ReasonTimeout, reasonOf(t, err))
	})
	t.Run("down", func(t *testing.T) {
		w.server.Close()
		_, err := w.client.Labels(t.Context(), w.repo()+":1")
		require.Equal(t, ReasonUnreachable, reasonOf(t, err))
	})
}

// With credentials, as for everything else.
func TestLabelsWithCredentials(t *testing.T) {
	w := newWorld(t, true)
	d := w.labelled("1", typeOCIManifest, typeOCIConfig, config(t, map[string]string{labelVersion: "1"}), nil)
	body := w.manifestBody(d)
	w.on("/v2/", func(rw http.ResponseWriter, r *http.Request) {
		user, password, ok := r.BasicAuth()
		switch {
		case !ok || user != "robot" || password != "s3cret":
			rw.Header().Set("WWW-Authenticate", `Basic realm="x"`)
			rw.WriteHeader(http.StatusUnauthorized)
		case strings.Contains(r.URL.Path, "/blobs/"):
			_, _ = rw.Write([]byte(config(t, map[string]string{labelVersion: "1"})))
		default:
			rw.Header().Set("Content-Type", typeOCIManifest)
			_, _ = rw.Write(body)
		}
	})
	_, err := w.client.Labels(t.Context(), w.repo()+":1")
	require.Equal(t, ReasonUnauthorized, reasonOf(t, err))
	file := fileIn(t, "config.json")
	require.NoError(t, os.WriteFile(file, []byte(`{"auths":{"`+w.host+`":{"username":"robot","password":"s3cret"}}}`), 0o600))
	got, err := w.newClient(func(o *Options) { o.DockerConfig = file }).Labels(t.Context(), w.repo()+":1")
	require.NoError(t, err)
	require.Equal(t, map[string]string{labelVersion: "1"}, got)
}
