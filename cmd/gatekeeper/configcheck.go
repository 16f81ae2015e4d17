package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/argo-gatekeeper/gatekeeper/internal/config"
)

func configCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "config",
		Short: "Check, test and migrate a configuration",
		Args:  noArgs,
		RunE:  func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	c.AddCommand(configCheckCommand(), configTestCommand(), configMigrateCommand(), configSchemaCommand())
	return c
}

type checkOptions struct {
	output          string
	secrets, strict bool
}

func configCheckCommand() *cobra.Command {
	var o checkOptions
	c := &cobra.Command{
		Use:   "check FILE",
		Short: "Check a configuration and say in words what its gates ask for",
		Long: `Check a configuration and say in words what its gates ask for.

A mistake is printed with file, line and what to write instead, and the exit
status is 1. What is legal but risky is a warning; with --strict it fails, too.
The secrets are not read, so this runs where they are not; --secrets reads them.`,
		Example: `  gatekeeper config check gatekeeper.yaml
  gatekeeper config check gatekeeper.yaml --strict -o json`,
		Args: oneFile("configuration"),
		RunE: func(c *cobra.Command, args []string) error {
			if err := textOrJSON(o.output); err != nil {
				return err
			}
			return checkConfig(c.OutOrStdout(), args[0], time.Now(), o)
		},
	}
	c.Flags().StringVarP(&o.output, "output", "o", "text", "text or json")
	c.Flags().BoolVar(&o.secrets, "secrets", false, "read the secrets' files as well")
	c.Flags().BoolVar(&o.strict, "strict", false, "fail on warnings")
	return c
}

// oneFile takes exactly one argument.
func oneFile(what string) cobra.PositionalArgs {
	return func(_ *cobra.Command, args []string) error {
		if len(args) != 1 {
			return fmt.Errorf("name one file, the %s: %w", what, errUsage)
		}
		return nil
	}
}

func textOrJSON(output string) error {
	if output != "text" && output != "json" {
		return fmt.Errorf("--output %q is not text or json: %w", output, errUsage)
	}
	return nil
}

// checkReport is what is printed with -o json.
type checkReport struct {
	File     string               `json:"file"`
	Valid    bool                 `json:"valid"`
	Mistakes []config.Mistake     `json:"mistakes"`
	Gates    []config.Description `json:"gates"`
	// Enforcement is nil for a file that is refused.
	Enforcement *config.EnforcementDescription `json:"enforcement,omitempty"`
	Warnings    int                            `json:"warnings"`
	// Openings are the next ones of each gate that has windows.
	Openings map[string][]config.Opening `json:"openings,omitempty"`
}

// errWarnings makes the command fail after its report was printed.
var errWarnings = errors.New("there are warnings, and --strict was given")

func checkConfig(w io.Writer, file string, now time.Time, o checkOptions) error {
	load := config.LoadWithoutSecrets
	if o.secrets {
		load = config.Load
	}
	cfg, err := load(file)
	report := checkReport{File: file, Valid: err == nil, Mistakes: []config.Mistake{}, Gates: cfg.Describe()}
	if refused := new(config.Error); errors.As(err, &refused) && o.output == "json" {
		report.Mistakes = refused.Mistakes
		return errors.Join(err, printJSON(w, report))
	}
	if err != nil {
		return err
	}
	if report.Openings, err = openings(cfg, now); err != nil {
		return err
	}
	for _, g := range report.Gates {
		report.Warnings += len(g.Warnings)
	}
	enforcement := cfg.DescribeEnforcement()
	report.Enforcement = &enforcement
	report.Warnings += len(enforcement.Warnings)
	if o.output == "json" {
		err = printJSON(w, report)
	} else {
		_, err = io.WriteString(w, describe(report, o))
	}
	if err != nil {
		return fmt.Errorf("print the report: %w", err)
	}
	if o.strict && report.Warnings > 0 {
		return errWarnings
	}
	return nil
}

func printJSON(w io.Writer, v any) error {
	out := json.NewEncoder(w)
	out.SetEscapeHTML(false)
	out.SetIndent("", "  ")
	if err := out.Encode(v); err != nil {
		return fmt.Errorf("print the report: %w", err)
	}
	return nil
}

func describe(r checkReport, o checkOptions) string {
	var b strings.Builder
	secrets := "; the secrets were not read"
	if o.secrets {
		secrets = ", its secrets too"
	}
	fmt.Fprintf(&b, "✓ %s is valid%s\n", r.File, secrets)
	for _, g := range r.Gates {
		fmt.Fprintf(&b, "\nGate %s\n", g.Gate)
		describePart(&b, "protects", g.Applications)
		describePart(&b, "judges", g.Repositories)
		describePart(&b, "asks for", g.Requirements)
		describePart(&b, "images", g.Images)
		describePart(&b, "rules", g.Rules)
		for i, opening := range r.Openings[g.Gate] {
			fmt.Fprintf(&b, "  %-9s %s\n", []string{"opens", ""}[min(i, 1)], opening.Text)
		}
		describeWarnings(&b, g.Warnings)
	}
	if r.Enforcement != nil {
		b.WriteString("\nEnforcement\n")
		describePart(&b, "rules", r.Enforcement.Rules)
		describeWarnings(&b, r.Enforcement.Warnings)
	}
	if r.Warnings == 1 {
		b.WriteString("\n1 warning\n")
	} else if r.Warnings > 1 {
		fmt.Fprintf(&b, "\n%d warnings\n", r.Warnings)
	}
	return b.String()
}

func describePart(b *strings.Builder, title string, lines []string) {
	for _, line := range lines {
		fmt.Fprintf(b, "  %-9s %s\n", title, line)
		title = ""
	}
}

func describeWarnings(b *strings.Builder, warnings []config.Warning) {
	for _, warning := range warnings {
		fmt.Fprintf(b, "  ! %s  [%s]\n      → %s\n", warning.Text, warning.Code, warning.Remedy)
	}
}
