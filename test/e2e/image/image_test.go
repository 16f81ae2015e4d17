package image

import (
	"context"
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/test/e2e/standin"
)

const (
	commit     = "0123456789abcdef0123456789abcdef01234567"
	commitTime = "2026-01-02T03:04:05Z"
	version    = "v9.8.7"
)

func TestImage(t *testing.T) {
	if os.Getenv("GATEKEEPER_E2E") != "1" {
		t.Skip("builds the image: set GATEKEEPER_E2E=1 or run make e2e")
	}
	for _, tool := range []string{"/usr/lib/apt/apt-helper", "dpkg-deb", "make"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skipf("make image needs a Debian machine: %s is missing", tool)
		}
	}
	one, two := build(t), build(t)
	t.Run("is the same from two folders", func(t *testing.T) {
		program := "bin/linux-" + runtime.GOARCH + "/gatekeeper"
		require.Equal(t, sums(t, filepath.Join(one, "bin/image")), sums(t, filepath.Join(two, "bin/image")))
		require.Equal(t, read(t, filepath.Join(one, program)), read(t, filepath.Join(two, program)))
	})

	layout := layoutDir(filepath.Join(one, "bin/image"))
	top := layout.top(t)
	require.Equal(t, version, top.Manifests[0].Annotations["org.opencontainers.image.ref.name"])
	index := layout.manifest(t, top.Manifests[0])
	require.Len(t, index.Manifests, 1)
	require.Equal(t, "linux/"+runtime.GOARCH, index.Manifests[0].Platform.OS+"/"+index.Manifests[0].Platform.Architecture)
	image := layout.manifest(t, index.Manifests[0])

	t.Run("says what it is", func(t *testing.T) {
		var config imageConfig
		require.NoError(t, json.Unmarshal(layout.blob(t, image.Config), &config))
		require.Equal(t, "65532:65532", config.Config.User)
		require.Equal(t, []string{"/usr/local/bin/gatekeeper"}, config.Config.Entrypoint)
		require.Equal(t, commitTime, config.Created)
		labels := map[string]string{"version": version, "revision": commit, "created": commitTime,
			"licenses": "Apache-2.0", "source": "https://github.com/argo-gatekeeper/gatekeeper"}
		for key, want := range labels {
			require.Equal(t, want, config.Config.Labels["org.opencontainers.image."+key])
			require.Equal(t, want, image.Annotations["org.opencontainers.image."+key])
			require.Equal(t, want, index.Annotations["org.opencontainers.image."+key])
		}
	})

	t.Run("has a list of what is in it", func(t *testing.T) {
		require.Len(t, top.Manifests, 2)
		attached := layout.manifest(t, top.Manifests[1])
		require.Equal(t, index.Manifests[0].Digest, attached.Subject.Digest)
		require.Equal(t, "application/vnd.cyclonedx+json", attached.Layers[0].MediaType)
		list := string(layout.blob(t, attached.Layers[0]))
		for _, part := range []string{"pkg:deb/debian/git@", "pkg:deb/debian/libc6@", "pkg:golang/github.com/argoproj/argo-cd/v2@", "pkg:golang/std@"} {
			require.Contains(t, list, `"purl": "`+part)
		}
	})

	if os.Getuid() != 0 {
		t.Log("only root can unpack the image with its owners and change its root: what is in it is not run")
		return
	}
	if out, err := exec.CommandContext(t.Context(), "unshare", "--mount", "--propagation", "private", "true").CombinedOutput(); err != nil {
		t.Logf("this machine lets nobody mount (%s): what is in the image is not run", out)
		return
	}
	root := t.TempDir()
	require.NoError(t, os.Chmod(root, 0o755))
	size := layout.unpack(t, image, root)
	t.Logf("%d layers, %.1f MB packed, %.1f MB unpacked", len(image.Layers), float64(packed(image))/1e6, float64(size)/1e6)
	require.Less(t, packed(image), int64(64<<20), "the image has grown beyond what it needs")

	t.Run("has git and gatekeeper and no shell", func(t *testing.T) {
		var programs []string
		for _, dir := range []string{"usr/bin", "usr/sbin", "usr/local/bin"} {
			entries, err := os.ReadDir(filepath.Join(root, dir))
			require.NoError(t, err)
			for _, e := range entries {
				programs = append(programs, dir+"/"+e.Name())
			}
		}
		require.Equal(t, []string{"usr/bin/git", "usr/local/bin/gatekeeper"}, programs)
	})
	t.Run("lists its packages and their licences", func(t *testing.T) {
		entries, err := filepath.Glob(filepath.Join(root, "var/lib/dpkg/status.d/*"))
		require.NoError(t, err)
		packages := 0
		for _, e := range entries {
			if strings.HasSuffix(e, ".md5sums") {
				continue
			}
			packages++
			require.FileExists(t, filepath.Join(root, "usr/share/doc", filepath.Base(e), "copyright"))
		}
		require.Greater(t, packages, 20)
	})
	t.Run("runs", func(t *testing.T) {
		out, err := inRoot(t, root, "/usr/local/bin/gatekeeper", "version", "-o", "json")
		require.NoError(t, err, out)
		require.JSONEq(t, `{"version":"`+version+`","commit":"`+commit+`","commitTime":"`+commitTime+`","dirty":false,
			"go":"`+runtime.Version()+`","platform":"linux/`+runtime.GOARCH+`"}`, out)

		out, err = inRoot(t, root, "/usr/bin/git", "--version")
		require.NoError(t, err, out)
		require.Contains(t, out, "git version 2.")

		out, err = inRoot(t, root, "/usr/bin/git", "init", "/elsewhere")
		require.Error(t, err)
		require.Contains(t, out, "Read-only file system")
	})
	t.Run("clones over https", func(t *testing.T) { clones(t, root) })
}

// clones fetches from the stand-in with the certificate authorities of the image,
// and then with the stand-in's authority in their place, as the chart's extraCA
// mounts them.
func clones(t *testing.T, root string) {
	s, err := standin.Start(t.Context(), standin.Options{TLS: true})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	alice, err := s.CreateUser("alice", "", "alice@example.com")
	require.NoError(t, err)
	_, err = s.CreateOrganization("acme")
	require.NoError(t, err)
	repo, err := s.CreateRepository("acme", "env", standin.RepositoryOptions{
		Files: map[string]string{"prod/values.yaml": "replicas: 1\n"}, Collaborators: map[string]string{"alice": "write"},
	})
	require.NoError(t, err)
	address := "https://x-access-token:" + alice.Token + "@" + strings.TrimPrefix(repo.CloneURL, "https://")

	out, err := inRoot(t, root, "/usr/bin/git", "clone", "--bare", address, "/tmp/env")
	require.Error(t, err)
	require.Contains(t, out, "certificate", "nobody trusts the stand-in unasked")

	bundle := filepath.Join(root, "etc/ssl/certs/ca-certificates.crt")
	require.Greater(t, strings.Count(string(read(t, bundle)), "BEGIN CERTIFICATE"), 100)
	require.NoError(t, os.WriteFile(bundle, s.CACertPEM(), 0o644))
	out, err = inRoot(t, root, "/usr/bin/git", "clone", "--bare", address, "/tmp/env")
	require.NoError(t, err, out)
	require.NotContains(t, out, "warning")
}

// inRoot runs a program of the image, and returns what it printed.
func inRoot(t *testing.T, root string, args ...string) (string, error) {
	t.Helper()
	for _, device := range []string{"null", "urandom"} {
		require.NoError(t, os.MkdirAll(filepath.Join(root, "dev"), 0o755))
		f, err := os.OpenFile(filepath.Join(root, "dev", device), os.O_CREATE, 0o600)
		require.NoError(t, err)
		require.NoError(t, f.Close())
	}
	// The mounts end with the namespace.
	const script = `set -e
root=$1; shift
mount --bind "$root" "$root"
mount --bind /dev/null "$root/dev/null"
mount --bind /dev/urandom "$root/dev/urandom"
mount -t tmpfs -o mode=1777 tmpfs "$root/tmp"
mount -o remount,bind,ro "$root"
exec env -i PATH=/usr/local/bin:/usr/bin HOME=/dev/null "$(command -v chroot)" --userspec=65532:65532 --groups= "$root" "$@"`
	cmd := exec.CommandContext(t.Context(), "unshare", append([]string{"--mount", "--propagation", "private", "sh", "-c", script, "sh", root}, args...)...)
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// build copies the source tree into a folder of its own and runs make image there.
func build(t *testing.T) string {
	t.Helper()
	top, err := filepath.Abs(filepath.Join("..", "..", ".."))
	require.NoError(t, err)
	dir := filepath.Join(t.TempDir(), "source")
	list := exec.CommandContext(t.Context(), "git", "ls-files", "-z", "--cached", "--others", "--exclude-standard")
	list.Dir = top
	names, err := list.Output()
	require.NoError(t, err)
	for name := range strings.SplitSeq(strings.TrimSuffix(string(names), "\x00"), "\x00") {
		copyFile(t, filepath.Join(top, name), filepath.Join(dir, name))
	}
	run(t.Context(), t, dir, "make", "image", "IMAGE_ARCHS="+runtime.GOARCH, "VERSION="+version, "COMMIT="+commit, "COMMIT_TIME="+commitTime)
	return dir
}

func run(ctx context.Context, t *testing.T, dir string, args ...string) {
	t.Helper()
	cmd := exec.CommandContext(ctx, args[0], args[1:]...)
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, string(out))
	t.Logf("%s\n%s", strings.Join(args, " "), out)
}

func copyFile(t *testing.T, from, to string) {
	t.Helper()
	info, err := os.Stat(from)
	if os.IsNotExist(err) {
		return // removed, and not committed yet
	}
	require.NoError(t, err)
	require.NoError(t, os.MkdirAll(filepath.Dir(to), 0o750))
	source, err := os.Open(from)
	require.NoError(t, err)
	defer func() { require.NoError(t, source.Close()) }()
	target, err := os.OpenFile(to, os.O_CREATE|os.O_EXCL|os.O_WRONLY, info.Mode().Perm())
	require.NoError(t, err)
	_, err = io.Copy(target, source)
	require.NoError(t, err)
	require.NoError(t, target.Close())
}

func read(t *testing.T, file string) []byte {
	t.Helper()
	raw, err := os.ReadFile(file)
	require.NoError(t, err)
	return raw
}

func packed(m manifest) (size int64) {
	for _, d := range m.Layers {
		size += d.Size
	}
	return size
}
