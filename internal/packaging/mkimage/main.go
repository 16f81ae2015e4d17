// Command mkimage makes Gatekeeper's container image without a container engine.
//
//	go run ./internal/packaging/mkimage build -output DIR -tag v1.2.3 -commit HASH -created TIME -binary amd64=PATH -binary arm64=PATH
//	go run ./internal/packaging/mkimage push -layout DIR ghcr.io/argo-gatekeeper/gatekeeper v1.2.3
//	go run ./internal/packaging/mkimage sbom -program PATH -tag v1.2.3 -commit HASH -created TIME
//	go run ./internal/packaging/mkimage lock
//
// build writes an OCI image layout and prints the image's digest. The same
// programs and the same lock give the same digest. push copies a layout to a
// registry, with the credentials that docker login keeps. sbom lists the modules of
// a program. lock asks Debian for the newest
// packages of its release and writes the lock anew; it needs apt and Debian's keys.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	if err != nil {
		_, _ = fmt.Fprintln(os.Stderr, "mkimage:", err)
		os.Exit(1)
	}
}

// defaultLock is where the repository has its lock.
const defaultLock = "internal/packaging/debian.lock.json"

var errUsage = errors.New("usage: mkimage build|push|sbom|lock [flags]; mkimage build -h lists them")

func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	log := slog.New(slog.NewTextHandler(stderr, nil))
	if len(args) == 0 {
		return errUsage
	}
	switch args[0] {
	case "build":
		return build(ctx, args[1:], stdout, stderr, log)
	case "push":
		return push(ctx, args[1:], stdout, stderr)
	case "sbom":
		return list(args[1:], stdout, stderr)
	case "lock":
		return lock(ctx, args[1:], stderr, log)
	}
	return errUsage
}
