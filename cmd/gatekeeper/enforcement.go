package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"
	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	core "k8s.io/client-go/kubernetes/typed/core/v1"

	"github.com/argo-gatekeeper/gatekeeper/internal/certs"
	"github.com/argo-gatekeeper/gatekeeper/internal/config"
	"github.com/argo-gatekeeper/gatekeeper/internal/enforce"
	"github.com/argo-gatekeeper/gatekeeper/pkg/argo/admission"
)

func enforcementCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "enforcement",
		Short: "Show what makes the API server ask, and whether it is in place",
		Args:  noArgs,
		RunE:  func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	c.AddCommand(enforcementRenderCommand(), enforcementStatusCommand())
	return c
}

// errNotConfigured is for commands that need the section.
var errNotConfigured = errors.New("nothing is enforced: the configuration has no enforcement section")

// withEnforcement runs a command with a configuration that enforces something. The
// secrets of GitHub and Argo CD are not needed.
func withEnforcement(c *cobra.Command, run func(ctx context.Context, w io.Writer, cfg config.Config) error) *cobra.Command {
	file := c.Flags().String("config", "", "configuration file (required)")
	c.Args = noArgs
	c.RunE = func(c *cobra.Command, _ []string) error {
		if *file == "" {
			return fmt.Errorf("--config is missing; name the configuration file, or set GATEKEEPER_CONFIG: %w", errUsage)
		}
		cfg, err := config.LoadWithoutSecrets(*file)
		if err != nil {
			return err
		}
		if cfg.File.Enforcement == nil {
			return errNotConfigured
		}
		ctx, cancel := context.WithTimeout(c.Context(), enforcementTimeout)
		defer cancel()
		return run(ctx, c.OutOrStdout(), cfg)
	}
	return c
}

// enforcementTimeout is for a few requests to the API server.
const enforcementTimeout = 30 * time.Second

func enforcementRenderCommand() *cobra.Command {
	var withoutCA bool
	c := withEnforcement(&cobra.Command{
		Use:   "render --config FILE",
		Short: "Print the objects that make the API server ask",
		Long: `Print the admission policy, its binding and the webhook configuration as they would
be applied, for those who apply them by GitOps (enforcement.manage: false).

The authorities that the API server is to trust come from
enforcement.certificate.caFile, or from the Secret in the cluster, which exists once
Gatekeeper has run. --without-ca leaves them out, for those who inject them.`,
		Example: `  gatekeeper enforcement render --config gatekeeper.yaml > enforcement.yaml`,
	}, func(ctx context.Context, w io.Writer, cfg config.Config) error {
		var bundle []byte
		if !withoutCA {
			var err error
			if bundle, err = caBundle(ctx, cfg); err != nil {
				return fmt.Errorf("%w; --without-ca leaves the authorities out", err)
			}
		}
		objects, err := enforcementObjects(cfg)(bundle)
		if err != nil {
			return err
		}
		fields := make([]any, len(objects))
		for i, o := range objects {
			fields[i] = o.Object
		}
		text, err := admission.YAML(fields...)
		if err != nil {
			return err
		}
		if _, err := w.Write(text); err != nil {
			return fmt.Errorf("print the objects: %w", err)
		}
		return nil
	})
	c.Flags().BoolVar(&withoutCA, "without-ca", false, "leave out the authorities that the API server is to trust")
	return c
}

// enforcementReport is what status prints with -o json.
type enforcementReport struct {
	InPlace bool             `json:"inPlace"`
	Objects []enforce.Report `json:"objects"`
}

var errNotInPlace = errors.New("enforcement is not in place")

func enforcementStatusCommand() *cobra.Command {
	var output string
	c := withEnforcement(&cobra.Command{
		Use:   "status --config FILE",
		Short: "Compare the objects in the cluster with what they should be",
		Long: `Compare the admission policy, its binding and the webhook configuration in the cluster
with what the configuration says. The exit status is 1 when one is missing, was
changed, or could not be read.`,
		Example: `  gatekeeper enforcement status --config gatekeeper.yaml -o json`,
	}, func(ctx context.Context, w io.Writer, cfg config.Config) error {
		if err := textOrJSON(output); err != nil {
			return err
		}
		bundle, err := caBundle(ctx, cfg)
		if err != nil {
			return err
		}
		objects, err := enforcementObjects(cfg)(bundle)
		if err != nil {
			return err
		}
		client, err := kubernetes(cfg.File.Kubernetes)
		if err != nil {
			return err
		}
		reports, failed := enforce.NewCluster(client).Check(ctx, objects)
		report := enforcementReport{InPlace: failed == nil, Objects: reports}
		for _, r := range reports {
			report.InPlace = report.InPlace && r.InPlace
		}
		if err := printEnforcement(w, report, output); err != nil {
			return errors.Join(failed, err)
		}
		if !report.InPlace {
			return errors.Join(errNotInPlace, failed)
		}
		return nil
	})
	c.Flags().StringVarP(&output, "output", "o", "text", "text or json")
	return c
}

func printEnforcement(w io.Writer, report enforcementReport, output string) error {
	if output == "json" {
		return printJSON(w, report)
	}
	for _, r := range report.Objects {
		mark := "✓"
		if !r.InPlace {
			mark = "✗"
		}
		if _, err := fmt.Fprintf(w, "%s %s %s\n", mark, r.Kind, r.Name); err != nil {
			return fmt.Errorf("print the status: %w", err)
		}
		for _, d := range r.Differences {
			if _, err := fmt.Fprintf(w, "    %s\n", d); err != nil {
				return fmt.Errorf("print the status: %w", err)
			}
		}
	}
	return nil
}

// caBundle is what the API server is to trust: that of the file, or of the Secret.
func caBundle(ctx context.Context, cfg config.Config) ([]byte, error) {
	e := cfg.File.Enforcement
	if e.Certificate.Secret == "" {
		return certs.ReadAuthorities(cfg.Path(e.Certificate.CAFile))
	}
	kubeconfig, err := kubernetesConfig(cfg.File.Kubernetes)
	if err != nil {
		return nil, err
	}
	client, err := core.NewForConfig(kubeconfig)
	if err != nil {
		return nil, fmt.Errorf("make a Kubernetes client: %w", err)
	}
	namespace, name := e.SecretName()
	secret, err := client.Secrets(namespace).Get(ctx, name, metav1.GetOptions{})
	if err != nil {
		return nil, fmt.Errorf("read the certificate's Secret %s/%s, which Gatekeeper makes when it runs: %w", namespace, name, err)
	}
	bundle, err := certs.Authorities(secret)
	if err != nil {
		return nil, fmt.Errorf("read the certificate's Secret %s/%s: %w", namespace, name, err)
	}
	return bundle, nil
}

// enforcementSettings are what the rules depend on.
func enforcementSettings(cfg config.Config) admission.Settings {
	e, s := cfg.File.Enforcement, admissionSettings(cfg.Policies)
	s.Name, s.Mode, s.Controllers, s.Servers = e.Name, admission.Mode(e.Mode), e.Controllers, e.Servers
	return s
}

// enforcementObjects render for a bundle.
func enforcementObjects(cfg config.Config) func(caBundle []byte) ([]*unstructured.Unstructured, error) {
	e, settings := cfg.File.Enforcement, enforcementSettings(cfg)
	return func(caBundle []byte) ([]*unstructured.Unstructured, error) {
		client := admissionregistrationv1.WebhookClientConfig{CABundle: caBundle}
		if e.Service != nil {
			client.Service = &admissionregistrationv1.ServiceReference{
				Namespace: e.Service.Namespace, Name: e.Service.Name, Path: new("/admission"), Port: new(int32(e.Service.Port)), //nolint:gosec // a checked port
			}
		} else {
			client.URL = new(e.WebhookURL())
		}
		rendered, err := admission.Render(settings, client)
		if err != nil {
			return nil, err
		}
		var out []*unstructured.Unstructured
		for _, object := range []any{rendered.Policy, rendered.Binding, rendered.Webhook} {
			fields, err := runtime.DefaultUnstructuredConverter.ToUnstructured(object)
			if err != nil {
				return nil, fmt.Errorf("render the enforcement: %w", err)
			}
			// Only a live object has these.
			delete(fields, "status")
			unstructured.RemoveNestedField(fields, "metadata", "creationTimestamp")
			out = append(out, &unstructured.Unstructured{Object: fields})
		}
		return out, nil
	}
}
