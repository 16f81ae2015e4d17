package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/util/validation"
	core "k8s.io/client-go/kubernetes/typed/core/v1"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/argo-gatekeeper/gatekeeper/internal/config"
	"github.com/argo-gatekeeper/gatekeeper/internal/setup"
	"github.com/argo-gatekeeper/gatekeeper/pkg/github"
	"github.com/argo-gatekeeper/gatekeeper/pkg/github/access"
	"github.com/argo-gatekeeper/gatekeeper/pkg/github/registration"
)

type setupOptions struct {
	owner, ownerKind, name          string
	webhookURL, profile             string
	with                            []string
	githubURL, apiURL, caFile       string
	out                             string
	secret, kubeconfig, kubeContext string
	replace                         bool
	listen                          string
	noBrowser, redeliver            bool
	timeout                         time.Duration
	output                          string
}

func setupCommand() *cobra.Command {
	var o setupOptions
	c := &cobra.Command{
		Use:   "setup --owner OWNER (--out DIR | --secret NAMESPACE/NAME)",
		Short: "Make the GitHub App that Gatekeeper works as, and store its credentials",
		Long: `Make the GitHub App that Gatekeeper works as, and store its credentials.

A page on this machine leads to GitHub twice: to create the App, with the
permissions of --profile and no others, and to install it on repositories. The
credentials go from GitHub to this command and are stored at once, in files that
only their owner can read or in a Kubernetes Secret; no browser ever has them.

Interrupted, the same command goes on where it was: an App that is stored is not
made again. It then also checks again whether webhooks arrive.`,
		Example: `  gatekeeper setup --owner acme --webhook-url https://gatekeeper.example.com/webhooks/github --out github-app
  gatekeeper setup --owner acme --webhook-url https://gatekeeper.example.com/webhooks/github --secret gatekeeper/gatekeeper-github
  gatekeeper setup --owner acme --profile write --with deployments --out github-app
  gatekeeper setup --owner acme --github-url https://github.example.com --ca-file ca.pem --out github-app
  gatekeeper setup --owner acme --out github-app --redeliver`,
		Args: noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			return runSetup(c.Context(), o, c.OutOrStdout(), c.ErrOrStderr())
		},
	}
	f := c.Flags()
	f.StringVar(&o.owner, "owner", "", "organization, or person, that the App belongs to and is installed on (required)")
	f.StringVar(&o.ownerKind, "owner-kind", "", "organization or user (default: GitHub is asked)")
	f.StringVar(&o.name, "name", "", "name of the App, unique on GitHub (default: gatekeeper-OWNER)")
	f.StringVar(&o.webhookURL, "webhook-url", "", "where GitHub sends events, https://HOST/webhooks/github; may be given later")
	f.StringVar(&o.profile, "profile", string(access.Read), "read, or write for an App that opens pull requests: promotion, and rollbacks taken back into Git")
	f.StringArrayVar(&o.with, "with", nil, "optional permission: "+strings.Join(access.Extras(), ", ")+"; may be given several times")
	f.StringVar(&o.githubURL, "github-url", "https://github.com", "where people see GitHub; that of a GitHub Enterprise Server")
	f.StringVar(&o.apiURL, "api-url", "", "the REST API (default: follows from --github-url)")
	f.StringVar(&o.caFile, "ca-file", "", "PEM file of the authorities that sign GitHub's certificate (default: the system's)")
	f.StringVar(&o.out, "out", "", "folder for the credentials, and for the beginning of a configuration")
	f.StringVar(&o.secret, "secret", "", "Kubernetes Secret for the credentials, NAMESPACE/NAME")
	f.StringVar(&o.kubeconfig, "kubeconfig", "", "kubeconfig file for --secret (default: as kubectl)")
	f.StringVar(&o.kubeContext, "context", "", "context of the kubeconfig (default: the current one)")
	f.BoolVar(&o.replace, "replace", false, "make a new App, and put its credentials in the place of those in the Secret")
	f.StringVar(&o.listen, "listen", "127.0.0.1:0", "loopback address of the page")
	f.BoolVar(&o.noBrowser, "no-browser", false, "print the link only")
	f.BoolVar(&o.redeliver, "redeliver", false, "when the newest webhook did not arrive, have GitHub send it again")
	f.DurationVar(&o.timeout, "timeout", 30*time.Minute, "how long to wait, at most")
	f.StringVarP(&o.output, "output", "o", "text", "text or json")
	return c
}

func (o setupOptions) check() error {
	usage := func(format string, args ...any) error {
		return fmt.Errorf(format+": %w", append(args, errUsage)...)
	}
	web, err := url.Parse(o.githubURL)
	switch {
	case o.owner == "":
		return usage("--owner is missing; name the organization, or the person, that the App is to belong to")
	case o.ownerKind != "" && o.ownerKind != "organization" && o.ownerKind != "user":
		return usage("--owner-kind %q is not organization or user", o.ownerKind)
	case (o.out == "") == (o.secret == ""):
		return usage("name one place for the credentials: --out DIR or --secret NAMESPACE/NAME")
	case o.secret == "" && (o.replace || o.kubeconfig != "" || o.kubeContext != ""):
		return usage("--replace, --kubeconfig and --context go with --secret")
	case err != nil || web.Host == "" || strings.Trim(web.Path, "/") != "" || web.RawQuery != "" || web.User != nil:
		return usage("--github-url %q is not an address such as https://github.example.com", o.githubURL)
	case o.timeout <= 0:
		return usage("--timeout %s is no time", o.timeout)
	}
	if o.secret != "" {
		namespace, name, ok := strings.Cut(o.secret, "/")
		if !ok || len(validation.IsDNS1123Label(namespace)) > 0 || len(validation.IsDNS1123Subdomain(name)) > 0 {
			return usage("--secret %q is not NAMESPACE/NAME", o.secret)
		}
	}
	return textOrJSON(o.output)
}

func runSetup(ctx context.Context, o setupOptions, stdout, stderr io.Writer) error {
	if err := o.check(); err != nil {
		return err
	}
	if o.apiURL == "" {
		o.apiURL = config.APIURL(o.githubURL)
	}
	authorities, err := githubAuthorities(o.caFile)
	if err != nil {
		return err
	}
	options := github.Options{
		BaseURL: o.apiURL, CertificatesPEM: authorities, Version: currentVersion().Version, Logger: slog.New(slog.DiscardHandler),
	}
	anonymous, err := github.Anonymous(options)
	if err != nil {
		return fmt.Errorf("set up asking GitHub: %w", err)
	}
	store, err := o.store()
	if err != nil {
		return err
	}
	closeBrowser := func() {}
	defer func() { closeBrowser() }()
	say := func(line string) { _, _ = fmt.Fprintln(stderr, line) }
	s, err := setup.New(setup.Options{
		GitHub: registration.New(anonymous), Store: store, Web: strings.TrimRight(o.githubURL, "/"),
		Connect: func(c setup.Credentials) (setup.App, error) {
			of := options
			of.AppID, of.PrivateKeyPEM = c.AppID, c.PrivateKey.Reveal()
			app, err := github.NewApp(of)
			if err != nil {
				return nil, err
			}
			return access.New(app), nil
		},
		Owner: o.owner, Kind: map[string]registration.OwnerKind{"organization": registration.Organization, "user": registration.User}[o.ownerKind],
		Name: o.name, WebhookURL: o.webhookURL, Profile: access.Profile(o.profile), Extras: o.with, Listen: o.listen, Redeliver: o.redeliver,
		Progress: say,
		Opened: func(address string) {
			say("Open this link, which works once, in a browser in which you are logged in to GitHub:\n\n  " + address + "\n")
			if !o.noBrowser && isTerminal(stderr) {
				if closeBrowser, err = openBrowser(ctx, address); err != nil {
					say("No browser was opened (" + err.Error() + "); open the link yourself.")
				}
			}
		},
	})
	if err != nil {
		return fmt.Errorf("%w: %w", err, errUsage)
	}
	ctx, cancel := context.WithTimeoutCause(ctx, o.timeout, fmt.Errorf("%s are over (--timeout)", o.timeout))
	defer cancel()
	report, err := s.Run(ctx)
	if lost := new(setup.Lost); errors.As(err, &lost) {
		return o.rescue(ctx, lost)
	}
	if err != nil {
		return err
	}
	next, err := o.next(report)
	if err != nil {
		return err
	}
	if o.output == "json" {
		return printJSON(stdout, struct {
			setup.Report
			Next []string `json:"next"`
		}{report, next})
	}
	return printSetup(stdout, report, next)
}

// store is where the credentials go.
func (o setupOptions) store() (setup.Store, error) {
	if o.out != "" {
		return setup.NewFiles(o.out), nil
	}
	rules := clientcmd.NewDefaultClientConfigLoadingRules()
	rules.ExplicitPath = o.kubeconfig
	c, err := clientcmd.NewNonInteractiveDeferredLoadingClientConfig(rules, &clientcmd.ConfigOverrides{CurrentContext: o.kubeContext}).ClientConfig()
	if err != nil {
		return nil, fmt.Errorf("find the cluster of the Secret: %w", err)
	}
	c.UserAgent = "gatekeeper/" + currentVersion().Version
	client, err := core.NewForConfig(c)
	if err != nil {
		return nil, fmt.Errorf("make a Kubernetes client: %w", err)
	}
	namespace, name, _ := strings.Cut(o.secret, "/")
	return setup.NewInSecret(client.Secrets(namespace), namespace, name, o.replace), nil
}

// rescue puts credentials that could not be stored where they can be: GitHub shows them
// once.
func (o setupOptions) rescue(_ context.Context, lost *setup.Lost) error {
	var errs []error
	for _, parent := range []string{".", os.TempDir()} {
		dir, err := os.MkdirTemp(parent, "github-app-")
		if err == nil {
			err = setup.NewFiles(dir).Save(context.Background(), lost.Credentials)
		}
		if err != nil {
			errs = append(errs, err)
			continue
		}
		if full, err := filepath.Abs(dir); err == nil {
			dir = full
		}
		return fmt.Errorf("%w; they are in %s instead, which is what --out takes", lost, dir)
	}
	return errors.Join(lost, errors.Join(errs...), errors.New("nor could they be stored elsewhere: make another private key on the App's page on GitHub"))
}
