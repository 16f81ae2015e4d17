package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"strings"

	"github.com/spf13/cobra"

	"github.com/argo-gatekeeper/gatekeeper/internal/config"
	"github.com/argo-gatekeeper/gatekeeper/internal/policytest"
	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
)

type configTestOptions struct {
	file, run, output string
	verbose           bool
}

func configTestCommand() *cobra.Command {
	var o configTestOptions
	c := &cobra.Command{
		Use:   "test TESTS --config FILE",
		Short: "Test the gates with examples of changes and the verdicts that are expected",
		Long: `Test the gates of a configuration with a table of examples: who changed what, who
said what of it, how it landed, and the verdict that is expected. The decision is
the one that Gatekeeper itself would make. Nothing is contacted, and the secrets
are not read.

The exit status is 1 when an example is not decided as expected, and when the
table names somebody or something that nothing knows. docs/policy-tests.md
explains the format.`,
		Example: `  gatekeeper config test policy-test.yaml --config gatekeeper.yaml
  gatekeeper config test policy-test.yaml --config gatekeeper.yaml --run 'payments' -v`,
		Args: oneFile("table of tests"),
		RunE: func(c *cobra.Command, args []string) error {
			run, err := regexp.Compile(o.run)
			if err != nil {
				return fmt.Errorf("--run is not a regular expression: %w: %w", err, errUsage)
			}
			if o.file == "" {
				return fmt.Errorf("--config is missing; name the configuration file, or set GATEKEEPER_CONFIG: %w", errUsage)
			}
			if err := textOrJSON(o.output); err != nil {
				return err
			}
			return testConfig(c.OutOrStdout(), args[0], run, o)
		},
	}
	c.Flags().StringVar(&o.file, "config", "", "configuration file (required)")
	c.Flags().StringVar(&o.run, "run", "", "run only tests whose name matches this regular expression")
	c.Flags().StringVarP(&o.output, "output", "o", "text", "text or json")
	c.Flags().BoolVarP(&o.verbose, "verbose", "v", false, "print the findings of every test, and its facts with -o json")
	return c
}

// errTests makes the command fail after its report was printed.
var errTests = errors.New("the policy does not decide as the tests expect")

// testsLimit is far above any table that people write.
const testsLimit = 1 << 20

func testConfig(w io.Writer, file string, run *regexp.Regexp, o configTestOptions) error {
	cfg, err := config.LoadWithoutSecrets(o.file)
	if err != nil {
		return err
	}
	cases, err := readCases(file, cfg.Policies)
	if err != nil {
		return err
	}
	report := testReport{File: file, Config: o.file, Tests: []testResult{}}
	for _, c := range cases {
		if !run.MatchString(c.Name) {
			report.NotRun++
			continue
		}
		r := policytest.Run(c)
		report.add(r, o.verbose)
	}
	if len(report.Tests) == 0 {
		return fmt.Errorf("no test of %s has a name that matches --run %q", file, o.run)
	}
	if o.output == "json" {
		err = printJSON(w, report)
	} else {
		_, err = io.WriteString(w, report.text(o.verbose))
	}
	if err != nil {
		return fmt.Errorf("print the report: %w", err)
	}
	if report.Failed > 0 {
		return errTests
	}
	return nil
}

func readCases(file string, policies []approval.Policy) ([]policytest.Case, error) {
	f, err := os.Open(file) //nolint:gosec // the user names the file
	if err != nil {
		return nil, fmt.Errorf("open the tests: %w", err)
	}
	defer func() { _ = f.Close() }()
	data, err := io.ReadAll(io.LimitReader(f, testsLimit+1))
	if err != nil {
		return nil, fmt.Errorf("read the tests: %w", err)
	}
	table, doc, err := policytest.Parse(file, data)
	if err != nil {
		return nil, err
	}
	return policytest.Compile(table, doc, policies)
}

// testReport is what is printed with -o json.
type testReport struct {
	File   string       `json:"file"`
	Config string       `json:"config"`
	Passed int          `json:"passed"`
	Failed int          `json:"failed"`
	NotRun int          `json:"notRun"`
	Tests  []testResult `json:"tests"`
}

type testResult struct {
	Name     string            `json:"name"`
	Line     int               `json:"line"`
	Gate     string            `json:"gate"`
	Passed   bool              `json:"passed"`
	Failures []string          `json:"failures"`
	Want     policytest.Want   `json:"want"`
	Decision approval.Decision `json:"decision"`
	Facts    *approval.Facts   `json:"facts,omitempty"`
}

func (r *testReport) add(res policytest.Result, facts bool) {
	t := testResult{
		Name: res.Case.Name, Line: res.Case.Line, Gate: res.Case.Policy.Gate, Passed: res.Passed(),
		Failures: res.Failures, Want: res.Case.Want, Decision: res.Decision,
	}
	if facts {
		t.Facts = &res.Case.Facts
	}
	if t.Passed {
		r.Passed++
	} else {
		r.Failed++
	}
	r.Tests = append(r.Tests, t)
}

func (r *testReport) text(verbose bool) string {
	var b strings.Builder
	for _, t := range r.Tests {
		switch {
		case t.Passed:
			fmt.Fprintf(&b, "✓ %s  (%s)\n", t.Name, t.Decision.Verdict)
		default:
			fmt.Fprintf(&b, "✗ %s\n  %s:%d, gate %s\n", t.Name, r.File, t.Line, t.Gate)
			for _, f := range t.Failures {
				fmt.Fprintf(&b, "  %s\n", f)
			}
		}
		if !t.Passed || verbose {
			writeFindings(&b, t.Decision.Findings, "  ")
			b.WriteByte('\n')
		}
	}
	verdict := "ok"
	if r.Failed > 0 {
		verdict = "FAILED"
	}
	if !strings.HasSuffix(b.String(), "\n\n") {
		b.WriteByte('\n')
	}
	fmt.Fprintf(&b, "%s: %d passed, %d failed", verdict, r.Passed, r.Failed)
	if r.NotRun > 0 {
		fmt.Fprintf(&b, ", %d not run", r.NotRun)
	}
	b.WriteByte('\n')
	return b.String()
}
