package mirror

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"
	"unicode"
)

const (
	// maxOutput bounds the answer of one git command or one request.
	maxOutput = 64 << 20
	// maxMessage bounds what is kept of git's own messages.
	maxMessage = 4 << 10
	// grace is how long a git process that was told to end may take to remove
	// its lock files before it is killed.
	grace = 5 * time.Second
)

// setting is one configuration variable, handed over in the environment.
type setting struct{ key, value string }

// settings hold for every command. The mirror's own configuration file is fixed
// (see directory.go), so these and git's defaults are all there is.
var settings = []setting{
	{"core.hooksPath", "/dev/null"},
	{"core.attributesFile", "/dev/null"},
	{"core.fsmonitor", "false"},
	// Commits and objects are read from where git verified them, not from
	// derived indexes.
	{"core.commitGraph", "false"},
	{"core.multiPackIndex", "false"},
	{"core.logAllRefUpdates", "false"},
	{"core.warnAmbiguousRefs", "false"},
	// git 2.43 and newer may read attributes from a tree in a bare repository;
	// the empty tree has none.
	{"attr.tree", string(emptyTree)},
	{"credential.helper", ""},
	{"gc.auto", "0"},
	{"maintenance.auto", "false"},
	// The merge is the one GitHub computes, whatever git's defaults become.
	{"merge.renames", "true"},
	{"merge.directoryRenames", "conflict"},
	{"merge.renormalize", "false"},
	{"submodule.recurse", "false"},
	{"transfer.credentialsInUrl", "die"},
}

// git runs the git program on one bare repository.
type git struct {
	program string
	dir     string
	timeout time.Duration
	life    context.Context
	slots   chan struct{}
}

func newGit(life context.Context, program, dir string, timeout time.Duration) *git {
	return &git{program: program, dir: dir, timeout: timeout, life: life,
		// A fetch and the maintenance may each hold one for long.
		slots: make(chan struct{}, 2+2*runtime.GOMAXPROCS(0))}
}

// environment is all that git gets to see. Nothing is inherited.
func (g *git) environment(protocol string, extra []setting) []string {
	env := []string{
		"PATH=" + filepath.Dir(g.program),
		"HOME=/dev/null",
		"LC_ALL=C",
		"GIT_DIR=" + g.dir,
		"GIT_CONFIG_NOSYSTEM=1",
		"GIT_CONFIG_GLOBAL=/dev/null",
		"GIT_ATTR_NOSYSTEM=1",
		"GIT_TERMINAL_PROMPT=0",
		"GIT_OPTIONAL_LOCKS=0",
		"GIT_NO_REPLACE_OBJECTS=1",
		"GIT_NO_LAZY_FETCH=1",
		// A file that cannot exist.
		"GIT_GRAFT_FILE=/dev/null/grafts",
		// An empty list allows no transport at all.
		"GIT_ALLOW_PROTOCOL=" + protocol,
	}
	n := 0
	for _, list := range [][]setting{settings, extra} {
		for _, s := range list {
			env = append(env, fmt.Sprintf("GIT_CONFIG_KEY_%d=%s", n, s.key), fmt.Sprintf("GIT_CONFIG_VALUE_%d=%s", n, s.value))
			n++
		}
	}
	return append(env, "GIT_CONFIG_COUNT="+strconv.Itoa(n))
}

// command prepares a process in a group of its own, so that ending it ends
// whatever it started. git removes its lock files when it is terminated.
func (g *git) command(ctx context.Context, env []string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, g.program, args...) //nolint:gosec // the program is configuration, the arguments are validated by every caller
	cmd.Dir = g.dir
	cmd.Env = env
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return signalGroup(cmd, syscall.SIGTERM) }
	cmd.WaitDelay = grace
	return cmd
}

func signalGroup(cmd *exec.Cmd, s syscall.Signal) error {
	err := syscall.Kill(-cmd.Process.Pid, s)
	if errors.Is(err, syscall.ESRCH) {
		return os.ErrProcessDone
	}
	return err
}

// gitError is a git command that failed.
type gitError struct {
	command string
	code    int
	message string
	cause   error
}

func (e *gitError) Error() string {
	s := "git " + e.command
	if e.code > 0 {
		s += fmt.Sprintf(" exited with %d", e.code)
	} else {
		s += " failed"
	}
	if e.cause != nil {
		s += ": " + e.cause.Error()
	}
	if e.message != "" {
		s += ": " + e.message
	}
	return s
}

func (e *gitError) Unwrap() error { return e.cause }

// run runs one command without a transport.
func (g *git) run(ctx context.Context, stdin string, args ...string) ([]byte, error) {
	return g.exec(ctx, g.environment("", nil), stdin, args...)
}

// exec runs one command to its end and returns what it printed.
func (g *git) exec(ctx context.Context, env []string, stdin string, args ...string) ([]byte, error) {
	ctx, cancel := g.bound(ctx)
	defer cancel()
	select {
	case g.slots <- struct{}{}:
		defer func() { <-g.slots }()
	case <-ctx.Done():
		return nil, &gitError{command: args[0], cause: context.Cause(ctx)}
	}
	cmd := g.command(ctx, env, args...)
	out, message := &boundedBuffer{limit: maxOutput}, &tail{}
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(stdin), out, message
	err := cmd.Run()
	if cmd.Process != nil && ctx.Err() != nil {
		// The leader is gone; what it started must not outlive the call.
		_ = signalGroup(cmd, syscall.SIGKILL)
	}
	switch exit, exited := errors.AsType[*exec.ExitError](err); {
	case ctx.Err() != nil:
		return nil, &gitError{command: args[0], cause: context.Cause(ctx), message: message.String()}
	case out.exceeded:
		return nil, &gitError{command: args[0], cause: errTooLong}
	case exited && exit.Exited():
		return out.kept, &gitError{command: args[0], code: exit.ExitCode(), message: message.String()}
	case err != nil:
		return nil, &gitError{command: args[0], cause: err, message: message.String()}
	default:
		return out.kept, nil
	}
}

var (
	errTooLong = fmt.Errorf("the output is longer than %d MiB", maxOutput>>20)
	errTimeout = errors.New("timed out")
)

// bound limits ctx to the timeout of one command and to the mirror's life.
func (g *git) bound(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(ctx)
	stop := context.AfterFunc(g.life, func() { cancel(context.Cause(g.life)) })
	if g.life.Err() != nil {
		cancel(context.Cause(g.life))
	}
	limit := g.timeout
	timer := time.AfterFunc(limit, func() { cancel(fmt.Errorf("%w after %s", errTimeout, limit)) })
	return ctx, func() {
		timer.Stop()
		stop()
		cancel(nil)
	}
}

// oldest is the first git with "merge-tree --write-tree".
var oldest = [2]int{2, 38}

var versionPattern = regexp.MustCompile(`^git version (\d+)\.(\d+)`)

func (g *git) checkVersion(ctx context.Context) error {
	cmd := *g
	cmd.dir = string(filepath.Separator) // the mirror may not exist yet
	out, err := cmd.run(ctx, "", "version")
	if err != nil {
		return fmt.Errorf("ask %s for its version: %w", g.program, err)
	}
	found := versionPattern.FindSubmatch(out)
	if found == nil {
		return fmt.Errorf("%s is not git: it calls itself %q", g.program, clip(string(out), 80))
	}
	major, _ := strconv.Atoi(string(found[1]))
	minor, _ := strconv.Atoi(string(found[2]))
	if major < oldest[0] || major == oldest[0] && minor < oldest[1] {
		return fmt.Errorf("%s is version %d.%d; %d.%d or newer is needed for merge-tree --write-tree",
			g.program, major, minor, oldest[0], oldest[1])
	}
	return nil
}

// boundedBuffer keeps output up to a limit and refuses the rest. It has no other
// method to write with: io.Copy would go around the limit.
type boundedBuffer struct {
	kept     []byte
	limit    int
	exceeded bool
}

func (b *boundedBuffer) Write(p []byte) (int, error) {
	if len(b.kept)+len(p) > b.limit {
		b.exceeded = true
		return 0, errTooLong
	}
	b.kept = append(b.kept, p...)
	return len(p), nil
}

// tail keeps the last bytes of a program's messages.
type tail struct{ kept []byte }

func (t *tail) Write(p []byte) (int, error) {
	t.kept = append(t.kept, p...)
	if excess := len(t.kept) - maxMessage; excess > 0 {
		t.kept = append(t.kept[:0], t.kept[excess:]...)
	}
	return len(p), nil
}

// String is the messages on one line. They may quote what a server or a commit
// says, so nothing that moves a cursor is kept.
func (t *tail) String() string { return oneLine(string(t.kept)) }

func oneLine(s string) string {
	return strings.Join(strings.FieldsFunc(strings.ToValidUTF8(s, "\uFFFD"), func(r rune) bool {
		return unicode.IsSpace(r) || !unicode.IsPrint(r)
	}), " ")
}

// clip shortens s to at most n bytes, on a character boundary.
func clip(s string, n int) string {
	if len(s) <= n {
		return s
	}
	return strings.ToValidUTF8(s[:n], "") + "…"
}
