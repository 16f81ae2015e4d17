package debian

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// Debian's two archives: of the release, and of its security updates.
const (
	archiveMain     = "debian"
	archiveSecurity = "debian-security"
)

const (
	// aptHelper downloads with apt's own settings: its proxies and credentials.
	aptHelper = "/usr/lib/apt/apt-helper"
	// fetchTimeout bounds the download of one package.
	fetchTimeout = 5 * time.Minute
)

// Fetcher gets packages, and keeps them in a folder by their checksums.
type Fetcher struct {
	// Cache is the folder. It is made when missing.
	Cache string
	// Mirror has the archives as folders. What comes from it is checked, so that it needs
	// no TLS, as apt itself does not.
	Mirror string
	// Snapshots has them as they were at any time, for packages that an update has replaced.
	// Empty for nowhere.
	Snapshots string
	Log       *slog.Logger
}

// Fetch returns the file of each package, in the same order. A file whose content
// is not what the lock says is never returned.
func (f Fetcher) Fetch(ctx context.Context, l Lock, packages []Package) ([]string, error) {
	if err := os.MkdirAll(f.Cache, 0o750); err != nil {
		return nil, fmt.Errorf("make the packages' folder: %w", err)
	}
	files := make([]string, 0, len(packages))
	for _, p := range packages {
		file, err := f.fetch(ctx, l.Snapshot, p)
		if err != nil {
			return nil, fmt.Errorf("fetch %s %s: %w", p.Name, p.Version, err)
		}
		files = append(files, file)
	}
	return files, nil
}

func (f Fetcher) fetch(ctx context.Context, snapshot time.Time, p Package) (string, error) {
	file := filepath.Join(f.Cache, p.SHA256+".deb")
	err := verify(file, p)
	if err == nil {
		return file, nil
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return "", err
	}
	var failed []error
	for _, url := range f.urls(snapshot, p) {
		err := f.download(ctx, url, file, p)
		if err == nil {
			return file, nil
		}
		failed = append(failed, err)
	}
	return "", errors.Join(failed...)
}

func (f Fetcher) urls(snapshot time.Time, p Package) []string {
	urls := []string{strings.TrimSuffix(f.Mirror, "/") + "/" + p.Archive + "/" + p.Path}
	if f.Snapshots != "" {
		urls = append(urls, strings.TrimSuffix(f.Snapshots, "/")+"/"+p.Archive+"/"+snapshot.UTC().Format("20060102T150405Z")+"/"+p.Path)
	}
	return urls
}

func (f Fetcher) download(ctx context.Context, url, file string, p Package) error {
	ctx, cancel := context.WithTimeout(ctx, fetchTimeout)
	defer cancel()
	dir, err := os.MkdirTemp(f.Cache, "fetch-")
	if err != nil {
		return fmt.Errorf("make a folder: %w", err)
	}
	defer func() { _ = os.RemoveAll(dir) }()
	part := filepath.Join(dir, "part.deb")
	f.Log.InfoContext(ctx, "package_fetched", slog.String("package", p.Name), slog.String("version", p.Version), slog.String("url", url))
	cmd := exec.CommandContext(ctx, aptHelper, "-o", "APT::Sandbox::User=root", "-o", "Acquire::Retries=2", //nolint:gosec // the address is made of checked parts
		"download-file", url, part, "SHA256:"+p.SHA256)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("apt-helper %s: %w: %s", url, err, lastLines(out))
	}
	if err := verify(part, p); err != nil {
		return fmt.Errorf("from %s: %w", url, err)
	}
	if err := os.Rename(part, file); err != nil {
		return fmt.Errorf("keep it: %w", err)
	}
	return nil
}

// verify compares a file with what the lock says of it.
func verify(file string, p Package) error {
	r, err := os.Open(file) //nolint:gosec // the folder is of whoever builds the image, the name is a checksum
	if err != nil {
		return fmt.Errorf("open the package: %w", err)
	}
	defer func() { _ = r.Close() }()
	h := sha256.New()
	n, err := io.Copy(h, io.LimitReader(r, maxPackage+1))
	if err != nil {
		return fmt.Errorf("read the package: %w", err)
	}
	if sum := hex.EncodeToString(h.Sum(nil)); sum != p.SHA256 || n != p.Size {
		return fmt.Errorf("%s has %d bytes with SHA-256 %s, and not %d with %s as the lock says", filepath.Base(file), n, sum, p.Size, p.SHA256)
	}
	return nil
}

// lastLines is the end of a program's output, for an error.
func lastLines(out []byte) string {
	const keep = 600
	s := strings.TrimSpace(string(out))
	if len(s) > keep {
		s = "…" + s[len(s)-keep:]
	}
	return s
}
