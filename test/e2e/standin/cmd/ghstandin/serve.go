package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path"
	"path/filepath"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/argo-gatekeeper/gatekeeper/test/e2e/standin"
	"github.com/argo-gatekeeper/gatekeeper/test/e2e/standin/control"
	"github.com/argo-gatekeeper/gatekeeper/test/e2e/standin/web"
)

const serveHelp = `Runs a stand-in until it is interrupted. Everything is kept in memory and is gone
then; start from a --seed again.

Tokens and private keys are never printed. Each is written, when it is made, to a
file that only you can read: DIR/tokens/LOGIN and DIR/apps/SLUG.pem. The address is
in DIR/url. Without --dir, a temporary folder is made, and removed at the end.

Only loopback addresses can be listened on, and there is no control token: whoever
can reach the address can do everything with this stand-in.`

func serveCommand() *cobra.Command {
	var listen, dir, seed string
	var verbose bool
	serve := verb("serve", "Run a stand-in with its web pages and control API", "ghstandin serve --listen 127.0.0.1:9090 --dir ./github --seed examples/two-teams.yaml",
		func(ctx context.Context, cmd *cobra.Command, _ []string) error {
			log := slog.New(slog.DiscardHandler)
			if verbose {
				log = slog.New(slog.NewTextHandler(cmd.ErrOrStderr(), &slog.HandlerOptions{Level: slog.LevelDebug}))
			}
			return serve(ctx, cmd.OutOrStdout(), log, listen, dir, seed)
		})
	serve.Long = serveHelp
	f := serve.Flags()
	f.StringVar(&listen, "listen", "127.0.0.1:9090", "loopback address; port 0 takes a free one")
	f.StringVar(&dir, "dir", "", "folder for secrets and, while it runs, repositories; a temporary one when empty")
	f.StringVar(&seed, "seed", "", "YAML or JSON document to start from")
	f.BoolVarP(&verbose, "verbose", "v", false, "log every request and delivery")
	return serve
}

// mount puts everything beside GitHub's own paths: the one place where that is wired.
func mount(s *standin.Server, log *slog.Logger, save func(string, []byte) (string, error)) (*control.API, error) {
	api := control.New(s, control.Options{Save: save})
	s.Mount(control.Prefix, api)
	if err := web.Mount(s, log); err != nil {
		return nil, fmt.Errorf("mount web pages: %w", err)
	}
	return api, nil
}

func serve(ctx context.Context, out io.Writer, log *slog.Logger, listen, dir, seedFile string) (err error) {
	var seed control.Seed
	if seedFile != "" {
		text, err := os.ReadFile(seedFile)
		if err != nil {
			return fmt.Errorf("read the seed: %w", err)
		}
		if seed, err = control.ReadSeed(text); err != nil {
			return fmt.Errorf("seed %s: %w", seedFile, err)
		}
	}
	if dir == "" {
		if dir, err = os.MkdirTemp("", "ghstandin-"); err != nil {
			return fmt.Errorf("make a folder: %w", err)
		}
		defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	}
	secrets, err := openSecrets(dir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, secrets.root.Close()) }()
	git, err := os.MkdirTemp(dir, "git-")
	if err != nil {
		return fmt.Errorf("make a folder: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(git)) }()
	s, err := standin.Start(ctx, standin.Options{Dir: git, Listen: listen, Logger: log})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	api, err := mount(s, log, secrets.save)
	if err != nil {
		return err
	}
	made, err := api.Apply(ctx, seed)
	if err != nil {
		return fmt.Errorf("seed %s: %w", seedFile, err)
	}
	if _, err := secrets.save("url", []byte(s.URL()+"\n")); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, secrets.root.Remove("url")) }()
	greet(out, s, secrets.dir, made)
	<-ctx.Done()
	return nil
}

// greet prints how to use what runs.
func greet(out io.Writer, s *standin.Server, dir string, made control.Seeded) {
	w := tabwriter.NewWriter(out, 0, 4, 2, ' ', 0)
	line(w, "GitHub, web and git", s.URL())
	line(w, "REST API", s.APIURL(), "and "+s.URL())
	line(w, "control API", s.URL()+control.Prefix)
	line(w, "secrets and address", dir, "tokens/LOGIN, apps/SLUG.pem, url")
	printSeeded(w, made.WithoutSecrets())
	_, _ = fmt.Fprintf(w, "\nIn another terminal: export GHSTANDIN_URL=%s\nKept in memory only; Ctrl-C ends it.\n", s.URL())
	_ = w.Flush() // the terminal may be gone
}

// secrets is the folder where tokens and keys are kept.
type secrets struct {
	dir  string
	root *os.Root
}

// openSecrets makes the folder and its parts.
func openSecrets(dir string) (*secrets, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("folder: %w", err)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("make a folder: %w", err)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, fmt.Errorf("open the folder: %w", err)
	}
	for _, part := range []string{"tokens", "apps"} {
		if err := root.MkdirAll(part, 0o700); err != nil {
			return nil, errors.Join(fmt.Errorf("make a folder: %w", err), root.Close())
		}
	}
	return &secrets{dir, root}, nil
}

// save writes a secret so that only its owner can read it. A file of an earlier run is replaced, not
// written to: it could be readable by others, or a link. Names cannot leave the folder.
func (s *secrets) save(name string, secret []byte) (string, error) {
	if path.Clean(name) != name {
		return "", fmt.Errorf("%q is not the name of a secret", name)
	}
	if err := s.root.Remove(name); err != nil && !errors.Is(err, os.ErrNotExist) {
		return "", fmt.Errorf("replace a secret: %w", err)
	}
	f, err := s.root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return "", fmt.Errorf("save a secret: %w", err)
	}
	if _, err := f.Write(secret); err != nil {
		return "", errors.Join(fmt.Errorf("save a secret: %w", err), f.Close())
	}
	return filepath.Join(s.dir, filepath.FromSlash(name)), f.Close()
}
