package sandbox

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
)

// tailBytes bounds what Logs returns: the end of a log is what explains a failure.
const tailBytes = 64 << 10

// Command describes a process to start.
type Command struct {
	// Name is unique among the running processes; the log file carries it.
	Name string
	// Path is the program.
	Path string
	// Args does not include the program's name.
	Args []string
	// Env is added to PATH, HOME and TMPDIR; nothing else is inherited. A later
	// value of a name wins.
	Env []string
}

// Process is a running or finished process of the sandbox. It may be used
// concurrently.
type Process struct {
	name    string
	cmd     *exec.Cmd
	logPath string
	logFrom int64 // where this process began in a log file that it continues
	done    chan struct{}
	err     error // written before done is closed

	mu     sync.Mutex
	reaped bool // the number may belong to another process now
}

// startProcess starts a command with the given complete environment and log file.
func (l *launcher) startProcess(ctx context.Context, c Command, dir, logPath string, env []string) (*Process, error) {
	logFile, err := os.OpenFile(logPath, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open the log of %s: %w", c.Name, err)
	}
	// The child has its own copy.
	defer func() { _ = logFile.Close() }()
	size, err := logFile.Seek(0, io.SeekEnd)
	if err != nil {
		return nil, fmt.Errorf("open the log of %s: %w", c.Name, err)
	}
	// A process outlives the call that starts it: Close and the parent-death signal
	// end it.
	cmd := exec.CommandContext(context.WithoutCancel(ctx), c.Path, c.Args...)
	cmd.Dir = dir
	cmd.Env = env
	cmd.Stdout, cmd.Stderr = logFile, logFile
	if err := l.start(cmd); err != nil {
		return nil, fmt.Errorf("start %s: %w", c.Name, err)
	}
	p := &Process{name: c.Name, cmd: cmd, logPath: logPath, logFrom: size, done: make(chan struct{})}
	go p.reap()
	return p, nil
}

// reap waits for the process, kills what it left in its group, and publishes how
// it ended.
func (p *Process) reap() {
	if awaitExit(p.PID()) {
		p.mu.Lock()
		// The group is usually empty by now.
		_ = syscall.Kill(-p.PID(), syscall.SIGKILL)
		p.err = p.cmd.Wait()
		p.reaped = true
		p.mu.Unlock()
	} else {
		err := p.cmd.Wait()
		p.mu.Lock()
		p.err, p.reaped = err, true
		p.mu.Unlock()
	}
	close(p.done)
}

// Name returns the name the process was started with.
func (p *Process) Name() string { return p.name }

// PID returns the process number, which is also its group's.
func (p *Process) PID() int { return p.cmd.Process.Pid }

// LogPath returns the file that receives standard output and standard error. A
// process that is started again under the same name continues the file.
func (p *Process) LogPath() string { return p.logPath }

// Done is closed when the process has ended.
func (p *Process) Done() <-chan struct{} { return p.done }

// Err returns how the process ended, as exec.Cmd.Wait does: nil while it runs and
// after it exited with status 0.
func (p *Process) Err() error {
	select {
	case <-p.done:
		return p.err
	default:
		return nil
	}
}

// Logs returns the end of what this process has written so far, at most 64 KiB,
// and an explanation in its place when it cannot be read.
func (p *Process) Logs() string {
	text, err := readTail(p.logPath, p.logFrom, tailBytes)
	if err != nil {
		return fmt.Sprintf("(no log: %v)", err)
	}
	return text
}

// Kill ends the process and its group with SIGKILL, as a crash would, and waits
// until it is gone. It does nothing to a process that has ended.
func (p *Process) Kill() {
	p.signal(syscall.SIGKILL, true)
	<-p.done
}

// Stop asks the process to end with SIGTERM and waits. When ctx ends first it
// kills the process and returns an error.
func (p *Process) Stop(ctx context.Context) error {
	p.signal(syscall.SIGTERM, false)
	select {
	case <-p.done:
		return nil
	case <-ctx.Done():
		select {
		case <-p.done: // of two that are ready, select takes either
			return nil
		default:
		}
		p.Kill()
		return fmt.Errorf("stop %s: killed: %w", p.name, context.Cause(ctx))
	}
}

// signal sends a signal to the process, or to its whole group.
func (p *Process) signal(signal syscall.Signal, group bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.reaped {
		return
	}
	target := p.PID()
	if group {
		target = -target
	}
	// The process may have ended in the meantime; it has not been reaped, so the
	// number is still its own.
	_ = syscall.Kill(target, signal)
}

// exited describes the end of a process that was expected to run on.
func (p *Process) exited() error {
	return fmt.Errorf("%s ended (%w), last lines of its log:\n%s", p.name, orExitZero(p.err), lastLines(p.Logs(), 20))
}

// errExitZero stands for a process that ended without an error.
var errExitZero = errors.New("exit status 0")

func orExitZero(err error) error {
	if err == nil {
		return errExitZero
	}
	return err
}

// readTail returns at most limit bytes from the end of a file, ignoring what is
// before from. A cut line at the beginning is left out.
func readTail(path string, from, limit int64) (string, error) {
	file, err := os.Open(path)
	if err != nil {
		return "", fmt.Errorf("open a log: %w", err)
	}
	defer func() { _ = file.Close() }()
	info, err := file.Stat()
	if err != nil {
		return "", fmt.Errorf("read a log: %w", err)
	}
	start := max(from, info.Size()-limit)
	content, err := io.ReadAll(io.NewSectionReader(file, start, info.Size()-start))
	if err != nil {
		return "", fmt.Errorf("read a log: %w", err)
	}
	text := string(content)
	if start > from {
		if _, rest, cut := strings.Cut(text, "\n"); cut {
			text = rest
		}
	}
	return text, nil
}

// lastLines returns the last n lines of text.
func lastLines(text string, n int) string {
	lines := strings.Split(strings.TrimRight(text, "\n"), "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "\n")
}
