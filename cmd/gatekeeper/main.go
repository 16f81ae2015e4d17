// Command gatekeeper lets Argo CD sync production Applications only when every
// change was approved on GitHub.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	_ "time/tzdata" // where the machine has no zones, windows have them all the same

	"github.com/spf13/cobra"
)

// Exit statuses: 1 when a command failed, 2 when it was called wrongly.
const (
	exitFailed = 1
	exitUsage  = 2
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	quietLibraries(processLog(os.Args[1:], os.Stderr))
	code := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// errUsage marks errors of the command line itself.
var errUsage = errors.New("see --help")

// rootCommand is gatekeeper with all its commands.
func rootCommand() *cobra.Command {
	root := &cobra.Command{
		Use:   "gatekeeper",
		Short: "Approval gate for Argo CD: production syncs only what was approved on GitHub",
		Long: `Gatekeeper lets Argo CD sync a protected Application only when every change
between the trusted baseline and the exact revision was approved by its quorum.

A reviewed pull request on the env-overrides repository is the approval.

The exit status is 0 when a command did what was asked, 1 when it failed or what it
checked is not as it should be, 2 when it was called wrongly.`,
		Version:       currentVersion().text(),
		SilenceUsage:  true,
		SilenceErrors: true,
		Args:          noArgs,
		// Without it, cobra prints the help for an unknown command, with status 0.
		RunE: func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error {
		return fmt.Errorf("%w: %w", err, errUsage)
	})
	root.AddCommand(adoptCommand(), configCommand(), diffCommand(), enforcementCommand(), serveCommand(), explainCommand(), doctorCommand(), inspectCommand(), ledgerCommand(), promoteCommand(), versionCommand(), metricsCommand())
	root.AddCommand(operateCommands()...)
	root.AddCommand(historyCommands()...)
	root.AddCommand(reportCommand(), setupCommand())
	root.SetVersionTemplate("{{.Version}}\n")
	arrange(root)
	takeConfigVariable(root, os.Getenv(configVariable))
	return root
}

// run executes one command line and returns its exit status.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	root := rootCommand()
	root.SetArgs(args)
	root.SetOut(stdout)
	root.SetErr(stderr)
	called, err := root.ExecuteContextC(ctx)
	if err == nil {
		return 0
	}
	_, _ = fmt.Fprintln(stderr, complaint(called, err))
	if errors.Is(err, errUsage) || errors.Is(err, errNotRun) {
		return exitUsage
	}
	return exitFailed
}
