package main

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/argo-gatekeeper/gatekeeper/internal/config"
	"github.com/argo-gatekeeper/gatekeeper/pkg/github"
	"github.com/argo-gatekeeper/gatekeeper/pkg/github/access"
)

// maxAuthorities is above a bundle of all public authorities.
const maxAuthorities = 4 << 20

// githubAuthorities reads a PEM file; nothing, which stands for the system's authorities,
// when none is named.
func githubAuthorities(file string) ([]byte, error) {
	if file == "" {
		return nil, nil
	}
	text, err := readSmall(file, maxAuthorities)
	if err != nil {
		return nil, fmt.Errorf("the authorities of GitHub's certificate: %w", err)
	}
	return []byte(text), nil
}

// githubSkew is how far GitHub's clock is ahead of ours.
func githubSkew(ctx context.Context, cfg config.Config) (time.Duration, error) {
	authorities, err := githubAuthorities(cfg.Path(cfg.File.GitHub.CAFile))
	if err != nil {
		return 0, err
	}
	transport, err := github.Transport(authorities)
	if err != nil {
		return 0, err
	}
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	return access.Skew(ctx, client, cfg.File.GitHub.APIURL)
}
