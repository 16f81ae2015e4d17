// Command ghstandin runs the GitHub stand-in as a process of its own, and acts on a running one: seeds it,
// plays the people, breaks it, and looks. What it does goes over the control API (package control), which
// programs use directly.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/spf13/cobra"
)

// Exit statuses.
const (
	exitFailed      = 1 // the stand-in refused, or something else went wrong
	exitUsage       = 2 // the command line is wrong
	exitUnreachable = 3 // no stand-in answers
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:], os.Getenv, os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// errUsage marks errors of the command line itself.
var errUsage = errors.New("see --help")

const overview = `Runs GitHub on loopback, for tests and for trying things out, and acts on it.

"ghstandin serve" starts one; every other verb acts on the one that --url or
GHSTANDIN_URL names. What people do is done as --as or GHSTANDIN_AS. Everything is
kept in memory: when serve ends, it is gone; keep a --seed file to start from.

Exit status: 0 done, 1 refused or failed, 2 wrong command line, 3 no stand-in answers.`

const overviewExample = `  ghstandin serve --seed examples/two-teams.yaml &
  ghstandin pr show acme/env#1
  ghstandin review approve acme/env#1 --as bob
  ghstandin pr merge acme/env#1 --as bob --method squash
  ghstandin fault add --match 'GET /repos/.*/pulls' --status 502 --times 3`

// run executes one command line and returns its exit status.
func run(ctx context.Context, args []string, getenv func(string) string, stdout, stderr io.Writer) int {
	c := &cli{getenv: getenv}
	root := group("ghstandin", "GitHub on loopback: start it, seed it, act as people, break it, look",
		serveCommand(),
		c.seedCommand(), c.userCommand(), c.orgCommand(), c.teamCommand(), c.repoCommand(), c.branchCommand(),
		c.pullCommand(), c.reviewCommand(), c.commentCommand(), c.checkCommand(),
		c.appCommand(), c.deliveriesCommand(), c.faultCommand(), c.knobCommand(), c.callsCommand(), c.stateCommand(), c.operationsCommand())
	root.Long, root.Example = overview, overviewExample
	root.SilenceUsage, root.SilenceErrors = true, true
	root.SetArgs(args)
	root.SetOut(stdout)
	root.SetErr(stderr)
	root.SetFlagErrorFunc(func(c *cobra.Command, err error) error {
		return usage("%v; %q shows what is possible", err, c.CommandPath()+" --help")
	})
	root.PersistentPreRunE = func(*cobra.Command, []string) error { return c.checkOutput() }
	p := root.PersistentFlags()
	p.StringVar(&c.url, "url", "", "address of the stand-in; GHSTANDIN_URL, else "+defaultURL)
	p.StringVar(&c.as, "as", "", "login of the person who acts; GHSTANDIN_AS")
	p.StringVarP(&c.output, "output", "o", "table", "table or json")
	err := root.ExecuteContext(ctx)
	switch {
	case err == nil:
		return 0
	case errors.Is(err, errUsage):
		_, _ = fmt.Fprintln(stderr, "ghstandin: "+strings.TrimSuffix(err.Error(), ": "+errUsage.Error()))
		return exitUsage
	}
	_, _ = fmt.Fprintln(stderr, "ghstandin: "+err.Error())
	if errors.Is(err, errUnreachable) {
		return exitUnreachable
	}
	return exitFailed
}

func usage(format string, args ...any) error {
	return fmt.Errorf(format+": %w", append(args, errUsage)...)
}

// group is a command that only has verbs below it.
func group(use, short string, verbs ...*cobra.Command) *cobra.Command {
	g := &cobra.Command{Use: use, Short: short, Args: knownVerb, SuggestionsMinimumDistance: 2,
		RunE: func(c *cobra.Command, _ []string) error { return c.Help() }}
	g.AddCommand(verbs...)
	return g
}

// knownVerb refuses verbs that do not exist and proposes those that are spelled alike.
func knownVerb(c *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	if alike := c.SuggestionsFor(args[0]); len(alike) > 0 {
		return usage("unknown verb %q for %q; did you mean %s?", args[0], c.CommandPath(), strings.Join(alike, " or "))
	}
	var verbs []string
	for _, one := range c.Commands() {
		if one.IsAvailableCommand() {
			verbs = append(verbs, one.Name())
		}
	}
	return usage("unknown verb %q for %q; there are: %s", args[0], c.CommandPath(), strings.Join(verbs, ", "))
}

// verb is a command that does something. The words after its name in use say which arguments it takes; a
// last word that ends in "..." may be repeated or left out.
func verb(use, short, example string, do func(ctx context.Context, c *cobra.Command, args []string) error) *cobra.Command {
	words := strings.Fields(use)[1:]
	v := &cobra.Command{Use: use, Short: short, DisableFlagsInUseLine: true,
		Args: func(c *cobra.Command, args []string) error {
			least, open := len(words), len(words) > 0 && strings.HasSuffix(words[len(words)-1], "...")
			if open {
				least--
			}
			switch {
			case len(args) < least:
				return usage("%s is missing: %s", words[len(args)], c.CommandPath()+strings.TrimPrefix(use, c.Name()))
			case len(args) > least && !open:
				return usage("unexpected argument %q: %s", args[least], c.CommandPath()+strings.TrimPrefix(use, c.Name()))
			}
			return nil
		},
		RunE: func(c *cobra.Command, args []string) error { return do(c.Context(), c, args) },
	}
	if example != "" {
		v.Example = "  " + example
	}
	return v
}
