package debian

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Resolver asks apt for the newest packages of a release, in folders of its own,
// so that what is installed on the machine plays no part.
type Resolver struct {
	Fetcher Fetcher
	Suite   string
	// Keyring has Debian's keys, with which apt checks the archive.
	Keyring string
	Log     *slog.Logger
}

// Resolve makes a new lock for the architectures. Of all packages that git's
// installation would bring, it lists those that the image has a file of.
func (r Resolver) Resolve(ctx context.Context, archs []string, now time.Time) (Lock, error) {
	l := Lock{Suite: r.Suite, Snapshot: now.UTC().Truncate(time.Second), Packages: map[string][]Package{}}
	for _, arch := range archs {
		all, err := r.closure(ctx, arch)
		if err != nil {
			return Lock{}, fmt.Errorf("resolve for %s: %w", arch, err)
		}
		files, err := r.Fetcher.Fetch(ctx, l, all)
		if err != nil {
			return Lock{}, fmt.Errorf("resolve for %s: %w", arch, err)
		}
		chosen, err := Choose(ctx, arch, all, files)
		if err != nil {
			return Lock{}, fmt.Errorf("resolve for %s: %w", arch, err)
		}
		l.Packages[arch] = chosen.Packages
	}
	return l, l.check()
}

func (r Resolver) closure(ctx context.Context, arch string) ([]Package, error) {
	dir, err := os.MkdirTemp("", "gatekeeper-apt-")
	if err != nil {
		return nil, fmt.Errorf("make a folder: %w", err)
	}
	defer func() { _ = os.RemoveAll(dir) }()
	for _, d := range []string{"lists/partial", "cache/archives/partial"} {
		if err := os.MkdirAll(filepath.Join(dir, d), 0o750); err != nil {
			return nil, fmt.Errorf("make a folder: %w", err)
		}
	}
	mirror := strings.TrimSuffix(r.Fetcher.Mirror, "/")
	var sources strings.Builder
	for archive, suite := range map[string]string{archiveMain: r.Suite, archiveSecurity: r.Suite + "-security"} {
		fmt.Fprintf(&sources, "deb [signed-by=%s] %s/%s %s main\n", r.Keyring, mirror, archive, suite)
	}
	for name, body := range map[string]string{"sources.list": sources.String(), "status": ""} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(body), 0o600); err != nil {
			return nil, fmt.Errorf("write apt's settings: %w", err)
		}
	}
	apt := func(program string, args ...string) (string, error) {
		var options []string
		for _, o := range []string{
			"Dir::State=" + dir, "Dir::State::status=" + filepath.Join(dir, "status"), "Dir::State::lists=" + filepath.Join(dir, "lists"),
			"Dir::Cache=" + filepath.Join(dir, "cache"), "Dir::Cache::pkgcache=pkgcache.bin", "Dir::Cache::srcpkgcache=srcpkgcache.bin", "Dir::Etc::sourcelist=" + filepath.Join(dir, "sources.list"), "Dir::Etc::sourceparts=-",
			"Dir::Etc::preferences=-", "Dir::Etc::preferencesparts=-",
			"APT::Sandbox::User=root", "APT::Architecture=" + arch, "APT::Architectures=" + arch, "Acquire::Languages=none",
		} {
			options = append(options, "-o", o)
		}
		cmd := exec.CommandContext(ctx, program, append(options, args...)...) //nolint:gosec // the program is apt's
		var stderr strings.Builder
		cmd.Stderr = &stderr
		cmd.Env = append(os.Environ(), "LC_ALL=C")
		out, err := cmd.Output()
		if err != nil {
			return "", fmt.Errorf("%s %s: %w: %s", program, args[0], err, lastLines([]byte(stderr.String())))
		}
		return string(out), nil
	}
	r.Log.InfoContext(ctx, "package_lists_fetched", slog.String("suite", r.Suite), slog.String("architecture", arch))
	if _, err := apt("apt-get", "update", "-qq"); err != nil {
		return nil, err
	}
	uris, err := apt("apt-get", append([]string{"install", "--print-uris", "--no-install-recommends", "-y", "-qq"}, roots...)...)
	if err != nil {
		return nil, err
	}
	var names []string
	for line := range strings.Lines(uris) {
		// 'URI' NAME_VERSION_ARCHITECTURE.deb SIZE HASH
		fields := strings.Fields(line)
		if len(fields) < 3 || !strings.HasSuffix(fields[1], ".deb") {
			return nil, fmt.Errorf("apt-get printed %q, which names no package", line)
		}
		parts := strings.Split(fields[1], "_")
		names = append(names, parts[0]+"="+strings.ReplaceAll(parts[1], "%3a", ":"))
	}
	// One call for all: each reads the lists of the whole archive.
	entries, err := apt("apt-cache", append([]string{"show"}, names...)...)
	if err != nil {
		return nil, err
	}
	var packages []Package
	for entry := range strings.SplitSeq(strings.TrimSpace(entries), "\n\n") {
		p, err := parseEntry(entry)
		if err != nil {
			return nil, fmt.Errorf("read what apt knows of %q: %w", p.Name, err)
		}
		if err := p.check(arch); err != nil {
			return nil, fmt.Errorf("read what apt knows of %q: %w", p.Name, err)
		}
		packages = append(packages, p)
	}
	if len(packages) != len(names) {
		return nil, fmt.Errorf("apt-cache show knows %d packages, and %d were asked for", len(packages), len(names))
	}
	slices.SortFunc(packages, func(a, b Package) int { return strings.Compare(a.Name, b.Name) })
	return packages, nil
}

// parseEntry reads an entry of Debian's package list.
func parseEntry(entry string) (Package, error) {
	p := Package{
		Name: controlField(entry, "Package"), Version: controlField(entry, "Version"), Architecture: controlField(entry, "Architecture"),
		Path: controlField(entry, "Filename"), SHA256: controlField(entry, "SHA256"), Archive: archiveMain,
	}
	// Only the security archive has its files there.
	if strings.HasPrefix(p.Path, "pool/updates/") {
		p.Archive = archiveSecurity
	}
	size, err := strconv.ParseInt(controlField(entry, "Size"), 10, 64)
	if err != nil {
		return p, fmt.Errorf("read its size: %w", err)
	}
	p.Size = size
	// The field is missing where both are those of the binary package; the version
	// is missing where it is that of the binary package.
	p.Source, p.SourceVersion = p.Name, p.Version
	if source := controlField(entry, "Source"); source != "" {
		name, version, ok := strings.Cut(source, " (")
		p.Source = name
		if ok {
			p.SourceVersion = strings.TrimSuffix(version, ")")
		}
	}
	return p, nil
}
