package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"github.com/argo-gatekeeper/gatekeeper/internal/inspect"
	"github.com/argo-gatekeeper/gatekeeper/pkg/github/mirror"
)

// inspectOptions are the flags of gatekeeper inspect.
type inspectOptions struct {
	repo, revisions, config, repository, output string
	gates, failOn                               []string
	json, verbose                               bool
}

func inspectCommand() *cobra.Command {
	var o inspectOptions
	c := &cobra.Command{
		Use:   "inspect [--repo DIR] [--range A..B] [--config FILE] [--json]",
		Short: "List the landings of a repository's history and what can be proven of them offline",
		Long: `List the landings of a repository's history: how each change reached the branch,
which pull request it names, whether what landed can be computed again, what it
changed for the gates, and what the signatures of its commits say.

It reads a local repository and nothing else: no GitHub, no cluster, no secrets.
The repository is not written to, and none of its hooks, filters and settings are
used. Reviews are not part of a repository, so nothing here says that a change was
approved.

A..B are the landings after A up to B along first parents, B alone everything up to
B. Both can be branches, tags or commits, also with ~N and ^N.

The exit status is 0 with findings as well, unless --fail-on names them; it is 1
when something could not be read.`,
		Example: `  gatekeeper inspect --repo . --range v1.4.0..main
  gatekeeper inspect --range HEAD~50..HEAD --config gatekeeper.yaml --gate prod
  gatekeeper inspect --json | jq 'select(.proof == "mismatch")'`,
		Args: noArgs,
		RunE: func(c *cobra.Command, _ []string) error { return runInspect(c, o) },
	}
	f := c.Flags()
	f.StringVar(&o.repo, "repo", ".", "folder of a work tree or a bare repository")
	f.StringVar(&o.revisions, "range", "HEAD", "A..B, or B for everything up to B")
	f.StringVar(&o.config, "config", "", "configuration file whose gates say what is in scope, what an image is and who may sign; without one everything is in scope")
	f.StringSliceVar(&o.gates, "gate", nil, "gates of the configuration to judge by (default: all that have the repository)")
	f.StringVar(&o.repository, "repository", "", "owner/name that the repository has in the configuration (default: from its remotes)")
	f.BoolVar(&o.json, "json", false, "one JSON object for each landing, oldest first; the same as -o json")
	f.StringVarP(&o.output, "output", "o", "text", "text or json")
	f.BoolVarP(&o.verbose, "verbose", "v", false, "show every finding below its landing")
	f.StringSliceVar(&o.failOn, "fail-on", nil, "finding codes that make the exit status 1, for example inspect.mismatch,inspect.direct")
	return c
}

func runInspect(c *cobra.Command, o inspectOptions) (err error) {
	if o.output != "text" && o.output != "json" {
		return fmt.Errorf("--output %q is not text or json: %w", o.output, errUsage)
	}
	o.json = o.json || o.output == "json"
	for _, code := range o.failOn {
		if !slices.ContainsFunc(inspect.Codes(), func(i inspect.CodeInfo) bool { return string(i.Code) == code }) {
			return fmt.Errorf("--fail-on %q is not the code of a finding; possible are %s: %w", code, codeList(), errUsage)
		}
	}
	if o.config == "" && (len(o.gates) > 0 || o.repository != "") {
		return fmt.Errorf("--gate and --repository belong to a configuration; name it with --config: %w", errUsage)
	}
	// "gatekeeper inspect | head" must not end before the temporary folder is removed.
	// Being notified of the signal, unlike ignoring it, is not handed on to git.
	pipe := make(chan os.Signal, 1)
	signal.Notify(pipe, syscall.SIGPIPE)
	defer signal.Stop(pipe)
	defer func() {
		if errors.Is(err, syscall.EPIPE) {
			err = nil // who reads has enough
		}
	}()
	ctx := c.Context()
	repo, err := mirror.OpenLocal(ctx, mirror.LocalOptions{Dir: o.repo})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, repo.Close()) }()
	options, what, err := inspectRange(ctx, repo, o.revisions)
	if err != nil {
		return err
	}
	if o.config != "" {
		var warning string
		if options.Gates, warning, err = inspectGates(o, repo.Info().Remotes); err != nil {
			return err
		}
		if warning != "" {
			if _, err := fmt.Fprintln(c.ErrOrStderr(), "gatekeeper: "+warning); err != nil {
				return fmt.Errorf("print a warning: %w", err)
			}
		}
	}
	summary, err := printLandings(ctx, c, repo, options, o, what)
	if err != nil {
		return err
	}
	return failOn(summary, o.failOn)
}

func codeList() string {
	var names []string
	for _, i := range inspect.Codes() {
		names = append(names, string(i.Code))
	}
	return strings.Join(names, ", ")
}

// printLandings inspects and prints.
func printLandings(ctx context.Context, c *cobra.Command, repo *mirror.Local, options inspect.Options, o inspectOptions, what string) (inspect.Summary, error) {
	stdout, stderr := c.OutOrStdout(), c.ErrOrStderr()
	progress := newProgress(stderr)
	options.Progress = progress.show
	if o.json {
		w := bufio.NewWriterSize(stdout, 64<<10)
		out := json.NewEncoder(w)
		out.SetEscapeHTML(false)
		summary, err := inspect.Run(ctx, repo, options, func(l inspect.Landing) error { return out.Encode(l) })
		progress.clear()
		if flushed := w.Flush(); err == nil && flushed != nil {
			err = fmt.Errorf("write the landings: %w", flushed)
		}
		if err == nil && summary.Replaced > 0 {
			_, err = fmt.Fprintf(stderr, "gatekeeper: the repository replaces %d objects (refs/replace, grafts); the originals were read\n", summary.Replaced)
		}
		return summary, err
	}
	style := inspect.Style{Width: columns(stdout), Color: isTerminal(stdout) && os.Getenv("NO_COLOR") == "", Verbose: o.verbose}
	table := inspect.NewTable(stdout, style)
	if isTerminal(stdout) {
		// The table moves by itself; a line that is rewritten would run into it.
		options.Progress = nil
	}
	summary, err := inspect.Run(ctx, repo, options, table.Landing)
	progress.clear()
	if err != nil {
		return summary, err
	}
	return summary, table.Summary(summary, what)
}

var errFindings = errors.New("findings that --fail-on names")

func failOn(s inspect.Summary, codes []string) error {
	var found []string
	for _, code := range codes {
		if n := s.Findings[inspect.Code(code)]; n > 0 {
			found = append(found, fmt.Sprintf("%s in %d landings", code, n))
		}
	}
	if len(found) == 0 {
		return nil
	}
	return fmt.Errorf("%w: %s", errFindings, strings.Join(found, ", "))
}

// inspectRange resolves A..B as git does: an end that is left out is HEAD.
func inspectRange(ctx context.Context, repo *mirror.Local, text string) (inspect.Options, string, error) {
	var o inspect.Options
	after, head, isRange := strings.Cut(text, "..")
	switch {
	case strings.Contains(text, "..."):
		return o, "", fmt.Errorf("--range %q: landings are listed between two commits of one line; write A..B with two dots: %w", text, errUsage)
	case text == "":
		return o, "", fmt.Errorf("--range is empty; write A..B, or B for everything up to B: %w", errUsage)
	case !isRange:
		after, head = "", text
	}
	def := func(s string) string {
		if s == "" {
			return "HEAD"
		}
		return s
	}
	var err error
	if o.Head, err = repo.Resolve(ctx, def(head)); err != nil {
		return o, "", err
	}
	what := def(head) + ", from its first commit on"
	if isRange {
		if o.After, err = repo.Resolve(ctx, def(after)); err != nil {
			return o, "", err
		}
		what = def(after) + ".." + def(head)
	}
	return o, what, nil
}

// progress rewrites one line of a terminal while it takes long.
type progress struct {
	w     io.Writer
	next  time.Time
	shown bool
}

func newProgress(w io.Writer) *progress {
	if !isTerminal(w) {
		w = nil
	}
	return &progress{w: w, next: time.Now().Add(time.Second)}
}

func (p *progress) show(done, total int) {
	if p.w == nil || time.Now().Before(p.next) {
		return
	}
	p.next, p.shown = time.Now().Add(200*time.Millisecond), true
	_, _ = fmt.Fprintf(p.w, "\r%d of %d landings\x1b[K", done, total)
}

func (p *progress) clear() {
	if p.shown {
		_, _ = fmt.Fprint(p.w, "\r\x1b[K")
	}
}

// columns is the width to write for: that of the terminal, else COLUMNS, else 120.
func columns(w io.Writer) int {
	if width, ok := terminalWidth(w); ok {
		return width
	}
	if width, err := strconv.Atoi(os.Getenv("COLUMNS")); err == nil && width > 0 {
		return min(width, 1000)
	}
	return 120
}

// isTerminal says whether what is written there is seen on a terminal.
func isTerminal(w io.Writer) bool {
	_, ok := terminalWidth(w)
	return ok
}

// terminalWidth is the width of a terminal, false for everything else.
func terminalWidth(w io.Writer) (int, bool) {
	f, ok := w.(*os.File)
	if !ok {
		return 0, false
	}
	size, err := unix.IoctlGetWinsize(int(f.Fd()), unix.TIOCGWINSZ)
	if err != nil {
		return 0, false
	}
	return int(size.Col), true
}
