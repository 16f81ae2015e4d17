package image

import (
	"archive/tar"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// The image is read with a reader of its own, and not with the library that wrote
// it.

type descriptor struct {
	MediaType    string            `json:"mediaType"`
	ArtifactType string            `json:"artifactType"`
	Digest       string            `json:"digest"`
	Size         int64             `json:"size"`
	Annotations  map[string]string `json:"annotations"`
	Platform     struct {
		OS           string `json:"os"`
		Architecture string `json:"architecture"`
	} `json:"platform"`
}

type manifest struct {
	MediaType   string            `json:"mediaType"`
	Config      descriptor        `json:"config"`
	Layers      []descriptor      `json:"layers"`
	Manifests   []descriptor      `json:"manifests"`
	Subject     *descriptor       `json:"subject"`
	Annotations map[string]string `json:"annotations"`
}

type imageConfig struct {
	Created      string `json:"created"`
	OS           string `json:"os"`
	Architecture string `json:"architecture"`
	Config       struct {
		User       string            `json:"User"`
		Env        []string          `json:"Env"`
		Entrypoint []string          `json:"Entrypoint"`
		Labels     map[string]string `json:"Labels"`
	} `json:"config"`
	RootFS struct {
		DiffIDs []string `json:"diff_ids"`
	} `json:"rootfs"`
}

// layoutDir is an OCI image layout.
type layoutDir string

func (l layoutDir) blob(t *testing.T, d descriptor) []byte {
	t.Helper()
	hash, ok := strings.CutPrefix(d.Digest, "sha256:")
	require.True(t, ok, d.Digest)
	raw, err := os.ReadFile(filepath.Join(string(l), "blobs", "sha256", hash))
	require.NoError(t, err)
	require.Equal(t, d.Size, int64(len(raw)))
	sum := sha256.Sum256(raw)
	require.Equal(t, hash, hex.EncodeToString(sum[:]))
	return raw
}

func (l layoutDir) top(t *testing.T) manifest {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join(string(l), "index.json"))
	require.NoError(t, err)
	var m manifest
	require.NoError(t, json.Unmarshal(raw, &m))
	return m
}

func (l layoutDir) manifest(t *testing.T, d descriptor) manifest {
	t.Helper()
	var m manifest
	require.NoError(t, json.Unmarshal(l.blob(t, d), &m))
	return m
}

// unpack writes all layers of an image into a folder, as a container engine does,
// and returns how much they are, in bytes.
func (l layoutDir) unpack(t *testing.T, image manifest, dir string) int64 {
	t.Helper()
	var config imageConfig
	require.NoError(t, json.Unmarshal(l.blob(t, image.Config), &config))
	require.Len(t, config.RootFS.DiffIDs, len(image.Layers))
	var size int64
	for i, d := range image.Layers {
		require.Equal(t, "application/vnd.oci.image.layer.v1.tar+gzip", d.MediaType)
		packed, err := gzip.NewReader(strings.NewReader(string(l.blob(t, d))))
		require.NoError(t, err)
		sum := sha256.New()
		content := io.TeeReader(packed, sum)
		size += untar(t, content, dir)
		_, err = io.Copy(io.Discard, content)
		require.NoError(t, err)
		require.Equal(t, config.RootFS.DiffIDs[i], "sha256:"+hex.EncodeToString(sum.Sum(nil)))
	}
	return size
}

func untar(t *testing.T, r io.Reader, dir string) (size int64) {
	t.Helper()
	root, err := os.OpenRoot(dir)
	require.NoError(t, err)
	defer func() { require.NoError(t, root.Close()) }()
	for archive := tar.NewReader(r); ; {
		h, err := archive.Next()
		if errors.Is(err, io.EOF) {
			return size
		}
		require.NoError(t, err)
		name := strings.TrimSuffix(h.Name, "/")
		require.Equal(t, filepath.Clean(name), name)
		require.Zero(t, h.Mode&0o6000, "%s must not change who runs it", name)
		size += h.Size
		switch h.Typeflag {
		case tar.TypeDir:
			if _, err := root.Lstat(name); err != nil {
				require.NoError(t, root.Mkdir(name, 0o755))
			}
		case tar.TypeSymlink:
			require.NoError(t, root.Symlink(h.Linkname, name))
			continue
		case tar.TypeReg:
			f, err := root.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
			require.NoError(t, err)
			_, err = io.CopyN(f, archive, h.Size)
			require.NoError(t, errors.Join(err, f.Close()))
		default:
			require.Fail(t, "a kind of file that the image has no use for", "%s %q", name, h.Typeflag)
		}
		require.NoError(t, root.Chown(name, h.Uid, h.Gid))
		mode := h.FileInfo().Mode()
		require.NoError(t, root.Chmod(name, mode.Perm()|mode&os.ModeSticky))
	}
}

// sums are the checksums of all files under a folder.
func sums(t *testing.T, dir string) map[string]string {
	t.Helper()
	out := map[string]string{}
	require.NoError(t, filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		name, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		sum := sha256.Sum256(read(t, path))
		out[name] = hex.EncodeToString(sum[:])
		return nil
	}))
	require.Greater(t, len(out), 4)
	return out
}
