package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/argo-gatekeeper/gatekeeper/test/e2e/standin/control"
)

// keepSecret runs what makes something with a secret that is shown only once, and returns the file that
// has the secret: file, or the one in which the stand-in saved it. Before anything is made, it checks
// that the secret will have a place: file is created first, and must not exist.
func (c *cli) keepSecret(ctx context.Context, file, flag string, make func() (secret []byte, saved string, err error)) (string, error) {
	if file == "" {
		var index control.Index
		if err := c.call(ctx, "GET", "", nil, &index); err != nil {
			return "", err
		}
		if !index.KeepsSecrets {
			return "", usage("this stand-in keeps no secrets: name a file with %s", flag)
		}
		_, saved, err := make()
		return saved, err
	}
	f, err := os.OpenFile(file, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return "", fmt.Errorf("%s: %w", flag, err)
	}
	secret, _, err := make()
	if err != nil {
		return "", errors.Join(err, f.Close(), os.Remove(file))
	}
	if _, err := f.Write(secret); err != nil {
		return "", errors.Join(fmt.Errorf("%s: %w", flag, err), f.Close())
	}
	return file, f.Close()
}

// readSecret reads a secret from a file, without the line end at its end.
func readSecret(file string) (string, error) {
	if file == "" {
		return "", nil
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return "", fmt.Errorf("read the secret: %w", err)
	}
	secret := strings.TrimRight(string(text), "\r\n")
	if secret == "" {
		return "", fmt.Errorf("the secret file %s is empty", file)
	}
	return secret, nil
}
