package oci

import (
	"io/fs"
	"log/slog"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/stretchr/testify/require"
)

func spec(program string) Spec {
	s := Spec{
		Tag: "v1.2.3", Created: time.Date(2026, 1, 2, 3, 4, 5, 678, time.UTC), Labels: map[string]string{"org.opencontainers.image.version": "v1.2.3"},
		User: "65532:65532", Entrypoint: []string{"/x"}, Path: "/usr/bin",
	}
	for _, arch := range []string{"amd64", "arm64"} {
		s.Platforms = append(s.Platforms, Platform{Architecture: arch, Layers: [][]File{
			{{Path: "usr", Mode: fs.ModeDir | 0o755}, {Path: "lib", Mode: fs.ModeSymlink | 0o777, Link: "usr/lib"}, {Path: "tmp", Mode: fs.ModeDir | fs.ModeSticky | 0o777}},
			{{Path: "usr/x", Mode: 0o755, Body: []byte(program + arch)}},
		}, Attached: []Attached{{Type: "application/vnd.cyclonedx+json", Body: []byte(`{"for":"` + arch + `"}`)}}})
	}
	return s
}

func built(t *testing.T, program string) Built {
	t.Helper()
	b, err := Build(spec(program))
	require.NoError(t, err)
	return b
}

func TestLayout(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "image")
	b := built(t, "x")
	require.NoError(t, WriteLayout(dir, b))
	require.ErrorContains(t, WriteLayout(dir, b), "is there already")
	digest, err := b.Digest()
	require.NoError(t, err)

	same, err := built(t, "x").Digest()
	require.NoError(t, err)
	require.Equal(t, digest, same, "the same input gives the same bytes")

	read, err := ReadLayout(dir)
	require.NoError(t, err)
	again, err := read.Digest()
	require.NoError(t, err)
	require.Equal(t, digest, again)
	require.Len(t, read.Attached, 2)
	require.Equal(t, "v1.2.3", read.tag)

	index, err := read.Index.IndexManifest()
	require.NoError(t, err)
	for i, a := range read.Attached {
		m, err := a.Manifest()
		require.NoError(t, err)
		require.Equal(t, index.Manifests[i].Digest, m.Subject.Digest, "the list is about the image of its platform")
	}
	other, err := built(t, "y").Digest()
	require.NoError(t, err)
	require.NotEqual(t, digest, other)

	// One changed byte of a layer is found.
	image, err := read.Index.Image(index.Manifests[0].Digest)
	require.NoError(t, err)
	m, err := image.Manifest()
	require.NoError(t, err)
	blob := filepath.Join(dir, "blobs", "sha256", m.Layers[1].Digest.Hex)
	raw, err := os.ReadFile(blob)
	require.NoError(t, err)
	raw[len(raw)-1]++
	require.NoError(t, os.WriteFile(blob, raw, 0o600))
	_, err = ReadLayout(dir)
	require.Error(t, err)
}

func TestLayerRefusesDevices(t *testing.T) {
	_, err := newLayer([]File{{Path: "dev/null", Mode: fs.ModeDevice}}, time.Now())
	require.ErrorContains(t, err, "dev/null")
}

func TestPush(t *testing.T) {
	server := httptest.NewServer(registry.New(registry.Logger(slog.NewLogLogger(slog.DiscardHandler, slog.LevelInfo)), registry.WithReferrersSupport(true)))
	defer server.Close()
	repository := strings.TrimPrefix(server.URL, "http://") + "/acme/gatekeeper"
	one := built(t, "x")
	digest, err := Push(t.Context(), one, repository, []string{"v1.2.3"})
	require.NoError(t, err)
	again, err := Push(t.Context(), one, repository, []string{"v1.2.3", "v1.2"})
	require.NoError(t, err, "pushing the same again changes nothing")
	require.Equal(t, digest, again)

	tag, err := name.NewTag(repository + ":v1.2.3")
	require.NoError(t, err)
	index, err := remote.Index(tag, remote.WithContext(t.Context()))
	require.NoError(t, err)
	m, err := index.IndexManifest()
	require.NoError(t, err)
	require.Len(t, m.Manifests, 2)
	referrers, err := remote.Referrers(tag.Digest(m.Manifests[0].Digest.String()), remote.WithContext(t.Context()))
	require.NoError(t, err)
	found, err := referrers.IndexManifest()
	require.NoError(t, err)
	require.Len(t, found.Manifests, 1)
	require.Equal(t, "application/vnd.cyclonedx+json", found.Manifests[0].ArtifactType)

	_, err = Push(t.Context(), built(t, "y"), repository, []string{"v1.2.3"})
	require.ErrorIs(t, err, ErrOtherImage)
	_, err = Push(t.Context(), one, "gatekeeper", []string{"v1"})
	require.Error(t, err, "a name without a registry would mean somebody else's")
}
