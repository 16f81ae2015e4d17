package mirror

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"syscall"
	"time"
)

const (
	// maxServed is after how many requests a process is replaced: git keeps the
	// trees it has read for as long as it runs.
	maxServed = 20_000
	// idleAfter is how long an unused process is kept.
	idleAfter = 5 * time.Minute
)

// worker is a git command that is kept running and answers one request after
// the other. Its process is started when needed and replaced when it failed.
type worker struct {
	git  *git
	args []string
	// turn holds one token; who has it owns the fields below.
	turn   chan struct{}
	proc   *process
	served int
	idle   *time.Timer
	closed bool
}

func (g *git) worker(args ...string) *worker {
	w := &worker{git: g, args: args, turn: make(chan struct{}, 1)}
	w.turn <- struct{}{}
	return w
}

// ask sends one request and lets answer read all of the reply. When answer
// fails, the reply may not have been read to its end, so the process is thrown
// away. A process that served before may have died since: then the request is
// made once more to a new one, so answer must start from nothing each time.
func (w *worker) ask(ctx context.Context, request string, answer func(*bufio.Reader) error) error {
	ctx, cancel := w.git.bound(ctx)
	defer cancel()
	select {
	case <-w.turn:
		defer func() { w.turn <- struct{}{} }()
	case <-ctx.Done():
		return &gitError{command: w.args[0], cause: context.Cause(ctx)}
	}
	if w.idle != nil {
		w.idle.Stop()
	}
	for {
		if ctx.Err() != nil || w.closed {
			return w.fail(ctx, ErrClosed)
		}
		used := w.served > 0
		if w.proc == nil {
			p, err := w.git.spawn(ctx, w.args...)
			if err != nil {
				return &gitError{command: w.args[0], cause: err}
			}
			w.proc, used = p, false
		}
		err := w.exchange(ctx, request, answer)
		if err == nil {
			w.retire()
			return nil
		}
		broken := errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, syscall.EPIPE)
		failure := w.fail(ctx, err)
		if !used || !broken || ctx.Err() != nil {
			return failure
		}
	}
}

// exchange is one request and its reply. The process is killed when ctx ends,
// which ends the blocking reads and writes.
func (w *worker) exchange(ctx context.Context, request string, answer func(*bufio.Reader) error) error {
	stop := context.AfterFunc(ctx, w.proc.kill)
	defer stop()
	if _, err := io.WriteString(w.proc.stdin, request); err != nil {
		return err
	}
	if err := answer(w.proc.stdout); err != nil {
		return err
	}
	w.served++
	return nil
}

// fail throws the process away and explains why, with git's own messages.
func (w *worker) fail(ctx context.Context, err error) error {
	failure := &gitError{command: w.args[0], cause: err}
	if w.proc != nil {
		failure.message = w.proc.end()
		w.proc, w.served = nil, 0
	}
	if ctx.Err() != nil {
		failure.cause = context.Cause(ctx)
	}
	return failure
}

// retire replaces an old process and sees to an unused one.
func (w *worker) retire() {
	if w.served >= maxServed {
		w.proc.end()
		w.proc, w.served = nil, 0
		return
	}
	if w.idle == nil {
		w.idle = time.AfterFunc(idleAfter, w.rest)
	} else {
		w.idle.Reset(idleAfter)
	}
}

// rest ends the process unless it is being used.
func (w *worker) rest() {
	select {
	case <-w.turn:
		defer func() { w.turn <- struct{}{} }()
		if w.proc != nil {
			w.proc.end()
			w.proc, w.served = nil, 0
		}
	default:
	}
}

func (w *worker) close() {
	<-w.turn
	w.closed = true
	if w.idle != nil {
		w.idle.Stop()
	}
	if w.proc != nil {
		w.proc.end()
		w.proc, w.served = nil, 0
	}
	w.turn <- struct{}{}
}

// process is a running git with its pipes.
type process struct {
	stdin   *os.File
	stdout  *bufio.Reader
	output  *os.File
	message *tail
	kill    func()
	waited  chan struct{}
}

func (g *git) spawn(ctx context.Context, args ...string) (*process, error) {
	life, kill := context.WithCancel(context.WithoutCancel(ctx))
	cmd := g.command(life, g.environment("", nil), args...)
	p := &process{message: &tail{}, kill: kill, waited: make(chan struct{})}
	cmd.Stderr = p.message
	if err := p.connect(cmd); err != nil {
		kill()
		return nil, err
	}
	go func() {
		defer close(p.waited)
		_ = cmd.Wait() // how it ended is seen in its pipes
	}()
	return p, nil
}

// connect starts the command with pipes that Wait does not close, so that a
// reply can be read to its end after the process is gone.
func (p *process) connect(cmd *exec.Cmd) error {
	requests, stdin, err := os.Pipe()
	if err != nil {
		return fmt.Errorf("make a pipe: %w", err)
	}
	output, replies, err := os.Pipe()
	if err != nil {
		_, _ = requests.Close(), stdin.Close()
		return fmt.Errorf("make a pipe: %w", err)
	}
	cmd.Stdin, cmd.Stdout = requests, replies
	p.stdin, p.output, p.stdout = stdin, output, bufio.NewReaderSize(output, 64<<10)
	err = cmd.Start()
	_, _ = requests.Close(), replies.Close()
	if err != nil {
		_, _ = stdin.Close(), output.Close()
		return fmt.Errorf("start: %w", err)
	}
	return nil
}

// end stops the process, waits for it and returns its messages.
func (p *process) end() string {
	p.kill()
	_ = p.stdin.Close()
	<-p.waited
	_ = p.output.Close()
	return p.message.String()
}
