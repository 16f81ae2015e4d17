package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/argo-gatekeeper/gatekeeper/internal/config"
	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
	"github.com/argo-gatekeeper/gatekeeper/pkg/argo/closure"
	"github.com/argo-gatekeeper/gatekeeper/pkg/github"
	"github.com/argo-gatekeeper/gatekeeper/pkg/github/mirror"
)

// mirrors opens the mirror of each repository once, when it is first needed.
type mirrors struct {
	dir string
	url string // of GitHub, without a slash at the end
	app *github.App
	log *slog.Logger
	// fetched is told of every fetch that is over; nil for nobody.
	fetched func(ctx context.Context, repository approval.RepositoryName, began time.Time, err error)
	// caFile has the authorities of GitHub's certificate; empty for the system's.
	caFile string

	mu   sync.Mutex
	open map[string]*mirror.Mirror
}

func newMirrors(dir, url string, app *github.App, log *slog.Logger) *mirrors {
	return &mirrors{dir: dir, url: strings.TrimRight(url, "/"), app: app, log: log, open: map[string]*mirror.Mirror{}}
}

// mirrorsOf are those of a configuration's GitHub.
func mirrorsOf(cfg config.Config, dir string, app *github.App, log *slog.Logger) *mirrors {
	m := newMirrors(dir, cfg.File.GitHub.URL, app, log)
	m.caFile = cfg.Path(cfg.File.GitHub.CAFile)
	return m
}

// get returns the mirror of a repository. The name was checked when it was
// parsed, so it is safe as a folder.
func (m *mirrors) get(ctx context.Context, name approval.RepositoryName) (*mirror.Mirror, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	key := strings.ToLower(string(name))
	if open := m.open[key]; open != nil {
		return open, nil
	}
	dir := filepath.Join(m.dir, strings.ToLower(name.Owner()), strings.ToLower(name.Name())+".git")
	if err := os.MkdirAll(filepath.Dir(dir), 0o700); err != nil {
		return nil, fmt.Errorf("create the mirrors' folder: %w", err)
	}
	var fetched func(context.Context, time.Time, error)
	if m.fetched != nil {
		fetched = func(ctx context.Context, began time.Time, err error) { m.fetched(ctx, name, began, err) }
	}
	opened, err := mirror.Open(ctx, mirror.Options{
		Dir: dir, URL: m.url + "/" + string(name) + ".git", CAFile: m.caFile, Logger: m.log.With(slog.String("repository", string(name))), Fetched: fetched,
		Token: func(ctx context.Context) (string, error) {
			client, err := m.app.Client(ctx, name)
			if err != nil {
				return "", err
			}
			return client.Token(ctx)
		},
	})
	if err != nil {
		return nil, fmt.Errorf("open the mirror of %s: %w", name, err)
	}
	m.open[key] = opened
	return opened, nil
}

func (m *mirrors) close() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	var errs []error
	for _, open := range m.open {
		errs = append(errs, open.Close())
	}
	return errors.Join(errs...)
}

// objects reads what Applications are rendered from out of the mirrors. What is asked
// for has been fetched when the facts were collected.
type objects struct{ *mirrors }

func (o objects) Root(ctx context.Context, name approval.RepositoryName, commit approval.SHA) (approval.SHA, error) {
	m, err := o.get(ctx, name)
	if err != nil {
		return "", err
	}
	root, _, err := m.Entry(ctx, commit, "")
	return root.SHA, err
}

func (o objects) Tree(ctx context.Context, name approval.RepositoryName, tree approval.SHA) ([]closure.Entry, error) {
	m, err := o.get(ctx, name)
	if err != nil {
		return nil, err
	}
	entries, err := m.Tree(ctx, tree)
	if err != nil {
		return nil, contentError(err)
	}
	out := make([]closure.Entry, len(entries))
	for i, e := range entries {
		out[i] = closure.Entry{Name: e.Name, Mode: e.Mode, SHA: e.SHA}
	}
	return out, nil
}

func (o objects) Blob(ctx context.Context, name approval.RepositoryName, blob approval.SHA, limit int64) ([]byte, error) {
	m, err := o.get(ctx, name)
	if err != nil {
		return nil, err
	}
	content, err := m.Blob(ctx, blob, limit)
	return content, contentError(err)
}

// contentError tells an object that is too large from a mirror that fails.
func contentError(err error) error {
	if errors.Is(err, mirror.ErrTooLarge) {
		return fmt.Errorf("%w: %w", closure.ErrContent, err)
	}
	return err
}
