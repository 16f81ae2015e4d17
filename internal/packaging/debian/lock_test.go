package debian

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func repositoryLock(t testing.TB) []byte {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join("..", "debian.lock.json"))
	require.NoError(t, err)
	return raw
}

func TestRepositoryLock(t *testing.T) {
	raw := repositoryLock(t)
	l, err := ParseLock(raw)
	require.NoError(t, err)
	written, err := l.Marshal()
	require.NoError(t, err)
	require.Equal(t, string(raw), string(written), "make image-lock writes it")
	for _, arch := range []string{"amd64", "arm64"} {
		var names []string
		for _, p := range l.Packages[arch] {
			names = append(names, p.Name)
		}
		require.Subset(t, names, []string{"base-files", "ca-certificates", "git", "libc6"}, arch)
		require.NotContains(t, names, "perl-base", "no script of git is in the image")
	}
}

func TestLockRefuses(t *testing.T) {
	for name, change := range map[string]func(map[string]any, map[string]any){
		"an unknown field":          func(l, _ map[string]any) { l["mirror"] = "here" },
		"no time":                   func(l, _ map[string]any) { delete(l, "snapshot") },
		"no packages":               func(l, _ map[string]any) { l["packages"] = map[string]any{} },
		"an unknown architecture":   func(l, _ map[string]any) { l["packages"] = map[string]any{"sparc": []any{}} },
		"a suite that is a path":    func(l, _ map[string]any) { l["suite"] = "../trixie" },
		"a path out of the archive": func(_, p map[string]any) { p["path"] = "pool/../../x.deb" },
		"an address for a path":     func(_, p map[string]any) { p["path"] = "http://example.com/x.deb" },
		"a short checksum":          func(_, p map[string]any) { p["sha256"] = "ab" },
		"no checksum":               func(_, p map[string]any) { delete(p, "sha256") },
		"another architecture":      func(_, p map[string]any) { p["architecture"] = "i386" },
		"another archive":           func(_, p map[string]any) { p["archive"] = "ubuntu" },
		"a version with a space":    func(_, p map[string]any) { p["version"] = "1 -o Dir::Bin=x" },
		"no size":                   func(_, p map[string]any) { p["size"] = 0 },
		"a name out of order":       func(_, p map[string]any) { p["name"] = "zzz" },
	} {
		t.Run(name, func(t *testing.T) {
			var l map[string]any
			require.NoError(t, json.Unmarshal(repositoryLock(t), &l))
			packages, ok := l["packages"].(map[string]any)["amd64"].([]any)
			require.True(t, ok)
			first, ok := packages[0].(map[string]any)
			require.True(t, ok)
			change(l, first)
			raw, err := json.Marshal(l)
			require.NoError(t, err)
			_, err = ParseLock(raw)
			require.Error(t, err)
		})
	}
}

func FuzzParseLock(f *testing.F) {
	f.Add(repositoryLock(f))
	f.Fuzz(func(t *testing.T, raw []byte) {
		l, err := ParseLock(raw)
		if err != nil {
			return
		}
		written, err := l.Marshal()
		require.NoError(t, err, "what is accepted can be written")
		_, err = ParseLock(written)
		require.NoError(t, err)
	})
}

const entry = `Package: libpsl5t64
Source: libpsl (0.21.2-1.1)
Version: 0.21.2-1.1+b1
Architecture: amd64
Filename: pool/main/libp/libpsl/libpsl5t64_0.21.2-1.1+b1_amd64.deb
Size: 57188
SHA256: 5bdd1a7ba8c3ab4ee4d8ec1c6ccfa1e2c6b7d1f8b1a6a7b2a6d4f9a0b5c3d2e1
Description: Library for Public Suffix List
 Source: is not a field here
`

func TestParseEntry(t *testing.T) {
	p, err := parseEntry(entry)
	require.NoError(t, err)
	require.NoError(t, p.check("amd64"))
	require.Equal(t, "libpsl", p.Source)
	require.Equal(t, "0.21.2-1.1", p.SourceVersion)
	require.Equal(t, archiveMain, p.Archive)

	p, err = parseEntry(strings.ReplaceAll(strings.ReplaceAll(entry, "Source: libpsl (0.21.2-1.1)\n", ""), "pool/main", "pool/updates/main"))
	require.NoError(t, err)
	require.Equal(t, "libpsl5t64", p.Source)
	require.Equal(t, p.Version, p.SourceVersion)
	require.Equal(t, archiveSecurity, p.Archive)

	_, err = parseEntry(strings.ReplaceAll(entry, "Size: 57188", "Size: large"))
	require.Error(t, err)
}

func FuzzParseEntry(f *testing.F) {
	f.Add(entry)
	f.Fuzz(func(_ *testing.T, entry string) {
		if p, err := parseEntry(entry); err == nil {
			_ = p.check("amd64")
		}
	})
}

// TestCacheIsChecked: a file that somebody changed is not used, and is not
// silently fetched again either.
func TestCacheIsChecked(t *testing.T) {
	body := []byte("a package")
	sum := sha256.Sum256(body)
	p := Package{Name: "git", Version: "1", Size: int64(len(body)), SHA256: hex.EncodeToString(sum[:])}
	dir := t.TempDir()
	file := filepath.Join(dir, p.SHA256+".deb")
	require.NoError(t, os.WriteFile(file, body, 0o600))
	f := Fetcher{Cache: dir, Log: slog.New(slog.NewTextHandler(t.Output(), nil))}
	files, err := f.Fetch(t.Context(), Lock{}, []Package{p})
	require.NoError(t, err)
	require.Equal(t, []string{file}, files)

	require.NoError(t, os.WriteFile(file, []byte("a packagf"), 0o600))
	_, err = f.Fetch(t.Context(), Lock{}, []Package{p})
	require.ErrorContains(t, err, "as the lock says")
}

func TestAddresses(t *testing.T) {
	l, err := ParseLock(repositoryLock(t))
	require.NoError(t, err)
	p := Package{Archive: archiveSecurity, Path: "pool/updates/main/z/zlib/zlib1g_1_amd64.deb"}
	require.Len(t, Fetcher{Mirror: "http://mirror.example"}.urls(l.Snapshot, p), 1)
	urls := Fetcher{Mirror: "http://mirror.example/", Snapshots: "http://snapshots.example/archive/"}.urls(l.Snapshot, p)
	require.Equal(t, "http://mirror.example/debian-security/pool/updates/main/z/zlib/zlib1g_1_amd64.deb", urls[0])
	require.Regexp(t, `^http://snapshots\.example/archive/debian-security/\d{8}T\d{6}Z/pool/updates/`, urls[1])
}
