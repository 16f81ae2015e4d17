package main

import (
	"context"
	"debug/buildinfo"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"strings"
	"time"

	"github.com/argo-gatekeeper/gatekeeper/internal/packaging/debian"
	"github.com/argo-gatekeeper/gatekeeper/internal/packaging/oci"
	"github.com/argo-gatekeeper/gatekeeper/internal/packaging/sbom"
)

const (
	source      = "https://github.com/argo-gatekeeper/gatekeeper"
	description = "Lets Argo CD sync only what was approved on GitHub"
	programPath = "usr/local/bin/gatekeeper"
)

func build(ctx context.Context, args []string, stdout, stderr io.Writer, log *slog.Logger) error {
	flags := flag.NewFlagSet("build", flag.ContinueOnError)
	flags.SetOutput(stderr)
	output := flags.String("output", "", "folder to write, which must not be there yet")
	tag := flags.String("tag", "", "version, which names the image")
	lockFile := flags.String("lock", defaultLock, "file that pins Debian's packages")
	cache := flags.String("cache", "", "folder for packages (default: in the user's cache)")
	mirror := flags.String("mirror", "", "address of a mirror of Debian's archives (default: that of this machine's apt)")
	snapshots := flags.String("snapshots", "", "address of Debian's archives as they were, for packages that an update has replaced (default: none)")
	commit := flags.String("commit", "", "full hash of the commit that the programs were built from")
	createdFlag := flags.String("created", "", "time of that commit (RFC 3339), which everything in the image gets")
	var binaries []binary
	flags.Func("binary", "ARCHITECTURE=PATH of gatekeeper, once for each architecture", func(s string) error {
		arch, path, ok := strings.Cut(s, "=")
		if !ok {
			return fmt.Errorf("%q is not ARCHITECTURE=PATH", s)
		}
		b, err := openBinary(arch, path)
		if err != nil {
			return err
		}
		binaries = append(binaries, b)
		return nil
	})
	if err := flags.Parse(args); err != nil {
		return fmt.Errorf("read the arguments: %w", err)
	}
	if *output == "" || *tag == "" || *commit == "" || len(binaries) == 0 || flags.NArg() > 0 {
		return fmt.Errorf("-output, -tag, -commit, -created and -binary are needed, and nothing else: %w", errUsage)
	}
	created, err := time.Parse(time.RFC3339, *createdFlag)
	if err != nil {
		return fmt.Errorf("read -created: %w", err)
	}
	for _, b := range binaries {
		// go build records it where it was built in a checkout.
		if c := setting(b.info, "vcs.revision"); c != "" && c != *commit {
			return fmt.Errorf("the program for %s is of commit %s, and not of %s", b.arch, c, *commit)
		}
	}
	dir, err := cacheFolder(*cache)
	if err != nil {
		return err
	}
	l, err := debian.ReadLock(*lockFile)
	if err != nil {
		return err
	}
	if *mirror, err = mirrorOr(ctx, *mirror); err != nil {
		return err
	}
	fetcher := debian.Fetcher{Cache: dir, Mirror: *mirror, Snapshots: *snapshots, Log: log}
	spec := oci.Spec{
		Tag: *tag, Created: created,
		Labels: map[string]string{
			"org.opencontainers.image.title":         "gatekeeper",
			"org.opencontainers.image.description":   description,
			"org.opencontainers.image.source":        source,
			"org.opencontainers.image.url":           source,
			"org.opencontainers.image.documentation": source + "/blob/main/docs/README.md",
			"org.opencontainers.image.licenses":      "Apache-2.0",
			"org.opencontainers.image.vendor":        "argo-gatekeeper",
			"org.opencontainers.image.version":       *tag,
			"org.opencontainers.image.revision":      *commit,
			"org.opencontainers.image.created":       created.UTC().Format(time.RFC3339),
		},
		User: fmt.Sprintf("%d:%d", debian.NobodyRoot, debian.NobodyRoot),
		// The chart gives arguments; without any the image says what it can do.
		Entrypoint: []string{"/" + programPath},
		Path:       "/usr/local/bin:/usr/bin",
	}
	for _, b := range binaries {
		platform, err := assemble(ctx, l, fetcher, b, sbom.Subject{Version: *tag, Commit: *commit, Created: created})
		if err != nil {
			return fmt.Errorf("assemble for %s: %w", b.arch, err)
		}
		spec.Platforms = append(spec.Platforms, platform)
	}
	built, err := oci.Build(spec)
	if err != nil {
		return err
	}
	if err := oci.WriteLayout(*output, built); err != nil {
		return err
	}
	digest, err := built.Digest()
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(stdout, digest)
	return err
}

// assemble puts together what the image of one architecture has.
func assemble(ctx context.Context, l debian.Lock, fetcher debian.Fetcher, b binary, about sbom.Subject) (oci.Platform, error) {
	packages, ok := l.Packages[b.arch]
	if !ok {
		return oci.Platform{}, fmt.Errorf("the lock has no packages for it")
	}
	files, err := fetcher.Fetch(ctx, l, packages)
	if err != nil {
		return oci.Platform{}, err
	}
	chosen, err := debian.Choose(ctx, b.arch, packages, files)
	if err != nil {
		return oci.Platform{}, err
	}
	if len(chosen.Packages) != len(packages) {
		return oci.Platform{}, fmt.Errorf("the lock has %d packages, of which %d are needed: make it anew", len(packages), len(chosen.Packages))
	}
	var base []oci.File
	for _, f := range chosen.Files {
		base = append(base, oci.File{Path: f.Path, Mode: f.Mode, Link: f.Link, Body: f.Body, Owner: f.UID})
	}
	program := []oci.File{
		{Path: "usr", Mode: fs.ModeDir | 0o755}, {Path: "usr/local", Mode: fs.ModeDir | 0o755}, {Path: "usr/local/bin", Mode: fs.ModeDir | 0o755},
		{Path: programPath, Mode: 0o755, Body: b.body},
	}
	about.Program, about.System = b.info, &sbom.System{Version: chosen.Version, Suite: l.Suite}
	for _, p := range chosen.Packages {
		about.System.Packages = append(about.System.Packages, sbom.Package{
			Name: p.Name, Version: p.Version, Architecture: p.Architecture, Source: p.Source, SourceVersion: p.SourceVersion, SHA256: p.SHA256,
		})
	}
	document, err := sbom.Document(about)
	if err != nil {
		return oci.Platform{}, fmt.Errorf("list what is in it: %w", err)
	}
	return oci.Platform{
		Architecture: b.arch, Layers: [][]oci.File{base, program},
		Attached: []oci.Attached{{Type: sbom.MediaType, Body: document}},
	}, nil
}

// binary is a built gatekeeper.
type binary struct {
	arch string
	body []byte
	info *buildinfo.BuildInfo
}

func openBinary(arch, path string) (binary, error) {
	info, err := buildinfo.ReadFile(path)
	if err != nil {
		return binary{}, fmt.Errorf("read how %s was built: %w", path, err)
	}
	for key, want := range map[string]string{"GOOS": "linux", "GOARCH": arch, "CGO_ENABLED": "0", "-trimpath": "true"} {
		if got := setting(info, key); got != want {
			return binary{}, fmt.Errorf("%s was built with %s=%q, and not %q", path, key, got, want)
		}
	}
	body, err := os.ReadFile(path) //nolint:gosec // named by whoever builds the image
	if err != nil {
		return binary{}, fmt.Errorf("read %s: %w", path, err)
	}
	return binary{arch: arch, body: body, info: info}, nil
}

func setting(info *buildinfo.BuildInfo, key string) string {
	for _, s := range info.Settings {
		if s.Key == key {
			return s.Value
		}
	}
	return ""
}
