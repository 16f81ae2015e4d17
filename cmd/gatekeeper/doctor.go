package main

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/argo-gatekeeper/gatekeeper/internal/config"
	"github.com/argo-gatekeeper/gatekeeper/internal/doctor"
)

type doctorOptions struct {
	file, kubeconfig, output string
	minSeverity, failOn      string
	argoNamespace, namespace string
	explain                  string
	skip, trust              []string
	promotes                 bool
	timeout                  time.Duration
}

// errNotRun marks a doctor that could not look at anything.
var errNotRun = errors.New("doctor could not run")

func doctorCommand() *cobra.Command {
	var o doctorOptions
	c := &cobra.Command{
		Use:   "doctor --config FILE",
		Short: "Check a live installation: what could get past the gate, and what keeps it from working",
		Long: `Check a live installation: what the gate rests on and cannot see by itself. Argo CD,
Kubernetes and GitHub are asked with the operator's rights; nothing is changed.

Each check has a stable code. What could not be checked is unknown, never ok, and
says which right would be needed. --explain CODE tells what a check looks at and
why; docs/doctor.md lists all of them.

The exit status is 0 when there is no finding at or above --fail-on, 1 when there
is one, or when a critical check is unknown, and 2 when doctor could not run.`,
		Example: `  gatekeeper doctor --config gatekeeper.yaml --kubeconfig ~/.kube/config
  gatekeeper doctor --config gatekeeper.yaml --min-severity warning -o json
  gatekeeper doctor --config gatekeeper.yaml --trust group:platform-admins
  gatekeeper doctor --explain argocd.rbac-live`,
		Args: noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if o.explain != "" {
				return explainCheck(c.OutOrStdout(), o.explain)
			}
			if err := o.check(); err != nil {
				return err
			}
			cfg, secrets, err := loadForDoctor(o.file)
			if err != nil {
				return errors.Join(err, errNotRun)
			}
			p := connectPatient(cfg, secrets, o, slog.New(slog.DiscardHandler))
			report := doctor.Run(c.Context(), p.Sources, doctor.Options{Timeout: o.timeout, Skip: o.skip, Progress: countChecks(c.ErrOrStderr())})
			if err := errors.Join(printDoctor(c.OutOrStdout(), report, o), p.close()); err != nil {
				return err
			}
			if n := report.Fails(doctor.Severity(o.failOn)); o.failOn != "none" && n > 0 {
				return fmt.Errorf("%d of the results are at or above %s, or unknown and critical", n, o.failOn)
			}
			return nil
		},
	}
	f := c.Flags()
	f.StringVar(&o.file, "config", "", "configuration file (required)")
	f.StringVar(&o.kubeconfig, "kubeconfig", "", "kubeconfig of the operator (default: that of the configuration)")
	f.StringVarP(&o.output, "output", "o", "table", "table or json")
	f.StringVar(&o.minSeverity, "min-severity", "info", "show checks from this severity on: info, warning or critical")
	f.StringVar(&o.failOn, "fail-on", "critical", "exit with 1 for findings from this severity on: info, warning, critical or none")
	f.StringArrayVar(&o.skip, "skip", nil, "leave out the check with this code; may be given several times")
	f.StringArrayVar(&o.trust, "trust", nil, "accept the power of this subject: user:NAME, group:NAME, serviceaccount:NAMESPACE/NAME or argocd:NAME; may be given several times")
	f.StringVar(&o.argoNamespace, "argocd-namespace", "", "namespace of Argo CD (default: where the AppProjects are)")
	f.StringVar(&o.namespace, "namespace", "gatekeeper", "namespace of Gatekeeper")
	f.BoolVar(&o.promotes, "promotes", false, "images are promoted with the App, which needs contents:write")
	f.DurationVar(&o.timeout, "timeout", 10*time.Second, "how long each check may take; those of GitHub and of repositories three times as long")
	f.StringVar(&o.explain, "explain", "", "print what the check with this code looks at, and why")
	return c
}

func (o doctorOptions) check() error {
	severities := make([]string, 0, 3)
	for _, s := range doctor.Severities() {
		severities = append(severities, string(s))
	}
	switch {
	case o.file == "":
		return fmt.Errorf("--config is missing; name the configuration file, or set GATEKEEPER_CONFIG: %w", errUsage)
	case o.output != "table" && o.output != "json":
		return fmt.Errorf("--output %q is not table or json: %w", o.output, errUsage)
	case !slices.Contains(severities, o.minSeverity):
		return fmt.Errorf("--min-severity %q is not %s: %w", o.minSeverity, strings.Join(severities, ", "), errUsage)
	case o.failOn != "none" && !slices.Contains(severities, o.failOn):
		return fmt.Errorf("--fail-on %q is not none, %s: %w", o.failOn, strings.Join(severities, ", "), errUsage)
	case o.timeout <= 0:
		return fmt.Errorf("--timeout %s is no time: %w", o.timeout, errUsage)
	}
	for _, code := range o.skip {
		if _, ok := doctor.Find(code); !ok {
			return fmt.Errorf("--skip %q is no check; docs/doctor.md lists them: %w", code, errUsage)
		}
	}
	for _, subject := range o.trust {
		kind, name, _ := strings.Cut(subject, ":")
		if name == "" || !slices.Contains([]string{"user", "group", "serviceaccount", "argocd"}, kind) {
			return fmt.Errorf("--trust %q is not user:, group:, serviceaccount: or argocd: and a name: %w", subject, errUsage)
		}
	}
	return nil
}

// loadForDoctor reads the secrets if they are there. An operator's machine may not have
// them; then what needs them is unknown.
func loadForDoctor(file string) (cfg config.Config, secrets, err error) {
	cfg, secrets = config.Load(file)
	if secrets == nil {
		return cfg, nil, nil
	}
	cfg, err = config.LoadWithoutSecrets(file)
	return cfg, secrets, err
}

func explainCheck(w io.Writer, code string) error {
	c, ok := doctor.Find(code)
	if !ok {
		return fmt.Errorf("there is no check %q; docs/doctor.md lists them: %w", code, errUsage)
	}
	if _, err := io.WriteString(w, c.Text()); err != nil {
		return fmt.Errorf("print the text: %w", err)
	}
	return nil
}

func printDoctor(w io.Writer, r doctor.Report, o doctorOptions) error {
	r = r.AtLeast(doctor.Severity(o.minSeverity))
	if o.output == "json" {
		return printJSON(w, r)
	}
	width, _ := terminalWidth(w) // 0, the narrowest layout, for what is no terminal
	if _, err := io.WriteString(w, r.Table(width)); err != nil {
		return fmt.Errorf("print the report: %w", err)
	}
	return nil
}

// countChecks counts on a terminal, on one line that is gone at the end.
func countChecks(w io.Writer) func(done, all int) {
	if !isTerminal(w) {
		return nil
	}
	return func(done, all int) {
		line := fmt.Sprintf("\rchecked %d of %d", done, all)
		if done == all {
			line = "\r" + strings.Repeat(" ", len(line)) + "\r"
		}
		_, _ = io.WriteString(w, line)
	}
}
