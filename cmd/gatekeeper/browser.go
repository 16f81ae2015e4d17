package main

import (
	"context"
	"errors"
	"fmt"
	"html"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
)

// openBrowser opens an address with what the system has for it. The address is in a file
// that only the caller can read, not on a command line, which everybody can. It is removed
// by the function that is returned, which is never nil.
func openBrowser(ctx context.Context, address string) (remove func(), err error) {
	remove = func() {}
	program := "xdg-open"
	if runtime.GOOS == "darwin" {
		program = "open"
	}
	found, err := exec.LookPath(program)
	if err != nil {
		return remove, fmt.Errorf("find %s: %w", program, errors.Unwrap(err))
	}
	dir, err := os.MkdirTemp("", "gatekeeper-setup-")
	if err != nil {
		return remove, fmt.Errorf("make a folder for the link: %w", err)
	}
	file := filepath.Join(dir, "open.html")
	text := `<!doctype html><meta charset="utf-8"><meta name="referrer" content="no-referrer"><title>Gatekeeper</title>` +
		`<meta http-equiv="refresh" content="0;url=` + html.EscapeString(address) + `"><p>Opening the set-up page.</p>`
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		return remove, errors.Join(fmt.Errorf("write the link: %w", err), os.RemoveAll(dir))
	}
	cmd := exec.CommandContext(ctx, found, file) //nolint:gosec // a program of the system, with a file of ours
	if err := cmd.Start(); err != nil {
		return remove, errors.Join(fmt.Errorf("start %s: %w", program, err), os.RemoveAll(dir))
	}
	go func() { _ = cmd.Wait() }()               // what it prints is of no interest
	return func() { _ = os.RemoveAll(dir) }, nil // the link in it was used or never will be
}
