package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/argo-gatekeeper/gatekeeper/internal/packaging/debian"
)

func lock(ctx context.Context, args []string, stderr io.Writer, log *slog.Logger) error {
	flags := flag.NewFlagSet("lock", flag.ContinueOnError)
	flags.SetOutput(stderr)
	file := flags.String("lock", defaultLock, "file to write")
	suite := flags.String("suite", "trixie", "Debian's name of the release")
	keyring := flags.String("keyring", "/usr/share/keyrings/debian-archive-keyring.gpg", "file with Debian's keys")
	archs := flags.String("architectures", "amd64,arm64", "architectures, with commas between them")
	cache := flags.String("cache", "", "folder for packages (default: in the user's cache)")
	mirror := flags.String("mirror", "", "address of a mirror of Debian's archives (default: that of this machine's apt)")
	if err := flags.Parse(args); err != nil {
		return fmt.Errorf("read the arguments: %w", err)
	}
	dir, err := cacheFolder(*cache)
	if err != nil {
		return err
	}
	if *mirror, err = mirrorOr(ctx, *mirror); err != nil {
		return err
	}
	r := debian.Resolver{
		Fetcher: debian.Fetcher{Cache: dir, Mirror: *mirror, Log: log},
		Suite:   *suite, Keyring: *keyring, Log: log,
	}
	l, err := r.Resolve(ctx, strings.Split(*archs, ","), time.Now())
	if err != nil {
		return err
	}
	raw, err := l.Marshal()
	if err != nil {
		return err
	}
	if err := os.WriteFile(*file, raw, 0o644); err != nil { //nolint:gosec // everybody may read it
		return fmt.Errorf("write the lock: %w", err)
	}
	return nil
}

// mirrorOr is the mirror that was named, or that of this machine's apt.
func mirrorOr(ctx context.Context, named string) (string, error) {
	if named != "" {
		return named, nil
	}
	return debian.Mirror(ctx)
}

func cacheFolder(named string) (string, error) {
	if named != "" {
		return named, nil
	}
	base, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("find the cache (-cache names another folder): %w", err)
	}
	return filepath.Join(base, "gatekeeper", "debian"), nil
}
